"""Files elsewhere that are in memory, and fail as a test wants them to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from sapwood.errors import Unavailable
from sapwood.fetching.openers import Fetching
from sapwood.fetching.pace import BrokenOff, Pace
from sapwood.fetching.remote import Remote
from sapwood.fetching.urls import scheme_of

QUICK = Pace(pause=0.0, waiting=5.0)
"""Without pauses, and soon tired."""

HASTY = Fetching(pace=QUICK)
"""What brings files from real servers so."""


class MemoryFile:
    """A file that is in memory, as `Remote`.

    Attributes:
        asked: what was asked for, in order: first byte and end of a part, or None for the whole.
        closed: whether it was closed.
    """

    def __init__(
        self,
        data: bytes,
        *,
        ranges: bool = True,
        sized: bool = True,
        cuts: Iterable[int | Exception | None] = (),
        piece: int = 1000,
        pace: Pace = QUICK,
    ) -> None:
        """Takes the bytes of the file, and what is going to go wrong.

        Args:
            data: the bytes of the file.
            ranges: whether parts can be had.
            sized: whether the size is known where parts cannot be had.
            cuts: for each request the bytes after which the connection ends, or an error that is
                raised instead of an answer; None, and past their end, for all that was asked for.
            piece: bytes that come at once.
            pace: how patiently the file is read.
        """
        self.name = "memory:file"
        self.size = len(data) if ranges or sized else None
        self.ranges = ranges
        self.pace = pace
        self.data = data
        self.asked: list[tuple[int, int] | None] = []
        self.closed = False
        self._piece = piece
        self._cuts = itertools.chain(cuts, itertools.repeat(None))

    def part(self, begin: int, end: int) -> Iterator[bytes]:
        assert self.ranges
        assert 0 <= begin < end <= len(self.data)
        self.asked.append((begin, end))
        return self._coming(self.data[begin:end])

    def whole(self) -> Iterator[bytes]:
        assert not self.ranges
        self.asked.append(None)
        return self._coming(self.data)

    def close(self) -> None:
        self.closed = True

    def _coming(self, data: bytes) -> Iterator[bytes]:
        assert not self.closed
        cut = next(self._cuts)
        if isinstance(cut, Exception):
            raise cut
        for at in range(0, len(data[:cut]), self._piece):
            yield data[:cut][at : at + self._piece]
        if cut is not None and cut < len(data):
            raise BrokenOff("the connection ended")


def fetching_from(files: Mapping[str, MemoryFile]) -> Fetching:
    """What opens files in memory by their URLs, and nothing else."""

    def opened(url: str, pace: Pace) -> Remote:
        if url not in files:
            raise Unavailable(f"{url}: expected the file, the server answers 404", status=404)
        files[url].pace = pace
        return files[url]

    return Fetching(dict.fromkeys(map(scheme_of, files), opened), QUICK)
