"""Predictions that are computed: sums of bases, and low-rank updates."""
