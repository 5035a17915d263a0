"""What brings back the bytes that a step of an update in place overwrites.

A fine-tuned weight tells as much of the old weight as the old one of the new: bytes of the base
are coded against those bytes of the target that were predicted from them, where these are in
the file when the step is undone. So the undo of an update is about as large as its patch.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sapwood.codec import Coding, CodingPlan, TensorCoding
from sapwood.codec.local import plan_locally
from sapwood.content.content import Bytes
from sapwood.errors import InvalidJournal, InvalidPatch
from sapwood.files.sources import EMPTY
from sapwood.models.applying.in_place.chunks import Move, Read
from sapwood.models.applying.in_place.journal_format import UndoPiece
from sapwood.models.applying.in_place.spans import Span
from sapwood.patch.applying.chunks import chunk_digest, decode
from sapwood.patch.making.chunks import ChunkSource, encode
from sapwood.tensors import DType

LEAST = 64  # bytes; an entry takes as many
PART = 4 << 20  # bytes
LEAST_PLANNED = 1 << 16  # bytes; planning takes some 20 ms, and would save less than these
LEVEL = 1  # of zstd: what is kept for a while need not be small at any price
MOST_LOOKED_AT = 1 << 12  # moves that a hostile patch may pile on one place


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """Bytes of the base to be kept, and what they are coded against.

    Attributes:
        begin, end: offsets in the base.
        move: the move of which a part predicts them, or None.
    """

    begin: int
    end: int
    move: Move | None

    @property
    def prediction(self) -> int | None:
        """Where the bytes of the target begin that predict them."""
        if self.move is None:
            return None
        return self.begin - self.move.base + self.move.target


class Moves:
    """The moves of all chunks, found by their place in the base."""

    def __init__(self, moves: Iterator[tuple[int, Move]]) -> None:
        """Takes each with the number of its chunk."""
        self._moves = sorted(moves, key=lambda one: (one[1].base, one[0]))
        self._begins = [move.base for _, move in self._moves]
        self._longest = max((move.length for _, move in self._moves), default=0)

    def cut(self, begin: int, end: int, is_there: Callable[[int], bool]) -> Iterator[Lost]:
        """Cuts bytes that get lost by what predicts them.

        Args:
            begin, end: offsets in the base.
            is_there: whether a chunk's bytes will be in the file when these come back.
        """
        at = begin
        first = bisect_left(self._begins, begin - self._longest)
        last = min(bisect_left(self._begins, end), first + MOST_LOOKED_AT)
        for chunk, move in self._moves[first:last]:
            low, high = max(at, move.base), min(end, move.base + move.length)
            width = move.dtype.size  # whole elements only
            low += (move.base - low) % width
            high -= (high - move.base) % width
            if high - low < LEAST or not is_there(chunk):
                continue
            yield from _unpredicted(at, low)
            yield Lost(low, high, move)
            at = high
        yield from _unpredicted(at, end)


def _unpredicted(begin: int, end: int) -> Iterator[Lost]:
    """Bytes that nothing predicts, in parts that are coded alone."""
    for at in range(begin, end, PART):
        yield Lost(at, min(at + PART, end), None)


def kept_piece(lost: Lost, old: Bytes, prediction: Bytes | None) -> tuple[UndoPiece, bytes]:
    """A piece of a step and its payload; it was decoded again and compared.

    Args:
        lost: where the bytes were, and their move.
        old: the bytes themselves.
        prediction: as many bytes that predict them; None without a move.
    """
    dtype = DType.BYTES if lost.move is None else lost.move.dtype
    row = 1 if lost.move is None else min(lost.move.row_length, len(old) // dtype.size)
    tensor_coding, own = TensorCoding(Coding.RAW), None
    if (
        prediction is not None
        and dtype is not DType.BYTES
        and len(old) >= LEAST_PLANNED
        and not np.array_equal(prediction, old)
    ):
        tensor_coding, own = plan_locally(dtype, prediction, old, row)
    source = ChunkSource(
        dtype=dtype,
        row_length=row,
        target=old,
        prediction=prediction,
        tensor_coding=tensor_coding,
        offset=lost.begin,
        whole_base=EMPTY,
    )
    plan = CodingPlan((tensor_coding,), () if own is None else (own,))
    made = encode(source, plan, LEVEL, compressing=True)
    piece = UndoPiece(
        begin=lost.begin,
        end=lost.end,
        prediction=lost.prediction,
        coding=made.chunk.coding,
        dtype=dtype,
        row_length=row,
        size=made.chunk.size,
        digest=made.chunk.digest,
    )
    return piece, made.payload


def restored(piece: UndoPiece, payload: Bytes, read: Read) -> Bytes:
    """The bytes of the base that a piece keeps.

    Args:
        piece: a piece of a step.
        payload: its payload.
        read: gives a copy of a range of the file as it is after the step.

    Raises:
        InvalidJournal: they do not come back.
    """
    out = np.empty(piece.end - piece.begin, np.uint8)
    prediction = None
    if piece.prediction is not None:
        prediction = read(piece.prediction, piece.prediction + len(out))
    try:
        decode(piece.coding, piece.dtype, payload, prediction, out, piece.row_length, EMPTY, ())
    except (InvalidPatch, ValueError) as e:
        raise _not_restored(piece) from e
    if chunk_digest(out) != piece.digest:
        raise _not_restored(piece)
    return out


def _not_restored(piece: UndoPiece) -> InvalidJournal:
    """What to say of a piece that is not what it was."""
    return InvalidJournal(
        f"the base does not come back at byte {piece.begin}: the file or its journal was changed "
        "by somebody else; get the file anew"
    )


def cut_to(spans: Sequence[Span], size: int) -> list[Span]:
    """What of ranges lies before a size."""
    return [(begin, min(end, size)) for begin, end in spans if begin < size]
