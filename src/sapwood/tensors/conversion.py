"""Casting to another element type, for a caller who asks for it.

Nothing else in Sapwood changes a value.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from sapwood.errors import UnsupportedType
from sapwood.tensors import numpy_memory
from sapwood.tensors.dtypes import BY_FULL_NAME, DType
from sapwood.tensors.memory import is_torch_tensor

_FULL_NAMES = {dtype: name for name, dtype in BY_FULL_NAME.items()}
_ADDED = (DType.BF16, DType.F8_E4M3, DType.F8_E5M2)  # types that only ml_dtypes gives to NumPy


def converted(obj: object, dtype: DType) -> Any:
    """The values of `obj` as elements of another type, by the rules of NumPy or PyTorch.

    - Float to float: rounded to nearest, ties to even. What is too large becomes an
      infinity, or NaN in fp8 e4m3, which has none (recent PyTorch: the largest value).
      NaN stays NaN; its payload may change. float64 to bf16 or fp8 may be rounded
      to float32 on the way, hence twice.
    - Integer to float: rounded to nearest, ties to even.
    - Float to integer: the fraction is dropped. What does not fit, NaN included, becomes
      an unspecified value that may differ between machines: check the range first.
    - Integer to integer: taken modulo 2 to the power of the width.
    - To bool: whether the value is not zero.

    Args:
        obj: a NumPy array or scalar, PyTorch tensor, or buffer, as for `view`.
        dtype: any but `DType.BYTES`, whose elements have no value.

    Returns:
        A new NumPy array in the host's byte order, or a new detached tensor on the
        same device; `obj` itself where it has the dtype already.

    Raises:
        UnsupportedType: `obj` is no tensor or has no values, `dtype` is BYTES, or it is
            bf16 or fp8 for a NumPy array and the package ml_dtypes is not installed.
    """
    if dtype is DType.BYTES:
        raise UnsupportedType("opaque bytes have no values to convert to; view x as np.uint8")
    if is_torch_tensor(obj):
        from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

        if torch_memory.element_type(obj) is dtype:
            return obj
        return obj.detach().to(torch_memory.TORCH_TYPES[dtype])
    array, found = numpy_memory.host_array(obj)
    if found is dtype:
        return obj
    if found is DType.BYTES:
        raise UnsupportedType(
            "opaque bytes have no values to convert; name their type with np.frombuffer(x, dtype)"
        )
    # Overflow to infinity and NaN to integer are documented results here, not accidents.
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(numpy_dtype(dtype))


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy dtype of an element type, in the host's byte order; any but `DType.BYTES`.

    Raises:
        UnsupportedType: `dtype` is bf16 or fp8, and the package ml_dtypes is not installed.
    """
    if dtype not in _ADDED:
        return np.dtype(_FULL_NAMES[dtype])
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ImportError as e:
        raise UnsupportedType(
            f"NumPy alone has no {dtype}; install ml_dtypes, or use PyTorch tensors"
        ) from e
    added: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _FULL_NAMES[dtype]))
    return added
