"""Stores: sets of blobs, each known by its digest.

`oci` reads image layouts. Stores that are written to are to come here, behind one interface:
folders, registries, buckets, caches and mirrors.
"""
