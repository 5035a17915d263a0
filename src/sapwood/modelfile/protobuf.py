"""Reads the wire format of Protocol Buffers where it lies: fields as places, not as objects.

    tag     varint: field number << 3 | wire type
    value   0: varint; 1: 8 bytes; 2: varint length, then as many bytes; 5: 4 bytes

A message is a run of fields. Nothing is copied and nothing is built: whoever reads
decides which values are messages in turn. Groups (wire types 3 and 4), which none of
our formats has, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sapwood.errors import InvalidModelFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
MOST_FIELDS = 2_000_000  # and messages, that are looked at in one file; some seconds
MOST_NUMBER = 2**29 - 1  # of a field
LONGEST_VARINT = 10  # bytes, for 64 bits


class WireField(NamedTuple):
    """One field: `length` bytes of value at `offset` from the start of the file."""

    number: int
    wire: int
    offset: int
    length: int  # bytes; of a varint, as it is written
    value: int  # of a varint, 0 to 2^64 - 1; else 0

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.length


class Wire:
    """A file in the wire format. Borrows the file; counts the fields that it hands out."""

    def __init__(self, view: memoryview, most_fields: int = MOST_FIELDS) -> None:
        """At most `most_fields` fields will be read, which bounds time and memory."""
        self.view = view
        self._left = most_fields

    def beginning(self, most: int) -> Iterator[tuple[int, int, int]]:
        """Number, wire type and place of the value of the fields that the file begins with.

        At most `most`, up to one that is cut off or damaged, which is the last.
        """
        at, end = 0, len(self.view)
        try:
            for _ in range(most):
                tag, value_at = self.varint(at, end)
                yield tag >> 3, tag & 7, value_at
                at = self._field(at, end).end
        except InvalidModelFile:
            return

    def fields(self, start: int, end: int) -> Iterator[WireField]:
        """The fields of the message in [start, end), in order.

        Raises:
            InvalidModelFile: a field breaks the wire format or passes `end`, or the file
                has too many. It comes when the iterator gets there.
        """
        at = start
        self._spend(at)
        while at < end:
            self._spend(at)
            field = self._field(at, end)
            yield field
            at = field.end

    def _spend(self, at: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise InvalidModelFile("the file has too many fields to look at", offset=at)

    def _field(self, at: int, end: int) -> WireField:
        tag, value_at = self.varint(at, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= MOST_NUMBER:
            raise InvalidModelFile(f"expected a field, found the number {number}", offset=at)
        value = 0
        if wire == VARINT:
            value, after = self.varint(value_at, end)
            length = after - value_at
        elif wire == BYTES:
            length, value_at = self.varint(value_at, end)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise InvalidModelFile(
                f"field {number}: expected wire type 0, 1, 2 or 5, found {wire}", offset=at
            )
        if length > end - value_at:
            raise InvalidModelFile(
                f"field {number}: expected {length} bytes, found {end - value_at} left; the file "
                "is cut off or damaged",
                offset=at,
            )
        return WireField(number, wire, value_at, length, value)

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """An integer below 2^64 and the offset after it.

        Raises:
            InvalidModelFile: it passes `end` or takes more than 64 bits.
        """
        view = self.view
        if at < end and view[at] < 0x80:  # most are one byte
            return view[at], at + 1
        value = 0
        for i in range(min(LONGEST_VARINT, end - at)):
            byte = view[at + i]
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, at + i + 1
        raise InvalidModelFile("expected an integer of at most 64 bits", offset=at)
