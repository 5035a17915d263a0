"""The bytes of a journal: `spec/journal-v1.md` is the definition.

    head │ slot 0 │ slot 1 │ records

Here is what they mean; `journal` reads and writes them.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence

from blake3 import blake3

from sapwood.codec import Coding
from sapwood.codec.chunk import ELSEWHERE
from sapwood.errors import InvalidJournal
from sapwood.models.applying.in_place.spans import Span
from sapwood.tensors import DType

MAGIC = b"\x89SWJ\r\n\x1a\n"
VERSION = 1
UNDO = 1  # flag of the head: the journal can bring the base back

HEAD = struct.Struct("<8sHHI32s32s32sQQQQQ32s")
SLOT = struct.Struct("<QIIQ32s")
RECORD = struct.Struct("<IIQQ32s")
STEP = struct.Struct("<III4x32s")
SPAN = struct.Struct("<QQ")
PIECE = struct.Struct("<QQQBBHIQQ16s")
SAVED = struct.Struct("<Q")

SAVED_KIND, STEP_KIND = 1, 2
NOWHERE = 2**64 - 1  # in place of where a piece's prediction begins
MOST_ENTRIES = 1 << 20  # of a step
CODINGS = frozenset(Coding) - ELSEWHERE - {Coding.BLOCKS}  # others need no more than bytes
DTYPES = {dtype.code: dtype for dtype in DType}


@dataclasses.dataclass(frozen=True, slots=True)
class JournalHead:
    """What a journal is of.

    Attributes:
        patch: the digest that names the patch, 32 bytes.
        base: BLAKE3 of the file before, 32 bytes.
        target: SHA-256 of the file after, 32 bytes.
        base_size, target_size: bytes of the file before and after.
        changed: bytes that all steps together write or cut off.
        slot_size: bytes that one step writes or cuts off, at most.
        inode: the inode of the file.
        undo: whether the base can be brought back.
    """

    patch: bytes
    base: bytes
    target: bytes
    base_size: int
    target_size: int
    changed: int
    slot_size: int
    inode: int
    undo: bool

    def serialised(self) -> bytes:
        """The bytes that a journal begins with."""
        fields = HEAD.pack(
            MAGIC,
            VERSION,
            UNDO if self.undo else 0,
            0,
            self.patch,
            self.base,
            self.target,
            self.base_size,
            self.target_size,
            self.changed,
            self.slot_size,
            self.inode,
            bytes(32),
        )
        return fields[:-32] + blake3(fields[:-32]).digest()

    @property
    def slot_stride(self) -> int:
        """Bytes from one slot to the next."""
        return SLOT.size + self.slot_size

    @property
    def records_begin(self) -> int:
        """Where the records begin in the journal."""
        return HEAD.size + 2 * self.slot_stride

    @classmethod
    def parsed(cls, data: bytes) -> JournalHead:
        """From the first bytes of a journal.

        Raises:
            InvalidJournal: it is none, damaged, or of a later version.
        """
        if len(data) < HEAD.size or not data.startswith(MAGIC):
            raise InvalidJournal("no journal")
        _, version, flags, zero, *fields, digest = HEAD.unpack(data[: HEAD.size])
        if blake3(data[: HEAD.size - 32]).digest() != digest:
            raise InvalidJournal("damaged head")
        if version != VERSION or flags > UNDO or zero:
            raise InvalidJournal(f"version {version}, known is {VERSION}; update sapwood")
        patch, base, target, base_size, target_size, changed, slot_size, inode = fields
        if max(base_size, target_size, slot_size) >= 2**62:
            raise InvalidJournal("sizes past 2^62")
        sizes = base_size, target_size, changed, slot_size
        return cls(patch, base, target, *sizes, inode, bool(flags))


@dataclasses.dataclass(frozen=True, slots=True)
class UndoPiece:
    """Bytes of the base that a step overwrote, coded against what is in the file after it.

    Attributes:
        begin, end: where they were in the base, bytes.
        prediction: where the bytes that predict them begin in the file, or None.
        coding, dtype, row_length: how they are coded, as a chunk of a patch; the tables are in
            the payload.
        size: bytes of the payload.
        digest: the digest of the bytes that come back, as that of a chunk, 16 bytes.
    """

    begin: int
    end: int
    prediction: int | None
    coding: Coding
    dtype: DType
    row_length: int
    size: int
    digest: bytes

    def serialised(self) -> bytes:
        """Its entry in a step."""
        return PIECE.pack(
            self.begin,
            self.end - self.begin,
            NOWHERE if self.prediction is None else self.prediction,
            ord(self.coding.value),
            self.dtype.code,
            0,
            0,
            self.row_length,
            self.size,
            self.digest,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class JournalStep:
    """A part of an update: what it writes, and how to bring back what was there.

    Attributes:
        number: its number, from 1 on.
        writes: ranges of the target that it fills, in order; those beyond the target's end it
            cuts off.
        digest: BLAKE3 of what it fills them with, 32 bytes.
        pieces: all that it overwrites or cuts off of the base; empty without undo.
    """

    number: int
    writes: tuple[Span, ...]
    digest: bytes
    pieces: tuple[UndoPiece, ...]

    def serialised(self) -> bytes:
        """Its body in the journal, up to the payloads of the pieces."""
        parts = [STEP.pack(self.number, len(self.writes), len(self.pieces), self.digest)]
        parts += [SPAN.pack(*span) for span in self.writes]
        parts += [piece.serialised() for piece in self.pieces]
        return b"".join(parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Saved:
    """Bytes of the base that were saved before anything was overwritten.

    Attributes:
        begin, end: where they were in the base, bytes.
        at: where they are in the journal, bytes.
    """

    begin: int
    end: int
    at: int


@dataclasses.dataclass(frozen=True, slots=True)
class Noted:
    """A step's record.

    Attributes:
        number: the number of the step.
        sequence: the sequence number of the slot that was written with it.
        at, end: where its body begins and ends in the journal, bytes.
    """

    number: int
    sequence: int
    at: int
    end: int


@dataclasses.dataclass(frozen=True, slots=True)
class JournalSlot:
    """A step that was written down, forth or back.

    Attributes:
        sequence: its sequence number; each slot that is written has the next one.
        number: the number of the step.
        back: whether it brings the base back.
        size: how many bytes it holds.
        at: where they begin in the journal, bytes.
    """

    sequence: int
    number: int
    back: bool
    size: int
    at: int


def counted_step(data: bytes) -> tuple[int, int]:
    """Number of a step, and the bytes of its body up to the payloads.

    Raises:
        InvalidJournal: more entries than a step has.
    """
    if len(data) < STEP.size:
        raise InvalidJournal("a step that is too short")
    number, writes, pieces, _ = STEP.unpack(data[: STEP.size])
    if max(writes, pieces) > MOST_ENTRIES:
        raise InvalidJournal("a step with too many entries")
    return number, STEP.size + writes * SPAN.size + pieces * PIECE.size


def parsed_step(data: bytes, head: JournalHead) -> JournalStep:
    """A step from its body, up to the payloads.

    Args:
        data: the body, as long as `counted_step` says.
        head: the head of the journal.

    Raises:
        InvalidJournal: it writes or restores what it cannot.
    """
    number, writes, pieces, digest = STEP.unpack_from(data)
    spans = [SPAN.unpack_from(data, STEP.size + i * SPAN.size) for i in range(writes)]
    first = STEP.size + writes * SPAN.size
    step = JournalStep(
        number,
        tuple((begin, end) for begin, end in spans),
        digest,
        tuple(_parsed_piece(data, first + i * PIECE.size, head) for i in range(pieces)),
    )
    _check_ranges(step.writes, max(head.base_size, head.target_size), head.slot_size)
    _check_ranges([(one.begin, one.end) for one in step.pieces], head.base_size, head.slot_size)
    return step


def _check_ranges(spans: Sequence[Span], most: int, total: int) -> None:
    """Refuses ranges that are empty, not in order, or more than a step has.

    Raises:
        InvalidJournal: they are.
    """
    at = size = 0
    for begin, end in spans:
        if not at <= begin < end <= most:
            raise InvalidJournal("a step with ranges out of order or out of the file")
        at = end
        size += end - begin
    if size > total:
        raise InvalidJournal("a step that is larger than the journal says")


def _parsed_piece(data: bytes, at: int, head: JournalHead) -> UndoPiece:
    """A piece from its entry.

    Raises:
        InvalidJournal: it has a coding or type that there is not, or reads outside the file.
    """
    begin, length, prediction, coding, dtype, _, _, row, size, digest = PIECE.unpack_from(data, at)
    letter = chr(coding)
    if letter not in CODINGS or dtype not in DTYPES:
        raise InvalidJournal("a piece of an unknown kind; update sapwood")
    predicted = prediction != NOWHERE
    if (predicted and prediction + length > head.target_size) or not 0 < row < 2**31:
        raise InvalidJournal("a piece that reads outside of the file")
    if length % DTYPES[dtype].size or size > max(length, 64):
        raise InvalidJournal("a piece of an impossible size")
    return UndoPiece(
        begin,
        begin + length,
        prediction if predicted else None,
        Coding(letter),
        DTYPES[dtype],
        row,
        size,
        digest,
    )
