"""Reads the layout of a GGUF file, version 2 or 3, little-endian.

    offset  size  field
    0       4     "GGUF"
    4       4     version
    8       8     count of tensors
    16      8     count of metadata pairs
    24            the pairs: key, type of the value, value
                  the tensors: name, extents (innermost first), type, offset
                  padding to a multiple of `general.alignment`
                  data, from which the tensors' offsets count

Numbers are unsigned and little-endian; a string is its length in 8 bytes, then
UTF-8. Of the metadata only the alignment is used; all else is stepped over.

A tensor of plain elements has their type. Quantised ones come in blocks of bytes
that no two rows share: such a tensor is U8, its rows the bytes of the blocks of
one row. Tensors of unknown types reach as bytes to where the next one begins.
Holes and trailing bytes are skeleton.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import assert_never

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import (
    MOST_TENSORS,
    ModelFile,
    TensorEntry,
    bounded_product,
    laid_out,
    shown,
)
from sapwood.tensors import DType, TensorSpec
from sapwood.tensors.block_types import GGML_BLOCKS
from sapwood.tensors.blocks import BlockType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_DIMENSIONS = 8  # upstream writes at most 4
DEEPEST = 16  # arrays in arrays
DEFAULT_ALIGNMENT = 32  # bytes
LONGEST_KEY = 1 << 16  # bytes, as upstream; of tensors' names too

U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")

UINT32, STRING, ARRAY = 4, 8, 9
# Bytes of the values of metadata that have a fixed size, by the number of their type.
FIXED = {0: 1, 1: 1, 2: 2, 3: 2, UINT32: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

# The types of tensors by upstream's number: elements that stand alone, and blocks.
TYPES: dict[int, DType | BlockType] = {
    0: DType.F32, 1: DType.F16, 24: DType.I8, 25: DType.I16, 26: DType.I32, 27: DType.I64,
    28: DType.F64, 30: DType.BF16,
    **GGML_BLOCKS,
}  # fmt: skip

SMALLEST_PAIR = 8 + 4 + 1  # bytes: an empty key, a type and a value
SMALLEST_TENSOR = 8 + 4 + 4 + 8  # bytes: an empty name and no extents


def _read_gguf(view: memoryview) -> ModelFile:
    """The layout of a GGUF file. Only what stands before the data is read.

    Raises:
        InvalidModelFile: the file breaks the format, with the `offset` of the place, or is
            big-endian or of another version.
    """
    at = Cursor(view)
    _check_start(at)
    count = at.count(MOST_TENSORS, SMALLEST_TENSOR, "tensors")
    alignment = _read_metadata(at, at.count(len(view), SMALLEST_PAIR, "metadata pairs"))
    infos = [_read_info(at) for _ in range(count)]
    if len({info.name for info in infos}) != count:
        raise InvalidModelFile("two tensors have one name; write the file anew", offset=at.place)
    start = -(-at.place // alignment) * alignment
    return laid_out("gguf", len(view), _entries(infos, start, len(view)))


class Cursor:
    """A place in a file that moves on as the file is read, and never past its end."""

    def __init__(self, view: memoryview) -> None:
        """Starts at the first byte; borrows the view."""
        self._view = view
        self.place = 0

    def skip(self, size: int) -> int:
        """Steps over so many bytes and returns where they begin.

        Raises:
            InvalidModelFile: there are fewer.
        """
        place = self.place
        if size > len(self._view) - place:
            raise InvalidModelFile(
                f"expected {size} more bytes, found {len(self._view) - place} left in the file; "
                "it is cut off or damaged",
                offset=place,
            )
        self.place = place + size
        return place

    def u32(self) -> int:
        """The next 4 bytes as a number."""
        return int(U32.unpack_from(self._view, self.skip(4))[0])

    def u64(self) -> int:
        """The next 8 bytes as a number."""
        return int(U64.unpack_from(self._view, self.skip(8))[0])

    def key(self, what: str) -> str:
        """The next string, which is called `what`.

        Raises:
            InvalidModelFile: it passes the end of the file, has more than LONGEST_KEY bytes, or
                is no UTF-8.
        """
        place = self.place
        length = self.u64()
        if length > LONGEST_KEY:
            raise InvalidModelFile(
                f"expected {what} of at most {LONGEST_KEY} bytes, found {length}", offset=place
            )
        begin = self.skip(length)
        try:
            return str(self._view[begin : begin + length], "utf-8")
        except UnicodeDecodeError as e:
            raise InvalidModelFile(f"expected {what} in UTF-8", offset=begin + e.start) from e

    def count(self, most: int, smallest: int, what: str) -> int:
        """The next 8 bytes as the number of things that follow.

        Args:
            most: the greatest number that is allowed.
            smallest: bytes that each thing takes at least.
            what: name of the things, for errors.

        Raises:
            InvalidModelFile: there are more than are allowed or fit the rest of the file.
        """
        place = self.place
        count = self.u64()
        fitting = min(most, (len(self._view) - self.place) // smallest)
        if count > fitting:
            raise InvalidModelFile(
                f"expected at most {fitting} {what} in the rest of the file, found a count of "
                f"{count}; it is cut off or damaged",
                offset=place,
            )
        return count


@dataclasses.dataclass(frozen=True, slots=True)
class TensorInfo:
    """What the header says of a tensor.

    Attributes:
        name: the tensor's name.
        place: offset in the file of its description.
        shape: sides in elements, outermost first.
        ggml_type: upstream's number of its type.
        offset: place of its bytes from the start of the data.
    """

    name: str
    place: int
    shape: tuple[int, ...]
    ggml_type: int
    offset: int


def _check_start(at: Cursor) -> None:
    at.skip(len(MAGIC))
    version = at.u32()
    if version in VERSIONS:
        return
    if int.from_bytes(version.to_bytes(4, "little"), "big") in (1, *VERSIONS):
        raise InvalidModelFile("the file is big-endian GGUF, which is not read", offset=4)
    raise InvalidModelFile(f"expected GGUF version 2 or 3, found {version}", offset=4)


def _read_metadata(at: Cursor, count: int) -> int:
    """Steps over the metadata and returns the alignment, bytes."""
    alignment = None
    for _ in range(count):
        place = at.place
        key = at.key("a key")
        kind = at.u32()
        if key != "general.alignment":
            _skip_value(at, kind, 0)
            continue
        if alignment is not None:
            raise InvalidModelFile("general.alignment stands there twice", offset=place)
        if kind != UINT32:
            raise InvalidModelFile(
                f"expected general.alignment of type {UINT32}, found type {kind}", offset=place
            )
        alignment = at.u32()
        if alignment.bit_count() != 1:
            raise InvalidModelFile(
                f"expected a power of two as general.alignment, found {alignment}", offset=place
            )
    return DEFAULT_ALIGNMENT if alignment is None else alignment


def _skip_value(at: Cursor, kind: int, depth: int) -> None:
    """Steps over a value of metadata."""
    if kind in FIXED:
        at.skip(FIXED[kind])
    elif kind == STRING:
        at.skip(at.u64())
    elif kind == ARRAY:
        _skip_array(at, depth + 1)
    else:
        raise InvalidModelFile(
            f"expected a type of metadata from 0 to 12, found {kind}", offset=at.place - 4
        )


def _skip_array(at: Cursor, depth: int) -> None:
    """Steps over an array, in a time that its bytes in the file bound."""
    if depth > DEEPEST:
        raise InvalidModelFile(f"arrays nested more than {DEEPEST} deep", offset=at.place)
    kind = at.u32()
    if kind in FIXED:
        at.skip(FIXED[kind] * at.u64())
        return
    for _ in range(at.u64()):
        _skip_value(at, kind, depth)


def _read_info(at: Cursor) -> TensorInfo:
    place = at.place
    name = at.key("a tensor's name")
    dimensions = at.u32()
    if dimensions > MOST_DIMENSIONS:
        raise InvalidModelFile(
            f"tensor {shown(name)}: expected at most {MOST_DIMENSIONS} dimensions, "
            f"found {dimensions}",
            offset=place,
        )
    extents = [at.u64() for _ in range(dimensions)]
    return TensorInfo(name, place, tuple(reversed(extents)), at.u32(), at.u64())


def _entries(infos: Sequence[TensorInfo], start: int, size: int) -> list[TensorEntry]:
    """The tensors by offset; the data begins at `start`, and the file has `size` bytes."""
    ascending = sorted(infos, key=lambda info: info.offset)
    entries = []
    for i, info in enumerate(ascending):
        offset = start + info.offset
        if offset > size:
            raise _broken(info, f"an offset within {max(0, size - start)} bytes", info.offset)
        kind = TYPES.get(info.ggml_type)
        if kind is None:
            end = start + ascending[i + 1].offset if i + 1 < len(ascending) else size
            spec = TensorSpec(DType.BYTES, (min(end, size) - offset,))
        else:
            spec = _spec(info, kind, size - offset)
        blocks = kind.name if isinstance(kind, BlockType) else None
        entries.append(TensorEntry(info.name, spec, offset, blocks))
    return entries


def _spec(info: TensorInfo, kind: DType | BlockType, left: int) -> TensorSpec:
    """The spec of a tensor that has `left` bytes from its offset to the end of the file."""
    match kind:
        case DType():
            weights, size = 1, kind.size
        case BlockType():
            weights, size = kind.weights, kind.nbytes
        case _:
            assert_never(kind)
    name = kind.name.upper()
    *outer, row = info.shape or (1,)
    if row % weights:
        raise _broken(info, f"rows of whole {name} blocks of {weights}", row)
    row_bytes = row // weights * size
    nbytes = bounded_product((*outer, row_bytes))
    if nbytes is None or nbytes > left:
        raise _broken(info, f"at most {left} bytes", f"{name} of shape {list(info.shape)}")
    if isinstance(kind, DType):
        return TensorSpec(kind, info.shape)
    return TensorSpec(DType.U8, (*outer, row_bytes))


def _broken(info: TensorInfo, expected: str, found: object) -> InvalidModelFile:
    return InvalidModelFile(
        f"tensor {shown(info.name)}: expected {expected}, found {shown(found)}; "
        "the file is cut off or damaged",
        offset=info.place,
    )


FORMAT = Format("gguf", Marks({0: MAGIC}), _read_gguf, in_c_order=True)
