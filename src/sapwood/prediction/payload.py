"""Factors from their payload in a patch; `payload_coding` makes it."""

from __future__ import annotations

import math

import numpy as np

from sapwood.codec import Coding, decode_chunk
from sapwood.content.content import Bytes
from sapwood.errors import InvalidPatch
from sapwood.prediction.factors import Factors
from sapwood.tensors import DType

SHORTEST_ROW = 64  # numbers that share a context; fewer are not worth a level


def payload_row(rows: int, columns: int) -> int:
    """Integers in a row of the payload, so that rows do not straddle columns of factors."""
    both = math.gcd(rows, columns)
    return both if both >= SHORTEST_ROW else min(rows, columns)


def decode_factors(
    payload: Bytes,
    shape: tuple[int, int, int, int],
    shifts: tuple[int, ...],
    exponent: int,
    row: int,
) -> Factors:
    """Factors from their payload.

    Args:
        payload: the whole payload.
        shape: matrices, rank, rows and columns; the caller has bounded what they take.
        shifts: bits that the left factors' columns are shifted by, then those of the right ones.
        exponent: the power of two that products count.
        row: integers in a row of the payload.

    Raises:
        InvalidPatch: the payload is damaged, or integers are beyond their bounds.
    """
    matrices, rank, rows, columns = shape
    of_left = matrices * rank * rows
    numbers = np.zeros(of_left + matrices * rank * columns, "<i4")
    out = numbers.view(np.uint8)
    decode_chunk(Coding.RESIDUAL, DType.I32, payload, out, out, row, ())
    factors = Factors(
        left=numbers[:of_left].reshape(matrices, rank, rows),
        right=numbers[of_left:].reshape(matrices, rank, columns),
        left_shifts=shifts[: matrices * rank],
        right_shifts=shifts[matrices * rank :],
        exponent=exponent,
    )
    if not factors.within_bounds():
        raise InvalidPatch("damaged factors: numbers beyond their bounds; get the patch anew")
    return factors
