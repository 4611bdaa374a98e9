"""The page: one package per tab, and what the tabs share."""
