"""Contents end to end, parts of contents, and contents a stripe at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from sapwood.content.content import Bytes, Content


def joined(data: Content, ranges: Sequence[tuple[int, int]]) -> Bytes:
    """The bytes of the ranges [begin, end) put together; of one range not copied."""
    if len(ranges) == 1:
        ((begin, end),) = ranges
        return data[begin:end]
    return np.concatenate([data[begin:end] for begin, end in ranges])


STRIPE = 16 << 20  # bytes read at a time; hashing gains nothing from more
COPIED = 1 << 20  # bytes at a time of what may be copied into memory to be read


class EndToEnd:
    """Contents one after another, as one content. What crosses a border is copied."""

    def __init__(self, parts: Sequence[Content]) -> None:
        """Borrows the parts."""
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        """Bytes of all parts."""
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`."""
        begin, end, _ = part.indices(len(self))
        if begin < end <= self._ends[bisect_right(self._ends, begin)]:
            return next(self._pieces(begin, end))
        # One at a time: together they would take as much again.
        out = np.empty(max(0, end - begin), np.uint8)
        at = 0
        for piece in self._pieces(begin, end):
            out[at : at + len(piece)] = piece
            at += len(piece)
        return out

    def _pieces(self, begin: int, end: int) -> Iterator[Bytes]:
        """The bytes [begin, end), part by part."""
        i = bisect_right(self._ends, begin)
        while begin < end:
            start = self._ends[i] - len(self._parts[i])
            last = min(end, self._ends[i])
            yield self._parts[i][begin - start : last - start]
            begin = last
            i += 1


class Within:
    """A part of a content, as a content: read when it is read itself."""

    def __init__(self, content: Content, begin: int, end: int) -> None:
        """The bytes [begin, end) of a content, borrowed."""
        self._content = content
        self._begin = begin
        self._size = end - begin

    def __len__(self) -> int:
        """Bytes of the part."""
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`."""
        begin, end, _ = part.indices(self._size)
        return self._content[self._begin + begin : self._begin + end]


def rest(content: Content, begin: int) -> Content:
    """A content from the byte `begin` on; nothing is copied or read."""
    if isinstance(content, np.ndarray):
        return content[begin:]
    return Within(content, begin, len(content))


def stripes(content: Content) -> Iterator[Bytes]:
    """All of a content in order, at most STRIPE bytes at a time."""
    size = STRIPE if isinstance(content, np.ndarray) else min(STRIPE, COPIED)
    for at in range(0, len(content), size):
        yield content[at : min(at + size, len(content))]
