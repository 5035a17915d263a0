"""Takes a file from base to target and back, step by step, with its journal.

A step is written down (`journal`), done, and synced, before the next one is written down.
Whatever is found when this begins again is brought to a whole number of steps first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import InvalidJournal
from sapwood.files.locked_file import STRIPE, LockedFile
from sapwood.models.applying.in_place.chunks import Decoder, Read, Rewritten
from sapwood.models.applying.in_place.journal import InPlaceJournal, damaged
from sapwood.models.applying.in_place.journal_format import (
    JournalSlot,
    JournalStep,
    Saved,
    UndoPiece,
)
from sapwood.models.applying.in_place.planning import StepPlan, batches
from sapwood.models.applying.in_place.spans import Span, Spans
from sapwood.models.applying.in_place.undoing import Lost, Moves, cut_to, kept_piece, restored
from sapwood.patch.applying.pipeline import ordered
from sapwood.progress import Progress


class StepRunner:
    """A file with its journal, between base and target."""

    def __init__(self, file: LockedFile, journal: InPlaceJournal, threads: int) -> None:
        """Borrows both."""
        self._file = file
        self._journal = journal
        self._threads = threads
        self._saved: list[Saved] = []
        self._saved_ends: list[int] = []

    # What there is.

    def written(self) -> list[Span]:
        """The ranges of the target that are done, and those of the base that are cut off."""
        journal = self._journal
        return [span for i in range(journal.done) for span in journal.step(i + 1).writes]

    def are_all(self) -> bool:
        """Whether no step is left."""
        return sum(end - begin for begin, end in self.written()) == self._journal.head.changed

    def lead_back(self) -> bool:
        """Whether undoing what was done would make the base of a file that is the target.

        Such a file need not be somebody else's: what is left may write what is there already.
        """
        journal, file, head = self._journal, self._file, self._journal.head
        done = min(journal.noted, journal.done + 1)  # one may be done by half, forth or back
        hasher = blake3()
        at = 0
        try:
            # No step writes what predicts the pieces of another, so that they come in any order.
            placed = [one for i in range(done) for one in journal.placed(journal.step(i + 1))]
            for piece, place in sorted(placed, key=lambda one: one[0].begin):
                if not at <= piece.begin <= file.size:
                    return False
                for stripe in file.stripes(piece.begin, at):
                    hasher.update(stripe.data)
                payload = journal.read(place, place + piece.size)
                hasher.update(restored(piece, payload, file.read).data)
                at = piece.end
        except InvalidJournal:
            return False
        if at < head.base_size <= file.size:
            for stripe in file.stripes(head.base_size, at):
                hasher.update(stripe.data)
        return hasher.digest() == head.base

    def settle(self) -> None:
        """Brings the file to a whole number of steps.

        Raises:
            InvalidJournal: the file is not the one that the journal is of, or was changed by
                somebody else. It was not touched.
            IoError: the disk fails.
        """
        journal, file = self._journal, self._file
        sizes = journal.head.base_size, journal.head.target_size
        if not min(sizes) <= file.size <= max(sizes):
            raise self.foreign()
        slot = journal.pending()
        if slot is None and journal.done == 0 and not self._is_untouched():
            raise self.foreign()
        sure = journal.done if slot is None else slot.number - 1
        if not all(self._holds(journal.step(i + 1)) for i in range(sure)):
            raise self.foreign()
        if slot is not None:
            if sure == 0 and journal.head.inode != file.inode:
                raise self.foreign()
            self._do(slot)
        if journal.noted == journal.done + 1 and not (slot is not None and slot.back):
            # Its slot is torn, or was damaged later: what it wrote is in the file then.
            step = journal.step(journal.noted)
            if self._holds(step):
                journal.renew(step, self._held(step))

    def _is_untouched(self) -> bool:
        """Whether the file is the base, perhaps with room for the target behind it."""
        head, size = self._journal.head, self._journal.head.base_size
        return self._file.size >= size and self._file.blake3(self._threads, size) == head.base

    def _holds(self, step: JournalStep) -> bool:
        """Whether the file has what a step writes."""
        size = self._file.size
        found = blake3()
        for begin, end in step.writes:
            if begin >= self._journal.head.target_size:
                if size > begin:
                    return False
                continue
            if end > size:
                return False
            for at in range(begin, end, STRIPE):
                found.update(self._file.read(at, min(at + STRIPE, end)).data)
        return found.digest() == step.digest

    def _held(self, step: JournalStep) -> Iterator[Bytes]:
        """What the file has where a step writes."""
        for begin, end in step.writes:
            if begin < self._journal.head.target_size:
                yield from self._file.stripes(end, begin)

    def foreign(self) -> InvalidJournal:
        """What to say of a file that the journal is not of."""
        return InvalidJournal(
            f"{self._file.name}: not as its journal left it: somebody else changed or replaced "
            f"it; if it is what you want, remove {self._journal.path}, else get it anew"
        )

    def _do(self, slot: JournalSlot) -> None:
        """Does what a slot says, once more if it was done already."""
        journal, file = self._journal, self._file
        step = journal.step(slot.number)
        end = journal.head.target_size
        if slot.back:
            spans = [(piece.begin, piece.end) for piece in step.pieces]
        else:
            spans = [span for span in step.writes if span[0] < end]
        if sum(last - first for first, last in spans) != slot.size:
            raise damaged(journal.path, InvalidJournal("a slot of another size than its step"))
        at = 0
        for first, last in spans:
            for place, stripe in journal.slot_stripes(slot, at, at + last - first):
                file.write(first + place - at, stripe)
            at += last - first
        if not slot.back:
            self._cut(step)
        file.sync()

    def _cut(self, step: JournalStep) -> None:
        """Cuts the file where a step does."""
        cuts = [begin for begin, _ in step.writes if begin >= self._journal.head.target_size]
        if cuts:
            self._file.cut(min(cuts))

    def read_base(self, begin: int, end: int) -> Bytes:
        """A copy of bytes of the base that were not overwritten, or were saved."""
        out = self._file.read(begin, end)
        for one in self._saved_in(begin, end):
            first, last = max(begin, one.begin), min(end, one.end)
            at = one.at + first - one.begin
            out[first - begin : last - begin] = self._journal.read(at, at + last - first)
        return out

    def _saved_in(self, begin: int, end: int) -> list[Saved]:
        """What was saved of [begin, end)."""
        if len(self._saved_ends) != len(self._journal.saved):
            self._saved = sorted(self._journal.saved, key=lambda one: one.end)
            self._saved_ends = [one.end for one in self._saved]
        i = bisect_right(self._saved_ends, begin)
        found = []
        while i < len(self._saved) and self._saved[i].begin < end:
            found.append(self._saved[i])
            i += 1
        return found

    # Forth.

    def save(self, spans: Spans) -> None:
        """Saves bytes of the base that were not saved yet.

        Raises:
            IoError: the disk is full.
        """
        for begin, data in saves(self._file, spans):
            self._journal.save(begin, data)
        self._journal.sync()

    def forth(
        self,
        chunks: Sequence[Rewritten],
        plan: StepPlan,
        decoder: Decoder,
        progress: Progress,
    ) -> None:
        """Does the steps that are left.

        Args:
            chunks: the chunks that are left.
            plan: the order in which they are written.
            decoder: the decoder of the patch, over `read_base`.
            progress: is told how many bytes of the target are done.

        Raises:
            InvalidPatch, TargetHashMismatch: a chunk is damaged; the steps before it are done.
            IoError: the disk is full, for one.
        """
        head = self._journal.head
        moves = Moves((i, move) for i, one in enumerate(chunks) for move in one.moves)
        there = [False] * len(chunks)
        done = head.target_size - sum(one.end - one.begin for one in chunks)
        for batch in batches(plan, chunks, head.slot_size):
            ones = [chunks[i] for i in batch]
            news = list(ordered(decoder.decode, ones, self._threads))
            for i in batch:
                there[i] = True
            pairs = sorted(zip(ones, news, strict=True), key=lambda pair: pair[0].begin)
            self._step(pairs, moves, there)
            done += sum(map(len, news))
            progress(done, head.target_size)
        self._cut_tail(moves, there)

    def _step(
        self, pairs: Sequence[tuple[Rewritten, Bytes]], moves: Moves, there: Sequence[bool]
    ) -> None:
        """Does one step: chunks, ascending, each with its bytes."""
        begins = [one.begin for one, _ in pairs]

        def after(begin: int, end: int) -> Bytes:
            """Bytes of one chunk as they are after the step."""
            i = bisect_right(begins, begin) - 1
            if i >= 0 and end <= pairs[i][0].end:
                return pairs[i][1][begin - begins[i] : end - begins[i]]
            return self._file.read(begin, end)

        spans = [(one.begin, one.end) for one, _ in pairs]
        data = [new for _, new in pairs]
        lost = [
            part
            for span in cut_to(spans, self._journal.head.base_size)
            for part in moves.cut(*span, there.__getitem__)
        ]
        self._note(tuple(Spans(spans)), data, lost, after)
        for one, new in pairs:
            self._file.write(one.begin, new)
        self._file.sync()

    def _note(
        self,
        writes: tuple[Span, ...],
        data: Sequence[Bytes],
        lost: Sequence[Lost],
        after: Read,
    ) -> None:
        """Writes a step down, and with undo what it overwrites."""
        pieces: list[UndoPiece] = []
        payloads: list[bytes] = []

        def kept(part: Lost) -> tuple[UndoPiece, bytes]:
            prediction = part.prediction
            size = part.end - part.begin
            near = None if prediction is None else after(prediction, prediction + size)
            return kept_piece(part, self._file.read(part.begin, part.end), near)

        if self._journal.head.undo:
            for piece, payload in ordered(kept, lost, self._threads):
                pieces.append(piece)
                payloads.append(payload)
        digest = blake3()
        for part in data:
            digest.update(part.data)
        number = self._journal.done + 1
        step = JournalStep(number, writes, digest.digest(), tuple(pieces))
        self._journal.note(step, data, payloads)

    def _cut_tail(self, moves: Moves, there: Sequence[bool]) -> None:
        """Cuts off what of the base lies behind the end of the target, from its end on."""
        head = self._journal.head
        while self._file.size > head.target_size:
            size = self._file.size
            begin = max(head.target_size, size - head.slot_size)
            lost = list(moves.cut(begin, size, there.__getitem__))
            self._note(((begin, size),), [], lost, self._file.read)
            self._file.cut(begin)
            self._file.sync()

    # Back.

    def back(self, progress: Progress) -> None:
        """Undoes the steps that are done, the last first.

        Raises:
            InvalidJournal: the base does not come back.
            IoError: the disk fails.
        """
        journal, head = self._journal, self._journal.head
        total = journal.done
        while journal.done:
            step = journal.step(journal.done)
            self._do(journal.note_back(step, self._restored(step)))
            progress(total - journal.done, total)
        self._file.cut(head.base_size)
        self._file.sync()
        if self._file.size != head.base_size or self._file.blake3(self._threads) != head.base:
            raise InvalidJournal(
                f"{self._file.name}: what came back is not the base: somebody else changed the "
                f"file; get it anew and remove {journal.path}"
            )

    def _restored(self, step: JournalStep) -> Iterator[Bytes]:
        """What a step overwrote."""

        def one(part: tuple[UndoPiece, Bytes]) -> Bytes:
            return restored(*part, self._file.read)

        return ordered(one, self._journal.payloads(step), self._threads)


def saves(file: LockedFile, spans: Spans) -> Iterator[tuple[int, Bytes]]:
    """Bytes of a file, some at a time, each with their place."""
    for first, last in spans:
        for begin in range(first, last, STRIPE):
            yield begin, file.read(begin, min(begin + STRIPE, last))
