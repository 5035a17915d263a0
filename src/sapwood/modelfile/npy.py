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

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.layout import (
    FileBytes,
    ModelFile,
    TensorEntry,
    bounded_product,
    byte_view,
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

PYTHON_2_LONG = re.compile(r"(?<=[0-9])L\b")


@dataclasses.dataclass(frozen=True, slots=True)
class NpyArray:
    """Where the elements of a .npy file lie.

    Attributes:
        start: of the elements, bytes from the start of the file.
        spec: of the elements, in the order of the file.
    """

    start: int
    spec: TensorSpec


def looks_like_npy(data: FileBytes) -> bool:
    """Whether the file begins as .npy files do."""
    return bytes(byte_view(data)[: len(MAGIC)]) == MAGIC


def read_npy(data: FileBytes) -> ModelFile:
    """The layout of a .npy file. Only the header is read; what follows the array is skeleton.

    Args:
        data: the whole file, usually a memory map; borrowed for the call.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)
    found = find_array(view)
    return laid_out("npy", len(view), [TensorEntry(NAME, found.spec, found.start)])


def find_array(view: memoryview) -> NpyArray:
    """The array of a .npy file.

    Args:
        view: the file, bytes.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    start, header = _read_header(view)
    descr, fortran, shape = header.get("descr"), header.get("fortran_order"), header.get("shape")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise _broken("a shape of sizes", shape)
    if not isinstance(fortran, bool):
        raise _broken("fortran_order as True or False", fortran)
    left = len(view) - start
    known = DTYPES.get(descr) if isinstance(descr, str) else None
    if known is None:
        return NpyArray(start, TensorSpec(DType.BYTES, (left,)))
    dtype, parts = known
    in_order = (*(reversed(shape) if fortran else shape), *([parts] if parts > 1 else []))
    nbytes = bounded_product((dtype.size, *in_order))
    if nbytes is None or nbytes > left:
        raise _broken(f"at most {left} bytes of elements", f"{descr} of shape {shown(shape)}")
    return NpyArray(start, TensorSpec(dtype, in_order))


def _read_header(view: memoryview) -> tuple[int, dict[object, object]]:
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
