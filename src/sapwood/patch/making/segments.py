"""The segments that a patch is to be made of, before anything is known of their coding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from sapwood.codec.survey import MOST_SAMPLED, sample_ranges
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
        name: name of the tensor; empty for bytes that are no tensor's.
        dtype: type of the elements; DType.BYTES where there is no name.
        shape: shape of the tensor, or the number of bytes.
        target: bytes of the segment, borrowed.
        places: parts of the bases that may predict the segment, the likeliest first.
        copies: copies of bytes from the first base, ascending; offsets in the whole files.
        row: elements a row, where the shape does not tell.
        blocks: type of the blocks, of U8 elements in rows of whole blocks; None for others.
        recipes: predictions that are computed, any of which may do better than the places.
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

    @property
    def elements(self) -> int:
        """How many elements the segment has."""
        return len(self.target) // self.dtype.size

    def sample_ranges(self, most: int = MOST_SAMPLED) -> list[tuple[int, int]]:
        """The ranges of bytes that tell what the segment is like: `most` bytes, about."""
        return sample_ranges(len(self.target), self.dtype.size, self.row_length, most)


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


def chunk_grid(
    dtype: DType, row: int, chunk_size: int, blocks: BlockType | None = None
) -> tuple[int, int]:
    """Elements a row and elements a chunk: whole rows where they fit, and whole blocks.

    Args:
        dtype: type of the elements.
        row: elements a row; rows longer than a chunk are cut to its length.
        chunk_size: bytes of target a chunk, at most; of blocks, bytes of their planes.
        blocks: type of the blocks, of U8 elements; None for others.
    """
    unit = 1
    if blocks is not None:  # taken apart they take more memory
        unit = blocks.nbytes
        chunk_size = chunk_size * unit // blocks.plane_bytes
    elements = max(1, chunk_size // dtype.size // unit) * unit
    return (row, elements // row * row) if row <= elements else (elements, elements)


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
