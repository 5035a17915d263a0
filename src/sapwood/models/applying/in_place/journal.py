"""The journal of an update in place: what makes it survive a kill at any instant.

It lies beside the file, as `.NAME.sapwood-journal`, from before the first byte of the file
changes until all of it was checked. Each step is written down twice before it is done: in a
slot what the file is to hold, so that a step that was interrupted can be done again, and in a
record what it held, so that the base can be brought back. A step takes its place in the file
when both are on the disk, and the next one is written down when the file is. There are two
slots: while one is written, the other still has the step before.

What is found is hostile or torn: all of it carries digests (spec/journal-v1.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import InvalidJournal
from sapwood.files.locked_file import STRIPE
from sapwood.files.positions import read_at, reserve, write_at
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import rename_durably, sync_folder, sync_open
from sapwood.models.applying.in_place.journal_format import (
    HEAD,
    RECORD,
    SAVED,
    SAVED_KIND,
    SLOT,
    STEP,
    STEP_KIND,
    JournalHead,
    JournalSlot,
    JournalStep,
    Noted,
    Saved,
    UndoPiece,
    counted_step,
    parsed_step,
)

MOST_SLOTS = 1 << 62  # that are ever written; a hostile journal's next one must have a number too


class InPlaceJournal:
    """An open journal.

    Attributes:
        path: the path of the journal.
        head: what the journal is of.
        saved: saved bytes of the base, in the order of the records.
        done: how many of the noted steps the file has.
    """

    def __init__(self, path: Path, handle: int, head: JournalHead) -> None:
        """Takes over the handle."""
        self.path = path
        self.head = head
        self.saved: list[Saved] = []
        self.done = 0
        self._handle = handle
        self._steps: list[Noted] = []
        self._end = head.records_begin
        self._sequence = 0

    @classmethod
    def create(
        cls, path: Path, head: JournalHead, saves: Iterable[tuple[int, Bytes]]
    ) -> InPlaceJournal:
        """A new journal, which takes its name when all of it is on the disk.

        Args:
            path: where it will be.
            head: what it is of.
            saves: bytes of the base to begin with, each with their place.

        Raises:
            IoError: there is no room for it; nothing is left.
        """
        new = path.with_name(f"{path.name}.new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os_errors(path, hidden=True):
            handle = os.open(new, flags, 0o600)
        journal = cls(path, handle, head)
        try:
            with os_errors(path):
                reserve(handle, head.records_begin)
                write_at(handle, 0, head.serialised())
            for begin, data in saves:
                journal.save(begin, data)
            journal.sync()
            with os_errors(path, hidden=True):
                rename_durably(new, path)
        except BaseException:
            journal.close()
            new.unlink(missing_ok=True)
            raise
        return journal

    @classmethod
    def find(cls, path: Path) -> InPlaceJournal | None:
        """The journal that is there, or None.

        Raises:
            InvalidJournal: what is there is none, or damaged.
            IoError: it cannot be read.
        """
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os_errors(path):
            if not os.path.lexists(path):
                return None
            handle = os.open(path, flags)
        try:
            with os_errors(path):
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise InvalidJournal("no regular file")
                size = min(HEAD.size, status.st_size)
                head = JournalHead.parsed(read_at(handle, 0, size, path).tobytes())
                if status.st_size < head.records_begin:
                    raise InvalidJournal("cut off")
            journal = cls(path, handle, head)
            journal._read_records(status.st_size)
            journal._settle()
        except InvalidJournal as e:
            os.close(handle)
            raise damaged(path, e) from e
        except BaseException:
            os.close(handle)
            raise
        return journal

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._handle)

    def remove(self) -> None:
        """Removes it from the disk: the update is over."""
        with os_errors(self.path):
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)

    def sync(self) -> None:
        """Makes what was written durable."""
        with os_errors(self.path):
            sync_open(self._handle)

    def read(self, begin: int, end: int) -> Bytes:
        """A copy of its bytes [begin, end)."""
        with os_errors(self.path):
            return read_at(self._handle, begin, end - begin, self.path)

    def save(self, begin: int, data: Bytes) -> None:
        """Adds bytes of the base; `sync` before they are overwritten."""
        at = self._append(SAVED_KIND, [SAVED.pack(begin), data.data])
        self.saved.append(Saved(begin, begin + len(data), at + SAVED.size))

    def note(self, step: JournalStep, data: Sequence[Bytes], payloads: Sequence[bytes]) -> None:
        """Writes a step down; when this returns it can be done, and must be.

        Args:
            step: the next one.
            data: what it fills its ranges with, in their order.
            payloads: the payloads of its pieces, in their order.

        Raises:
            IoError: there is no room; the step must not be done.
        """
        self._sequence += 1
        body = [step.serialised(), *payloads]
        at = self._append(STEP_KIND, body)
        noted = Noted(step.number, self._sequence, at, at + sum(map(len, body)))
        self._write_slot(step.number, False, (one.data for one in data))
        self.sync()
        self._steps.append(noted)
        self.done = step.number

    def renew(self, step: JournalStep, data: Iterable[Bytes]) -> None:
        """Fills the slot of the last step that was noted anew: it is done, and the slot is torn.

        The next step takes the number after that of this one's record, and the other slot.
        """
        self._sequence = self._steps[step.number - 1].sequence
        self._write_slot(step.number, False, (one.data for one in data))
        self.sync()
        self.done = step.number

    def note_back(self, step: JournalStep, data: Iterable[Bytes]) -> JournalSlot:
        """Writes down what brings back what the last step overwrote, as `note`.

        Args:
            step: the last one that is done.
            data: what its pieces bring back, in their order.

        Returns:
            What is to be done now.
        """
        self._sequence += 1
        slot = self._write_slot(step.number, True, (one.data for one in data))
        self.sync()
        self.done = step.number - 1
        return slot

    @property
    def noted(self) -> int:
        """How many steps were written down; more than are done, where some were brought back."""
        return len(self._steps)

    def step(self, number: int) -> JournalStep:
        """A step that was noted, from 1 on.

        Raises:
            InvalidJournal: it is none.
        """
        try:
            return self._parsed(self._steps[number - 1])
        except InvalidJournal as e:
            raise damaged(self.path, e) from e

    def _parsed(self, noted: Noted) -> JournalStep:
        _, size = counted_step(self.read(noted.at, min(noted.at + STEP.size, noted.end)).tobytes())
        if size > noted.end - noted.at:
            raise InvalidJournal("a step that is cut off")
        step = parsed_step(self.read(noted.at, noted.at + size).tobytes(), self.head)
        if size + sum(piece.size for piece in step.pieces) != noted.end - noted.at:
            raise InvalidJournal("a step whose pieces do not add up")
        return step

    def placed(self, step: JournalStep) -> Iterator[tuple[UndoPiece, int]]:
        """The pieces of a step, each with the place of its payload."""
        at = self._steps[step.number - 1].at + len(step.serialised())
        for piece in step.pieces:
            yield piece, at
            at += piece.size

    def payloads(self, step: JournalStep) -> Iterator[tuple[UndoPiece, Bytes]]:
        """The pieces of a step, each with its payload."""
        for piece, at in self.placed(step):
            yield piece, self.read(at, at + piece.size)

    def pending(self) -> JournalSlot | None:
        """The step that was written down last: it may be done by half.

        None where there is none yet, or where that was over and its record is gone.
        """
        slot = self._settled_slot()
        if slot is None or slot.number > len(self._steps):
            return None
        return slot if slot.sequence >= self._steps[slot.number - 1].sequence else None

    def slot_stripes(self, slot: JournalSlot, begin: int, end: int) -> Iterator[tuple[int, Bytes]]:
        """The bytes [begin, end) of a slot, some at a time, each with its place in the slot."""
        for at in range(begin, end, STRIPE):
            last = min(at + STRIPE, end)
            yield at, self.read(slot.at + at, slot.at + last)

    def drop_undone(self) -> None:
        """Forgets steps that are not done, before others take their numbers."""
        if len(self._steps) > self.done:
            # What was saved behind them was saved for those that came after them.
            self._end = self._steps[self.done].at - RECORD.size
            del self._steps[self.done :]
            self.saved = [one for one in self.saved if one.at < self._end]
        with os_errors(self.path):
            os.ftruncate(self._handle, self._end)
        self.sync()

    def _append(self, kind: int, parts: Sequence[bytes | memoryview]) -> int:
        """Writes a record at the end, and returns where its body begins."""
        size = sum(map(len, parts))
        at = self._end + RECORD.size
        fields = RECORD.pack(kind, 0, self._sequence, size, bytes(32))[:-32]
        hasher = blake3(fields)
        place = at
        with os_errors(self.path):
            for part in parts:
                hasher.update(part)
                write_at(self._handle, place, part)
                place += len(part)
            write_at(self._handle, self._end, fields + hasher.digest())
        self._end = place
        return at

    def _write_slot(self, number: int, back: bool, data: Iterable[memoryview]) -> JournalSlot:
        """Fills the slot whose turn it is."""
        first = HEAD.size + self._sequence % 2 * self.head.slot_stride
        at = first + SLOT.size
        digest = blake3()
        with os_errors(self.path):
            for part in data:
                write_at(self._handle, at, part)
                digest.update(part)
                at += len(part)
            size = at - first - SLOT.size
            fields = SLOT.pack(self._sequence, number, int(back), size, bytes(32))[:-32]
            digest.update(fields)
            write_at(self._handle, first, fields + digest.digest())
        return JournalSlot(self._sequence, number, back, size, first + SLOT.size)

    def _read_slot(self, index: int) -> JournalSlot | None:
        """A slot, or None where it was never written, or not to its end."""
        first = HEAD.size + index * self.head.slot_stride
        fields = self.read(first, first + SLOT.size).tobytes()
        sequence, number, back, size, digest = SLOT.unpack(fields)
        if sequence % 2 != index or back > 1 or number == 0 or size > self.head.slot_size:
            return None
        if sequence >= MOST_SLOTS:
            return None
        slot = JournalSlot(sequence, number, bool(back), size, first + SLOT.size)
        found = blake3()
        for _, stripe in self.slot_stripes(slot, 0, size):
            found.update(stripe.data)
        found.update(fields[:-32])
        return slot if found.digest() == digest else None

    def _read_records(self, size: int) -> None:
        """Reads the records up to the first that is torn."""
        at = self.head.records_begin
        while at + RECORD.size <= size:
            fields = self.read(at, at + RECORD.size).tobytes()
            kind, zero, sequence, length, digest = RECORD.unpack(fields)
            end = at + RECORD.size + length
            if zero or end > size or not self._is_next(kind, sequence):
                break
            if self._digest(fields[:-32], at + RECORD.size, end) != digest:
                break
            self._take(kind, sequence, at + RECORD.size, end)
            at = end
        self._end = at

    def _is_next(self, kind: int, sequence: int) -> bool:
        """Whether a record follows the one before, and is none that was left from earlier."""
        last = self._steps[-1].sequence if self._steps else 0
        if sequence >= MOST_SLOTS:
            return False
        return sequence > last if kind == STEP_KIND else kind == SAVED_KIND and sequence >= last

    def _digest(self, fields: bytes, begin: int, end: int) -> bytes:
        found = blake3(fields)
        for at in range(begin, end, STRIPE):
            found.update(self.read(at, min(at + STRIPE, end)).data)
        return found.digest()

    def _take(self, kind: int, sequence: int, at: int, end: int) -> None:
        """Takes note of a record whose digest is right.

        Raises:
            InvalidJournal: it says what it cannot.
        """
        if kind == STEP_KIND:
            number, _ = counted_step(self.read(at, min(at + STEP.size, end)).tobytes())
            if number != len(self._steps) + 1:
                raise InvalidJournal(f"step {number} where {len(self._steps) + 1} was expected")
            self._steps.append(Noted(number, sequence, at, end))
            return
        if end - at < SAVED.size:
            raise InvalidJournal("saved bytes without a place")
        (begin,) = SAVED.unpack(self.read(at, at + SAVED.size).tobytes())
        length = end - at - SAVED.size
        if begin + length > self.head.base_size:
            raise InvalidJournal("saved bytes that the base does not have")
        self.saved.append(Saved(begin, begin + length, at + SAVED.size))

    def _settled_slot(self) -> JournalSlot | None:
        """The newest slot that was written together with its record."""
        found = [slot for slot in map(self._read_slot, range(2)) if slot is not None]
        for slot in sorted(found, key=lambda one: -one.sequence):
            # Of a step that was brought back the record may be gone, or a new one begun.
            if slot.back and slot.number <= len(self._steps) + 1:
                return slot
            if slot.number <= len(self._steps) and (
                self._steps[slot.number - 1].sequence == slot.sequence
            ):
                return slot
        return None

    def _settle(self) -> None:
        """Finds out how many steps are done.

        Raises:
            InvalidJournal: more steps are noted than the slots know of.
        """
        slot = self._settled_slot()
        if slot is not None:
            self.done = slot.number - slot.back
            self._sequence = slot.sequence
        unknown = len(self._steps) - (0 if slot is None else slot.number)
        # One step may be noted whose slot is torn: it has not begun.
        if unknown > 1 and not (slot is not None and slot.back):
            raise InvalidJournal("both slots are damaged")


def damaged(path: Path, reason: Exception) -> InvalidJournal:
    """What to say of a journal that cannot be used."""
    return InvalidJournal(
        f"{path}: damaged: {reason}; get the file beside it anew and remove the journal"
    )
