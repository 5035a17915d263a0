"""The members of a tar, read forwards once, their contents copied into one file without a name.

A tar has no directory, and one that is packed could only be read anew for each member.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import IO

from sapwood.archives.members import Fault, Member, MemberKind
from sapwood.archives.tar_headers import (
    BLOCK,
    LONG_LINK,
    LONG_NAME,
    LONGEST_NUMBER,
    RECORDS,
    RECORDS_OF_ALL,
    SPARSE,
    SPARSE_RECORDS,
    DamagedHeader,
    TarHeader,
    parse_header,
    parse_records,
)
from sapwood.archives.unpacking import stored
from sapwood.files.positions import OpenFile
from sapwood.files.reading import Stripes
from sapwood.limits import ArchiveLimits

LARGEST_HEADER = 1 << 20  # bytes from the end of one content to the next
EXTENDING = frozenset({LONG_NAME, LONG_LINK, RECORDS, RECORDS_OF_ALL})
SIZE, PATH = b"size", b"path"


def tar_members(
    stripes: Stripes, spool: IO[bytes], limits: ArchiveLimits, fault: Fault, already: int = 0
) -> list[Member]:
    """The members of a tar, in their order.

    Args:
        stripes: the tar, unpacked; read to its end.
        spool: a temporary file that takes the contents, at its end; members read from it.
        limits: how many members there may be, and how many bytes of names, of the tar, and in
            `spool`.
        fault: makes the error.
        already: number of members of other archives that count too.

    Raises:
        SapwoodError: the tar is damaged, has more than is allowed, or sparse files.
        OSError: the temporary file cannot be written.
    """
    tar = _Tar(stripes, limits, fault)
    found: list[tuple[TarHeader, int]] = []
    named = 0
    while (header := tar.header()) is not None:
        named += len(header.name)
        if already + len(found) == limits.entries:
            raise fault(f"expected at most {limits.entries} entries, found more", None)
        if named > limits.directory:
            raise fault(f"expected at most {limits.directory} bytes of names in the tar", None)
        begin = spool.tell()
        tar.check(header, begin)
        for part in tar.parts(header.stored):
            if header.kind is MemberKind.FILE:
                spool.write(part)
        tar.skip(-header.stored % BLOCK)
        found.append((header, begin))
    tar.drain()
    spool.flush()
    return [_member(header, begin, spool, fault) for header, begin in found]


def _member(header: TarHeader, begin: int, spool: IO[bytes], fault: Fault) -> Member:
    """A member whose content lies in a file from `begin` on."""
    size = header.stored if header.kind is MemberKind.FILE else 0
    return Member(
        name=header.name.decode("utf-8", "surrogateescape"),
        size=size,
        mode=header.mode,
        kind=header.kind,
        stripes=partial(_copied, spool, begin, begin + size, fault),
    )


def _copied(spool: IO[bytes], begin: int, end: int, fault: Fault) -> Stripes:
    """The bytes [begin, end) of the temporary file."""
    return stored(OpenFile(spool.fileno(), "the temporary file"), begin, end, fault)


class _Tar:
    """A tar that is read forwards, and counted as it is."""

    def __init__(self, stripes: Stripes, limits: ArchiveLimits, fault: Fault) -> None:
        self._stripes: Iterator[bytes] = stripes
        self._rest = memoryview(b"")  # of the stripe that was read last
        self._at = 0
        self._limits = limits
        self._fault = fault

    def parts(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, part by part."""
        while size:
            if not self._fill():
                raise self._fault("the tar is cut off", self._at)
            part, self._rest = self._rest[:size], self._rest[size:]
            size -= len(part)
            self._count(len(part))
            yield part

    def _fill(self) -> bool:
        """Whether anything is left; reads the next stripe where that is needed."""
        self._rest = self._rest or memoryview(next(self._stripes, b""))
        return bool(self._rest)

    def _count(self, size: int) -> None:
        self._at += size
        if self._at > self._limits.size:
            raise self._fault(f"expected a tar of at most {self._limits.size} bytes", None)

    def skip(self, size: int) -> None:
        """Passes over `size` bytes."""
        for _ in self.parts(size):
            pass

    def drain(self) -> None:
        """Passes over what is left: at the end of it the checksum is compared."""
        self._count(len(self._rest))
        for stripe in self._stripes:
            self._count(len(stripe))

    def check(self, header: TarHeader, already: int) -> None:
        """Refuses a content of more bytes than are allowed before any of them is read.

        Args:
            header: the member's.
            already: bytes of the contents before it, of all tars.
        """
        if max(self._at, already) + header.stored > self._limits.size:
            raise self._fault(
                f"{_shown(header.name)}: expected at most {self._limits.size} bytes of all files, "
                "found more",
                None,
            )

    def header(self) -> TarHeader | None:
        """The next member's header, with what stands before it; None at the end."""
        begin = self._at
        said: dict[bytes, bytes] = {}
        while (header := self._block()) is not None and header.type in EXTENDING:
            if self._at - begin + header.size > LARGEST_HEADER:
                raise self._fault(
                    f"expected headers of at most {LARGEST_HEADER} bytes in the tar; pack it anew",
                    None,
                )
            said |= self._said(header)
        if header is None:
            if self._at - begin > BLOCK:
                raise self._fault("the tar is cut off behind a header of the next member", begin)
            return None
        header = dataclasses.replace(header, name=said.get(PATH, header.name))
        if header.type == SPARSE or SPARSE_RECORDS in said:
            raise self._fault(
                f"{_shown(header.name)}: a sparse file; pack it anew as a whole, without --sparse "
                "or with --no-read-sparse",
                None,
            )
        size = said.get(SIZE, b"%d" % header.size)
        if not size.isdigit() or len(size) > LONGEST_NUMBER:
            raise self._fault("a damaged header of the tar: a size that is none", begin)
        return dataclasses.replace(header, size=int(size))

    def _block(self) -> TarHeader | None:
        """The header that the next block is; None at the end, with a block of zeros or without."""
        begin = self._at
        if begin and not self._fill():
            return None
        block = b"".join(self.parts(BLOCK))
        if not any(block):
            return None
        try:
            return parse_header(block)
        except DamagedHeader as e:
            raise self._fault(f"a damaged header of the tar: {e}", begin) from e

    def _said(self, header: TarHeader) -> dict[bytes, bytes]:
        """What a header says of the member behind it, by the names that the pax format has.

        Of a sparse file that it is one. What is said of all members is passed over, where it
        does not change how they are read.
        """
        begin = self._at
        data = b"".join(self.parts(header.size))
        self.skip(-header.size % BLOCK)
        if header.type == LONG_NAME:
            return {PATH: data.partition(b"\0")[0]}
        if header.type == LONG_LINK:
            return {}
        try:
            said = {
                SPARSE_RECORDS if name.startswith(SPARSE_RECORDS) else name: value
                for name, value in parse_records(data)
                if name in {PATH, SIZE} or name.startswith(SPARSE_RECORDS)
            }
        except DamagedHeader as e:
            raise self._fault(f"a damaged header of the tar: {e}", begin) from e
        if said and header.type == RECORDS_OF_ALL:
            raise self._fault("a header of the tar gives all members one name or size", begin)
        return said


def _shown(name: bytes) -> str:
    return f"{name.decode('utf-8', 'surrogateescape')!r:.120}"
