"""What the index says of quantised blocks."""

from __future__ import annotations

from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPatch, LimitExceeded, UnsupportedPatch
from sapwood.limits import Limits
from sapwood.tensors import DType
from sapwood.tensors.block_types import BLOCK_TYPES
from sapwood.tensors.blocks import BlockType


def parse_blocks(
    fields: Fields, dtype: DType, lengths: tuple[int, int, int], limits: Limits
) -> BlockType | None:
    """What a segment is blocks of, or None.

    Args:
        fields: the fields of the segment.
        dtype: type of its elements, which has to be U8.
        lengths: elements of the segment, of a row and of a chunk, which have to be whole blocks.
        limits: how much memory a chunk may take; its planes take more than its blocks.

    Raises:
        InvalidPatch, UnsupportedPatch, LimitExceeded: it is damaged, of a later version
            or takes too much.
    """
    name = fields.optional_text("blocks")
    if name is None:
        return None
    kind = BLOCK_TYPES.get(name)
    if kind is None:
        raise UnsupportedPatch(f"{fields.where}: unknown blocks {name!r}; update sapwood")
    if dtype is not DType.U8 or any(length % kind.nbytes for length in lengths):
        raise InvalidPatch(
            f"{fields.where}: expected u8 in rows and chunks of whole blocks of {kind.nbytes} bytes"
        )
    elements, _, chunk = lengths
    planes = min(elements, chunk) // kind.nbytes * kind.plane_bytes
    if planes > limits.chunk:
        raise LimitExceeded(
            f"{fields.where}: chunks of {planes} bytes taken apart, {limits.chunk} are allowed; "
            "raise Limits.chunk if you trust the patch"
        )
    return kind
