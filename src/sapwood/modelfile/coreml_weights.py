"""Reads the layout of the weight file of a Core ML program (blob storage, version 2).

    offset  size  field
    0       4     number of blobs
    4       4     version, 2
    8       56    reserved
    64            blobs, each at a multiple of 64

    blob    size  field
    0       4     0xDEADBEEF
    4       4     element type
    8       8     size, bytes
    16      8     offset of the elements from the start of the file
    24      40    reserved
    64            elements

All little-endian. The program, in another file, knows the names and shapes: here each
blob is named by its number and has one dimension.
"""

from __future__ import annotations

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import ModelFile, TensorEntry, laid_out
from sapwood.modelfile.naming import MOST_TENSORS
from sapwood.modelfile.typed import sized_spec
from sapwood.tensors import DType

ALIGNMENT = 64  # bytes; the size of a header too
VERSION = (2).to_bytes(4, "little")
SENTINEL = 0xDEADBEEF.to_bytes(4, "little")

# The others are integers of less than a byte.
DTYPES = {
    1: DType.F16, 2: DType.F32, 3: DType.U8, 4: DType.I8, 5: DType.BF16, 6: DType.I16,
    7: DType.U16, 14: DType.I32, 15: DType.U32, 16: DType.F8_E4M3, 17: DType.F8_E5M2,
}  # fmt: skip


def _read_coreml_weights(view: memoryview) -> ModelFile:
    """The layout of a weight file. Only the headers of the blobs are read.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    count = int.from_bytes(view[:4], "little")
    if count > MOST_TENSORS:
        raise InvalidModelFile(f"expected at most {MOST_TENSORS} blobs, found {count}", offset=0)
    tensors = []
    at = ALIGNMENT
    for number in range(count):
        entry = _blob(view, at, f"blob.{number}")
        tensors.append(entry)
        at = -(-entry.end // ALIGNMENT) * ALIGNMENT
    return laid_out("coreml_weights", len(view), tensors)


def _blob(view: memoryview, at: int, name: str) -> TensorEntry:
    header = view[at : at + ALIGNMENT]
    if len(header) < ALIGNMENT or header[:4] != SENTINEL:
        raise InvalidModelFile(
            f"{name}: expected a header that begins with 0xDEADBEEF; the file is cut off or "
            "damaged",
            offset=min(at, len(view)),
        )
    kind = int.from_bytes(header[4:8], "little")
    size = int.from_bytes(header[8:16], "little")
    offset = int.from_bytes(header[16:24], "little")
    if not at + ALIGNMENT <= offset <= len(view) or size > len(view) - offset:
        raise InvalidModelFile(
            f"{name}: expected elements behind the header and within the {len(view)} bytes of "
            f"the file, found {size} bytes at {offset}",
            offset=at,
        )
    return TensorEntry(name, sized_spec(DTYPES.get(kind), None, size), offset)


# A blob stands where the first must be.
FORMAT = Format("coreml_weights", Marks({4: VERSION, ALIGNMENT: SENTINEL}), _read_coreml_weights)
