"""Blocks of quantised weights, and patches of tensors of them, for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.content.digests import blake3_digest
from sapwood.patch.format.front import FileDigest
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.making.building import Builder, Options
from sapwood.patch.making.segments import SegmentSource
from sapwood.patch.tensor import tensor_header
from sapwood.tensors import DType, TensorSpec
from sapwood.tensors.block_types import BLOCK_TYPES
from sapwood.tensors.blocks import BlockType

Bytes = npt.NDArray[np.uint8]

SPREAD = 0.1  # of weights
STEP = 0.004  # of an update


def quantised(kind: BlockType, weights: npt.NDArray[np.float64]) -> Bytes:
    """Blocks that stand for weights, more or less: scales from the largest of each block.

    Rows of scales within a block are all alike; indices and what is opaque follow the weights.
    """
    blocks = weights.reshape(-1, kind.weights)
    largest = np.abs(blocks).max(axis=1)
    planes = []
    for field in kind.fields:
        most = 1 << (field.bits - 1)
        if field.dtype in {DType.F16, DType.F32}:
            numbers = (largest / most if len(kind.fields) < 3 else largest / 256)[:, None]
            kind_of = "<f2" if field.dtype is DType.F16 else "<f4"
            planes.append(np.repeat(numbers, field.count, 1).astype(kind_of).view(np.uint8))
        else:
            steps = blocks[:, : field.count] / largest[:, None] * (most - 1)
            bias = 0 if field.dtype in {DType.I8, DType.I16} else most
            integers = np.rint(steps).astype(np.int64) + bias
            planes.append(integers.astype(f"<u{field.dtype.size}").view(np.uint8))
    out = np.empty(len(blocks) * kind.nbytes, np.uint8)
    kind.pack([plane.reshape(-1) for plane in planes], out)
    return out


def block_pair(name: str, blocks: int, seed: int = 1, step: float = STEP) -> tuple[Bytes, Bytes]:
    """Blocks, and those of the same weights a step of training later."""
    kind = BLOCK_TYPES[name]
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, SPREAD, blocks * kind.weights)
    after = weights + rng.normal(0, step, len(weights))
    return quantised(kind, weights), quantised(kind, after)


def block_patch(
    name: str, base: Bytes | None, target: Bytes, row: int | None = None, **options: Any
) -> bytes:
    """The patch of a tensor of blocks, as one of a model would have its segment.

    Args:
        name: of the type.
        base: as long as the target; None for a target that nothing predicts.
        target: whole blocks.
        row: bytes a row.
        options: of `Options`.
    """
    spec = TensorSpec(DType.U8, (len(target),))
    held = np.zeros_like(target) if base is None else base
    source = SegmentSource(
        name="",
        dtype=DType.U8,
        shape=spec.shape,
        target=target,
        places=() if base is None else (BaseRange(0, 0),),
        row=row,
        blocks=BLOCK_TYPES[name],
    )
    digests = [FileDigest(len(one), blake3_digest(one)) for one in (held, target)]
    out = io.BytesIO()
    with io.BytesIO() as spool:
        Builder([held], [source], Options(**options)).code(spool).write(
            lambda: tensor_header(spec, digests[:1], digests[1], {}), spool, out
        )
    return out.getvalue()
