"""How much memory decoding a chunk takes beside its own, told before it is taken.

By what the index says of the chunk and by the first bytes of its payload. For a payload that
contradicts itself it may be anything: decoders refuse those before they set memory aside.
"""

from __future__ import annotations

import dataclasses

from sapwood.codec import Coding
from sapwood.codec.chunk import EDGE_CONTEXTS
from sapwood.content.content import Bytes
from sapwood.content.zstd import DECODER, window_of
from sapwood.errors import InvalidPatch
from sapwood.patch.applying.planes import plane_payloads, plane_row
from sapwood.patch.applying.prefixed import MOST_PREFIX
from sapwood.patch.applying.splice import Varints
from sapwood.patch.format.front import PREDICTED, Chunk, Front, Segment
from sapwood.patch.format.parsing import TABLES_UNPACKED

ROW_CONTEXT = 2  # contexts from here on have a level for each row, of 2 bytes
INLINE = 4  # the flag for tables in the payload
REQUANTISING = 2 << 20  # bytes of numbers that quants are predicted with
POSITION = 4  # bytes for each change of a sparse payload
LONGEST_HEAD = 32  # bytes of a frame or a varint that are looked at


def decoding_memory(front: Front, segment: Segment, chunk: Chunk, size: int, payload: Bytes) -> int:
    """Bytes that decoding a chunk takes beside its target, its payload and its base.

    Args:
        front: front of the patch.
        segment: the segment that the chunk is a part of.
        chunk: its entry in the index.
        size: bytes of the chunk's target.
        payload: payload of the chunk, of which the first bytes are read.
    """
    try:
        taken = _coding_memory(front, segment, chunk, size, payload)
    except InvalidPatch:
        taken = 0
    if segment.prediction is None or chunk.coding not in PREDICTED:
        return taken
    return max(taken, segment.prediction.memory)  # taken before the payload is unpacked


def _coding_memory(front: Front, segment: Segment, chunk: Chunk, size: int, payload: Bytes) -> int:
    """The part of `decoding_memory` that the payload takes.

    Raises:
        InvalidPatch: the payload contradicts itself.
    """
    match chunk.coding:
        case Coding.COPY | Coding.RAW:
            return 0
        case Coding.COMPRESSED:
            return _frame_memory(payload, size)
        case Coding.SPLICE:
            return _splice_memory(payload, size)
        case Coding.PREFIXED:
            return _prefixed_memory(payload, size)
        case Coding.BLOCKS:
            return _blocks_memory(front, segment, size, payload)
        case Coding.VALUE | Coding.RESIDUAL | Coding.SPARSE:
            elements = size // segment.dtype.size
            return _element_memory(front, chunk.coding, elements, segment.row_length, payload)


def _frame_memory(frame: Bytes, size: int) -> int:
    """Memory for a frame of zstd, of `size` bytes of content."""
    return window_of(frame[:LONGEST_HEAD].data, size) + DECODER


def _splice_memory(payload: Bytes, size: int) -> int:
    """Memory for the content of a splice, and the frame that it is in."""
    varints = Varints(payload[:LONGEST_HEAD])
    content = min(varints.next(), 4 * size + 16)
    return content + _frame_memory(payload[varints.at :], content)


def _prefixed_memory(payload: Bytes, size: int) -> int:
    """Memory for a prefix, and the frame that goes on from it."""
    varints = Varints(payload[:LONGEST_HEAD])
    varints.next()
    prefix = min(varints.next(), MOST_PREFIX)
    return prefix + _frame_memory(payload[varints.at :], size)


def _blocks_memory(front: Front, segment: Segment, size: int, payload: Bytes) -> int:
    """Memory for the planes of base and target, for what predicts one, and for its decoding."""
    kind = segment.blocks
    if kind is None:
        return 0
    blocks = size // kind.nbytes
    most = 0
    parts = plane_payloads(payload, len(kind.fields))
    for field, (coding, part) in zip(kind.fields, parts, strict=False):
        elements = blocks * field.count
        row = max(1, plane_row(kind, field, segment.row_length))
        taken = 0
        if coding is Coding.COMPRESSED:
            taken = _frame_memory(part, blocks * field.nbytes)
        elif coding in {Coding.RESIDUAL, Coding.SPARSE, Coding.VALUE}:
            taken = _element_memory(front, coding, elements, row, part)
        most = max(most, taken + blocks * field.nbytes)  # with its prediction
    return 2 * blocks * kind.plane_bytes + most + REQUANTISING


def _element_memory(
    front: Front, coding: Coding, elements: int, row_length: int, payload: Bytes
) -> int:
    """Memory for a coding of elements: its streams, levels, tables, edges and changes."""
    if len(payload) == 0:
        return 0
    flags = int(payload[0])
    taken = len(payload)
    if flags & 3 >= ROW_CONTEXT:
        taken += 2 * -(-elements // row_length)
    if flags & INLINE:
        taken += TABLES_UNPACKED
    if flags & 3 == EDGE_CONTEXTS:
        taken += elements
    if coding is Coding.SPARSE:
        taken += POSITION * min(_changes(front, payload), elements)
    return taken


def _changes(front: Front, payload: Bytes) -> int:
    """How many changes a sparse payload claims; 0 for one that contradicts itself."""
    varints = Varints(payload, 1 if payload[0] & 3 == 0 else 3)
    try:
        if payload[0] & INLINE:
            size = varints.next()
            tables = payload[varints.at : varints.at + size].tobytes()
            varints.at += size
        else:
            tables = front.tables[varints.next()]
        return sum(varints.next() for _ in range(_classes(tables)))
    except (InvalidPatch, IndexError):
        return 0


def _classes(tables: bytes) -> int:
    """The field K of a serialised set of tables."""
    return tables[4 + 9 * tables[1]]


@dataclasses.dataclass(frozen=True, slots=True)
class Largest:
    """The most that one chunk takes, of those that were looked at.

    Attributes:
        target: bytes of a chunk.
        scratch: bytes beside it.
        factors: bytes of the factors of a tensor, four for each number.
    """

    target: int = 0
    scratch: int = 0
    factors: int = 0

    def among(self, segment: Segment, target: int, scratch: int) -> Largest:
        """The most with another chunk, of `target` bytes and `scratch` beside them."""
        factors = 0 if segment.prediction is None else 4 * segment.prediction.factor_numbers
        return Largest(
            max(self.target, target), max(self.scratch, scratch), max(self.factors, factors)
        )
