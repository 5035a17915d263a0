"""The 32 contexts of the format, as a window on the 128 that a survey tells apart.

A window is where it begins, its shift: measured contexts below it become 0, those past
it 31. Where it lies is chosen for a whole group of tensors, which share tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.codec.chunk import Levelling
from sapwood.codec.survey import CONTEXTS, Counts, Levelled, Survey

WINDOW = 32  # contexts of the format

Indices: TypeAlias = npt.NDArray[np.intp]


def finest(survey: Survey) -> Levelling:
    """The levelling that knows most, of those that every base allows."""
    return Levelling.ROWS if Levelling.ROWS in survey.levelled else Levelling.TENSOR


def contexts_of(survey: Survey, levelling: Levelling, shift: int) -> tuple[Levelled, Indices]:
    """Counts of a surveyed tensor, and the context of the format (0 to 31) of each pair.

    Levelling.NONE has the counts of Levelling.TENSOR, all in context 0: neither has row levels.
    """
    if levelling is Levelling.NONE:
        counted = survey.levelled[Levelling.TENSOR]
        return counted, np.zeros(len(counted.context), np.intp)
    counted = survey.levelled[levelling]
    return counted, np.clip(counted.context.astype(np.intp) - shift, 0, WINDOW - 1)


def summed(indices: npt.NDArray[np.integer], counts: Counts, size: int) -> Counts:
    """(size,) sums of the counts at each index."""
    return np.bincount(indices, weights=counts, minlength=size).astype(np.float64, copy=False)


def window_of(survey: Survey, levelling: Levelling, shift: int) -> tuple[Counts, Counts]:
    """(32, 256) counts of residual tokens by context of the format, (256,) of row levels."""
    counted, contexts = contexts_of(survey, levelling, shift)
    window = summed(contexts * 256 + counted.token, counted.count, WINDOW * 256)
    return window.reshape(WINDOW, 256), counted.steps


def window_shift(surveys: Sequence[Survey]) -> int:
    """Where the 32 contexts begin: 20 below the median of the elements that change."""
    changes = np.zeros(CONTEXTS)
    for survey in surveys:
        counted = survey.levelled[finest(survey)]
        moved = counted.token != 0
        changes += summed(counted.context[moved], counted.count[moved], CONTEXTS)
    median = int(np.searchsorted(np.cumsum(changes), changes.sum() / 2))
    return min(max(median - 20, 0), CONTEXTS - WINDOW)
