"""Elements of a float type quantised to blocks of GGML, the same bits on every machine.

`spec/patch-v1.md`, Requantised blocks: what upstream's converter does, as single IEEE
operations whose every case is defined.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.prediction.casting import numbers
from sapwood.tensors import DType
from sapwood.tensors.block_types import BLOCK_TYPES

Floats: TypeAlias = npt.NDArray[np.float32]

ELEMENTS = 32  # of a block
AT_ONCE = 1 << 16  # elements worked on at a time; small, so that they stay in the cache
SCALE = 2  # bytes of the scale that a block begins with, a binary16


def _quantised_q8_0(x: Floats) -> Bytes:
    """Blocks of a scale and 32 signed bytes."""
    d = np.abs(x).max(axis=0) / np.float32(127)
    x = x * _inverse(d)
    # Halves away from zero; doubling is exact. No product is so large that it came to 128.
    quants = np.trunc(x + x) - np.trunc(x)
    return _with_scales(d, quants.astype(np.int8).view(np.uint8))


def _quantised_q4_0(x: Floats) -> Bytes:
    """Blocks of a scale and 32 numbers of 4 bits, each byte one of both halves."""
    high, low = x.max(axis=0), x.min(axis=0)
    largest = np.where(high > -low, high, low)
    (both,) = np.nonzero(high == -low)
    if len(both):  # the first of them
        some = x[:, both]
        largest[both] = some[np.abs(some).argmax(axis=0), np.arange(len(both))]
    largest += np.float32(0)  # 0 and not -0
    d = largest / np.float32(-8)
    steps = x * _inverse(d)
    steps += np.float32(8.5)
    quants = np.minimum(steps.astype(np.uint8), 15)  # between 0.5 and 16.5, cut off
    half = ELEMENTS // 2
    packed: Bytes = quants[:half] + np.uint8(16) * quants[half:]
    return _with_scales(d, packed)


def _inverse(d: Floats) -> Floats:
    """1 / d, and 0 of 0. Where that is too large, infinity."""
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)


def _with_scales(d: Floats, quants: Bytes) -> Bytes:
    """Blocks of scales and (bytes, blocks) quants; zeros where a scale has no inverse."""
    blocks = np.empty((len(d), SCALE + len(quants)), np.uint8)
    blocks[:, :SCALE] = d.astype("<f2").view(np.uint8).reshape(-1, SCALE)
    blocks[:, SCALE:] = quants.T
    blocks[np.isinf(_inverse(d))] = 0
    return blocks


@dataclasses.dataclass(frozen=True, slots=True)
class Quantiser:
    """A type of blocks that elements can be quantised to.

    Attributes:
        nbytes: bytes of a block.
        quantised: gives (blocks, nbytes) bytes of (32, blocks) finite numbers.
    """

    nbytes: int
    quantised: Callable[[Floats], Bytes]


QUANTISERS = {
    "q4_0": Quantiser(BLOCK_TYPES["q4_0"].nbytes, _quantised_q4_0),
    "q8_0": Quantiser(BLOCK_TYPES["q8_0"].nbytes, _quantised_q8_0),
}


def quantised(block: str, dtype: DType, elements: Bytes) -> Bytes:
    """Quantised elements, a new array of (blocks, bytes of a block).

    Args:
        block: name of the type of the blocks, one of QUANTISERS.
        dtype: type of the elements: bf16, f16 or f32.
        elements: bytes of whole blocks of elements, little-endian; of any alignment.
    """
    kind = QUANTISERS[block]
    # Blocks side by side, so that each step runs along memory.
    x = np.ascontiguousarray(numbers(dtype, elements).reshape(-1, ELEMENTS).T)
    with np.errstate(all="ignore"):
        finite = np.isfinite(np.abs(x).max(axis=0))
        blocks = kind.quantised(x if finite.all() else np.where(finite, x, np.float32(0)))
    blocks[~finite] = 0
    return blocks


@dataclasses.dataclass(frozen=True, slots=True)
class Requantise:
    """A prediction that is a base's elements in quantised blocks; see `conversion.Conversion`.

    Attributes:
        block: name of the type of the blocks.
        base: type of the base's elements.
    """

    block: str
    base: DType

    def stretch(self, begin: int, end: int) -> tuple[int, int]:
        """Which bytes of the base's elements the predicted bytes [begin, end) are made of."""
        size = QUANTISERS[self.block].nbytes
        step = ELEMENTS * self.base.size
        return begin // size * step, -(-end // size) * step

    def convert(self, elements: Bytes, begin: int, out: Bytes) -> None:
        """Predicts a stretch, which may begin and end inside of blocks."""
        size = QUANTISERS[self.block].nbytes
        step = AT_ONCE * self.base.size
        at = -(begin % size)  # in `out`, of the block that is made next
        for place in range(0, len(elements), step):
            made = quantised(self.block, self.base, elements[place : place + step]).reshape(-1)
            first, last = max(0, -at), min(len(made), len(out) - at)
            out[at + first : at + last] = made[first:last]
            at += len(made)
