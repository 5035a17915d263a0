"""Where the tensors of a model file lie, and what lies between them.

A layout describes bytes; it holds none. Reconstruction copies ranges, it never
serialises anew, so every byte of the file belongs to one tensor or to the
skeleton, whatever it means.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.errors import InvalidModelFile, UnsupportedType
from sapwood.tensors import TensorSpec

FileBytes: TypeAlias = memoryview | npt.NDArray[np.uint8]
Range: TypeAlias = tuple[int, int]  # offset in the file and length, bytes

MOST_TENSORS = 1 << 20  # of a file; an entry takes some 400 bytes of memory
MAX_INTEGER = 2**63 - 1  # elements and bytes; far above any file


@dataclasses.dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: `spec.nbytes` bytes at `offset` from the start of the file.

    `blocks` is the type of quantised weights whose whole blocks each of its rows is, as
    `sapwood.tensors.block_types` names it; None of others.
    """

    name: str
    spec: TensorSpec
    offset: int
    blocks: str | None = None

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.spec.nbytes


@dataclasses.dataclass(frozen=True, slots=True)
class ExternalTensor:
    """A tensor that a model file describes and another file holds.

    Attributes:
        location: path of the other file from the folder of the model file, as that has it; None
            for the file beside it that differs in its ending alone.
        entry: the tensor, by its place in the other file; nothing of that is checked.
    """

    location: str | None
    entry: TensorEntry


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFile:
    """The layout of one file.

    Attributes:
        format: one of the `names` of its `Format`, such as "safetensors" or "pytorch"; "folder"
            for a folder of several formats, or "bytes" for a file that is taken as it is.
        size: bytes of the file.
        tensors: the tensors in the order in which they lie in the file.
        skeleton: the ranges that are no tensor's, ascending, none of them empty and
            no two adjacent. Together with the tensors they cover the file once.
        warning: why a file that looks like a model is taken as bytes, or None.
        elsewhere: tensors whose elements are in other files; see `modelfile.folder`.
    """

    format: str
    size: int
    tensors: tuple[TensorEntry, ...]
    skeleton: tuple[Range, ...]
    warning: str | None = None
    elsewhere: tuple[ExternalTensor, ...] = ()


def plain_bytes(size: int, warning: str | None = None) -> ModelFile:
    """The layout of a file without tensors: all of it is skeleton."""
    return ModelFile("bytes", size, (), gaps(size, ()), warning)


def laid_out(
    file_format: str,
    size: int,
    tensors: Iterable[TensorEntry],
    elsewhere: Iterable[ExternalTensor] = (),
) -> ModelFile:
    """The layout of a file that has these tensors, given in any order, inside the file.

    Args:
        file_format: name of the format.
        size: bytes of the file.
        tensors: the tensors that are in it.
        elsewhere: the tensors that it describes and other files hold; looked at once all of
            `tensors` are read.

    Raises:
        InvalidModelFile: two of them overlap.
    """
    # Empty tensors go before the one that begins where they lie.
    ordered = sorted(tensors, key=lambda tensor: (tensor.offset, tensor.end))
    for left, right in itertools.pairwise(ordered):
        if right.offset < left.end:
            raise InvalidModelFile(
                f"tensors {shown(left.name)} and {shown(right.name)} overlap: the first ends "
                f"at byte {left.end} of the file, the second begins before; write the file anew",
                offset=right.offset,
            )
    skeleton = gaps(size, ordered)
    return ModelFile(file_format, size, tuple(ordered), skeleton, elsewhere=tuple(elsewhere))


def bounded_product(factors: Iterable[int]) -> int | None:
    """The product of numbers that are not negative, or None where it passes MAX_INTEGER.

    Also None where a factor does, or the product of the first few, and a later one is 0.
    """
    product = 1
    for factor in factors:
        product *= factor
        if max(product, factor) > MAX_INTEGER:
            return None
    return product


def shown(value: object) -> str:
    """A short printable form: what a hostile file holds may be long, or no text at all."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; deep nesting
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def gaps(size: int, tensors: Sequence[TensorEntry]) -> tuple[Range, ...]:
    """The ranges of a file of `size` bytes that no tensor covers.

    Args:
        size: bytes of the file.
        tensors: tensors inside the file, ascending by offset, without overlap.
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
