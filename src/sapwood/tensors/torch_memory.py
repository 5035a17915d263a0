"""The memory of PyTorch tensors.

This is the one module of Sapwood's tensor layer that imports PyTorch; it is
imported only once the caller has passed a tensor. Elements are handled as integers
of their width, as in `numpy_memory`, so that no float kernel touches them. Tensors
are in the byte order of the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch  # noqa: TID253  (imported for a tensor only)

from sapwood.content.content import Bytes
from sapwood.errors import InputError, UnsupportedType
from sapwood.tensors import numpy_memory
from sapwood.tensors.dtypes import BY_FULL_NAME, DType
from sapwood.tensors.numpy_memory import array_from_bytes, check_disjoint
from sapwood.tensors.spec import TensorSpec

TORCH_TYPES: dict[DType, torch.dtype] = {
    dtype: getattr(torch, name) for name, dtype in BY_FULL_NAME.items()
}
_ELEMENT_TYPES = {torch_dtype: dtype for dtype, torch_dtype in TORCH_TYPES.items()}

# The integers of each width for which every device has copy kernels.
_WORD_TYPES = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

_HOST = torch.device("cpu")


def element_type(tensor: torch.Tensor) -> DType:
    """The element type of a tensor whose elements are plain values in strided memory.

    Raises:
        UnsupportedType: another dtype, or a sparse, nested, quantized or meta tensor.
    """
    if tensor.is_quantized:
        raise UnsupportedType("a quantized tensor has scales too; patch x.int_repr() and them")
    if tensor.is_nested or tensor.layout != torch.strided:
        raise UnsupportedType(
            f"a tensor of layout {tensor.layout} is made of several; "
            "patch its parts (indices and values), or pass x.to_dense()"
        )
    if tensor.is_meta:
        raise UnsupportedType("a meta tensor has no elements; load its weights first")
    found = _ELEMENT_TYPES.get(tensor.dtype)
    if found is None:
        remedy = (
            "pass torch.view_as_real(x)"
            if tensor.dtype.is_complex
            else "view it as bytes: x.contiguous().view(torch.uint8)"
        )
        raise UnsupportedType(f"{tensor.dtype} is not supported; {remedy}")
    return found


def _words_of(tensor: torch.Tensor) -> torch.Tensor:
    """The elements as integers: same device and memory, detached from autograd."""
    return tensor.detach().view(_WORD_TYPES[tensor.element_size()])


def host_words(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """The elements of a supported tensor as integers in host memory.

    Returns:
        An array of the tensor's shape in the host's byte order, over the tensor's own
        memory if that is host memory, else over a copy of it.

    Raises:
        UnsupportedType: the tensor is a stand-in without memory of its own.
    """
    words = _words_of(tensor.resolve_neg()).cpu()
    try:
        return words.numpy()
    except (RuntimeError, TypeError) as e:
        raise UnsupportedType(
            f"{type(tensor).__name__} has no host memory of its own ({e}); "
            "pass a plain tensor of its elements"
        ) from e


def tensor_from_bytes(
    data: Bytes, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """A new tensor from the elements' little-endian bytes.

    Args:
        data: 1-D, contiguous, of the size that shape and dtype make. On the CPU its memory
            becomes the tensor's, as in `numpy_memory.array_from_bytes`.
        shape: sides of the new tensor, outermost first.
        dtype: type of its elements.
        device: place of the new tensor, to which the elements are copied from the CPU.
    """
    native = np.dtype(f"i{dtype.itemsize}") if dtype.itemsize > 1 else np.dtype(np.uint8)
    words = torch.from_numpy(array_from_bytes(data, shape, native))
    return words.view(dtype).to(device)


def new_tensor(spec: TensorSpec, data: Bytes) -> torch.Tensor:
    """As `tensor_from_bytes`, on the CPU; opaque bytes become uint8."""
    dtype = TORCH_TYPES.get(spec.dtype, torch.uint8)
    return tensor_from_bytes(data, spec.shape, dtype, _HOST)


def check_writable(out: torch.Tensor) -> None:
    """Refuses a tensor whose elements cannot be written one by one.

    Raises:
        InputError: elements share memory, or the tensor is a lazy negation.
    """
    if out.is_neg():
        raise InputError("out is a lazily negated view; pass out.resolve_neg()")
    check_disjoint(tuple(out.shape), out.stride(), 1)


def write_words(out: torch.Tensor, data: Bytes) -> None:
    """Writes little-endian bytes in C order into the elements of `out`, of any layout.

    Autograd sees an in-place change of `out`, as after `out.copy_`. Correct also where
    `data` lies in the memory of `out`.

    Args:
        out: a tensor that `check_writable` lets pass.
        data: the bytes of out's elements, little-endian in C order, 1-D and contiguous. Only
            read.
    """
    if out.device.type == "cpu":
        numpy_memory.write_words(host_words(out), data)
        _count_change(out)
    else:
        copy_words(out, data)


def copy_words(out: torch.Tensor, data: Bytes) -> None:
    """As `write_words`, by PyTorch's own copy, which reaches every device.

    `data` must not lie in the memory of `out`.
    """
    # An inference tensor may be changed in inference mode only, and any other tensor's
    # version is counted outside of it only.
    with torch.inference_mode(out.is_inference()):
        words = _words_of(out)
        words.copy_(tensor_from_bytes(data, tuple(out.shape), words.dtype, _HOST))


def writable_words(out: torch.Tensor) -> npt.NDArray[Any] | None:
    """The memory of `out` as integers, for direct writing.

    Autograd counts an in-place change of `out` at once.

    Returns:
        An array over the memory of `out`; None if that is not contiguous host memory.
    """
    if out.device.type != "cpu" or not out.is_contiguous():
        return None
    words = host_words(out)
    _count_change(out)
    return words


def _count_change(out: torch.Tensor) -> None:
    # Writes through NumPy pass by PyTorch, which would then compute gradients from
    # values that are gone. Inference tensors have no version to count.
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)
