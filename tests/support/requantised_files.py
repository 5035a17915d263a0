"""Blocks of quantised weights by the reference, and GGUF files of tensors of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sapwood.prediction.casting import numbers
from sapwood.tensors import DType
from support.gguf_files import Tensor, gguf
from support.reference_requantised import block_of

NUMBERS = {"f32": 0, "q4_0": 2, "q8_0": 8, "f16": 1}  # of GGML's types


def blocks_of(kind: str, source: DType, elements: bytes) -> bytes:
    """All blocks by the reference."""
    values = numbers(source, np.frombuffer(elements, np.uint8)).reshape(-1, 32)
    return b"".join(block_of(kind, row.tolist()) for row in values)


def gguf_file(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """A file of tensors, given by type, shape and bytes."""
    placed: list[Tensor] = []
    at = 0
    for name, (kind, shape, data) in tensors.items():
        placed.append((name, shape[::-1], NUMBERS[kind], at, data))
        at += -(-len(data) // 32) * 32
    return gguf(placed)
