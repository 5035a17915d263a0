"""Bytes by slices, wherever they lie; their parts, digests and compression."""
