"""Writes FlatBuffers for tests, front to back: a table, then what its offsets lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Part: TypeAlias = Callable[[bytearray], int]
"""Appends itself to the file and says where it begins."""


def integer(value: int, size: int) -> bytes:
    """An integer of `size` bytes, two's complement."""
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def pad(out: bytearray, alignment: int, ahead: int = 0) -> None:
    """Zeros until what comes `ahead` bytes later is aligned."""
    out += bytes(-(len(out) + ahead) % alignment)


def link(out: bytearray, at: int, part: Part) -> None:
    """Appends a part and makes the offset at `at` lead to it."""
    out[at : at + 4] = integer(part(out) - at, 4)


def table(*fields: bytes | Part | None) -> Part:
    """A table: each field is an integer's bytes, a part that it leads to, or absent."""

    def write(out: bytearray) -> int:
        pad(out, 8, 4 + 2 * len(fields))
        vtable = len(out)
        start = vtable + 4 + 2 * len(fields)
        places, body = [], bytearray(4)
        for field in fields:
            data = bytes(4) if callable(field) else field or b""
            pad(body, len(data) or 1)
            places.append(len(body) if field is not None else 0)
            body += data
        out += integer(start - vtable, 2) + integer(len(body), 2)
        out += b"".join(integer(place, 2) for place in places)
        body[:4] = integer(start - vtable, 4)
        out += body
        for place, field in zip(places, fields, strict=True):
            if callable(field):
                link(out, start + place, field)
        return start

    return write


def vector(parts: Sequence[Part]) -> Part:
    """A vector of offsets to the parts."""

    def write(out: bytearray) -> int:
        pad(out, 4)
        start = len(out)
        out += integer(len(parts), 4) + bytes(4 * len(parts))
        for i, part in enumerate(parts):
            link(out, start + 4 + 4 * i, part)
        return start

    return write


def packed(data: bytes, size: int = 1, alignment: int = 4) -> Part:
    """A vector of scalars of `size` bytes; its elements are aligned."""

    def write(out: bytearray) -> int:
        pad(out, max(4, alignment), 4)
        start = len(out)
        out += integer(len(data) // size, 4) + data
        return start

    return write


def once(part: Part) -> Part:
    """A part that several offsets lead to. The first that is written must come first."""
    place: list[int] = []

    def write(out: bytearray) -> int:
        if not place:
            place.append(part(out))
        return place[0]

    return write


def at(place: int) -> Part:
    """What lies somewhere already, or nowhere at all."""
    return lambda out: place


def file(root: Part, identifier: bytes) -> bytes:
    """The whole file."""
    out = bytearray(4) + identifier
    link(out, 0, root)
    return bytes(out)
