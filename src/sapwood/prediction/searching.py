"""Fits factors to one matrix: a first guess from some rows, then all rows.

All of it is about how wrong predictions still are. That is told by elements that the
fit does not see (`HeldOut`): it says how wide a margin to fit with, which rank to take
and when to stop.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.detection import shrunk
from sapwood.prediction.fitting import Blocks, Fit, improve
from sapwood.prediction.intervals import Floats, Halves
from sapwood.prediction.residual_bits import best_scale
from sapwood.prediction.windows import Windows, cut

SAMPLE = 1 << 20  # elements from which the right factor is guessed
MOST_SAMPLED = 1 << 21  # the same of wide matrices; each takes about 75 bytes
LEAST_ROWS = 256
HELD_OUT = 8192  # elements
ROUNDS = 12
MARGIN = 3.6  # scales of the errors' distribution
# What a round must save of the bits, or of one bit where they are more: to go on as before, and
# to go on at all once superfluous columns are gone.
SLOW = 0.2
ENOUGH = 0.02
MORE_PASSES = 3
MORE_COLUMNS = 2  # times that columns are looked for in what a fit leaves
GATHERED_ROWS = 256
GATHERED = 16384  # elements of a matrix by which its fit is judged
FARTHEST = 64.0  # root mean squares of an update
SEED = 0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Elements that the fit does not see, by their place in a matrix.

    Attributes:
        rows: (n,) rows of the elements.
        columns: (n,) columns of the elements.
        centre: (n,) centres of their intervals.
        half: (n,) half the widths of these.
    """

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    centre: Floats
    half: Halves

    @classmethod
    def of(cls, centre: Floats, half: Halves) -> HeldOut:
        """Up to HELD_OUT elements of (rows, columns) intervals, a sixteenth at most."""
        stride = max(17, half.size // HELD_OUT) | 1
        stride += 2 * (stride % half.shape[1] == 0)
        rows, columns = np.divmod(np.arange(0, half.size, stride), half.shape[1])
        return cls(rows, columns, centre[rows, columns], half[rows, columns])

    def distance(self, fit: Fit) -> Floats:
        """(n,) predicted updates less the centres."""
        return fit.at(self.rows, self.columns) - self.centre

    def judged(self, fit: Fit, near: float) -> FactorGuess:
        """Factors with what they are worth; `near` is a scale to look around, or 0."""
        return FactorGuess(fit, *best_scale(self.distance(fit), self.half, near))


@dataclasses.dataclass(frozen=True, slots=True)
class FactorGuess:
    """Factors fitted to some rows of a matrix.

    Attributes:
        fit: the factors.
        scale: scale of the distribution of their errors.
        bits: bits of residual that an element takes.
    """

    fit: Fit
    scale: float
    bits: float

    def improved(self, blocks: Blocks) -> Fit:
        """The factors after one more pass over intervals of the rows, in memory of their own."""
        fit = Fit(self.fit.left.copy(), self.fit.right.copy())
        improve(fit, blocks, [MARGIN * self.scale], right=True)
        return fit


def guess(centre: Floats, half: Halves, shape: tuple[int, int], rank: int) -> FactorGuess | None:
    """Finds rank and factors of some rows.

    Args:
        centre: (rows, columns) centres of the intervals of rows all over the matrix.
        half: half their widths; those of held-out elements are made infinite here.
        shape: rows and columns of the whole matrix.
        rank: the greatest rank that is looked for.

    Raises:
        LinAlgError: numbers are not finite, or a system is singular.
    """
    held = HeldOut.of(centre, half)
    half[held.rows, held.columns] = np.inf
    fit = _spectral(np.where(np.isinf(half), 0, centre), half, rank)
    if fit is None:
        return None
    best = _refined(fit, held, centre, half, shape, 0.0)
    for _ in range(MORE_COLUMNS):
        if best is None or best.fit.rank >= rank:
            break
        # What a strong column hid stands out once it is taken away.
        rest = _spectral(_beyond(best.fit, centre, half), half, rank - best.fit.rank)
        if rest is None:
            break
        more = _refined(best.fit.beside(rest), held, centre, half, shape, best.scale)
        if more is None or more.bits > best.bits - ENOUGH * min(best.bits, 1.0):
            break
        best = more
    return best


def _beyond(fit: Fit, centre: Floats, half: Halves) -> Floats:
    """(rows, columns) updates less those of a fit; 0 where nothing is known of them."""
    rest: Floats = np.where(np.isinf(half), 0, centre - fit.left @ fit.right.T)
    return rest


def _refined(
    fit: Fit, held: HeldOut, centre: Floats, half: Halves, shape: tuple[int, int], near: float
) -> FactorGuess | None:
    """Fits columns to intervals and drops those that are not worth their bits.

    Args:
        fit: factors whose columns are the strongest first.
        held: elements to judge by.
        centre: (rows, columns) centres of the intervals.
        half: half their widths.
        shape: rows and columns of the whole matrix.
        near: a scale of errors to look around, or 0.
    """
    best = held.judged(fit, near)
    kept = _best_rank(best, held, shape)
    best = held.judged(fit.first(min(fit.rank, kept + kept // 4 + 2)), best.scale)
    pruned = False
    for _ in range(ROUNDS):
        found = held.judged(best.improved(cut(centre, half)).in_principal_axes(), best.scale)
        before = best.bits
        slow = found.bits > before - SLOW * min(before, 1.0)
        if found.bits < before:
            best = found
        if not slow:
            continue
        if pruned:
            break
        # Superfluous columns fit noise, which the rounds that follow need not.
        pruned = True
        kept = _best_rank(best, held, shape)
        if kept == 0:
            return None
        if kept == best.fit.rank and found.bits > before - ENOUGH * min(before, 1.0):
            break
        best = held.judged(best.fit.first(kept), best.scale)
    kept = _best_rank(best, held, shape)
    return dataclasses.replace(best, fit=best.fit.first(kept)) if kept else None


def _spectral(centre: Floats, half: Halves, rank: int) -> Fit | None:
    """Factors by a randomised singular value decomposition of weighted updates."""
    update = shrunk(centre, half)
    values = update.values
    if not update.weight > 0:
        return None
    rows, columns = values.shape
    width = min(rank + 8, rows, columns)
    generator = np.random.default_rng(SEED)
    basis = values @ generator.standard_normal((columns, width), dtype=np.float32)
    for _ in range(2):
        across = np.linalg.qr(values.T @ np.linalg.qr(basis)[0])[0]
        basis = values @ across
    turn, sizes, back = np.linalg.svd(basis, full_matrices=False)
    rest = float(np.vdot(values, values)) - float(np.vdot(sizes, sizes))
    edge = math.sqrt(max(rest, 0.0) / values.size) * (math.sqrt(rows) + math.sqrt(columns))
    found = int(np.count_nonzero(sizes[:rank] > 0.95 * edge))
    if found == 0:
        return None
    factor = math.sqrt(update.size) / update.weight / math.sqrt(columns)
    left = turn[:, :found] * (sizes[:found] * np.float32(factor))
    right = (across @ back[:found].T) * np.float32(math.sqrt(columns))
    return Fit(left.astype(centre.dtype), right.astype(centre.dtype))


def _best_rank(guessed: FactorGuess, held: HeldOut, shape: tuple[int, int]) -> int:
    """How many of the first columns are worth their bits, judged by held-out elements."""
    fit, scale = guessed.fit, guessed.scale
    entries = (shape[0] + shape[1]) / (shape[0] * shape[1])
    sizes = np.sqrt(np.square(fit.left, dtype=np.float64).mean(axis=0))
    # About as fine as steps will be: see `quantising.best_error`.
    entry = np.maximum(np.log2(np.maximum(sizes, 1e-300) / max(scale, 1e-300)) + 4, 1.0)
    costs = entries * np.concatenate([[0.0], np.cumsum(entry)])
    some = slice(None, None, max(1, len(held.rows) // 4096))
    half = held.half[some]
    terms = fit.left[held.rows[some]] * fit.right[held.columns[some]]
    distance = np.concatenate([-held.centre[some, None], terms], axis=1).cumsum(axis=1)
    best, least, near = 0, math.inf, scale
    for rank in range(fit.rank + 1):
        if rank > 16 and rank % (rank // 8) and rank != fit.rank:
            continue
        near, bits = best_scale(distance[:, rank], half, near)
        if bits + costs[rank] < least:
            best, least = rank, bits + costs[rank]
    return best


def complete(start: FactorGuess, windows: Windows, some: HeldOut) -> FactorGuess:
    """Factors of all rows, from those of some.

    Args:
        start: factors of some rows.
        windows: the intervals of all rows.
        some: elements by which passes are judged.

    Raises:
        LinAlgError: a system is singular.
    """
    fit = Fit(
        np.zeros((windows.rows, start.fit.rank), start.fit.left.dtype), start.fit.right.copy()
    )
    size = float(np.sqrt(np.square(start.fit.left, dtype=np.float64).sum(axis=1).mean()))
    margin = MARGIN * start.scale
    improve(fit, windows.blocks(), [max(size, margin), 2 * margin, margin], right=True)
    best = some.judged(fit, start.scale)
    for _ in range(MORE_PASSES):
        found = some.judged(best.improved(windows.blocks()), best.scale)
        slow = found.bits > best.bits - SLOW * min(best.bits, 1.0)
        if found.bits < best.bits:
            best = found
        if slow:
            break
    return dataclasses.replace(best, fit=best.fit.in_principal_axes())


def gathered(windows: Windows) -> HeldOut:
    """Elements of a matrix, evenly spread."""
    rows = windows.places(GATHERED_ROWS)
    centre, half = windows.at(rows)
    every = max(1, half.size // GATHERED) | 1
    which, columns = np.divmod(np.arange(0, half.size, every), windows.columns)
    return HeldOut(rows[which], columns, centre[which, columns], half[which, columns])


def reach(windows: Windows) -> float:
    """The farthest that an update goes; what lies beyond is no low-rank update's doing."""
    update = shrunk(*windows.spread(LEAST_ROWS // 2))
    return FARTHEST * math.sqrt(update.size) if update.weight > 0 else math.inf


def sample(windows: Windows, rank: int) -> tuple[Floats, Halves]:
    """The intervals of rows for a guess of such a rank, in arrays that may be changed."""
    rows = max(LEAST_ROWS, 8 * rank, SAMPLE // windows.columns)
    return windows.spread(min(rows, max(1, MOST_SAMPLED // windows.columns)))
