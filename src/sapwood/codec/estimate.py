"""What a surveyed tensor would take with tables of its own that cost nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sapwood.codec.costs import residual_raw_bits, row_raw_bits
from sapwood.codec.survey import Counts, Levelled, Survey


def estimated_bits(survey: Survey, specials: int = 0) -> float:
    """Bits of the whole tensor under the levelling that suits it best.

    Args:
        survey: measurements against a base.
        specials: how many residuals had a token of their own.
    """
    raw = residual_raw_bits(8 * survey.dtype.size, specials)
    return min(_levelled_bits(one, raw) for one in survey.levelled.values())


def _levelled_bits(counted: Levelled, raw: npt.NDArray[np.float64]) -> float:
    """Bits of residuals by context, and of the row levels."""
    totals = np.bincount(counted.context, weights=counted.count)
    shares = counted.count / totals[counted.context]
    tokens = -(counted.count * np.log2(shares)).sum() + (counted.count * raw[counted.token]).sum()
    return float(tokens) + _entropy(counted.steps) + float((counted.steps * row_raw_bits()).sum())


def _entropy(counts: Counts) -> float:
    """Bits of tokens that occur so often, coded by their own frequencies."""
    some = counts[counts > 0]
    return float(-(some * np.log2(some / some.sum())).sum())
