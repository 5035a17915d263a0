"""The coding of quantised blocks: a chunk's planes, one payload after another.

Each plane is coded as a chunk of its own elements would be, against the same plane of the
prediction's blocks; the quants against what the scales make of those (`requantising`). See
spec/patch-v1.md, Blocks. Which coding a plane gets is decided in `chunks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sapwood.codec import Coding
from sapwood.codec.requantising import predicted_plane
from sapwood.content.content import Bytes
from sapwood.patch.applying.planes import (
    base_planes,
    plane_row,
)
from sapwood.patch.making.splice import put_varint
from sapwood.tensors.blocks import BlockField, BlockType


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlanePair:
    """A plane of a target, and what predicts it.

    Attributes:
        field: what it holds.
        row_length: elements a row.
        prediction, target: its bytes.
        edges: of a field on a grid, a byte for each element; None of others.
    """

    field: BlockField
    row_length: int
    prediction: Bytes
    target: Bytes
    edges: Bytes | None = None


def plane_pairs(
    kind: BlockType, prediction: Bytes | None, target: Bytes, row_length: int
) -> list[PlanePair]:
    """The planes of whole blocks, in order.

    Args:
        kind: of the blocks.
        prediction: as many blocks, or None.
        target: blocks.
        row_length: bytes of blocks a row.
    """
    base = base_planes(kind, prediction, len(target))
    wanted = kind.unpack(target)
    pairs = []
    for number, field in enumerate(kind.fields):
        edges = None if field.grid is None else np.empty_like(wanted[number])
        own = predicted_plane(kind, number, base, wanted[:number], edges)
        rows = plane_row(kind, field, row_length)
        pairs.append(PlanePair(field, rows, own, wanted[number], edges))
    return pairs


def encode_planes(planes: Sequence[tuple[Coding, bytes]]) -> bytes:
    """The payload of a chunk, from those of its planes."""
    payload = bytearray()
    for coding, own in planes:
        payload += coding.value.encode()
        put_varint(payload, len(own))
        payload += own
    return bytes(payload)
