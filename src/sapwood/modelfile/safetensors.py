"""Reads the layout of a safetensors file, and makes the header of one.

    offset  size  field
    0       8     n, length of the header, unsigned, little-endian
    8       n     header: a JSON object, padded with spaces
    8 + n         data

The header maps each tensor's name to `dtype`, `shape` and `data_offsets`, which
count from the start of the data. Looser than upstream in three ways, for bytes
are reconstructed and never interpreted: holes and trailing bytes are skeleton,
tensors of a dtype without our equal are opaque bytes, and unknown fields pass, as long as
their values are safe JSON.
All else that breaks the format is refused, with its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sapwood.documents.canonical_json import NotJson, decode, weight
from sapwood.documents.unicode import is_text
from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import (
    MAX_INTEGER,
    ModelFile,
    TensorEntry,
    bounded_product,
    laid_out,
    shown,
)
from sapwood.tensors import DType, TensorSpec

LENGTH_SIZE = 8  # bytes of the length in front of the header
ALIGNMENT = 8  # bytes, of the data in files that we write
METADATA = "__metadata__"  # what is called so in a header is no tensor
MOST_PARSED = 512 << 20  # bytes; a header of 100,000 tensors takes about 100 MB
MAX_HEADER = 100_000_000  # bytes, as upstream

# Upstream's names are ours in upper case.
DTYPES = {dtype.name: dtype for dtype in DType if dtype is not DType.BYTES}


def read_safetensors(view: memoryview) -> ModelFile:
    """The layout of a safetensors file, whatever it begins with. Only the header is read.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    start = LENGTH_SIZE + _header_length(view)
    header = _parse_header(bytes(view[LENGTH_SIZE:start]))
    _check_metadata(header.pop(METADATA, {}))
    tensors = [_entry(name, info, start, len(view)) for name, info in header.items()]
    return laid_out("safetensors", len(view), tensors)


def _header_length(view: memoryview) -> int:
    if len(view) < LENGTH_SIZE:
        raise InvalidModelFile(
            f"expected a header length of {LENGTH_SIZE} bytes, found a file of {len(view)}; "
            "it is cut off or no safetensors file",
            offset=len(view),
        )
    length = int.from_bytes(view[:LENGTH_SIZE], "little")
    if length > MAX_HEADER:
        raise InvalidModelFile(
            f"expected a header of at most {MAX_HEADER} bytes, found a length of {length}",
            offset=0,
        )
    if length > len(view) - LENGTH_SIZE:
        raise InvalidModelFile(
            f"expected a header of {length} bytes, found {len(view) - LENGTH_SIZE} left in the "
            "file; fetch the whole file",
            offset=len(view),
        )
    return length


def _parse_header(header: bytes) -> dict[str, Any]:
    if header[:1] != b"{":
        raise InvalidModelFile(
            f"expected a header that begins with '{{', found {header[:1]!r}", offset=LENGTH_SIZE
        )
    if weight(header) > MOST_PARSED:
        raise InvalidModelFile(
            f"the header takes more than {MOST_PARSED} bytes of memory once it is parsed",
            offset=LENGTH_SIZE,
        )
    try:
        parsed: dict[str, Any] = decode(header)  # an object, for the text begins with its brace
    except NotJson as e:
        raise InvalidModelFile(
            f"the header is no usable JSON: {e.reason}", offset=LENGTH_SIZE + (e.place or 0)
        ) from e
    return parsed


def _check_metadata(metadata: object) -> None:
    # Its keys are strings, as all of JSON's.
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise InvalidModelFile(
            f"expected {METADATA!r} to map strings to strings", offset=LENGTH_SIZE
        )


def _entry(name: str, info: object, start: int, size: int) -> TensorEntry:
    """One tensor of the header; `start` and `size` are the data's offset and the file's end."""
    if not is_text(name):
        raise _broken(name, "name", "Unicode text", "a lone surrogate")
    if not isinstance(info, dict):
        raise _broken(name, "entry", "an object", info)
    dtype = info.get("dtype")
    if not isinstance(dtype, str):
        raise _broken(name, "dtype", "a string", dtype)
    shape = _integers(name, "shape", info.get("shape"))
    offsets = _integers(name, "data_offsets", info.get("data_offsets"))
    if len(offsets) == 2 and offsets[0] <= offsets[1] > size - start:
        raise InvalidModelFile(
            f"tensor {shown(name)} ends at byte {start + offsets[1]} of the file, which has "
            f"{size}; it is cut off or damaged: fetch the whole file",
            offset=LENGTH_SIZE,
        )
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        expected = f"[begin, end], ascending and within the {size - start} bytes of data"
        raise _broken(name, "data_offsets", expected, list(offsets))
    begin, end = offsets
    known = DTYPES.get(dtype)
    if known is None:
        return TensorEntry(name, TensorSpec(DType.BYTES, (end - begin,)), start + begin)
    nbytes = bounded_product((known.size, *shape))
    if nbytes is None:
        raise _broken(name, "shape", f"at most {MAX_INTEGER} bytes", list(shape))
    if nbytes != end - begin:
        expected = f"{nbytes} bytes for {dtype} of shape {shown(list(shape))}"
        raise _broken(name, "data_offsets", expected, f"{end - begin} bytes")
    return TensorEntry(name, TensorSpec(known, shape), start + begin)


def _integers(name: str, field: str, value: object) -> tuple[int, ...]:
    # bool is an int to Python, not to JSON.
    if not isinstance(value, list) or not all(
        type(item) is int and 0 <= item <= MAX_INTEGER for item in value
    ):
        raise _broken(name, field, "a list of integers from 0 to 2^63 - 1", value)
    return tuple(value)


def _broken(name: str, field: str, expected: str, found: object) -> InvalidModelFile:
    return InvalidModelFile(
        f"tensor {shown(name)}, {field}: expected {expected}, found {shown(found)}",
        offset=LENGTH_SIZE,
    )


def file_header(
    tensors: Iterable[tuple[str, TensorSpec]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The beginning of a file whose tensors lie one behind the other.

    Args:
        tensors: names and specs of the tensors in their order, of element types in DTYPES.
        metadata: texts that are kept beside them, by their names; or None.

    Returns:
        The length and the header, padded so that the data begins at a multiple of ALIGNMENT.
    """
    fields: dict[str, object] = {} if metadata is None else {METADATA: dict(metadata)}
    at = 0
    for name, spec in tensors:
        fields[name] = {
            "dtype": spec.dtype.name,
            "shape": list(spec.shape),
            "data_offsets": [at, at + spec.nbytes],
        }
        at += spec.nbytes
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-(LENGTH_SIZE + len(text)) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_SIZE, "little") + text


FORMAT = Format(
    "safetensors",
    # A length below 4 GiB, then a brace. No text begins so.
    Marks({LENGTH_SIZE - 4: b"\0\0\0\0{"}),
    read_safetensors,
    in_c_order=True,
    by_tensors_alone=True,
)
