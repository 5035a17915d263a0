"""The headers of tars: those of POSIX, of GNU, and of before either.

A header is a block. In front of it may stand headers that say more of the same member, each with
a content of its own: a long name, or records of the pax format.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from sapwood.archives.members import MemberKind

BLOCK = 512  # bytes
CHECKSUM = slice(148, 156)
POSIX = b"ustar\0"  # at 257; what GNU writes there differs, and has other fields behind it
NUMBER = re.compile(rb"[ \0]*([0-7]*)[ \0].*|[ \0]*([0-7]*)", re.DOTALL)

LONG_NAME, LONG_LINK = b"L", b"K"
RECORDS, RECORDS_OF_ALL = b"x", b"g"
SPARSE = b"S"
KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"5": MemberKind.FOLDER,
}
WITHOUT_CONTENT = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})  # whatever their size says

SPARSE_RECORDS = b"GNU.sparse."
LONGEST_NUMBER = 20  # digits


class DamagedHeader(ValueError):
    """What should be a header is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class TarHeader:
    """A header as it stands.

    Attributes:
        name: the member's name.
        mode: permissions as POSIX has them.
        size: bytes of the content behind the header.
        type: the letter that says what it is.
    """

    name: bytes
    mode: int
    size: int
    type: bytes

    @property
    def kind(self) -> MemberKind:
        """What the member is."""
        if self.type == b"\0" and self.name.endswith(b"/"):
            return MemberKind.FOLDER  # before POSIX there was no other sign
        return KINDS.get(self.type, MemberKind.OTHER)

    @property
    def stored(self) -> int:
        """Bytes of the content that do stand behind the header."""
        return 0 if self.type in WITHOUT_CONTENT else self.size


def parse_header(block: bytes) -> TarHeader:
    """Reads a header.

    Args:
        block: the block that it is, not all of it zeros.

    Raises:
        DamagedHeader: its sum is wrong, or a number of it is none.
    """
    blank = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    signed = sum(blank) - 256 * sum(byte >= 128 for byte in blank)  # as some have it
    if _number(block[CHECKSUM]) not in {sum(blank), signed}:
        raise DamagedHeader("its sum is wrong")
    name, prefix = _text(block[:100]), _text(block[345:500])
    if block[257:263] == POSIX and prefix:
        name = prefix + b"/" + name
    return TarHeader(
        name=name,
        mode=_number(block[100:108]) & 0o7777,
        size=_number(block[124:136]),
        type=block[156:157],
    )


def _text(field: bytes) -> bytes:
    """A field of text, which ends at a NUL or with the field."""
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """A field of a number: octal digits, or as GNU has it, all bits behind the first."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    found = NUMBER.fullmatch(field)
    if found is None:
        raise DamagedHeader("a number that is none")
    return int(found[1] or found[2] or b"0", 8)


def parse_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Reads the records of the pax format: names and values.

    Args:
        data: the content of a header of RECORDS.

    Raises:
        DamagedHeader: something is no record; when it is reached.
    """
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + LONGEST_NUMBER + 1].partition(b" ")
        end = at + int(digits) if digits.isdigit() else at
        name, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if not space or end > len(data) or not equals or not value.endswith(b"\n"):
            raise DamagedHeader("a record that is none")
        yield name, value[:-1]
        at = end
