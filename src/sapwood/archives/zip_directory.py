"""The directory of a zip archive: what it says of the members, and where their bytes lie.

Only the end of the archive, its central directory and the local header in front of each member
are read. Nothing is unpacked and no name becomes a path, so a name may be anything. Entries are
counted as they are read, whatever the end of the archive says of their number.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections.abc import Iterable, Iterator

from sapwood.archives.members import Fault
from sapwood.content.content import Content
from sapwood.limits import ArchiveLimits

# Magic, flags, method, bytes as they are packed; bytes of the name and of the extra field.
LOCAL = struct.Struct("<4s2x2H8xL4x2H")
LOCAL_MAGIC = b"PK\3\4"
# Flags, method, checksum, bytes packed and unpacked; bytes of name, extra field and comment;
# attributes, local header.
CENTRAL = struct.Struct("<8x2H4x3L3H4x2L")
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
ENCRYPTED = 1 | 1 << 6 | 1 << 13  # flags
IN_UTF8 = 1 << 11
LARGEST_ENTRY = CENTRAL.size + 3 * 65535  # bytes of the directory
READ = 1 << 19  # bytes of the directory that are read at once


class Method(enum.IntEnum):
    """How a member may be packed so that its bytes are read."""

    STORED = 0
    DEFLATED = 8


@dataclasses.dataclass(frozen=True, slots=True)
class ZipEntry:
    """A member as the directory has it.

    Attributes:
        name: the name; bytes that are no UTF-8 are text of the old code page.
        method: number of how it is packed, a `Method` or another one.
        is_encrypted: whether the directory says so.
        checksum: the CRC-32 of its content.
        size: bytes of its content; -1 where the directory does not have them.
        packed: bytes that it takes in the archive; -1 likewise.
        mode: type and permissions as POSIX has them; 0 where they are not said.
        header: offset of the local header; -1 likewise.
        offset: offset of its first byte. None where that is in doubt: the local header says
            something else than the directory, or the bytes would lie outside of what is in front
            of it.
    """

    name: str
    method: int
    is_encrypted: bool
    checksum: int
    size: int
    packed: int
    mode: int
    header: int
    offset: int | None

    @property
    def end(self) -> int | None:
        """The first offset after its bytes, or None as `offset`."""
        return None if self.offset is None else self.offset + self.packed


def read_directory(content: Content, limits: ArchiveLimits, fault: Fault) -> list[ZipEntry]:
    """The entries of an archive that begins at the first byte, in the directory's order.

    Args:
        content: the whole archive.
        limits: how many entries there may be, and how large the directory.
        fault: makes the error.

    Raises:
        SapwoodError: there is no directory, it is damaged, or larger than is allowed.
    """
    begin, end = _find_directory(content, fault)
    if end - begin > limits.directory:
        raise fault(
            f"expected a zip whose directory has at most {limits.directory} bytes, found "
            f"{end - begin}; allow more, or pack fewer files",
            None,
        )
    entries: list[ZipEntry] = []
    for entry in _read_entries(content, begin, end, fault):
        if len(entries) == limits.entries:
            raise fault(f"expected at most {limits.entries} entries in the zip, found more", None)
        entries.append(entry)
    return entries


def apart(entries: Iterable[ZipEntry]) -> list[ZipEntry]:
    """Those of the entries whose place is known, by offset; of any that overlap, the first."""
    located = [one for one in entries if one.end is not None]
    located.sort(key=lambda one: (one.header, one.end))
    kept = []
    at = 0
    for entry in located:
        if entry.end is not None and entry.header >= at:
            kept.append(entry)
            at = entry.end
    return kept


def _find_directory(content: Content, fault: Fault) -> tuple[int, int]:
    """The offsets at which the central directory begins and ends."""
    first = max(0, len(content) - END.size - LONGEST_COMMENT)
    tail = bytes(content[first : len(content)])
    found = tail.rfind(END_MAGIC, 0, max(0, len(tail) - END.size + len(END_MAGIC)))
    if found < 0:
        raise fault(
            "expected the end record of a zip archive, found none; the file is cut off",
            len(content),
        )
    place = first + found
    size, begin, comment = END.unpack_from(tail, found)
    if place + END.size + comment > len(content):
        raise fault("the comment of the zip archive is cut off", place)
    end = place
    at = place - LOCATOR.size
    if at >= 0 and bytes(content[at : at + len(LOCATOR_MAGIC)]) == LOCATOR_MAGIC:
        size, begin, end = _read_large_end(content, at, fault)
    if begin + size > end:
        raise fault(
            f"expected a central directory that ends before byte {end}, found one of {size} "
            f"bytes at byte {begin}",
            place,
        )
    return begin, begin + size


def _read_large_end(content: Content, locator: int, fault: Fault) -> tuple[int, int, int]:
    """Bytes and offset of the central directory, and the offset that it must end before."""
    (place,) = LOCATOR.unpack(bytes(content[locator : locator + LOCATOR.size]))
    fits = place <= locator - LARGE_END.size
    record = bytes(content[place : place + LARGE_END.size]) if fits else b""
    if not record.startswith(LARGE_END_MAGIC):
        raise fault(f"expected the end record of a large zip archive at byte {place}", locator)
    size, begin = LARGE_END.unpack(record)
    return size, begin, place


def _read_entries(content: Content, begin: int, end: int, fault: Fault) -> Iterator[ZipEntry]:
    """The entries of the central directory, which is [begin, end)."""
    at = begin
    block, start = b"", begin
    while at < end:
        if start + len(block) < min(end, at + LARGEST_ENTRY):
            block, start = bytes(content[at : min(end, at + READ)]), at
        if end - at < CENTRAL.size or not block.startswith(CENTRAL_MAGIC, at - start):
            raise fault("expected an entry of the zip's directory", at)
        entry, size = _read_entry(content, block, at - start, begin)
        if at + size > end:
            raise fault("the zip's directory is damaged", at)
        yield entry
        at += size


def _read_entry(content: Content, block: bytes, at: int, begin: int) -> tuple[ZipEntry, int]:
    """An entry of the directory, and the bytes that it takes there.

    Args:
        content: the whole archive.
        block: a part of the directory; all of the entry, or all that there is.
        at: offset of the entry in it.
        begin: offset of the directory in the archive.
    """
    (flags, method, checksum, packed, size, named, extra, comment, attributes, header) = (
        CENTRAL.unpack_from(block, at)
    )
    names = at + CENTRAL.size
    raw = block[names : names + named]
    wide = block[names + named : names + named + extra]
    size, packed, header = _widened(wide, size, packed, header)
    entry = ZipEntry(
        name=_text(raw, flags),
        method=method,
        is_encrypted=bool(flags & ENCRYPTED),
        checksum=checksum,
        size=size,
        packed=packed,
        mode=attributes >> 16,
        header=header,
        offset=_locate(content, raw, method, packed, header, begin),
    )
    return entry, CENTRAL.size + named + extra + comment


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


def _locate(
    content: Content, raw: bytes, method: int, packed: int, header: int, end: int
) -> int | None:
    """The offset of a member's first byte, as `ZipEntry.offset`.

    Args:
        content: the whole archive.
        raw: name of the member, by the directory.
        method: how it is packed, likewise.
        packed: bytes that it takes, likewise.
        header: offset of the local header, likewise.
        end: where the directory begins, and no member goes on.
    """
    if packed < 0 or not 0 <= header <= end - LOCAL.size:
        return None
    names = header + LOCAL.size
    local = bytes(content[header : min(end, names + len(raw))])
    magic, flags, its_method, its_packed, named, extra = LOCAL.unpack_from(local)
    offset: int = names + named + extra
    if (
        magic != LOCAL_MAGIC
        or its_method != method
        or flags & ENCRYPTED
        or named != len(raw)
        or local[LOCAL.size :] != raw
        # Behind the data where the writer did not know it in time.
        or its_packed not in (packed, 0, IN_LARGE)
        or offset + packed > end
    ):
        return None
    return offset


def _text(raw: bytes, flags: int) -> str:
    """The name of a member; any bytes are text of the old code page."""
    if flags & IN_UTF8:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return raw.decode("cp437")
