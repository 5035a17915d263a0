"""The cast of an f32 safetensors file to bf16, without PyTorch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

QUIET_NAN = 0x7FC0
SIGN = 0x8000


def to_bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The bits of f32 values in bf16, rounded to nearest, ties to even.

    bf16 is the upper half of f32. Adding just under half of a bf16 step, and the last bit that
    is kept, carries into that half exactly when the lower half rounds up: past the largest value
    this arrives at infinity, as it must. A NaN keeps its sign and loses its payload.

    Args:
        values: little-endian f32, of any shape, contiguous.

    Returns:
        Little-endian words of the same shape.
    """
    bits = values.view("<u4")
    upper = bits >> 16
    rounded = (bits + (0x7FFF + (upper & 1))) >> 16
    return np.where(np.isnan(values), upper & SIGN | QUIET_NAN, rounded).astype("<u2")


def safetensors_in_bf16(data: bytes) -> bytes:
    """A safetensors file with its f32 tensors cast, laid out as `safetensors.save_file` does.

    That sorts by type, then by name. The order of the source is kept here, which is the same
    where the source was written by it too and holds no type that it puts between F32 and BF16.

    Args:
        data: a whole, sound safetensors file.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:start])
    out: dict[str, Any] = {"__metadata__": header.pop("__metadata__")}
    parts: list[bytes] = []
    end = 0
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = info["data_offsets"]
        part, dtype = data[start + first : start + last], info["dtype"]
        if dtype == "F32":
            part, dtype = to_bf16(np.frombuffer(part, "<f4")).tobytes(), "BF16"
        offsets = [end, end := end + len(part)]
        out[name] = {"dtype": dtype, "shape": info["shape"], "data_offsets": offsets}
        parts.append(part)
    text = json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])
