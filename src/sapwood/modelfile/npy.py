r"""Reads the layout of a NumPy .npy file.

    offset  size    field
    0       6       "\x93NUMPY"
    6       2       version: 1.0, 2.0 or 3.0
    8       2 or 4  length of the header, little-endian; 2 bytes in version 1.0
            ...     header: a Python literal of `descr`, `fortran_order`, `shape`
            ...     the elements

The header is taken as a literal, never run; nothing is unpickled. Elements in
Fortran order have the reversed shape, for a layout goes by where bytes lie. What
has no equal of ours, or another byte order, is opaque bytes.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from typing import Any

import numpy as np

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import (
    ModelFile,
    TensorEntry,
    bounded_product,
    laid_out,
    shown,
)
from sapwood.tensors import DType, TensorSpec

MAGIC = b"\x93NUMPY"
LENGTH_SIZES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # bytes of the header's length
LONGEST_HEADER = 10_000  # bytes that NumPy itself parses; more is a structured type's
NAME = "array"  # of the only tensor

# `descr` of the types with equals of ours; complex numbers are two elements each.
DTYPES = {
    "<f2": (DType.F16, 1), "<f4": (DType.F32, 1), "<f8": (DType.F64, 1),
    "<c8": (DType.F32, 2), "<c16": (DType.F64, 2),
    "|i1": (DType.I8, 1), "<i2": (DType.I16, 1), "<i4": (DType.I32, 1), "<i8": (DType.I64, 1),
    "|u1": (DType.U8, 1), "<u2": (DType.U16, 1), "<u4": (DType.U32, 1), "<u8": (DType.U64, 1),
    "|b1": (DType.BOOL, 1),
    # As which ml_dtypes saves bfloat16. What else it may be is only coded less well.
    "<V2": (DType.BF16, 1), "|V2": (DType.BF16, 1),
}  # fmt: skip

# What a `descr` of single numbers is made of; NumPy has none for bfloat16.
BYTE_ORDERS = ("<", ">", "|", "=")
NUMBERS = {descr[1:] for descr, (_, parts) in DTYPES.items() if parts == 1} - {"V2"}

PYTHON_2_LONG = re.compile(r"(?<=[0-9])L\b")


@dataclasses.dataclass(frozen=True, slots=True)
class NpyHeader:
    """What stands before the elements of a .npy file, and where these lie.

    Attributes:
        start: bytes of the file before the elements.
        spec: the elements as they lie in the file: the shape is reversed in Fortran order. Opaque
            bytes, up to the end of the file, where they have no equal of ours.
        shape: sides of the array, outermost first.
        fortran: whether the elements lie in Fortran order, else in C order.
        descr: what the file says of their type, such as "<f4": a literal of any kind.
    """

    start: int
    spec: TensorSpec
    shape: tuple[int, ...]
    fortran: bool
    descr: object

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """NumPy's type of the elements, with their byte order.

        None where they are no single numbers: structures, texts, times, objects, complex numbers.
        """
        descr = self.descr
        if isinstance(descr, str) and descr[:1] in BYTE_ORDERS and descr[1:] in NUMBERS:
            return np.dtype(descr)
        return None


def _read_npy(view: memoryview) -> ModelFile:
    """The layout of a .npy file. Only the header is read; what follows the array is skeleton.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    header = read_header(view)
    return laid_out("npy", len(view), [TensorEntry(NAME, header.spec, header.start)])


def read_header(view: memoryview) -> NpyHeader:
    """The header of a .npy file.

    Args:
        view: the whole file, contiguous bytes, borrowed for the call.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place. Elements past its
            end do, but for those that are opaque bytes here.
    """
    start, fields = _fields(view)
    descr, fortran, shape = fields.get("descr"), fields.get("fortran_order"), fields.get("shape")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise _broken("a shape of sizes", shape)
    if not isinstance(fortran, bool):
        raise _broken("fortran_order as True or False", fortran)
    left = len(view) - start
    known = DTYPES.get(descr) if isinstance(descr, str) else None
    if known is None:
        return NpyHeader(start, TensorSpec(DType.BYTES, (left,)), shape, fortran, descr)
    dtype, parts = known
    in_order = (*(reversed(shape) if fortran else shape), *([parts] if parts > 1 else []))
    nbytes = bounded_product((dtype.size, *in_order))
    if nbytes is None or nbytes > left:
        raise _broken(f"at most {left} bytes of elements", f"{descr} of shape {shown(shape)}")
    return NpyHeader(start, TensorSpec(dtype, in_order), shape, fortran, descr)


def _fields(view: memoryview) -> tuple[int, dict[object, object]]:
    """Where the elements begin, and the fields of the header."""
    if bytes(view[: len(MAGIC)]) != MAGIC or len(view) < 8:
        raise InvalidModelFile("expected a .npy file and its version", offset=0)
    size = LENGTH_SIZES.get((view[6], view[7]))
    if size is None:
        raise InvalidModelFile(
            f"expected .npy version 1.0, 2.0 or 3.0, found {view[6]}.{view[7]}", offset=6
        )
    length = int.from_bytes(view[8 : 8 + size], "little")
    start = 8 + size + length
    if start > len(view) or length > LONGEST_HEADER:
        most = min(LONGEST_HEADER, max(0, len(view) - 8 - size))
        raise InvalidModelFile(
            f"expected a header of at most {most} bytes, found a length of {length}", offset=8
        )
    fields = _parse(bytes(view[8 + size : start]))
    if not isinstance(fields, dict):
        raise _broken("an object", fields)
    return start, fields


def _parse(header: bytes) -> object:
    """The value of a header, which is at most LONGEST_HEADER bytes."""
    try:
        text = PYTHON_2_LONG.sub("", header.decode("utf-8").strip())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings
            # In a `descr` the pattern meets no digits that an L follows.
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as e:
        raise InvalidModelFile("the header is no Python literal", offset=8) from e


def _broken(expected: str, found: object) -> InvalidModelFile:
    return InvalidModelFile(
        f"the header of an array: expected {expected}, found {shown(found)}", offset=8
    )


FORMAT = Format("npy", Marks({0: MAGIC}), _read_npy)
