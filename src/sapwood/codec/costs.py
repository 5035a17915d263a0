"""What symbols cost: bits of tokens under given tables, and raw bits beside them."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from sapwood._kernel import Tables
from sapwood.codec.survey import FIRST_SPECIAL

SCALE_BITS = 12
ESCAPE = 255
STILL_ROW = 254
ROWS = 32  # the context of row levels
CHANGES = 8  # in a sparse coding, residuals of class k have context 8 + k
GAP_TOKENS = 128


@functools.cache
def residual_raw_bits(width: int, specials: int) -> npt.NDArray[np.float64]:
    """(256,) raw bits that follow each residual token of a type of `width` bits."""
    split = 1 if width == 64 else 2
    token = np.arange(256)
    bits = np.where(token < 15, 0, (((token - 15) // 2) >> split) + 3 - split).astype(np.float64)
    bits[FIRST_SPECIAL : FIRST_SPECIAL + specials] = 0
    bits[ESCAPE] = width
    return bits


@functools.cache
def row_raw_bits() -> npt.NDArray[np.float64]:
    """(256,) raw bits that follow each token of a row level."""
    bits = residual_raw_bits(32, 0).copy()
    bits[STILL_ROW] = 0
    return bits


@functools.cache
def _gap_starts() -> npt.NDArray[np.float64]:
    """(129,) the least gap of each gap token, and 2^32 at the end."""
    exact = np.arange(16.0)
    octaves = np.arange(4, 32)[:, None]
    buckets = (4 + np.arange(4.0)) * np.exp2(octaves - 2)
    return np.concatenate([exact, buckets.ravel(), [2.0**32]])


@functools.cache
def gap_raw_bits() -> npt.NDArray[np.float64]:
    """(256,) raw bits that follow each gap token."""
    bits = np.zeros(256)
    bits[:GAP_TOKENS] = np.log2(np.diff(_gap_starts()))
    bits[ESCAPE] = 32
    return bits


def token_bits(tables: Tables, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(33, 256) bits of each token by context, raw bits included.

    Args:
        tables: tables with the frequencies. A token without one goes through the escape.
        raw: (33, 256) raw bits that follow each token.
    """
    frequencies = tables.frequencies.astype(np.float64)
    used = frequencies[:, ESCAPE] > 0
    with np.errstate(divide="ignore"):
        bits = SCALE_BITS - np.log2(frequencies)
    escaped = np.where(used, bits[:, ESCAPE], 0.0) + raw[:, ESCAPE]
    return np.where(frequencies > 0, bits + raw, escaped[:, None])


def gap_distribution(
    changed: npt.NDArray[np.float64], members: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(classes, 256) the share of each gap token when changes fall independently.

    Args:
        changed: (classes,) elements that change.
        members: (classes,) elements.
    """
    share = np.minimum(changed / np.maximum(members, 1), 1 - 1e-9)
    # The share of gaps that are at least so long.
    reach = np.exp(np.log1p(-share)[:, None] * _gap_starts())
    shares = np.zeros((len(share), 256))
    shares[:, :GAP_TOKENS] = reach[:, :-1] - reach[:, 1:]
    return shares
