"""The memory of NumPy arrays, and of what becomes one without a cast.

Elements are handled as unsigned words of their own width, never as numbers: a
float that passes through arithmetic may lose its NaN payload or its signalling
bit, a word cannot. Byte order is a property of the word type, so a change of
order is a cast between word types.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.errors import InputError, UnsupportedType
from sapwood.tensors.dtypes import BY_FULL_NAME, DType

Array = npt.NDArray[Any]

# By NumPy's letter for the kind of a dtype. Any other is best viewed as bytes.
_REMEDIES = {
    "c": "view it as pairs of floats: x.view(np.float32) for complex64, np.float64 for complex128",
    "M": "view it as np.int64",
    "m": "view it as np.int64",
    "O": "convert it to a numeric dtype with astype",
    "U": "view it as np.uint32",
    "T": "encode it into fixed-width bytes and view them as np.uint8",
    "f": "convert it to np.float64 if the precision may go, or view it as np.uint8",
}

# Exporters whose buffer is memory without an element type.
_OPAQUE = (bytes, bytearray, mmap.mmap)


def element_type(dtype: np.dtype[Any]) -> DType:
    """The element type of a NumPy dtype, whatever its byte order.

    Raises:
        UnsupportedType: Sapwood has no type for the dtype's elements, or it has several.
    """
    if dtype.names is not None:
        raise UnsupportedType(
            f"structured dtype {dtype} has several element types; "
            "patch each field alone: array['field']"
        )
    # A big-endian dtype of ml_dtypes, and of JAX and TensorFlow through it, has no name of its own.
    found = BY_FULL_NAME.get(dtype.type.__name__, BY_FULL_NAME.get(dtype.name))
    if found is None or found.size != dtype.itemsize:
        remedy = _REMEDIES.get(dtype.kind, "view it as np.uint8")
        raise UnsupportedType(f"dtype {dtype} is not supported; {remedy}")
    return found


def host_array(obj: object) -> tuple[Array, DType]:
    """The elements of `obj` as a NumPy array over its own memory, and their type.

    Args:
        obj: a NumPy array or scalar, an object with `__dlpack__` in host memory, or one with
            the buffer protocol. `bytes`, `bytearray`, `mmap` and memoryviews over them are
            `DType.BYTES`; other buffers go by their format.

    Returns:
        An array of the object's shape, strides and byte order, writable where the
        object is, and keeping the object alive. Only a NumPy scalar is copied.

    Raises:
        UnsupportedType: no tensor, not in host memory, or of an unsupported dtype.
    """
    if isinstance(obj, np.ma.MaskedArray):
        raise UnsupportedType(
            "a masked array is two tensors; patch x.data and x.mask, or pass x.filled(value)"
        )
    if isinstance(obj, np.ndarray | np.generic):
        array = np.asarray(obj)
        return array, element_type(array.dtype)
    if hasattr(obj, "__dlpack__"):
        array = _from_dlpack(obj)
        return array, element_type(array.dtype)
    return _from_buffer(obj)


def _from_dlpack(obj: Any) -> Array:
    try:
        return np.from_dlpack(obj)
    except (BufferError, RuntimeError, TypeError, ValueError) as e:
        raise UnsupportedType(
            f"NumPy cannot take {_name_of(obj)} through DLPack ({e}); "
            "pass a NumPy array of it in host memory"
        ) from e


def _from_buffer(obj: Any) -> tuple[Array, DType]:
    try:
        buffer = memoryview(obj)
    except (TypeError, BufferError) as e:
        raise UnsupportedType(
            f"{_name_of(obj)} is no tensor: expected a NumPy array, a PyTorch tensor or an object "
            "with DLPack or the buffer protocol; make one with np.asarray(x, dtype)"
        ) from e
    try:
        array = np.asarray(buffer)
    except (TypeError, ValueError, BufferError, NotImplementedError) as e:
        raise UnsupportedType(
            f"{_name_of(obj)} has elements of format {buffer.format!r}, which NumPy does not "
            "read; cast it to bytes with memoryview(x).cast('B')"
        ) from e
    if isinstance(buffer.obj, _OPAQUE) and buffer.format == "B" and buffer.ndim == 1:
        return array, DType.BYTES
    return array, element_type(array.dtype)


def _name_of(obj: object) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def word_type(size: int, order: str = "<") -> np.dtype[Any]:
    """Unsigned words of `size` bytes; `order` as in NumPy: '<', '>', '=' or '|'."""
    return np.dtype(f"u{size}").newbyteorder(order)  # type: ignore[arg-type]


def _words_of(array: Array) -> Array:
    """The elements of `array` as unsigned words: same memory, shape, strides, byte order."""
    return array.view(word_type(array.dtype.itemsize, array.dtype.byteorder))


def little_endian_bytes(array: Array) -> Bytes:
    """The elements' bytes in C order, little-endian.

    Returns:
        1-D, contiguous, over the array's own memory where that is laid out so,
        else over a copy. Writable if and only if its memory is.
    """
    words = _words_of(array)
    return words.astype(word_type(words.itemsize), order="C", copy=False).reshape(-1).view(np.uint8)


def is_little_endian_contiguous(array: Array) -> bool:
    """Whether the memory of `array` is already what `little_endian_bytes` gives."""
    return array.flags.c_contiguous and _words_of(array).dtype == word_type(array.dtype.itemsize)


def array_from_bytes(data: Bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array of `dtype`, byte order included, from the elements' little-endian bytes.

    Args:
        data: 1-D, contiguous, of the size that shape and dtype make. Its memory becomes
            the array's, and is swapped in place for a big-endian dtype; it is copied
            instead where it is read-only or not aligned for the dtype.
        shape: sides of the new array, outermost first.
        dtype: the new array's own, byte order included.
    """
    words = data.view(word_type(dtype.itemsize))
    if not (words.flags.writeable and words.flags.aligned):
        words = words.copy()
    if word_type(dtype.itemsize, dtype.byteorder) != words.dtype:
        words.byteswap(inplace=True)
    return words.view(dtype).reshape(shape)


def write_words(out: Array, data: Bytes) -> None:
    """Writes elements into an array of any layout and byte order.

    Args:
        out: a writable array.
        data: the bytes of its elements, little-endian in C order, 1-D and contiguous. May lie
            in the memory of `out`: NumPy copies on overlap.
    """
    words = _words_of(out)
    np.copyto(words, data.view(word_type(words.itemsize)).reshape(words.shape))


def check_disjoint(shape: tuple[int, ...], strides: tuple[int, ...], step: int) -> None:
    """Refuses a layout for writing unless each element surely has memory of its own.

    Sufficient, not necessary: a layout is accepted when, from the smallest stride up,
    each one steps over all that the smaller ones span. Slices, transposes and reversals
    of any array pass; what fails was made by broadcasting or by `as_strided`.

    Args:
        shape: elements along each axis.
        strides: steps from one element to the next along each axis, in any unit.
        step: size of one element, in the same unit.

    Raises:
        InputError: elements may share memory.
    """
    if 0 in shape:
        return
    span = step
    for stride, length in sorted(zip(map(abs, strides), shape, strict=True)):
        if length > 1:
            if stride < span:
                raise InputError(
                    f"out has elements that share memory (shape {shape}, strides {strides}); "
                    "pass an array with memory for each element, for example out.copy()"
                )
            span += stride * (length - 1)
