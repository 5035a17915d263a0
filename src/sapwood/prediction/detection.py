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

from sapwood.prediction.intervals import Floats, Halves

LEAST_MOVING = 8  # rows
LEAST_SHARE = 0.2  # of what moves, the least that rounding must not explain
LEAST_ENTRY_BITS = 5.0  # bits that an entry of a factor takes, at the least


@dataclasses.dataclass(frozen=True, slots=True)
class Promise:
    """What a few rows say.

    Attributes:
        rank: rank of the factors that would save most.
        saved: bits an element that they would save, paid for themselves; not above 0 where
            nothing pays.
    """

    rank: int
    saved: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """Updates of which those that rounding hides are played down.

    Attributes:
        values: (rows, columns) centres of intervals over the update's size, weighted.
        weight: the mean weight; 0 where nothing moves.
        noise: (rows,) the mean square that rounding and weighting put into an element.
        size: the update's mean square.
    """

    values: npt.NDArray[np.float32]
    weight: float
    noise: npt.NDArray[np.float32]
    size: float


NOTHING = Promise(0, 0.0)


def shrunk(centre: Floats, half: Halves) -> Shrunk:
    """Weights each element by what its interval's width says of the update.

    Args:
        centre: (rows, columns) centres of the updates' intervals.
        half: half their widths.
    """
    noise = half * half
    noise *= np.float32(1 / 3)
    values = centre.astype(np.float32)
    # Of unchanged powers of two the interval is not centred at 0.
    values *= np.abs(values) > half * np.float32(0.5)
    power = np.einsum("ij,ij->i", values, values) / np.float32(values.shape[1])
    moved = power[power > 0]
    if len(moved) == 0 or not np.isfinite(moved).all():
        return Shrunk(values, 0.0, power, 0.0)
    # A few wild rows do not say how large an update is.
    first = min(
        float(moved.mean()), 16 * float(np.partition(moved, len(moved) // 2)[len(moved) // 2])
    )
    weight = np.float32(first) / (noise + np.float32(first))
    power = np.einsum("ij,ij->i", weight * values, values)
    typical = float(np.partition(power, len(power) // 2)[len(power) // 2])
    total = min(float(power.sum()), 16 * len(power) * typical or math.inf)
    size = max(total / max(float(weight.sum()), 1e-30), 1e-3 * first)
    weight = np.float32(size) / (noise + np.float32(size))
    weighted = weight * values
    weighted *= np.float32(1 / math.sqrt(size))
    mean = float(weight.mean())
    # A weight w leaves w^2 noise; noise is size * (1 / w - 1), and size where that is less.
    square = weight * weight
    spread = max(0.0, float(square.mean()) - mean * mean)
    np.minimum(weight - square, square, out=square)
    return Shrunk(weighted, mean, square.mean(axis=1) + np.float32(spread), size)


def promise(
    centre: Floats, half: Halves, shape: tuple[int, int], plain_bits: float, most: int
) -> Promise:
    """What factors would save of a matrix of which a few rows are given.

    Args:
        centre: (rows, columns) centres of the updates' intervals.
        half: half their widths.
        shape: rows and columns of the whole matrix.
        plain_bits: bits that an element takes without factors.
        most: the greatest rank.

    Raises:
        LinAlgError: the rows are not finite.
    """
    update = shrunk(centre, half)
    gram = update.values @ update.values.T
    energy = np.diagonal(gram)
    moving = np.flatnonzero(energy > 0)
    count, columns = len(moving), centre.shape[1]
    if not update.weight > 0 or count < LEAST_MOVING:
        return NOTHING
    # Rows of one size: else the largest rows alone would be taken for the update's rank.
    energy = energy[moving]
    gram = gram[np.ix_(moving, moving)] / np.sqrt(energy[:, None] * energy)
    energies = np.linalg.eigvalsh(gram)[::-1].astype(np.float64)
    noise = float(np.minimum(update.noise[moving] * columns / energy, 1.0).sum())
    ranks = np.arange(min(count * 2 // 3, most) + 1)
    left = count - np.concatenate([[0.0], np.cumsum(energies)])[: len(ranks)]
    # What removing some of few rows' directions takes of all others by chance.
    left = np.maximum(left * (count / (count - ranks)) - noise, 0.0)
    if not left[0] > LEAST_SHARE * count:
        return NOTHING
    error = np.sqrt(left * (update.size / left[0]))
    bits = _error_bits(error, half.ravel()[:: max(1, half.size // 64)])
    after = plain_bits * bits / max(bits[0], 1e-9)
    entries = (shape[0] + shape[1]) / (shape[0] * shape[1])
    saved = plain_bits - after - ranks * (entries * LEAST_ENTRY_BITS)
    best = int(np.argmax(saved))
    return Promise(best, float(saved[best]))


def _error_bits(error: npt.NDArray[np.float64], half: Halves) -> npt.NDArray[np.float64]:
    """(n,) bits an element that is predicted with such an error, about.

    Args:
        error: (n,) standard deviations.
        half: (m,) half widths of intervals, a sample of them.
    """
    units = error[:, None] / (2.0 * np.maximum(half, np.float32(1e-38)))
    # 1.9 bits a unit where errors are small, log2(4.13 units) where they are large.
    return np.asarray(0.5 * np.log2(1 + 2.64 * units + np.square(4.13 * units)).mean(axis=1))
