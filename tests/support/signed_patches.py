"""Patches with other signatures in their headers, every digest right."""

from __future__ import annotations

from typing import Any

from support.patch_writer import Parts, canonical, parts_of


def entries_of(patch: bytes) -> list[dict[str, Any]]:
    """The list of signatures in the header of a patch."""
    header = parts_of(patch).header
    listed: list[dict[str, Any]] = header["signatures"]
    return listed


def with_entries(patch: bytes, entries: Any) -> bytes:
    """A patch with such a list of signatures, every digest right."""
    parts = parts_of(patch)
    parts.header.pop("signatures", None)
    listed = entries if isinstance(entries, bytes) else canonical(entries)
    parts.header = b'{"signatures":' + listed + b"," + canonical(parts.header)[1:]
    return rewritten(patch, parts)


def rewritten(patch: bytes, parts: Parts) -> bytes:
    """Parts as a file, with the index as it stood in another."""
    header, index = (int.from_bytes(patch[at : at + 4], "little") for at in (12, 16))
    parts.packed = patch[104 + header : 104 + header + index]
    return parts.write()
