"""A file elsewhere, as its readers see it, whatever brings it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from sapwood.fetching.pace import BrokenOff, Pace, Tries


class Remote(Protocol):
    """A file elsewhere, in the version that it had when it was opened.

    No more bytes come than were asked for, and none of another version. May be read by several
    threads at once.
    """

    @property
    def name(self) -> str:
        """The name of the file in messages; holds no secret."""

    @property
    def size(self) -> int | None:
        """Bytes of the file; None where only its end tells them, and parts cannot be had."""

    @property
    def ranges(self) -> bool:
        """Whether parts can be had."""

    @property
    def pace(self) -> Pace:
        """How patiently the file is to be read."""

    def part(self, begin: int, end: int) -> Iterator[bytes]:
        """The bytes [begin, end) of a file of which parts can be had, in one try.

        Fewer may come. `pieces` asks for the rest.

        Args:
            begin, end: offsets in bytes, 0 <= begin < end <= size.

        Raises:
            BrokenOff: the connection was lost. What came is right; ask for the rest.
            Changed: another version is there now.
            IoError: the file cannot be had.
        """

    def whole(self) -> Iterator[bytes]:
        """The file from its beginning, in one try; for those of which parts cannot be had.

        Fewer bytes may come than it has, or more and more without end: whoever takes them must
        know how many are enough.

        Raises:
            BrokenOff: the connection was lost; begin anew.
            IoError: the file cannot be had.
        """

    def close(self) -> None:
        """Ends the connections; nothing can be read afterwards."""


Opener: TypeAlias = Callable[[str, Pace], Remote]
"""What opens the file that a URL leads to, to be read at a pace.

Raises:
    InputError: the URL, or a setting of the environment, is of no use, or a library is missing.
    IoError: there is no such file, or it cannot be had.
"""


def pieces(remote: Remote, begin: int, end: int) -> Iterator[bytes]:
    """The bytes [begin, end), piece by piece. What a lost connection leaves is asked for anew.

    Args:
        remote: a file of which parts can be had.
        begin, end: offsets in bytes, 0 <= begin <= end <= size.

    Raises:
        Unavailable: the connection is lost for good.
        Changed: another version is there now.
        IoError: the file cannot be had.
    """
    at = begin
    tries = Tries(remote.name, remote.pace)
    while at < end:
        try:
            for piece in remote.part(at, end):
                at += len(piece)
                tries.came(len(piece))
                yield piece
            if at < end:
                raise BrokenOff(f"{end - at} bytes are missing")
        except BrokenOff as e:
            tries.failed(e)


def read_part(remote: Remote, begin: int, end: int) -> bytes:
    """The bytes [begin, end) of a file of which parts can be had.

    Raises:
        Unavailable, Changed, IoError: as `pieces`.
    """
    return b"".join(pieces(remote, begin, end))


def read_beginning(remote: Remote, length: int) -> bytes:
    """The first bytes of a file of which parts can be had; all of one that has fewer.

    Raises:
        Unavailable, Changed, IoError: as `pieces`.
    """
    return read_part(remote, 0, min(length, remote.size or 0))
