"""XOR of two files, the residual that the public delta codecs take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def xor(base: bytes, other: bytes) -> NDArray[np.uint8]:
    """`other` XOR `base` where both have bytes, `other` as it is beyond.

    Its own inverse: xor(base, xor(base, target)) is the target. The result is
    as long as `other` and owned by the caller.
    """
    out = np.frombuffer(other, np.uint8).copy()
    shared = min(len(base), len(other))
    out[:shared] ^= np.frombuffer(base, np.uint8, shared)
    return out
