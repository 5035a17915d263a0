"""What an element costs whose prediction misses by about so much.

The codec knows how far an unrounded prediction lies from the rounding boundary, and
learns how often it is crossed from there. That costs what it costs to say that an
error of a known distribution lies in an interval: the logarithm of that probability.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.intervals import Floats

# Enough for a scale that is far too small to look worse than one that is a little less so.
MOST_NATS = np.float32(1e6)
FARTHEST = 2.0**52
WIDE_STEPS = (4.0, 0.25, 2.0, 0.5)
STEPS = (math.sqrt(2), math.sqrt(0.5))


def _interval_bits(distance: Floats, half: Floats, scale: float) -> float:
    """Mean bits to say that the update lies in its interval.

    Args:
        distance: (n,) predicted updates less the intervals' centres.
        half: (n,) half the intervals' widths; infinite where every update will do.
        scale: scale of the logistic distribution that errors are taken to have.
    """
    far = np.abs(distance).astype(np.float32)
    unit = np.float32(1 / max(scale, 1e-37))
    outside = np.clip((far - half) * unit, -MOST_NATS, MOST_NATS)  # to the nearer end
    width = np.minimum(half * (2 * unit), np.float32(60))
    beyond = (far + half) * -unit  # past the farther end
    inside = np.maximum(1 - np.exp(-width), width - width * width / 2)
    nats = np.maximum(outside, 0) - np.log(np.maximum(inside, np.float32(1e-37)))
    nats += np.log((1 + np.exp(-np.abs(outside))) * (1 + np.exp(beyond)))
    return float(nats.mean()) / math.log(2)


def best_scale(distance: Floats, half: Floats, near: float = 0.0) -> tuple[float, float]:
    """The scale under which the bits are fewest, and those bits.

    Args:
        distance: (n,) predicted updates less the intervals' centres.
        half: (n,) half the intervals' widths.
        near: a scale to begin with; 0 for none.
    """
    steps: tuple[float, ...] = STEPS
    some = slice(None, None, max(1, len(half) // 1024))
    typical = float(np.median(np.abs(distance[some]))) if len(distance) else 0.0
    width = float(np.median(half[some])) if len(half) else 0.0
    if not near > 0 or typical > width:
        # From too small a scale all elements look alike: as if nothing had foreseen them.
        steps = WIDE_STEPS + STEPS
        near = max(typical, min(width, typical + 1.0))
    scale = near if near > 0 and math.isfinite(near) else 1.0
    bits = _interval_bits(distance, half, scale)
    for step in steps:
        for _ in range(64):
            other = _interval_bits(distance, half, scale * step)
            if not other < bits - 1e-9:
                break
            scale, bits = scale * step, other
    return scale, bits


def observed_bits(distance: Floats, half: Floats, scale: float) -> float:
    """Mean bits a codec takes that knows how far a prediction is from its boundary.

    Unlike `best_scale` this takes errors as they are: an adapter merged into a base of
    higher precision leaves uniform ones.

    Args:
        distance: (n,) predicted updates less the intervals' centres.
        half: (n,) half the intervals' widths.
        scale: scale of the errors, about; elements are told apart by their widths against it.
    """
    known = np.isfinite(half) & (half > 0)
    away = distance[known].astype(np.float64) / (2.0 * half[known]) + 0.5
    steps = np.clip(np.floor(away), -FARTHEST, FARTHEST)
    place = np.clip(away - steps, 0, 1)
    upper = place > 0.5
    near = np.where(upper, 1 - place, place)
    edge = np.clip(np.floor(-2 * np.log2(2 * np.maximum(near, 1e-9))), 0, 12)
    width = np.clip(np.round(np.log2(half[known] / max(scale, 1e-300))), -3, 5) + 3
    crossed = np.where(upper, -steps, steps)
    size = np.abs(crossed)
    octave = np.floor(np.log2(np.maximum(size, 1)))
    token = np.where(size < 4, crossed, np.sign(crossed) * (octave + 2)) + 64
    context = edge * 16 + width
    bits = _entropy(context * 128 + token) - _entropy(context)
    bits += np.where(size < 4, 0, octave).sum()
    return float(bits) / max(1, len(half))


def _entropy(symbols: npt.NDArray[np.float64]) -> float:
    """Bits of all symbols together, by how often each occurs, corrected upwards for rare ones."""
    counts = np.unique(symbols, return_counts=True)[1].astype(np.float64)
    if len(counts) == 0:
        return 0.0
    bits = -(counts * np.log2(counts / counts.sum())).sum()
    return float(bits) + (len(counts) - 1) / (2 * math.log(2))
