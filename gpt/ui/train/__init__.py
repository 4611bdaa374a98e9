"""The Train tab: a model while it learns, and looks inside at the steps it has kept."""
