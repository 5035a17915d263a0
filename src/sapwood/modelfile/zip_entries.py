"""The stored entries of a zip archive: where in the file their bytes lie.

Only the end of the archive, its central directory and the local header in front of
each stored entry are read. Nothing is unpacked and no name becomes a path, so a name
may be anything. An entry that cannot be told apart without doubt is left out: one
that is compressed or encrypted, reaches outside of the archive or into another
entry, shares its name, or whose local header says something else. Its bytes are
skeleton, and no harm is done.
"""

from __future__ import annotations

import collections
import dataclasses
import struct
from collections.abc import Iterator

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.layout import MOST_TENSORS

# Magic, flags, method, bytes as they are packed; bytes of the name and of the extra field.
LOCAL = struct.Struct("<4s2x2H8xL4x2H")
LOCAL_MAGIC = b"PK\3\4"
# Flags, method, bytes packed and unpacked; bytes of name, extra field, comment; local header.
CENTRAL = struct.Struct("<8x2H8x2L3H8xL")
CENTRAL_MAGIC = b"PK\1\2"
END = struct.Struct("<12x2LH")  # size and place of the directory; bytes of the comment
END_MAGIC = b"PK\5\6"
LOCATOR = struct.Struct("<8xQ4x")  # place of the larger end record; right in front of the end
LOCATOR_MAGIC = b"PK\6\7"
LARGE_END = struct.Struct("<40x2Q")  # size and place of the directory
LARGE_END_MAGIC = b"PK\6\6"
LARGE_EXTRA = 1  # the extra field of numbers above 32 bits
IN_LARGE = 0xFFFFFFFF  # stands for a number that is in the larger record

LONGEST_COMMENT = 65535  # bytes
STORED = 0
ENCRYPTED = 1 | 1 << 6 | 1 << 13  # flags
IN_UTF8 = 1 << 11


@dataclasses.dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry that is not compressed: `size` bytes at `offset` from the file's start."""

    name: str
    offset: int
    size: int
    header: int  # offset of the local header

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.size


@dataclasses.dataclass(frozen=True, slots=True)
class ListedEntry:
    """What the central directory says of an entry: `packed` of `size` bytes, behind `header`."""

    name: bytes
    flags: int
    method: int
    size: int
    packed: int
    header: int  # offset of the local header


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """A zip archive's central directory.

    Attributes:
        names: names of all entries, in the directory's order.
        stored: the entries whose bytes lie in the file as they are, by offset.
    """

    names: tuple[str, ...]
    stored: tuple[StoredEntry, ...]


def read_directory(view: memoryview) -> Directory:
    """The entries of an archive that begins at the first byte of a file.

    Raises:
        InvalidModelFile: there is no central directory, or it is damaged; `offset` is
            the place.
    """
    begin, end = _find_directory(view)
    listed = list(_read_listed(view, begin, end))
    counts = collections.Counter(one.name for one in listed)
    found = [
        entry
        for one in listed
        if counts[one.name] == 1 and (entry := _locate(view, one, begin)) is not None
    ]
    found.sort(key=lambda entry: (entry.header, entry.end))
    stored = []
    at = 0
    for entry in found:
        if entry.header >= at:
            stored.append(entry)
            at = entry.end
    return Directory(tuple(_text(one) for one in listed), tuple(stored))


def _find_directory(view: memoryview) -> tuple[int, int]:
    """The offsets at which the central directory begins and ends."""
    first = max(0, len(view) - END.size - LONGEST_COMMENT)
    tail = bytes(view[first:])
    found = tail.rfind(END_MAGIC, 0, max(0, len(tail) - END.size + len(END_MAGIC)))
    if found < 0:
        raise InvalidModelFile(
            "expected the end record of a zip archive, found none; the file is cut off",
            offset=len(view),
        )
    place = first + found
    size, begin, comment = END.unpack_from(view, place)
    if place + END.size + comment > len(view):
        raise InvalidModelFile("the comment of the zip archive is cut off", offset=place)
    end = place
    at = place - LOCATOR.size
    if at >= 0 and bytes(view[at : at + 4]) == LOCATOR_MAGIC:
        size, begin, end = _read_large_end(view, at)
    if begin + size > end:
        raise InvalidModelFile(
            f"expected a central directory that ends before byte {end}, found one of {size} "
            f"bytes at byte {begin}",
            offset=place,
        )
    return begin, begin + size


def _read_large_end(view: memoryview, locator: int) -> tuple[int, int, int]:
    """Bytes and offset of the central directory, and the offset that it must end before."""
    (place,) = LOCATOR.unpack_from(view, locator)
    if place > locator - LARGE_END.size or bytes(view[place : place + 4]) != LARGE_END_MAGIC:
        raise InvalidModelFile(
            f"expected the end record of a large zip archive at byte {place}", offset=locator
        )
    size, begin = LARGE_END.unpack_from(view, place)
    return size, begin, place


def _read_listed(view: memoryview, begin: int, end: int) -> Iterator[ListedEntry]:
    """The entries of the central directory, which is [begin, end)."""
    at = begin
    count = 0
    while at < end:
        if end - at < CENTRAL.size or bytes(view[at : at + 4]) != CENTRAL_MAGIC:
            raise InvalidModelFile("expected an entry of the zip's directory", offset=at)
        flags, method, packed, size, name, extra, comment, header = CENTRAL.unpack_from(view, at)
        names = at + CENTRAL.size
        after = names + name + extra + comment
        count += 1
        if after > end or count > MOST_TENSORS:
            raise InvalidModelFile("the zip's directory is damaged", offset=at)
        wide = bytes(view[names + name : names + name + extra])
        size, packed, header = _widened(wide, size, packed, header)
        yield ListedEntry(bytes(view[names : names + name]), flags, method, size, packed, header)
        at = after


def _widened(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """The numbers, those above 32 bits from the extra field; -1 where it does not have them."""
    if IN_LARGE not in numbers:
        return numbers
    wide: list[int] = []
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == LARGE_EXTRA:
            length = min(length, len(extra) - at - 4)
            wide = list(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            break
        at += 4 + length
    wide.reverse()
    return tuple((wide.pop() if wide else -1) if n == IN_LARGE else n for n in numbers)


def _locate(view: memoryview, listed: ListedEntry, end: int) -> StoredEntry | None:
    """An entry's bytes, which must lie before `end`; None where they are not plain or not sure."""
    if listed.method != STORED or listed.flags & ENCRYPTED or listed.size != listed.packed:
        return None
    header = listed.header
    if listed.size < 0 or not 0 <= header <= end - LOCAL.size:
        return None
    magic, flags, method, packed, name, extra = LOCAL.unpack_from(view, header)
    names = header + LOCAL.size
    offset = names + name + extra
    if (
        magic != LOCAL_MAGIC
        or method != STORED
        or flags & ENCRYPTED
        or bytes(view[names : names + name]) != listed.name
        # Behind the data where the writer did not know it in time.
        or packed not in (listed.size, 0, IN_LARGE)
        or offset + listed.size > end
    ):
        return None
    return StoredEntry(_text(listed), offset, listed.size, header)


def _text(listed: ListedEntry) -> str:
    """The name of an entry; any bytes are text of the old code page."""
    if listed.flags & IN_UTF8:
        try:
            return listed.name.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return listed.name.decode("cp437")
