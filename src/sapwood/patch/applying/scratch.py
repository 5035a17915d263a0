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
        front: of the patch.
        segment: of the chunk.
        chunk: which.
        size: of the chunk's target, bytes.
        payload: of the chunk, of which the first bytes are read.
    """
    taken = _coding_memory(front, segment, chunk, size, payload)
    if segment.prediction is None or chunk.coding not in PREDICTED:
        return taken
    return max(taken, segment.prediction.memory)  # taken before the payload is unpacked


def _coding_memory(front: Front, segment: Segment, chunk: Chunk, size: int, payload: Bytes) -> int:
    """What of `decoding_memory` the payload takes."""
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
            return 0 if segment.blocks is None else _blocks_memory(front, segment, size, payload)
        case Coding.VALUE | Coding.RESIDUAL | Coding.SPARSE:
            elements = size // segment.dtype.size
            return _element_memory(front, chunk.coding, elements, segment.row_length, payload)


def _frame_memory(frame: Bytes, size: int) -> int:
    """For a frame of zstd of that content."""
    return window_of(frame[:LONGEST_HEAD].data, size) + DECODER


def _splice_memory(payload: Bytes, size: int) -> int:
    """For the content of a splice, and the frame that it is in."""
    varints = Varints(payload[:LONGEST_HEAD])
    try:
        content = min(varints.next(), 4 * size + 16)
    except InvalidPatch:
        return 0
    return content + _frame_memory(payload[varints.at :], content)


def _prefixed_memory(payload: Bytes, size: int) -> int:
    """For a prefix, and the frame that goes on from it."""
    varints = Varints(payload[:LONGEST_HEAD])
    try:
        varints.next()
        prefix = min(varints.next(), MOST_PREFIX)
    except InvalidPatch:
        return 0
    return prefix + _frame_memory(payload[varints.at :], size)


def _blocks_memory(front: Front, segment: Segment, size: int, payload: Bytes) -> int:
    """For planes: those of the base and of the target, what predicts one, and its own decoding."""
    kind = segment.blocks
    if kind is None:
        return 0
    blocks = size // kind.nbytes
    most = 0
    try:
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
    except InvalidPatch:
        return 0
    return 2 * blocks * kind.plane_bytes + most + REQUANTISING


def _element_memory(
    front: Front, coding: Coding, elements: int, row_length: int, payload: Bytes
) -> int:
    """For a coding of elements: its streams, levels, tables, edges and changes."""
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
    """The changes that a sparse payload says that it has; 0 for one that contradicts itself."""
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
        """With another chunk."""
        factors = 0 if segment.prediction is None else 4 * segment.prediction.factor_numbers
        return Largest(
            max(self.target, target), max(self.scratch, scratch), max(self.factors, factors)
        )
