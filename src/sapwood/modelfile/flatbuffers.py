"""Reads FlatBuffers where they lie: tables and vectors as places, not as objects.

    root    offset u32 at 0, to a table
    table   offset i32 back to its vtable, then the fields
    vtable  length u16, length of the table u16, then a u16 for each field: where it
            lies in the table, or 0 where it is absent
    vector  count u32, then the elements
    offset  u32, from where it stands; never back, so there is no way around in circles

All little-endian. Several offsets may lead to one place: whoever follows a vector of
them must bound how many it follows.
"""

from __future__ import annotations

from sapwood.errors import InvalidModelFile


class Flat:
    """A file of FlatBuffers. Borrows the file."""

    def __init__(self, view: memoryview) -> None:
        """Reads nothing yet."""
        self.view = view

    def integer(self, at: int, size: int, *, signed: bool = False) -> int:
        """The integer of `size` bytes at an offset from the start of the file.

        Raises:
            InvalidModelFile: it passes the end of the file.
        """
        if not 0 <= at <= len(self.view) - size:
            raise InvalidModelFile(
                f"expected {size} bytes at byte {at}, found a file of {len(self.view)}; it is "
                "cut off or damaged",
                offset=min(max(at, 0), len(self.view)),
            )
        return int.from_bytes(self.view[at : at + size], "little", signed=signed)

    def root(self) -> int:
        """Where the first table lies."""
        return self.follow(0)

    def follow(self, at: int) -> int:
        """Where the offset at `at` leads.

        Raises:
            InvalidModelFile: the offset passes the end of the file.
        """
        return at + self.integer(at, 4)

    def field(self, table: int, number: int) -> int | None:
        """Where a field of a table lies, or None if it is absent.

        Raises:
            InvalidModelFile: the table or its vtable passes the end of the file.
        """
        vtable = table - self.integer(table, 4, signed=True)
        place = 4 + 2 * number
        if place + 2 > self.integer(vtable, 2):
            return None
        return table + here if (here := self.integer(vtable + place, 2)) else None

    def scalar(self, table: int, number: int, size: int, *, signed: bool = False) -> int:
        """The integer in a field of a table; 0, the default of all that we read, if absent."""
        at = self.field(table, number)
        return 0 if at is None else self.integer(at, size, signed=signed)

    def vector(self, table: int, number: int, size: int) -> tuple[int, int]:
        """The offset of the elements of a vector in a field, and their number; 0, 0 if absent.

        Args:
            table: offset of the table.
            number: number of the field.
            size: bytes of an element.

        Raises:
            InvalidModelFile: the vector passes the end of the file.
        """
        at = self.field(table, number)
        if at is None:
            return 0, 0
        start = self.follow(at)
        count = self.integer(start, 4)
        if count * size > len(self.view) - start - 4:
            raise InvalidModelFile(
                f"expected a vector of {count} times {size} bytes, found "
                f"{len(self.view) - start - 4} left in the file; it is cut off or damaged",
                offset=start,
            )
        return start + 4, count
