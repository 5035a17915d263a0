"""Whether a matrix's update could be of low rank, told from a few of its rows.

The Gram matrix of a few rows has as many large eigenvalues as the update has rank; the
rest is what rounding leaves, whose size is known. Most matrices are dismissed here, so
this is what looking for factors costs a full fine-tune.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.intervals import Floats

LEAST_ENTRY_BITS = 5.0  # an entry of a factor takes, at the least


@dataclasses.dataclass(frozen=True, slots=True)
class Promise:
    """What a few rows say.

    Attributes:
        rank: of the factors that would save most.
        saved: bits an element, factors paid for; not above 0 where nothing pays.
    """

    rank: int
    saved: float


def shrunk(
    centre: Floats, half: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], float, float, float]:
    """Updates with those played down that rounding hides.

    Returns:
        The centres over the update's size, weighted, (rows, columns); the mean weight; the
        mean square that rounding and weighting put into an element; the update's mean square.
    """
    noise = half * half
    noise *= np.float32(1 / 3)
    values = centre.astype(np.float32)
    power = values * values
    size = _size(power)
    if not size > 0:
        return values, 0.0, 0.0, 0.0
    weight = np.float32(size) / (noise + np.float32(size))
    size = max(float(np.vdot(weight, power)) / max(float(weight.sum()), 1e-30), 1e-3 * size)
    weight = np.float32(size) / (noise + np.float32(size))
    values *= weight
    values *= np.float32(1 / math.sqrt(size))
    mean = float(weight.mean())
    # A weight w leaves w^2 noise, and noise is size * (1 / w - 1) where that is below size.
    energy = float(np.vdot(weight, weight)) / weight.size
    rest = np.minimum(weight - weight * weight, weight * weight)
    return values, mean, float(rest.mean()) + max(0.0, energy - mean * mean), size


def _size(power: npt.NDArray[np.float32]) -> float:
    """The mean square of an update, whatever a few wild rows say."""
    by_row = power.mean(axis=1)
    moved = by_row[by_row > 0]
    if len(moved) == 0:
        return 0.0
    return min(float(moved.mean()), 16 * float(np.median(moved)))


def promise(
    centre: Floats,
    half: npt.NDArray[np.float32],
    shape: tuple[int, int],
    plain_bits: float,
    most: int,
) -> Promise:
    """What factors would save of a matrix of which a few rows are given.

    Args:
        centre: (rows, columns) of the updates' intervals.
        half: half their widths.
        shape: of the whole matrix.
        plain_bits: an element without factors.
        most: the greatest rank.

    Raises:
        LinAlgError: the rows are not finite.
    """
    values, weight, noise, size = shrunk(centre, half)
    if not weight > 0:
        return Promise(0, 0.0)
    count, columns = values.shape
    energies = np.linalg.eigvalsh(values @ values.T)[::-1].astype(np.float64)
    energies /= count * columns
    ranks = np.arange(min(count * 2 // 3, most) + 1)
    left = energies.sum() - np.concatenate([[0.0], np.cumsum(energies)])[: len(ranks)]
    # What removing some of few rows' directions takes of all others by chance.
    left *= count / (count - ranks)
    error = np.sqrt(np.maximum(left - noise, 0.0) * size) / weight
    bits = error_bits(error, half.ravel()[:: max(1, half.size // 64)])
    after = plain_bits * bits / max(bits[0], 1e-9)
    entries = (shape[0] + shape[1]) / (shape[0] * shape[1])
    saved = plain_bits - after - ranks * (entries * LEAST_ENTRY_BITS)
    best = int(np.argmax(saved))
    return Promise(best, float(saved[best]))


def error_bits(
    error: npt.NDArray[np.float64], half: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(n,) bits an element that is predicted with such an error, about.

    Args:
        error: (n,) standard deviations.
        half: (m,) half widths of intervals, a sample of them.
    """
    units = error[:, None] / (2.0 * np.maximum(half, np.float32(1e-38)))
    # 1.9 bits a unit where errors are small, log2(4.13 units) where they are large.
    return np.asarray(0.5 * np.log2(1 + 2.64 * units + np.square(4.13 * units)).mean(axis=1))
