"""Chains: patches one after another in one file."""
