"""Predictions of a tensor that are better than its base: low-rank updates, found and quantised."""
