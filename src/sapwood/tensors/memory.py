"""Views of the memory of arrays and tensors, and the way back.

`view` turns what a caller has into the elements' bytes in one layout: C order,
little-endian, one dimension. `restore` makes a new array or tensor of the same kind
from such bytes, `copy_into` writes them into one that exists. No element is ever
read as a number, so every bit pattern survives. PyTorch is not imported here
unless the caller passes a tensor of it; casting is in `conversion`.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import DtypeMismatch, InputError, ShapeMismatch
from sapwood.tensors import numpy_memory
from sapwood.tensors.dtypes import DType
from sapwood.tensors.spec import TensorSpec

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True, slots=True)
class NumpyOrigin:
    """A NumPy array or scalar, or an object that becomes an array (DLPack, buffer).

    Attributes:
        dtype: the array's own, byte order included.
        scalar: whether it was a NumPy scalar.
    """

    dtype: np.dtype[Any]
    scalar: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TorchOrigin:
    """A PyTorch tensor and the device that it is on."""

    dtype: torch.dtype
    device: torch.device


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TensorView:
    """The elements of an array or tensor as bytes, and what it takes to make another.

    Attributes:
        spec: element type and shape.
        data: the elements' bytes, little-endian in C order: a 1-D contiguous read-only
            uint8 array of `spec.nbytes`. It lies in the object's own memory where the
            layout allows (and then follows its changes and keeps it alive), else in a copy.
        origin: the kind of object that was viewed.
    """

    spec: TensorSpec
    data: Bytes
    origin: NumpyOrigin | TorchOrigin


def is_torch_tensor(obj: object) -> TypeGuard[torch.Tensor]:
    """Whether `obj` is a PyTorch tensor, told without importing PyTorch."""
    torch_module = sys.modules.get("torch")  # a tensor cannot exist before its module does
    return torch_module is not None and isinstance(obj, torch_module.Tensor)


def view(obj: object) -> TensorView:
    """Views an array or tensor as little-endian bytes in C order.

    Args:
        obj: a NumPy array of any layout and byte order, or a NumPy scalar; a PyTorch
            tensor, which is detached, and copied to host memory from another device;
            an object in host memory with DLPack or the buffer protocol. `bytes`,
            `bytearray`, `mmap` and memoryviews over them are `DType.BYTES`.

    Returns:
        The view, without a copy for contiguous little-endian elements in host memory.

    Raises:
        UnsupportedType: no tensor, or of a dtype that `DType` does not have.
    """
    if is_torch_tensor(obj):
        return _view_tensor(obj)
    array, dtype = numpy_memory.host_array(obj)
    return TensorView(
        TensorSpec(dtype, array.shape),
        _read_only(numpy_memory.little_endian_bytes(array)),
        NumpyOrigin(array.dtype, isinstance(obj, np.generic)),
    )


def _view_tensor(tensor: torch.Tensor) -> TensorView:
    from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

    spec = TensorSpec(torch_memory.element_type(tensor), tuple(tensor.shape))
    data = numpy_memory.little_endian_bytes(torch_memory.host_words(tensor))
    return TensorView(spec, _read_only(data), TorchOrigin(tensor.dtype, tensor.device))


def _read_only(data: Bytes) -> Bytes:
    data.flags.writeable = False  # of this array object; its memory stays the caller's
    return data


def restore(like: TensorView, data: Bytes) -> Any:
    """Makes a new object of the kind of `like` from other elements of the same spec.

    Args:
        like: gives kind, dtype, byte order, shape and device.
        data: `like.spec.nbytes` bytes, little-endian in C order: 1-D contiguous uint8.
            The caller gives it up: its memory becomes the result's, and is swapped in
            place for a big-endian dtype. It is copied instead where it is read-only or
            not aligned for the dtype.

    Returns:
        A C-contiguous writable NumPy array, also for an object that came by DLPack or
        the buffer protocol (uint8 for `DType.BYTES`); a NumPy scalar for a scalar; a
        contiguous PyTorch tensor on the device of the original, without its gradient.

    Raises:
        InputError: data of another size.
    """
    _check_size(like.spec, data)
    if isinstance(like.origin, TorchOrigin):
        from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

        return torch_memory.tensor_from_bytes(
            data, like.spec.shape, like.origin.dtype, like.origin.device
        )
    array = numpy_memory.array_from_bytes(data, like.spec.shape, like.origin.dtype)
    return array[()] if like.origin.scalar else array


def check_out(out: object, spec: TensorSpec) -> None:
    """Checks that `out` can take elements of `spec`. Nothing is written.

    `DType.BYTES` and `DType.U8` fit each other here: both are bytes, and what `restore`
    makes of opaque bytes is a uint8 array.

    Raises:
        UnsupportedType: `out` is no tensor, or of an unsupported dtype.
        DtypeMismatch: `out` has another element type.
        ShapeMismatch: `out` has another shape.
        InputError: `out` is read-only, a NumPy scalar, or has elements that share memory.
    """
    if is_torch_tensor(out):
        from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

        _check_spec(TensorSpec(torch_memory.element_type(out), tuple(out.shape)), spec)
        torch_memory.check_writable(out)
        return
    array, dtype = numpy_memory.host_array(out)
    _check_spec(TensorSpec(dtype, array.shape), spec)
    if isinstance(out, np.generic):
        raise InputError("out is a NumPy scalar, which cannot change; pass a 0-d array")
    if not array.flags.writeable:
        raise InputError(f"out ({type(out).__name__}) is read-only; pass a writable copy of it")
    numpy_memory.check_disjoint(array.shape, array.strides, array.itemsize)


def _check_spec(found: TensorSpec, expected: TensorSpec) -> None:
    opaque = {DType.BYTES, DType.U8}
    if found.dtype != expected.dtype and {found.dtype, expected.dtype} != opaque:
        raise DtypeMismatch(
            f"out has dtype {found.dtype}, the elements have {expected.dtype}; "
            f"pass an out of dtype {expected.dtype}, nothing is cast"
        )
    if found.shape != expected.shape:
        raise ShapeMismatch(
            f"out has shape {found.shape}, the elements have {expected.shape}; "
            f"pass an out of shape {expected.shape}"
        )


def _check_size(spec: TensorSpec, data: Bytes) -> None:
    if data.nbytes != spec.nbytes:
        raise InputError(f"{spec} takes {spec.nbytes} bytes, found {data.nbytes}")


def copy_into(out: object, spec: TensorSpec, data: Bytes) -> None:
    """Writes elements into an existing array or tensor, after checking that they fit.

    Args:
        out: a writable NumPy array of any layout and byte order, a PyTorch tensor on any
            device (autograd sees an in-place change), or a writable buffer.
        spec: element type and shape of the elements.
        data: `spec.nbytes` bytes, little-endian in C order: 1-D contiguous uint8. Only
            read; it may lie in the memory of `out`.

    Raises:
        UnsupportedType, DtypeMismatch, ShapeMismatch, InputError: as `check_out`, and for
            data of another size; nothing is written then.
    """
    check_out(out, spec)
    _check_size(spec, data)
    if is_torch_tensor(out):
        from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

        torch_memory.write_words(out, data)
    else:
        array, _ = numpy_memory.host_array(out)
        numpy_memory.write_words(array, data)


def writable(out: object, spec: TensorSpec) -> Bytes | None:
    """The memory of `out` for writing little-endian elements in C order straight into it.

    Args:
        out: as for `copy_into`.
        spec: element type and shape of the elements to come.

    Returns:
        A 1-D contiguous writable uint8 array of `spec.nbytes` in the memory of `out`; None
        where the layout, byte order or device of `out` asks for `copy_into`.

    Raises:
        UnsupportedType, DtypeMismatch, ShapeMismatch, InputError: as `check_out`.
    """
    check_out(out, spec)
    if is_torch_tensor(out):
        from sapwood.tensors import torch_memory  # imports PyTorch, which the caller has

        array = torch_memory.writable_words(out)
    else:
        array, _ = numpy_memory.host_array(out)
    if array is None or not numpy_memory.is_little_endian_contiguous(array):
        return None
    return numpy_memory.little_endian_bytes(array)
