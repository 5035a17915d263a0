"""Where the tensors of a safetensors file lie; written anew for the benchmarks.

The harness judges Sapwood, so it does not read model files with Sapwood's code.
The files that come here are the benchmark's own: they are trusted.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

WIDTHS = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
    "I16": 2, "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
NAME = ".safetensors"


@dataclass(frozen=True)
class TensorPlace:
    """One tensor: its dtype as the format names it, and its bytes in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int  # bytes from the start of the file
    end: int


def tensor_places(data: bytes) -> list[TensorPlace]:
    """The tensors of a safetensors file in the order of their bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    places = [
        TensorPlace(
            name,
            entry["dtype"],
            tuple(entry["shape"]),
            *(8 + length + offset for offset in entry["data_offsets"]),
        )
        for name, entry in header.items()
    ]
    return sorted(places, key=lambda place: place.begin)


def layout(path: Path) -> list[TensorPlace] | None:
    """The tensors of the file at `path`, or None where it is no safetensors file."""
    if path.suffix != NAME:
        return None
    with path.open("rb") as file:
        start = file.read(8)
        return tensor_places(start + file.read(int.from_bytes(start, "little")))


def element_width(path: Path) -> int:
    """Bytes of the element that fills most of the file; 4 where it is no safetensors."""
    sizes: Counter[int] = Counter()
    for place in layout(path) or []:
        sizes[WIDTHS[place.dtype]] += place.end - place.begin
    return sizes.most_common(1)[0][0] if sizes else 4
