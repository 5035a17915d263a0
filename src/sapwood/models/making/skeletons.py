"""Finds a target's skeleton in that of its base: all that is no tensor's, taken together."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.modelfile.layout import Range
from sapwood.patch.format.copies import Copy
from sapwood.patch.making.matching import CopyFinder

MOST_SKELETON = 64 << 20  # bytes of the base's skeleton that are searched


class SkeletonFinder:
    """The skeleton of a base, indexed once for any number of ranges of targets."""

    def __init__(self, base: Content, skeleton: Sequence[Range]) -> None:
        """Indexes the first ranges of the skeleton; more than one are copied together.

        Args:
            base: the whole base, borrowed as long as the finder lives.
            skeleton: its ranges, ascending.
        """
        self._offsets: list[int] = []  # in the base, of each range
        self._starts: list[int] = []  # in the ranges put together
        size = 0
        for offset, length in skeleton:
            if size == MOST_SKELETON:
                break
            self._offsets.append(offset)
            self._starts.append(size)
            size = min(size + length, MOST_SKELETON)
        ends = [*self._starts[1:], size][: len(self._starts)]  # none of a base without any
        parts = [
            base[offset : offset + end - start]
            for offset, start, end in zip(self._offsets, self._starts, ends, strict=True)
        ]
        # What the index borrows: a base that is one range is not copied.
        self._joined = parts[0] if len(parts) == 1 else np.concatenate([base[0:0], *parts])
        self._finder = CopyFinder(self._joined)

    def find(self, target: Bytes, begin: int, end: int) -> list[Copy]:
        """Copies that make up target[begin:end], by their offsets in the base; ascending."""
        found = self._finder.find(target, begin, end)
        return list(itertools.chain.from_iterable(map(self._placed, found)))

    def _placed(self, copy: Copy) -> Iterator[Copy]:
        """A copy from the ranges put together, as copies from each of them."""
        at, last = copy.base, copy.base_end
        i = bisect_right(self._starts, at) - 1
        while at < last:
            after = self._starts[i + 1] if i + 1 < len(self._starts) else last
            until = min(after, last)
            yield Copy(
                copy.target + at - copy.base, self._offsets[i] + at - self._starts[i], until - at
            )
            at = until
            i += 1
