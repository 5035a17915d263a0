"""Data that a template names, downloaded on demand into a cache outside of every workspace."""
