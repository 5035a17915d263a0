"""Marked cells of notebooks, exported as modules of Python."""
