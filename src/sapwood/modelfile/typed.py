"""A run of bytes as a tensor of the type and shape that a file claims for it."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.tensors import DType, TensorSpec

MOST_DIMENSIONS = 64  # more are taken as one


def sized_spec(dtype: DType | None, shape: Sequence[int] | None, nbytes: int) -> TensorSpec:
    """The spec of `nbytes` bytes.

    Opaque bytes where there is no type, or the bytes are no whole elements of it, or are
    not as many as the shape says. One dimension where the shape is None.

    Args:
        dtype: as the file claims, or None for one without our equal.
        shape: as the file claims, any integers; or None if it claims none.
        nbytes: of the run; 0 or more.
    """
    opaque = TensorSpec(DType.BYTES, (nbytes,))
    if dtype is None or nbytes % dtype.size:
        return opaque
    if shape is None:
        return TensorSpec(dtype, (nbytes // dtype.size,))
    if len(shape) > MOST_DIMENSIONS or any(extent < 0 for extent in shape):
        return opaque
    # At most 64 factors of 64 bits: a long integer, but a bounded one.
    size = dtype.size
    for extent in shape:
        size *= extent
    return TensorSpec(dtype, tuple(shape)) if size == nbytes else opaque
