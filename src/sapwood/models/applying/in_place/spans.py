"""Sets of bytes of a file, as ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""Begin and end of a range of bytes; the end is not in it."""


class Spans:
    """A set of bytes, kept as ranges that ascend and do not touch."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        """Takes ranges in any order; they may overlap."""
        begins: list[int] = []
        ends: list[int] = []
        for begin, end in sorted(spans):
            if begin >= end:
                continue
            if ends and begin <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                begins.append(begin)
                ends.append(end)
        self._begins = begins
        self._ends = ends

    def __iter__(self) -> Iterator[Span]:
        return zip(self._begins, self._ends, strict=True)

    @property
    def nbytes(self) -> int:
        """How many bytes are in it."""
        return sum(end - begin for begin, end in self)

    def within(self, begin: int, end: int) -> Iterator[Span]:
        """Its ranges inside [begin, end), cut at the borders."""
        i = bisect_right(self._ends, begin)
        while i < len(self._begins) and self._begins[i] < end:
            yield max(begin, self._begins[i]), min(end, self._ends[i])
            i += 1

    def missing(self, begin: int, end: int) -> Iterator[Span]:
        """The ranges of [begin, end) that are not in it."""
        at = begin
        for first, last in self.within(begin, end):
            if at < first:
                yield at, first
            at = last
        if at < end:
            yield at, end

    def covers(self, begin: int, end: int) -> bool:
        """Whether all of [begin, end) is in it."""
        return next(self.missing(begin, end), None) is None


def joined_spans(spans: Iterable[Span], most: int) -> tuple[Span, ...]:
    """At most so many ranges that hold all of the given ones, and little else.

    Args:
        spans: in any order.
        most: at least 1.
    """
    found = list(Spans(spans))
    gap = 64  # bytes
    while len(found) > most:
        wider: list[Span] = []
        for begin, end in found:
            if wider and begin - wider[-1][1] <= gap:
                wider[-1] = wider[-1][0], end
            else:
                wider.append((begin, end))
        found = wider
        gap *= 4
    return tuple(found)


def overlapping(begins: list[int], ends: list[int], begin: int, end: int) -> range:
    """Which of ranges that ascend and do not overlap have bytes in [begin, end)."""
    return range(bisect_right(ends, begin), bisect_left(begins, end))
