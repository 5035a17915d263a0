"""Predicts quants from those of the base, in the light of how the blocks' scales changed.

When the largest weight of a block moves, its scale does, and every quant with it. What is
coded of the target before its quants, its scales and offsets, tells where a weight that did
not move lies on the new grid: that is the prediction. How far it lies from the quant that it
rounds to tells how likely it is to have become another one: that is its *edge*, which chooses
contexts. So it is with the scales of parts of a block, which are integers times one of its
own. All is binary32, an operation at a time, as spec/patch-v1.md, Blocks, defines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.tensors import DType
from sapwood.tensors.blocks import BlockField, BlockType

STRIPE = 1 << 16  # integers at a time: as binary32 they take four times the memory
FAR = 118  # exponent field of binary32: fractions below 2**-8 count as none
KINDS = 8  # of fractions, by octaves
# The edge by the sign and the exponent field of a fraction; one without a value has no sign.
EDGES = np.array(
    [
        2 * min(max(exponent - FAR, 0), KINDS - 1) + sign
        for sign in (0, 1)
        for exponent in range(256)
    ],
    np.uint8,
)

Floats = npt.NDArray[np.float32]

NUMPY_TYPES: dict[DType, np.dtype[Any]] = {
    DType.F16: np.dtype("<f2"),
    DType.F32: np.dtype("<f4"),
    DType.I8: np.dtype("i1"),
    DType.U8: np.dtype("u1"),
}


def predicted_plane(
    kind: BlockType,
    number: int,
    base: Sequence[Bytes],
    scales: Sequence[Bytes],
    edges: Bytes | None = None,
) -> Bytes:
    """The plane that a field of the target would be if no weight had moved.

    Args:
        kind: type of the blocks.
        number: place of the field among those of the type, from 0.
        base: the planes of the base's blocks, all of them.
        scales: the planes of the target before the field's.
        edges: the caller's memory for the edges, a byte for each element of a field on a grid;
            None where nobody asks for them.

    Returns:
        The base's own plane where the field is on no grid; else one as long, new memory.
    """
    field = kind.fields[number]
    own = base[number]
    if field.grid is None:
        return own
    blocks = len(own) // field.nbytes
    step = STRIPE // field.count
    out = np.empty_like(own)
    for first in range(0, blocks, step):
        last = min(first + step, blocks)
        part = slice(first * field.nbytes, last * field.nbytes)
        out[part] = _predicted(
            kind,
            field,
            [_part(plane, blocks, first, last) for plane in base],
            [_part(plane, blocks, first, last) for plane in scales],
            None if edges is None else edges[part],
        )
    return out


def _part(plane: Bytes, blocks: int, first: int, last: int) -> Bytes:
    """What a plane holds of some of the blocks."""
    each = len(plane) // blocks
    return plane[first * each : last * each]


def _predicted(
    kind: BlockType,
    field: BlockField,
    base: Sequence[Bytes],
    scales: Sequence[Bytes],
    edges: Bytes | None,
) -> Bytes:
    """The elements of a field on a grid, as bytes; writes their edges to `edges`."""
    assert field.grid is not None
    grid = field.grid
    old_scale, new_scale = (_product(kind, one, grid.scale) for one in (base, scales))
    old_offset = new_offset = np.zeros_like(old_scale)
    if grid.offset:
        old_offset, new_offset = (_product(kind, one, grid.offset) for one in (base, scales))
    if grid.falls:
        old_offset, new_offset = -old_offset, -new_offset
    own = base[kind.number(field.name)].reshape(len(old_scale), -1)
    out = own.copy()
    # Most scales stay as they are; where they do, so do the integers.
    moved = np.flatnonzero((old_scale != new_scale) | (old_offset != new_offset))
    integers = own[moved].view(NUMPY_TYPES[field.dtype]).astype(np.float32)
    integers -= np.float32(field.zero)
    with np.errstate(all="ignore"):  # scales may be 0, infinite or no numbers
        place = integers * old_scale[moved, None]
        if grid.offset:
            place += old_offset[moved, None]
            place -= new_offset[moved, None]
        place /= new_scale[moved, None]
    finite = np.isfinite(place)
    if not finite.all():
        place = np.where(finite, place, integers)
    lowest = -128 if field.dtype is DType.I8 else -field.zero
    nearest = np.rint(place, out=integers)
    np.clip(nearest, lowest, lowest + (1 << field.bits) - 1, out=nearest)
    if edges is not None:
        marks = edges.reshape(own.shape)
        marks[:] = 0
        place -= nearest
        marks[moved] = EDGES[place.view(np.uint32) >> 23]
    nearest += np.float32(field.zero)
    out[moved] = nearest.astype(np.int16).astype(np.uint8)
    return out.reshape(-1)


def _product(kind: BlockType, planes: Sequence[Bytes], names: Sequence[str]) -> Floats:
    """The product of fields, as many numbers as the last one has."""
    product = _numbers(kind, planes, names[0])
    for name in names[1:]:
        factor = _numbers(kind, planes, name)
        with np.errstate(all="ignore"):
            product = np.repeat(product, len(factor) // len(product)) * factor
    return product


def _numbers(kind: BlockType, planes: Sequence[Bytes], name: str) -> Floats:
    """The numbers that the elements of a field stand for, binary32."""
    number = kind.number(name)
    field = kind.fields[number]
    elements = planes[number].view(NUMPY_TYPES[field.dtype])
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        numbers: Floats = elements.astype(np.float32)
    if field.zero:
        numbers -= np.float32(field.zero)
    return numbers
