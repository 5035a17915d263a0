"""Given factors as spec/patch-v1.md defines them, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from support.reference_prediction import LowRank

Rows = Sequence[Sequence[float]]


def width(values: Sequence[float]) -> int:
    """The least power of two above the magnitudes."""
    return max(math.frexp(one)[1] for one in values if one)


def given(left: Rows, right: Rows, coefficient: float) -> LowRank:
    """The integers of an adapter's matrices: rows by rank, and rank by columns."""
    rows, rank, columns = len(left), len(right), len(right[0])
    zeros = LowRank(np.zeros((1, rows, rank), np.int32), np.zeros((1, rank, columns), np.int32), 0)
    scaled = [[one * coefficient for one in row] for row in left]
    if not all(math.isfinite(one) for row in (*scaled, *right) for one in row):
        return zeros
    used = [k for k in range(rank) if any(row[k] for row in scaled) and any(right[k])]
    if not used:
        return zeros
    sides = {k: (width([row[k] for row in scaled]), width(right[k])) for k in used}
    top = max(x + y for x, y in sides.values())
    power = min(53 - rank.bit_length() - top, 126)
    if power < -64:
        return zeros
    found = LowRank(zeros.left.copy(), zeros.right.copy(), -power)
    for k, (x, y) in sides.items():
        bits = x + y + power
        ups = -(-bits // 2) - x, bits // 2 - y
        for i in range(rows):
            found.left[0, i, k] = round(Fraction(scaled[i][k]) * Fraction(2) ** ups[0])
        for j in range(columns):
            found.right[0, k, j] = round(Fraction(right[k][j]) * Fraction(2) ** ups[1])
    return found
