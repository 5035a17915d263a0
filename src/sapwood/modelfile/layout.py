"""Where the tensors of a model file lie, and what lies between them.

A layout describes bytes; it holds none. Reconstruction copies ranges, it never
serialises anew, so every byte of the file belongs to one tensor or to the
skeleton, whatever it means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.errors import UnsupportedType
from sapwood.tensors import TensorSpec

FileBytes: TypeAlias = memoryview | npt.NDArray[np.uint8]
Range: TypeAlias = tuple[int, int]  # offset in the file and length, bytes


@dataclasses.dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: `spec.nbytes` bytes at `offset` from the start of the file."""

    name: str
    spec: TensorSpec
    offset: int

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.spec.nbytes


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFile:
    """The layout of one file.

    Attributes:
        format: the module that read it: "safetensors", "onnx", ...; or "bytes" for a file
            that is taken as it is.
        size: of the file, bytes.
        tensors: in the order in which they lie in the file.
        skeleton: the ranges that are no tensor's, ascending, none of them empty and
            no two adjacent. Together with the tensors they cover the file once.
        warning: why a file that looks like a model is taken as bytes, or None.
    """

    format: str
    size: int
    tensors: tuple[TensorEntry, ...]
    skeleton: tuple[Range, ...]
    warning: str | None = None


def plain_bytes(size: int, warning: str | None = None) -> ModelFile:
    """The layout of a file without tensors: all of it is skeleton."""
    return ModelFile("bytes", size, (), gaps(size, ()), warning)


def gaps(size: int, tensors: Sequence[TensorEntry]) -> tuple[Range, ...]:
    """The ranges of a file of `size` bytes that no tensor covers.

    Args:
        tensors: ascending by offset, without overlap, inside the file.
    """
    ranges = []
    at = 0
    for tensor in tensors:
        if tensor.offset > at:
            ranges.append((at, tensor.offset - at))
        at = tensor.end
    if size > at:
        ranges.append((at, size - at))
    return tuple(ranges)


def byte_view(data: FileBytes) -> memoryview:
    """The memory of `data` as one run of bytes; nothing is copied.

    Raises:
        UnsupportedType: the elements are not single bytes, or not contiguous.
    """
    view = data if isinstance(data, memoryview) else data.data
    if view.itemsize != 1 or not view.c_contiguous:
        raise UnsupportedType(
            "expected the file as contiguous single bytes, found elements of "
            f"{view.itemsize} bytes, {'' if view.c_contiguous else 'not '}contiguous; "
            "pass a memoryview or a uint8 array of the file"
        )
    # A view without elements cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")
