"""Blocks as spec/patch-v1.md, Requantised blocks, defines them: one number at a time.

Every step is one operation on NumPy scalars of binary32, or exact.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

BYTES = {"q4_0": 18, "q8_0": 34}
F32 = np.float32


def block_of(kind: str, given: Sequence[float]) -> bytes:
    """The block of 32 numbers of binary32."""
    with np.errstate(all="ignore"):
        found = (q8_0 if kind == "q8_0" else q4_0)([F32(one) for one in given])
    return bytes(BYTES[kind]) if found is None else found


def scale_of(d: np.float32) -> tuple[bytes, np.float32] | None:
    """The bytes of a scale, and its inverse; None where that is infinite."""
    inverse = F32(0) if d == 0 else F32(1) / d
    if math.isinf(inverse):
        return None
    return np.array([d]).astype("<f2").tobytes(), inverse


def q8_0(given: list[np.float32]) -> bytes | None:
    """A scale and 32 signed bytes."""
    if not all(math.isfinite(one) for one in given):
        return None
    found = scale_of(max(abs(one) for one in given) / F32(127))
    if found is None:
        return None
    scale, inverse = found
    quants = []
    for one in given:
        scaled = float(one * inverse)
        nearest = math.floor(abs(scaled) + 0.5)  # exact in binary64
        quants.append(int(math.copysign(min(nearest, 127), scaled)))
    return scale + struct.pack("32b", *quants)


def q4_0(given: list[np.float32]) -> bytes | None:
    """A scale and 32 numbers of 4 bits."""
    if not all(math.isfinite(one) for one in given):
        return None
    largest = F32(0)
    for one in given:
        if abs(one) > abs(largest):
            largest = one
    found = scale_of(largest / F32(-8))
    if found is None:
        return None
    scale, inverse = found
    quants = [min(15, int(one * inverse + F32(8.5))) for one in given]
    return scale + bytes(
        low | high << 4 for low, high in zip(quants[:16], quants[16:], strict=True)
    )
