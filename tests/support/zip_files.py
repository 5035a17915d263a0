"""Zip archives written by hand, as wrong as a test wants them."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Sequence

LARGE = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True)
class Item:
    """One entry; what is None is as it should be.

    Attributes:
        name, data: of the entry.
        method: 0 stored, 8 deflated; data of any other are packed already.
        packed: what is in the file in place of the data.
        checksum: in both headers.
        flags: of both headers.
        local_name: in the local header, where that is to differ.
        size: in the central directory.
        header: offset of the local header, as the central directory has it.
        wide: sizes and offset in the field for large archives.
        extra: of the local header.
        written: whether local header and data are in the file at all.
    """

    name: str | bytes
    data: bytes = b""
    method: int = 0
    packed: bytes | None = None
    checksum: int | None = None
    flags: int = 1 << 11
    local_name: bytes | None = None
    size: int | None = None
    header: int | None = None
    wide: bool = False
    extra: bytes = b""
    written: bool = True


def archive(
    items: Sequence[Item],
    *,
    large: bool = False,
    comment: bytes = b"",
    directory: tuple[int | None, int | None] = (None, None),
) -> bytes:
    """An archive.

    Args:
        items: in the order of both the file and its directory.
        large: with the end record of large archives.
        comment: of the archive.
        directory: size and offset of the central directory, where they are to be wrong.
    """
    file = bytearray()
    central = bytearray()
    for item in items:
        name = item.name.encode() if isinstance(item.name, str) else item.name
        header = len(file) if item.header is None else item.header
        packed = zlib.compress(item.data)[2:-4] if item.method == 8 else item.data
        packed = packed if item.packed is None else item.packed
        size = len(item.data) if item.size is None else item.size
        csize = len(packed) if item.size is None or item.packed is not None else item.size
        crc = zlib.crc32(item.data) if item.checksum is None else item.checksum
        local = item.local_name or name
        if item.written:
            file += struct.pack(
                "<4s5H3L2H", b"PK\3\4", 20, item.flags, item.method, 0, 0, crc,
                len(packed), len(item.data), len(local), len(item.extra),
            )  # fmt: skip
            file += local + item.extra + packed
        wide = struct.pack("<HHQQQ", 1, 24, size, csize, header) if item.wide else b""
        numbers = (LARGE, LARGE, LARGE) if item.wide else (csize, size, header)
        central += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, item.flags, item.method, 0, 0, crc,
            numbers[0] & LARGE, numbers[1] & LARGE, len(name), len(wide), 0, 0, 0, 0,
            numbers[2] & LARGE,
        )  # fmt: skip
        central += name + wide
    begin = len(file) if directory[1] is None else directory[1]
    size = len(central) if directory[0] is None else directory[0]
    file += central
    if large:
        end = len(file)
        file += struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(items), len(items), size, begin
        )
        file += struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        size = begin = LARGE
    file += struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, len(items) & 0xFFFF, len(items) & 0xFFFF,
        size & LARGE, begin & LARGE, len(comment),
    )  # fmt: skip
    return bytes(file) + comment
