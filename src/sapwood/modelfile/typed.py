"""What files of strangers claim of tensors: types and shapes of runs of bytes, and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.modelfile.layout import MAX_INTEGER, bounded_product
from sapwood.tensors import DType, TensorSpec

MOST_DIMENSIONS = 64  # more are taken as one
LONGEST_NUMBER = 19  # digits


def sized_spec(dtype: DType | None, shape: Sequence[int] | None, nbytes: int) -> TensorSpec:
    """The spec of `nbytes` bytes.

    Opaque bytes where there is no type, or the bytes are no whole elements of it, or are
    not as many as the shape says. One dimension where the shape is None.

    Args:
        dtype: type of the elements, as the file claims; None for one without our equal.
        shape: sides, as the file claims, any integers; None if it claims none.
        nbytes: bytes of the run, 1 or more; 0 where `shape` is None.
    """
    opaque = TensorSpec(DType.BYTES, (nbytes,))
    if dtype is None or nbytes % dtype.size:
        return opaque
    if shape is None:
        return TensorSpec(dtype, (nbytes // dtype.size,))
    if len(shape) > MOST_DIMENSIONS or any(extent < 0 for extent in shape):
        return opaque
    same = bounded_product((dtype.size, *shape)) == nbytes
    return TensorSpec(dtype, tuple(shape)) if same else opaque


def whole_number(text: str) -> int | None:
    """The number that decimal digits say, MAX_INTEGER at most; None for any other text."""
    digits = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return min(int(text), MAX_INTEGER) if digits else None
