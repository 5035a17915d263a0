"""Casting to another element type, for a caller who asks for it.

Nothing else in Sapwood changes a value.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from sapwood.errors import UnsupportedType
from sapwood.tensors import numpy_memory
from sapwood.tensors.dtypes import DType
from sapwood.tensors.memory import is_torch_tensor

# The name in NumPy, or in ml_dtypes for the types that NumPy does not have.
_NUMPY_NAMES = {
    DType.F16: "float16",
    DType.F32: "float32",
    DType.F64: "float64",
    DType.I8: "int8",
    DType.I16: "int16",
    DType.I32: "int32",
    DType.I64: "int64",
    DType.U8: "uint8",
    DType.U16: "uint16",
    DType.U32: "uint32",
    DType.U64: "uint64",
    DType.BOOL: "bool",
}
_ADDED_NAMES = {
    DType.BF16: "bfloat16",
    DType.F8_E4M3: "float8_e4m3fn",
    DType.F8_E5M2: "float8_e5m2",
}


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
        wanted = {own: torch_dtype for torch_dtype, own in torch_memory.ELEMENT_TYPES.items()}
        return obj.detach().to(wanted[dtype])
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
        UnsupportedType: bf16 or fp8, and the package ml_dtypes is not installed.
    """
    if dtype in _NUMPY_NAMES:
        return np.dtype(_NUMPY_NAMES[dtype])
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ImportError as e:
        raise UnsupportedType(
            f"NumPy alone has no {dtype}; install ml_dtypes, or use PyTorch tensors"
        ) from e
    added: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _ADDED_NAMES[dtype]))
    return added
