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
from sapwood.patch.applying.planes import base_planes, plane_row
from sapwood.patch.making.splice import varint
from sapwood.tensors.blocks import BlockField, BlockType


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlanePair:
    """A plane of a target, and what predicts it.

    Attributes:
        field: the field of the blocks that it holds.
        row_length: elements a row.
        prediction: as many bytes as in `target`.
        target: bytes of the plane.
        edges: edges of the prediction, a byte an element, for a field on a grid; None for others.
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
        kind: type of the blocks.
        prediction: as many blocks as in `target`, or None.
        target: whole blocks.
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
    """The payload of a chunk, from the codings and payloads of its planes."""
    return b"".join(coding.encode() + varint(len(own)) + own for coding, own in planes)
