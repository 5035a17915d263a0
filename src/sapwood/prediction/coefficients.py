"""Finds the numbers with which bases were summed, from samples of them and of the target.

Merges are made with few decimals (0.3 a + 0.7 b), or with numbers that differ from tensor
to tensor (spherical interpolation). Least squares finds either; a rounded coefficient that
leaves less is what the merge was made with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood.content.content import Bytes
from sapwood.prediction.blend import Blend, values
from sapwood.tensors import DType

DECIMALS = (1, 2, 3, 4, 6)
LEAST_GAIN = 0.05  # bits an element by which a sum must beat the best base alone
LARGEST = 1e6  # of a coefficient; larger ones only cancel each other

Coefficients = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class BaseSum:
    """How bases make up a target.

    Attributes:
        coefficients: one for each base, 0 of those that have no part in the target.
        each: whether every step is rounded to the element type, not just the sum.
        bits: bits that the residual takes an element, about.
    """

    coefficients: tuple[float, ...]
    each: bool
    bits: float

    @property
    def single(self) -> int | None:
        """The base that is the prediction by itself, or None."""
        used = [i for i, c in enumerate(self.coefficients) if c != 0]
        return used[0] if len(used) == 1 and self.coefficients[used[0]] == 1 else None


def fit_coefficients(dtype: DType, bases: Sequence[Bytes], target: Bytes) -> BaseSum:
    """The sum of bases that comes nearest to the target.

    Args:
        dtype: type of the elements: bf16, f16 or f32.
        bases: the bytes of the same elements of each base, little-endian; one base at least.
        target: the bytes of the same elements of the target.
    """
    singles = [
        BaseSum(tuple(np.eye(len(bases))[i].tolist()), False, residual_bits(dtype, base, target))
        for i, base in enumerate(bases)
    ]
    best = min(singles, key=lambda fit: fit.bits)
    if len(bases) == 1 or best.bits == 0:
        return best
    sums = [
        BaseSum(tuple(c.tolist()), each, _summed_bits(dtype, bases, target, c, each))
        for c in _candidates(dtype, bases, target)
        for each in (False, True)
    ]
    found = min(sums, key=lambda fit: fit.bits, default=best)
    return found if found.bits < best.bits - LEAST_GAIN else best


def _candidates(dtype: DType, bases: Sequence[Bytes], target: Bytes) -> Iterator[Coefficients]:
    """Coefficients that may be the ones, the fewest decimals first."""
    fitted = _least_squares(dtype, bases, target)
    if fitted is None:
        return
    working = np.float64 if dtype is DType.F32 else np.float32
    tried: list[Coefficients] = []
    for decimals in (*DECIMALS, None):
        exact = fitted if decimals is None else np.round(fitted, decimals)
        # What a program computes with is binary32 in either case, as a rule.
        for kind in dict.fromkeys((np.float32, working)):
            found = exact.astype(kind).astype(np.float64)
            if not any(np.array_equal(found, one) for one in tried):
                tried.append(found)
                yield found


def _least_squares(dtype: DType, bases: Sequence[Bytes], target: Bytes) -> Coefficients | None:
    """(bases,) coefficients by least squares, in ULPs of the target; None if there are none."""
    with np.errstate(over="ignore", invalid="ignore"):
        columns = np.stack([values(dtype, base) for base in bases], axis=1).astype(np.float64)
        wanted = values(dtype, target).astype(np.float64)
        size = np.maximum(np.abs(columns).max(axis=1), np.abs(wanted))
    usable = np.isfinite(size) & (size > 0) & (size < 1e30)
    if np.count_nonzero(usable) < 2 * len(bases):
        return None
    # Rounding moves an element by up to half an ULP: by its size, about.
    weight = np.exp2(-np.floor(np.log2(size[usable])))[:, None]
    try:
        found, *_ = np.linalg.lstsq(columns[usable] * weight, wanted[usable] * weight[:, 0])
    except np.linalg.LinAlgError:
        return None
    fitted: Coefficients = found.astype(np.float64)
    if not np.all(np.isfinite(fitted)) or np.abs(fitted).max() > LARGEST:
        return None
    return fitted


def _summed_bits(
    dtype: DType, bases: Sequence[Bytes], target: Bytes, coefficients: Coefficients, each: bool
) -> float:
    """Bits that the residual against a sum takes an element, about."""
    used = np.flatnonzero(coefficients).tolist()
    if not used:
        return 8.0 * dtype.size
    out = np.empty_like(target)
    blend = Blend(dtype, tuple(coefficients[used].tolist()), each)
    blend.predict([bases[i] for i in used], 0, out)
    return residual_bits(dtype, out, target)


def residual_bits(dtype: DType, prediction: Bytes, target: Bytes) -> float:
    """Bits an element: the entropy of the residuals' octaves, and the bits within these.

    Args:
        dtype: type of the elements.
        prediction: their bytes as they are predicted, little-endian.
        target: their bytes, little-endian, as many.
    """
    residuals = _kernel.residuals(dtype.code, prediction, target)
    sizes = np.abs(residuals).astype(np.float64)
    octaves = np.zeros(len(sizes), np.intp)
    moved = sizes > 0
    octaves[moved] = 1 + np.log2(sizes[moved]).astype(np.intp)
    counts = np.bincount(octaves).astype(np.float64)
    shares = counts / max(1, len(sizes))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(shares * np.log2(shares))
    return float(entropy + (shares * np.arange(len(shares))).sum())
