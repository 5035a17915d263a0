"""What a tensor is, without its elements."""

from __future__ import annotations

import dataclasses
import math

from sapwood.tensors.dtypes import DType


@dataclasses.dataclass(frozen=True, slots=True)
class TensorSpec:
    """Element type and shape of a tensor in C order.

    A zero-dimensional tensor has the shape `()` and one element.
    """

    dtype: DType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.elements * self.dtype.size

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
