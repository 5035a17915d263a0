"""Writes the wire format of Protocol Buffers for tests, one field at a time."""

from __future__ import annotations

from collections.abc import Iterable


def varint(value: int) -> bytes:
    """An integer, negative ones as 64 bits."""
    value %= 2**64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    """A field: an integer as varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return claimed(number, len(data)) + data


def claimed(number: int, length: int) -> bytes:
    """The front of a field that says it holds `length` bytes."""
    return varint(number << 3 | 2) + varint(length)


def fields(number: int, values: Iterable[int | bytes | str]) -> bytes:
    """A repeated field."""
    return b"".join(field(number, value) for value in values)


def packed(number: int, values: Iterable[int]) -> bytes:
    """A repeated field of integers, in one run."""
    return field(number, b"".join(map(varint, values)))
