"""The segments that a patch is to be made of, before anything is known of their coding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from sapwood.content.content import Content
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.predictions import BaseRange, Prediction
from sapwood.tensors import DType
from sapwood.tensors.blocks import BlockType

SHORTEST_ROW = 64  # elements; trailing dimensions are joined up to here


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SegmentSource:
    """A segment to be made.

    Attributes:
        name, dtype, shape: of the tensor; no name and DType.BYTES for other bytes.
        target: its bytes, borrowed; lies at its place in the whole target.
        places: parts of the bases that may predict it, the likeliest first.
        copies: of bytes, found in the first base; offsets in the whole files.
        row: elements a row, where the shape does not tell.
        blocks: what the bytes are whole blocks of, each row of them; None of others.
        recipes: predictions that are computed, any of which may do better.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    target: Content
    places: tuple[BaseRange, ...]
    copies: tuple[Copy, ...] = ()
    row: int | None = None
    blocks: BlockType | None = None
    recipes: tuple[Prediction, ...] = ()

    @property
    def row_length(self) -> int:
        """Elements of the rows that share a level."""
        return self.row or row_length(self.shape)


def row_length(shape: tuple[int, ...]) -> int:
    """Elements of the rows that share a level: trailing dimensions, joined until long enough.

    Tensors of one dimension are one row.
    """
    length = 1
    for size in reversed(shape[1:]):
        length *= size
        if length >= SHORTEST_ROW:
            return length
    return max(1, math.prod(shape) if len(shape) < 2 else length)


def chunk_elements(dtype: DType, row: int, chunk_size: int, unit: int = 1) -> int:
    """Elements a chunk: whole rows where they fit, and whole units of elements."""
    elements = max(1, chunk_size // dtype.size // unit) * unit
    return elements // row * row if row <= elements else elements


class CopyCursor:
    """Hands out copies range by range, cut at the borders."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        """Starts before the first of the ascending copies."""
        self._copies = copies
        self._next = 0

    def within(self, begin: int, end: int) -> tuple[Copy, ...]:
        """The copies inside [begin, end); ranges must ascend from call to call."""
        found = []
        while self._next < len(self._copies):
            copy = self._copies[self._next]
            if copy.target >= end:
                break
            first = max(copy.target, begin)
            last = min(copy.target_end, end)
            if first < last:
                found.append(Copy(first, first + copy.shift, last - first))
            if copy.target_end > end:
                break
            self._next += 1
        return tuple(found)
