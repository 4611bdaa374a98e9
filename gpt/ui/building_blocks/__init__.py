"""The Building blocks tab, one module a panel."""
