"""Blocks of quantised weights, taken apart into planes and put together again.

A block holds some dozens of weights as small integers, *quants*, and numbers that say what
they stand for: scales, and offsets where there are any. A *field* is one of these; its
*plane* is that field of all blocks, one after another, an element to one or more bytes.
Taking apart is a bijection: every bit of a block is one bit of one plane, whatever it means.
Which types there are says `sapwood.tensors.block_types`; spec/patch-v1.md, Blocks, defines them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sapwood.content.content import Bytes
from sapwood.tensors.dtypes import DType


@dataclasses.dataclass(frozen=True, slots=True)
class FieldRun:
    """Bits of neighbouring bytes that are bits of evenly spaced elements.

    Bits `shift` to `shift + width - 1` of the byte `byte + i` of a block are bits from `up`
    on of the field's element `first + i * step`, for each i below `count`.
    """

    byte: int
    count: int
    shift: int
    width: int
    first: int
    step: int = 1
    up: int = 0

    @property
    def mask(self) -> int:
        """The lowest `width` bits, set."""
        return (1 << self.width) - 1

    @property
    def bytes(self) -> slice:
        """Where the bytes lie in a block."""
        return slice(self.byte, self.byte + self.count)

    @property
    def elements(self) -> slice:
        """Where the elements lie among those that the field has in a block."""
        return slice(self.first, self.first + self.count * self.step, self.step)


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """What a field's integers stand for: integer * scale + offset.

    Attributes:
        scale: names of the fields whose product is the scale. One with fewer elements serves
            as many of the field's in a row as there are to each of its own.
        offset: names of the fields whose product is the offset; empty for 0.
        falls: whether the offset is taken away, not added.
    """

    scale: tuple[str, ...]
    offset: tuple[str, ...] = ()
    falls: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class BlockField:
    """One kind of number in a block.

    Attributes:
        name: "scale", "quants" or the like.
        dtype: type of the plane's elements, little-endian.
        count: elements in a block.
        place: offset of the first element in the block, bytes, where they are whole bytes in a
            row; None where they are put together from runs of bits.
        runs: the runs that elements of one byte are put together from, the lowest bits of each
            element first; none where elements are whole bytes.
        zero: the number that is taken from an element to have its integer.
        grid: what the integer stands for, in terms of fields before this one; None where it is
            a number of its own, or an index.
    """

    name: str
    dtype: DType
    count: int
    place: int | None = None
    runs: tuple[FieldRun, ...] = ()
    zero: int = 0
    grid: Grid | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the plane for each block."""
        return self.count * self.dtype.size

    @property
    def bits(self) -> int:
        """Bits of an element that come from a block; those above them are 0 in the plane."""
        return max((run.up + run.width for run in self.runs), default=8 * self.dtype.size)


@dataclasses.dataclass(frozen=True, slots=True)
class BlockType:
    """The layout of a block.

    Attributes:
        name: name of the type in the patch format: upstream's in lower case.
        ggml: upstream's number of the type, as GGUF files have it.
        weights: weights that a block stands for; no two rows of a tensor share a block.
        nbytes: bytes of a block.
        fields: the fields in the order of their planes; the quants come last. None of a type
            whose blocks are not taken apart: no patch names it.
    """

    name: str
    ggml: int
    weights: int
    nbytes: int
    fields: tuple[BlockField, ...]

    @property
    def plane_bytes(self) -> int:
        """Bytes of all planes together for each block."""
        return sum(field.nbytes for field in self.fields)

    def zeros(self, blocks: int) -> list[Bytes]:
        """The planes of blocks whose elements all stand for 0."""
        return [np.full(blocks * field.nbytes, field.zero, np.uint8) for field in self.fields]

    def number(self, name: str) -> int:
        """The place of the field of that name among the fields."""
        return [field.name for field in self.fields].index(name)

    def unpack(self, data: Bytes) -> list[Bytes]:
        """The planes of whole blocks, each as bytes of little-endian elements, new memory.

        Args:
            data: (blocks * nbytes,), any bytes, contiguous.
        """
        blocks = data.reshape(-1, self.nbytes)
        return [_unpacked(blocks, field) for field in self.fields]

    def pack(self, planes: Sequence[Bytes], out: Bytes) -> None:
        """Puts blocks together; bits that a plane's elements have beyond the block's are lost.

        Args:
            planes: the planes as `unpack` gives them, of as many blocks as `out` has.
            out: (blocks * nbytes,), the caller's, contiguous; must not overlap the planes.
        """
        blocks = out.reshape(-1, self.nbytes)
        blocks[:] = 0
        for field, plane in zip(self.fields, planes, strict=True):
            _pack(blocks, field, plane)


def _unpacked(blocks: Bytes, field: BlockField) -> Bytes:
    """The plane of one field."""
    if field.place is not None:
        return _taken(blocks, slice(field.place, field.place + field.nbytes)).reshape(-1)
    plane = np.empty((len(blocks), field.count), np.uint8)
    for run in field.runs:
        moved = _taken(blocks, run.bytes)
        if run.shift:
            moved >>= np.uint8(run.shift)
        if run.shift + run.width < 8:
            moved &= np.uint8(run.mask)
        if run.up:
            moved <<= np.uint8(run.up)
            moved |= _taken(plane, run.elements)
        # Without `up` they are the lowest bits of an element, which come first.
        _put(plane, run.elements, moved)
    return plane.reshape(-1)


def _pack(blocks: Bytes, field: BlockField, plane: Bytes) -> None:
    """Writes one field's bits, which were 0."""
    own = plane.reshape(len(blocks), field.nbytes)
    if field.place is not None:
        _put(blocks, slice(field.place, field.place + field.nbytes), own)
        return
    for run in field.runs:
        moved = _taken(own, run.elements)
        if run.up:
            moved >>= np.uint8(run.up)
        moved &= np.uint8(run.mask)
        if run.shift:
            moved <<= np.uint8(run.shift)
        moved |= _taken(blocks, run.bytes)
        _put(blocks, run.bytes, moved)


def _taken(rows: Bytes, columns: slice) -> Bytes:
    """A copy of some columns, which lies together: what is computed with is best so."""
    part = rows[:, columns]
    if columns.step not in {None, 1}:
        return part.copy()
    return part.view(_whole_row(part)).copy().view(np.uint8)


def _put(rows: Bytes, columns: slice, values: Bytes) -> None:
    """Writes some columns."""
    part = rows[:, columns]
    if columns.step not in {None, 1}:
        part[:] = values
    else:
        part.view(_whole_row(part))[:] = values.view(_whole_row(values))


def _whole_row(rows: Bytes) -> np.dtype[np.void]:
    """A row as one element: NumPy moves these many times as fast as single bytes."""
    return np.dtype((np.void, rows.shape[1]))
