"""Stores: sets of blobs, each known by its digest.

`oci` reads image layouts. Stores that are written to are to come here, behind one interface:
folders, registries, buckets, caches and mirrors.
"""

from sapwood.files.reading import Stripes
from sapwood.store.oci import Descriptor, Layout, Reference, parse_reference

__all__ = ["Descriptor", "Layout", "Reference", "Stripes", "parse_reference"]
