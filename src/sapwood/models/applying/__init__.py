"""Applies patches to model files: whole, in parts, in place, in memory."""
