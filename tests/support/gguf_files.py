"""GGUF files for tests, written by hand: metadata of every kind, tensors, holes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

F32, Q8_0 = 0, 8

Tensor = tuple[str, Sequence[int], int, int, bytes]
"""Name, extents (innermost first), number of the type, offset in the data, bytes."""


def text(value: str | bytes) -> bytes:
    """A string behind its length."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    """An entry of the metadata."""
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, items: bytes) -> bytes:
    """A value that is an array."""
    return struct.pack("<IQ", kind, count) + items


def aligned(value: int) -> bytes:
    """The entry that sets where tensors begin."""
    return pair("general.alignment", 4, struct.pack("<I", value))


EVERY_KIND = [
    pair("uint8", 0, b"\1"), pair("int8", 1, b"\1"), pair("uint16", 2, b"12"),
    pair("int16", 3, b"12"), pair("uint32", 4, b"1234"), pair("int32", 5, b"1234"),
    pair("float32", 6, b"1234"), pair("bool", 7, b"\1"), pair("string", 8, text("words")),
    pair("uint64", 10, b"12345678"), pair("int64", 11, b"12345678"),
    pair("float64", 12, b"12345678"),
    pair("array", 9, array(8, 2, text("one") + text("two"))),
    pair("empty", 9, array(4, 0, b"")),
    pair("nested", 9, array(9, 2, array(5, 1, b"1234") + array(8, 1, text("x")))),
]  # fmt: skip


def gguf(
    tensors: Sequence[Tensor],
    pairs: Sequence[bytes] = (),
    *,
    version: int = 3,
    alignment: int = 32,
    counts: tuple[int | None, int | None] = (None, None),
    tail: bytes = b"",
) -> bytes:
    """A file by hand; holes between tensors are filled with 0xEE."""
    tensor_count = len(tensors) if counts[0] is None else counts[0]
    pair_count = len(pairs) if counts[1] is None else counts[1]
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, pair_count) + b"".join(pairs)
    for name, extents, kind, offset, _ in tensors:
        head += text(name) + struct.pack(f"<I{len(extents)}Q", len(extents), *extents)
        head += struct.pack("<IQ", kind, offset)
    if not tensors:
        return head + tail
    data = bytearray()
    for _, _, _, offset, content in sorted(tensors, key=lambda tensor: tensor[3]):
        data += b"\xee" * (offset - len(data)) + content
    return head + bytes(-len(head) % alignment) + bytes(data) + tail


def model(arrays: dict[str, Any], pairs: Sequence[bytes] = EVERY_KIND) -> bytes:
    """A file of f32 and of Q8_0-like (uint8 rows of blocks) arrays."""
    tensors: list[Tensor] = []
    at = 0
    for name, values in arrays.items():
        kind = F32 if values.dtype == np.float32 else Q8_0
        *outer, row = values.shape
        row = row if kind == F32 else row // 34 * 32
        tensors.append((name, [row, *reversed(outer)], kind, at, values.tobytes()))
        at += -(-values.nbytes // 32) * 32
    return gguf(tensors, pairs)


def quantised(values: Any) -> Any:
    """Blocks as of Q8_0: a scale of f16, then 32 bytes."""
    blocks = values.reshape(-1, 32)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    quants = np.round(blocks / scales).astype(np.int8)
    both = np.concatenate([scales.astype(np.float16).view(np.uint8), quants.view(np.uint8)], 1)
    return both.reshape(values.shape[0], -1)
