"""Fuzzes the readers of zips and tars with atheris.

    python fuzz/fuzz_archives.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/archives

Whatever the bytes, only the error that was asked for comes out, and no more of a member, of all
names and of all members than is allowed. Sums of the headers of tars are made right too.
"""

from __future__ import annotations

import sys
import tempfile

import numpy as np

from sapwood.archives import ArchiveLimits, archive_members
from sapwood.errors import SapwoodError

LIMITS = ArchiveLimits(entries=100, size=1 << 20, directory=1 << 16, window=1 << 20)
BLOCK = 512
SUM = slice(148, 156)
GNU_OR_POSIX = b"ustar"


class InvalidArchive(SapwoodError):
    """The only error that is to come out."""


def invalid(message: str, offset: int | None) -> InvalidArchive:
    if offset is not None and offset < 0:
        raise AssertionError(f"a place before the beginning: {offset}")
    return InvalidArchive(message)


def one_input(data: bytes) -> None:
    """One run: `data` as an archive, and as a tar whose headers have the right sums."""
    attempt(data)
    attempt(summed(data))


def summed(data: bytes) -> bytes:
    """The same, with the right sum in each block that looks like a header of a tar."""
    tar = bytearray(data)
    for begin in range(0, len(tar) - BLOCK + 1, BLOCK):
        block = tar[begin : begin + BLOCK]
        if block[257:262] == GNU_OR_POSIX:
            block[SUM] = b" " * 8
            block[SUM] = b"%06o\0 " % sum(block)
            tar[begin : begin + BLOCK] = block
    return bytes(tar)


def attempt(data: bytes) -> None:
    """Reads all of an archive; more than it says, or than is allowed, is a finding."""
    with tempfile.TemporaryFile() as spool:
        try:
            members = archive_members(np.frombuffer(data, np.uint8), spool, LIMITS, invalid)
        except InvalidArchive:
            return
        assert len(members) <= LIMITS.entries
        assert sum(len(one.name) for one in members) <= LIMITS.directory
        for one in members:
            left = one.size
            try:
                for stripe in one.stripes():
                    left -= len(stripe)
                    assert left >= 0
            except InvalidArchive:
                continue
            assert left in {0, one.size}


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
