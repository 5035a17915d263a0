"""Arrays and tensors of elements that are there as bytes, by the name of a framework."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import InputError
from sapwood.tensors.conversion import numpy_dtype
from sapwood.tensors.dtypes import DType
from sapwood.tensors.spec import TensorSpec

FRAMEWORKS = ("numpy", "torch")


def made(spec: TensorSpec, data: Bytes, framework: str) -> Any:
    """An array or tensor of elements that are there as bytes.

    Args:
        spec: element type and shape; opaque bytes become uint8.
        data: `spec.nbytes` bytes, little-endian in C order: 1-D contiguous uint8. The caller
            gives it up.
        framework: "numpy" or "torch".

    Returns:
        A little-endian NumPy array over the memory of `data`, read-only or unaligned where
        that is; or a PyTorch tensor on the CPU over it, or over a copy where it is read-only
        or unaligned.

    Raises:
        UnsupportedType: a NumPy array of bf16 or fp8 is asked for, and the package ml_dtypes
            is not installed.
        InputError: `framework` is neither, or PyTorch is asked for and not installed.
    """
    if framework == "torch":
        try:
            from sapwood.tensors import torch_memory  # imports PyTorch, which the caller asked for
        except ImportError as e:
            raise InputError(
                "PyTorch is not installed; install sapwood[torch], or ask for 'numpy'"
            ) from e
        return torch_memory.new_tensor(spec, data)
    if framework != "numpy":
        raise InputError(f"expected the framework {' or '.join(FRAMEWORKS)}, found {framework!r}")
    native = np.dtype(np.uint8) if spec.dtype is DType.BYTES else numpy_dtype(spec.dtype)
    # On a little-endian host this is the dtype itself.
    dtype = native if sys.byteorder == "little" else native.newbyteorder("<")
    return data.view(dtype).reshape(spec.shape)
