"""Compares two versions of a model."""
