"""Evaluates a blend: a sum of bases and a low-rank part, the same bits on every machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood.content.content import Bytes
from sapwood.prediction.factors import Factors
from sapwood.prediction.intervals import TYPES
from sapwood.tensors import DType

Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A prediction that is computed: `spec/patch-v1.md`, Blends.

    Attributes:
        dtype: type of the elements: bf16, f16 or f32.
        coefficients: the factor of each term, a binary32 number where elements have 16 bits.
        each: whether every step is rounded to the element type, not just the sum.
        factors: the low-rank part, as `packed` gives it; or None.
    """

    dtype: DType
    coefficients: tuple[float, ...]
    each: bool = False
    factors: _kernel.Factors | None = None

    def predict(
        self, terms: Sequence[Bytes], first: int, out: Bytes, edges: Bytes | None = None
    ) -> None:
        """Predicts a stretch of a tensor.

        Args:
            terms: the bases' elements of the stretch, little-endian, each as long as `out`.
            first: place in the tensor of the first element.
            out: the caller's memory for the prediction; may be that of a term.
            edges: the caller's memory, a byte for each element, for how far the sum lies from
                where it would round otherwise; None where nobody wants to know.
        """
        _kernel.predict(
            self.dtype.code,
            list(terms),
            list(self.coefficients),
            self.factors,
            first,
            self.each,
            out,
            edges,
        )


def packed(factors: Factors) -> _kernel.Factors:
    """Factors as the kernel takes them. They must be within their bounds."""
    left, right = factors.effective()
    return _kernel.Factors(left, right, factors.exponent)


def values(dtype: DType, elements: Bytes) -> Values:
    """Elements as numbers of the type that blends of `dtype` are computed in, a new array.

    Args:
        dtype: type of the elements: bf16, f16 or f32.
        elements: their bytes, little-endian.
    """
    return TYPES[dtype].values(elements)
