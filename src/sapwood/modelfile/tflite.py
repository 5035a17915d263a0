"""Reads the layout of a TFLite file: a FlatBuffer with the identifier TFL3.

A model has buffers and subgraphs; the tensors of a subgraph say which buffer holds
their elements. Each buffer that a tensor uses is an entry, named for the first such
tensor and of its type. Above 2 GB the elements lie behind the FlatBuffer, and a buffer
gives their place in the file. All else is skeleton: operators, quantisation, metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.flatbuffers import Flat
from sapwood.modelfile.format import Format, Marks, SmallTensors
from sapwood.modelfile.layout import ModelFile, TensorEntry, laid_out
from sapwood.modelfile.naming import Names, part
from sapwood.modelfile.typed import MOST_DIMENSIONS, sized_spec
from sapwood.tensors import DType

# Numbers of fields, in the order of the schema.
SUBGRAPHS, BUFFERS = 2, 4  # of a model
TENSORS = 0  # of a subgraph
SHAPE, TYPE, BUFFER, NAME = 0, 1, 2, 3  # of a tensor
DATA, OFFSET, SIZE = 0, 1, 2  # of a buffer

DTYPES = {
    0: DType.F32, 1: DType.F16, 2: DType.I32, 3: DType.U8, 4: DType.I64, 6: DType.BOOL,
    7: DType.I16, 9: DType.I8, 10: DType.F64, 12: DType.U64, 15: DType.U32, 16: DType.U16,
    18: DType.BF16,
}  # fmt: skip
INT4 = 17  # two in a byte
MOST_VISITED = 2**20  # tensors, with or without elements; some seconds


def _read_tflite(view: memoryview) -> ModelFile:
    """The layout of a TFLite file. The elements of its tensors are not read.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    return laid_out("tflite", len(view), _apart(_used_buffers(Flat(view))))


def _apart(entries: Iterable[TensorEntry]) -> list[TensorEntry]:
    """The entries by offset, without those that begin inside another.

    Of several buffers in one place, the first of the model stays.
    """
    kept: list[TensorEntry] = []
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if not kept or entry.offset >= kept[-1].end:
            kept.append(entry)
    return kept


def _used_buffers(flat: Flat) -> Iterator[TensorEntry]:
    root = flat.root()
    buffers, count = flat.vector(root, BUFFERS, 4)
    names = Names()
    seen: set[int] = set()
    for tensor in _tensors(flat, root):
        index = flat.scalar(tensor, BUFFER, 4)
        if index in seen:
            continue
        if index >= count:
            raise InvalidModelFile(
                f"a tensor uses buffer {index}, expected one of {count}", offset=tensor
            )
        seen.add(index)
        offset, length = _elements(flat, flat.follow(buffers + 4 * index))
        if not length:
            continue  # the elements are computed
        start, size = flat.vector(tensor, NAME, 1)
        kind = flat.scalar(tensor, TYPE, 1, signed=True)
        if kind == INT4:
            spec = sized_spec(DType.U8, None, length)
        else:
            spec = sized_spec(DTYPES.get(kind), _shape(flat, tensor), length)
        yield TensorEntry(names.unique(part(flat.view, start, size)), spec, offset)


def _tensors(flat: Flat, root: int) -> Iterator[int]:
    """The offsets of the tables of all tensors, subgraph by subgraph."""
    # Each takes an offset and a table of 4 bytes, unless subgraphs share them in order to
    # keep a reader busy.
    left = min(len(flat.view) // 8, MOST_VISITED)
    start, count = flat.vector(root, SUBGRAPHS, 4)
    for i in range(count):
        first, tensors = flat.vector(flat.follow(start + 4 * i), TENSORS, 4)
        left -= tensors + 1
        if left < 0:
            raise InvalidModelFile("the file has more tensors than room for them", offset=start)
        for k in range(tensors):
            yield flat.follow(first + 4 * k)


def _elements(flat: Flat, buffer: int) -> tuple[int, int]:
    """Where the bytes of a buffer lie, and how many there are."""
    offset, size = flat.scalar(buffer, OFFSET, 8), flat.scalar(buffer, SIZE, 8)
    # Writers put a 1 there until they know the place.
    if offset <= 1:
        return flat.vector(buffer, DATA, 1)
    if offset > len(flat.view) or size > len(flat.view) - offset:
        raise InvalidModelFile(
            f"a buffer lies at byte {offset} and has {size}, found a file of {len(flat.view)}; "
            "it is cut off or damaged",
            offset=buffer,
        )
    return offset, size


def _shape(flat: Flat, tensor: int) -> tuple[int, ...]:
    start, count = flat.vector(tensor, SHAPE, 4)
    # One more than we take tells that there are too many.
    sides = min(count, MOST_DIMENSIONS + 1)
    return struct.unpack_from(f"<{sides}i", flat.view, start)


FORMAT = Format(
    "tflite",
    Marks({4: b"TFL3"}),  # behind the offset of the first table
    _read_tflite,
    small_tensors=SmallTensors.ISLANDS,
)
