"""The ULP difference: distance in the order of representable numbers.

Bit patterns of a floating-point type, read as sign and magnitude, are put in
the order of their values: negative ones reversed below the positive. The
difference of two places in that order is taken towards the base's magnitude,
so that growing away from zero is positive on both sides of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Unsigned = NDArray[np.unsignedinteger[Any]]
Signed = NDArray[np.signedinteger[Any]]

FLOATS = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}  # bytes
EXPONENT_SHIFT = {"BF16": 7, "F16": 10, "F32": 23, "F64": 52}  # bits of mantissa below


def _sign(bits: Unsigned) -> Unsigned:
    """All ones where the sign bit is set, else zero."""
    width = bits.dtype.itemsize * 8
    return (bits.view(f"i{bits.dtype.itemsize}") >> (width - 1)).view(bits.dtype)


def _order(bits: Unsigned) -> Unsigned:
    """The place of each bit pattern in the order of values, from 0; a bijection."""
    top = bits.dtype.type(1 << (bits.dtype.itemsize * 8 - 1))
    return bits ^ (_sign(bits) | top)


def _values(order: Unsigned) -> Unsigned:
    top = order.dtype.type(1 << (order.dtype.itemsize * 8 - 1))
    return order ^ (~_sign(order) | top)


def difference(base: Unsigned, target: Unsigned) -> Signed:
    """Places from base to target modulo 2**width, as signed integers of that width.

    Args:
        base, target: bit patterns, unsigned, native byte order, of one shape.
    """
    flip = _sign(base)
    # (d ^ flip) - flip is d or -d, modulo 2**width
    steps = ((_order(target) - _order(base)) ^ flip) - flip
    return steps.view(f"i{steps.dtype.itemsize}")


def moved(base: Unsigned, steps: Signed) -> Unsigned:
    """The target whose difference from the base is `steps`."""
    flip = _sign(base)
    return _values(_order(base) + ((steps.view(base.dtype) ^ flip) - flip))
