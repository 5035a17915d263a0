"""Blend predictions as spec/patch-v1.md defines them, over whole tensors, in NumPy.

Every floating-point step is one NumPy operation on an array of the working type, which
rounds to nearest even and keeps subnormals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.tensors import DType

Array = npt.NDArray[Any]

WORKING: dict[DType, type[np.float32] | type[np.float64]] = {
    DType.BF16: np.float32,
    DType.F16: np.float32,
    DType.F32: np.float64,
}
QUIET_NAN = {DType.BF16: 0x7FC0, DType.F16: 0x7E00, DType.F32: 0x7FC00000}
HALFWAY = 0x8000


@dataclasses.dataclass(frozen=True)
class LowRank:
    """left (matrices, rows, rank) and right (matrices, rank, columns), int32, times 2^exponent."""

    left: Array
    right: Array
    exponent: int


def widened(words: Array, dtype: DType) -> Array:
    """The numbers that words of the type stand for, in its working type."""
    if dtype == DType.BF16:
        return (words.astype(np.uint32) << 16).view(np.float32)
    narrow = np.float16 if dtype == DType.F16 else np.float32
    return words.view(narrow).astype(WORKING[dtype])


def rounded(values: Array, dtype: DType) -> Array:
    """The words nearest to numbers of the working type; NaNs become the quiet one."""
    if dtype == DType.BF16:
        bits = values.view(np.uint32).astype(np.uint64)
        words = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    else:
        narrow, unsigned = (
            (np.float16, np.uint16) if dtype == DType.F16 else (np.float32, np.uint32)
        )
        words = values.astype(narrow).view(unsigned)
    return np.where(np.isnan(values), words.dtype.type(QUIET_NAN[dtype]), words)


def edges_of(values: Array, dtype: DType) -> Array:
    """(elements,) uint8: twice how near, in half octaves, plus 1 below where rounding turns."""
    if dtype == DType.F32:
        low = values.view(np.uint64) >> 13 & 0xFFFF
    elif dtype == DType.F16:
        low = (values.view(np.uint32) & 0x1FFF) << 3
    else:
        low = values.view(np.uint32) & 0xFFFF
    past = np.where(np.isnan(values), 0, low).astype(np.int64) - HALFWAY
    distance = np.maximum(np.abs(past), 1)
    octave = np.array([int(d).bit_length() - 1 for d in distance.tolist()], np.int64)
    half = np.where(octave > 0, distance >> np.maximum(octave - 1, 0) & 1, 0)
    return (2 * (30 - 2 * octave - half) + (past < 0)).astype(np.uint8)


def products(factors: LowRank, dtype: DType) -> Array:
    """(elements,) of the working type: the exact integers, rounded once, times 2^exponent."""
    work = WORKING[dtype]
    sums = np.matmul(factors.left.astype(np.int64), factors.right.astype(np.int64))
    found: Array = sums.reshape(-1).astype(work) * work(2.0**factors.exponent)
    return found


def predicted(
    dtype: DType,
    terms: Sequence[Array],
    coefficients: Sequence[float],
    factors: LowRank | None,
    *,
    each: bool,
) -> tuple[Array, Array]:
    """Words of the prediction and its edges; `terms` are words of the whole tensor."""

    def step(values: Array) -> Array:
        return widened(rounded(values, dtype), dtype) if each else values

    total: Array | None = None
    with np.errstate(all="ignore"):
        for words, coefficient in zip(terms, coefficients, strict=True):
            x = step(WORKING[dtype](coefficient) * widened(words, dtype))
            total = step(x if total is None else total + x)
        if factors is not None:
            x = step(products(factors, dtype))
            total = x if total is None else total + x
        assert total is not None
        return rounded(total, dtype), edges_of(total, dtype)
