"""Brings a whole file from elsewhere, and goes on with what an earlier try has left of it.

What is left is not tied to a server: it is gone on with where parts can be had and the file there
begins with the same bytes. Whether it was the right beginning is told by digests, which are the
caller's to compare, as those of all that comes from elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import IO, Protocol

from sapwood.errors import IoError
from sapwood.fetching.pace import BrokenOff, Tries
from sapwood.fetching.remote import Remote, pieces, read_beginning
from sapwood.files.writing import write_all
from sapwood.progress import Progress, silent


class Expected(Protocol):
    """What is known of a file before it is here: whatever comes, no more is taken than that."""

    @property
    def beginning(self) -> int:
        """How many of the file's first bytes tell its size."""

    def size(self, beginning: bytes, /) -> int:
        """The bytes that the file should have.

        Args:
            beginning: the file's first bytes; fewer than `Expected.beginning` where it has no
                more.

        Raises:
            SapwoodError: no such file begins so.
        """

    def check_size(self, size: int, found: int | None) -> None:
        """Compares the size that the file should have with that which it has.

        Args:
            size: bytes that the file should have.
            found: bytes that the file has; None for more than it should, of a number that
                nobody knows.

        Raises:
            SapwoodError: they differ.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class KnownSize:
    """A file whose size is known from elsewhere.

    Attributes:
        name: the file's name in messages.
        total: bytes that the file should have.
        advice: words for messages on what another size means, and what to do.
    """

    name: str
    total: int
    advice: str

    @property
    def beginning(self) -> int:
        """No bytes: the size is known before."""
        return 0

    def size(self, _: bytes, /) -> int:
        """The bytes that the file should have."""
        return self.total

    def check_size(self, size: int, found: int | None) -> None:
        """As `Expected.check_size`.

        Raises:
            IoError: the file has another size.
        """
        if found != size:
            what = "and more came" if found is None else f"found {found}"
            raise IoError(f"{self.name}: expected {size} bytes, {what}; {self.advice}")


def download(
    remote: Remote, out: IO[bytes], expected: Expected, progress: Progress = silent
) -> int:
    """Brings a whole file into one that may have the beginning of it, or something else.

    Args:
        remote: the file elsewhere; one without parts is begun anew at each try.
        out: the file here, open for reading and writing. After an error or an interrupt it has
            all that came.
        expected: what is known of the file.
        progress: is told how many bytes of the file are here.

    Returns:
        How many bytes of the file were here before.

    Raises:
        SapwoodError: the file is not what was expected; no more was written than that.
        Unavailable: the connection is lost for good.
        Changed: another version is there now.
        IoError: the file cannot be had.
        OSError: from `out`.
    """
    if not remote.ranges:
        _take_whole(remote, out, expected, progress)
        return 0
    size = _checked_size(remote, expected, read_beginning(remote, expected.beginning))
    at = there = _common_beginning(remote, out, size)
    out.seek(at)
    out.truncate()
    progress(at, size)
    for piece in pieces(remote, at, size):
        write_all(out, memoryview(piece))
        at += len(piece)
        progress(at, size)
    out.flush()
    return there


def _checked_size(remote: Remote, expected: Expected, beginning: bytes) -> int:
    """The bytes that a file should have, and has if that is known before all of it came."""
    size = expected.size(beginning[: expected.beginning])
    if remote.size is not None:
        expected.check_size(size, remote.size)
    return size


def _common_beginning(remote: Remote, file: IO[bytes], size: int) -> int:
    """How many bytes of what is there can be kept, if it begins as the file elsewhere does.

    As much is compared as comes with the opening of a file. What differs further on is found by
    the digests.
    """
    file.seek(0)
    there = file.read(min(remote.pace.head, size))
    if there != read_beginning(remote, len(there)):
        return 0
    return min(file.seek(0, 2), size)


def _take_whole(remote: Remote, out: IO[bytes], expected: Expected, progress: Progress) -> None:
    """As `download`, of a file of which parts cannot be had: from the beginning at each try."""
    tries = Tries(remote.name, remote.pace)
    while True:
        try:
            return _take_once(remote, out, expected, progress)
        except BrokenOff as e:
            tries.failed(e)


def _take_once(remote: Remote, out: IO[bytes], expected: Expected, progress: Progress) -> None:
    """One try of `_take_whole`."""
    out.seek(0)
    out.truncate()
    stream = _with_beginning(remote.whole(), expected.beginning)
    beginning = next(stream)
    size = _checked_size(remote, expected, beginning)
    at = 0
    for piece in chain([beginning], stream):
        at += len(piece)
        if at > size:
            expected.check_size(size, None)
        write_all(out, memoryview(piece))
        progress(at, size)
    if at < size:
        raise BrokenOff(f"{size - at} bytes are missing")
    out.flush()


def _with_beginning(stream: Iterator[bytes], length: int) -> Iterator[bytes]:
    """Pieces, of which the first has at least so many bytes, or all that there are."""
    beginning = b""
    while len(beginning) < length and (piece := next(stream, b"")):
        beginning += piece
    yield beginning
    yield from stream
