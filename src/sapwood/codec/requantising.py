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
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sapwood.codec.blocks import BlockType, Field
from sapwood.codec.chunk import Bytes
from sapwood.tensors import DType

STRIPE = 1 << 16  # weights at a time: numbers of binary32 take four times the memory of quants
FAR = 118  # exponent field of binary32: fractions below 2**-8 count as none
KINDS = 8  # of fractions, by octaves

Floats = npt.NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.bool_)

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
        kind: of the blocks.
        number: of the field.
        base: the planes of the base's blocks, all of them.
        scales: those of the target before the field's.
        edges: a byte for each element, the caller's, to be filled; None where nobody asks.
            Needs a field on a grid.

    Returns:
        The base's own plane where the field is on no grid; else one as long, new memory.
    """
    field = kind.fields[number]
    own = base[number]
    if field.grid is None:
        return own
    blocks = len(own) // field.nbytes
    step = STRIPE // kind.weights
    out = np.empty_like(own)
    for first in range(0, blocks, step):
        last = min(first + step, blocks)
        part = slice(first * field.nbytes, last * field.nbytes)
        out[part], marks = _predicted(
            kind,
            field,
            [_part(plane, blocks, first, last) for plane in base],
            [_part(plane, blocks, first, last) for plane in scales],
        )
        if edges is not None:
            edges[part] = marks
    return out


def _part(plane: Bytes, blocks: int, first: int, last: int) -> Bytes:
    """What a plane holds of some of the blocks."""
    each = len(plane) // blocks
    return plane[first * each : last * each]


def _predicted(
    kind: BlockType, field: Field, base: Sequence[Bytes], scales: Sequence[Bytes]
) -> tuple[Bytes, Bytes]:
    """The integers of a field on a grid, and their edges."""
    assert field.grid is not None
    grid = field.grid
    integers = _numbers(kind, base, field.name)
    old_scale, new_scale = (_product(kind, one, grid.scale) for one in (base, scales))
    old_offset, new_offset = (_product(kind, one, grid.offset) for one in (base, scales))
    if grid.falls:
        old_offset, new_offset = -old_offset, -new_offset
    with np.errstate(all="ignore"):  # scales may be 0, infinite or no numbers
        weight = integers * _spread(old_scale, integers) + _spread(old_offset, integers)
        place = (weight - _spread(new_offset, integers)) / _spread(new_scale, integers)
    same = _spread(old_scale == new_scale, integers) & _spread(old_offset == new_offset, integers)
    place = np.where(same | ~np.isfinite(place), integers, place)
    lowest = -128 if field.dtype is DType.I8 else -field.zero
    nearest = np.clip(np.rint(place), lowest, lowest + (1 << field.bits) - 1)
    fraction = place - nearest
    exponents = (fraction.view(np.uint32) >> 23) & 0xFF
    octaves = np.clip(exponents.astype(np.int16) - FAR, 0, KINDS - 1)
    edges = (2 * octaves + (fraction < 0)).astype(np.uint8)
    return (nearest.astype(np.int16) + field.zero).astype(np.uint8), edges


def _product(kind: BlockType, planes: Sequence[Bytes], names: Sequence[str]) -> Floats:
    """The product of fields, as many numbers as the last one has; 0 of none."""
    if not names:
        return np.zeros(len(planes[0]) // kind.fields[0].nbytes, np.float32)
    product = _numbers(kind, planes, names[0])
    for name in names[1:]:
        factor = _numbers(kind, planes, name)
        with np.errstate(all="ignore"):
            product = _spread(product, factor) * factor
    return product


def _numbers(kind: BlockType, planes: Sequence[Bytes], name: str) -> Floats:
    """The elements of a field as what they stand for."""
    number = kind.number(name)
    field = kind.fields[number]
    elements = planes[number].view(NUMPY_TYPES[field.dtype])
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        numbers: Floats = elements.astype(np.float32)
    if field.zero:
        numbers -= np.float32(field.zero)
    return numbers


def _spread(numbers: npt.NDArray[Number], like: Floats) -> npt.NDArray[Number]:
    """Each number as often as there are elements of `like` to it."""
    return np.repeat(numbers, len(like) // len(numbers))
