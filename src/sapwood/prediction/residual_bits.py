"""What an element costs whose prediction misses by about so much.

The codec knows how far an unrounded prediction lies from the rounding boundary, and
learns how often it is crossed from there. That costs what it costs to say that an
error of a known distribution lies in an interval: the logarithm of that probability.
"""

from __future__ import annotations

import math

import numpy as np

from sapwood.prediction.intervals import Floats

SPREAD = math.pi / math.sqrt(3)  # the standard deviation of the logistic distribution


def interval_bits(distance: Floats, half: Floats, scale: float) -> float:
    """Mean bits to say that the update lies in its interval.

    Args:
        distance: predicted update minus the interval's centre.
        half: half of each interval's width; infinite where every update will do.
        scale: of the logistic distribution that errors are taken to have.
    """
    away = np.abs(distance, dtype=np.float64)
    near = (away - half) / scale  # to the nearer end; positive outside
    width = 2.0 * half / scale
    # log of 1 / (1 + e^near) - 1 / (1 + e^(near + width)), without cancellation
    nats = np.logaddexp(0.0, near) + np.log1p(np.exp(np.minimum(-near - width, 600.0)))
    nats -= np.log(-np.expm1(-np.maximum(width, 1e-300)))
    # What no distribution foresees goes through an escape.
    return float(np.minimum(nats, ESCAPE).mean()) / math.log(2)


ESCAPE = 40 * math.log(2)


def best_scale(distance: Floats, half: Floats, near: float = 0.0) -> tuple[float, float]:
    """The scale under which the bits are fewest, and those bits.

    Args:
        distance: predicted update minus the interval's centre.
        half: half of each interval's width.
        near: a scale to begin with; 0 for none.
    """
    if not near > 0:
        finite = half[np.isfinite(half)]
        near = float(np.median(finite)) if len(finite) else 0.0
    scale = near if near > 0 and math.isfinite(near) else 1.0
    bits = interval_bits(distance, half, scale)
    for step in (4.0, 0.25, 2.0, 0.5, math.sqrt(2), math.sqrt(0.5)):
        for _ in range(64):
            other = interval_bits(distance, half, scale * step)
            if not other < bits - 1e-9:
                break
            scale, bits = scale * step, other
    return scale, bits
