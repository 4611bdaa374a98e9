"""The experiments of chapter 4, one module each. They take and return plain data."""
