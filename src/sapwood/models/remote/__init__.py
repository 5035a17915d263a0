"""Patches on a server: fetched whole, or the parts that are asked for."""
