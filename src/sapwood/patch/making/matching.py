"""Finds what bytes of a target stand somewhere in a base.

The native matcher works on content, so that a container that was written anew,
with every offset moved, still matches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sapwood._kernel import MatchIndex
from sapwood.content.content import Bytes
from sapwood.patch.format.copies import Copy

INDEX_MEMORY = 64 << 20  # bytes
SMALLEST_BLOCK = 32
MOST_COPIES = 1 << 18  # copies held at once, about 100 bytes each
FEWEST = 1 << 12  # copies that a stripe may have, however many stripes there are
STRIPE = 64 << 20  # bytes of the target looked at in one call


def find_copies(base: Bytes, target: Bytes, begin: int, end: int) -> list[Copy]:
    """Copies that make up target[begin:end], as far as there are any: see `CopyFinder`."""
    if end <= begin:
        return []
    return CopyFinder(base).find(target, begin, end)


class CopyFinder:
    """A base, indexed once for any number of ranges of targets."""

    def __init__(self, base: Bytes) -> None:
        """Indexes and borrows the base, with a coarser grain the larger it is."""
        self._index = MatchIndex(base, SMALLEST_BLOCK, INDEX_MEMORY) if len(base) else None

    def find(self, target: Bytes, begin: int, end: int) -> list[Copy]:
        """Copies that make up target[begin:end], as far as there are any.

        Args:
            target: the bytes, of which a range is looked at.
            begin: first byte of the range.
            end: first byte after it.

        Returns:
            Copies in ascending order, without overlap, inside the range; where there are
            too many to hold, the longest.
        """
        if end <= begin or self._index is None:
            return []
        most = max(FEWEST, MOST_COPIES // (1 + (end - begin) // STRIPE))
        found = [
            _longest(self._index.find(target, at, min(at + STRIPE, end)), most)
            for at in range(begin, end, STRIPE)
        ]
        return [Copy(*map(int, row)) for row in np.concatenate(found)]


def _longest(copies: npt.NDArray[np.uint64], most: int) -> npt.NDArray[np.uint64]:
    """The longest `most` rows (target, base, length) of copies, in their order."""
    if len(copies) <= most:
        return copies
    kept = np.argpartition(copies[:, 2], len(copies) - most)[-most:]
    return copies[np.sort(kept)]
