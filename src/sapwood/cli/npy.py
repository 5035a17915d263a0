""".npy files: an array in memory that is the file's own, and the header before it.

Pickle is never read: a file of Python objects is refused.
"""

from __future__ import annotations

import dataclasses
import io
import math
import tokenize
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.errors import InvalidModelFile

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 1 << 16  # bytes; NumPy itself refuses to parse more than 10 000
READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

# What NumPy's parser raises for headers that are none.
PARSING_ERRORS = (
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NpyFile:
    """A whole .npy file.

    Attributes:
        header: the bytes before the elements.
        array: the elements in the file's memory, in C or Fortran order, read-only.
    """

    header: bytes
    array: npt.NDArray[Any]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.header) + self.array.nbytes


def is_npy(data: Bytes) -> bool:
    """Whether a file begins as .npy files do."""
    return data[: len(MAGIC)].tobytes() == MAGIC


def read_npy(data: Bytes) -> NpyFile:
    """The array of a .npy file, without a copy.

    Args:
        data: the whole file, usually memory-mapped; it lives as long as the array.

    Raises:
        InvalidModelFile: it is none that holds one array of fixed-size elements and
            nothing else.
    """
    if not is_npy(data):
        raise InvalidModelFile(
            f"expected a .npy file, found one that begins with {data[:8].tobytes()!r}; "
            "the patch is of a tensor, and its base a .npy file"
        )
    head = io.BytesIO(data[:LONGEST_HEADER].tobytes())
    try:
        version = np.lib.format.read_magic(head)
        if version not in READERS:
            raise ValueError(f"version {version} is for fields of structured dtypes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = READERS[version](head)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which are never unpickled here")
        if min(shape, default=0) < 0 or head.tell() + size != len(data):
            raise ValueError(f"an array of {dtype} {shape} takes {size} bytes after the header")
        order: Any = "F" if fortran else "C"
        array = np.ndarray(shape, dtype, data.data, head.tell(), order=order)
    except PARSING_ERRORS as e:
        raise InvalidModelFile(f"no .npy file that can be read: {e}; write it anew") from e
    return NpyFile(head.getvalue()[: head.tell()], array)


def elements_in_order(array: npt.NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array as a .npy file holds them, in C or Fortran order."""
    flat = array.reshape(-1, order="C" if array.flags.c_contiguous else "F")
    return flat.view(np.uint8).data
