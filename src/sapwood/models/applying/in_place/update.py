"""An update of a file in place, from wherever it is to its end."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from sapwood.content.content import Content
from sapwood.errors import InvalidPatch, LimitExceeded, SourceHashMismatch, TargetHashMismatch
from sapwood.files.locked_file import LockedFile
from sapwood.files.sources import Source, read_source
from sapwood.limits import Limits
from sapwood.models.applying.bases import matched_sources
from sapwood.models.applying.in_place.chunks import Decoder, FileWindow, Rewritten, rewritten_chunks
from sapwood.models.applying.in_place.journal import InPlaceJournal
from sapwood.models.applying.in_place.journal_format import JournalHead
from sapwood.models.applying.in_place.journal_place import journal_path
from sapwood.models.applying.in_place.planning import StepPlan, plan_rewrites
from sapwood.models.applying.in_place.spans import Spans
from sapwood.models.applying.in_place.steps import StepRunner, saves
from sapwood.models.applying.whole import write_target
from sapwood.models.receiving.receiving import Receiving
from sapwood.models.remarks import unfit
from sapwood.patch.applying.bases import wrong_base
from sapwood.patch.applying.opening import OpenPatch

STEP = 16 << 20  # bytes that are written between two waits for the disk


def check_limit(journal: InPlaceJournal, step: int, limits: Limits) -> None:
    """Refuses a journal whose steps take more memory than allowed.

    Raises:
        LimitExceeded: they do.
    """
    if journal.head.slot_size > max(step, limits.chunk):
        raise LimitExceeded(
            f"{journal.path}: steps of {journal.head.slot_size} bytes, {limits.chunk} are "
            "allowed; raise Limits.chunk if you trust it"
        )


def is_base(file: LockedFile, head: JournalHead, threads: int) -> bool:
    """Whether the whole file is the base of a journal."""
    return file.size == head.base_size and file.blake3(threads) == head.base


def is_target(file: LockedFile, head: JournalHead) -> bool:
    """Whether the whole file is the target of a journal."""
    return file.size == head.target_size and file.sha256() == head.target


@dataclasses.dataclass(slots=True, eq=False)
class InPlaceUpdate:
    """An update of a file by a patch.

    Attributes:
        file: the file, locked.
        patch: the patch, opened and checked.
        sources: files and folders among which the other bases are.
        undo: whether to keep what brings the base back.
        step: bytes that are written between two waits for the disk.
        receiving: threads, memory that patch and journal may ask for, and who listens.
        digest: BLAKE3 of the file as it was before the update.
    """

    file: LockedFile
    patch: OpenPatch
    sources: list[Source]
    undo: bool
    step: int
    receiving: Receiving
    digest: bytes = b""

    def found(self, stack: contextlib.ExitStack) -> InPlaceJournal | None:
        """The journal of an update that was begun, or None where this one is to begin.

        Raises:
            SourceHashMismatch: it is of another patch.
            InvalidJournal: it is damaged.
        """
        journal = InPlaceJournal.find(journal_path(self.file.path))
        if journal is None:
            return None
        stack.callback(journal.close)
        check_limit(journal, self.step, self.receiving.limits)
        if journal.head.patch != self.patch.front.digest:
            raise SourceHashMismatch(
                f"an update in place by another patch was begun (its digest is "
                f"{journal.head.patch.hex()}); go on with that one, or roll it back or confirm it"
            )
        if is_base(self.file, journal.head, self.receiving.most_threads):
            journal.remove()  # of a file that is whole again
            return None
        self.digest = journal.head.base
        return journal

    def check_base(self) -> None:
        """Compares the file with the bases of the patch, and with its target.

        Raises:
            SourceHashMismatch: it is none of them.
        """
        self.digest = self.file.blake3(self.receiving.most_threads)
        header = self.patch.front.header
        if not self._in_file() and not self.is_target():
            size = self.file.size
            expected = header.bases[0]
            error = wrong_base(expected, size, self.digest if size == expected.size else None)
            wanted = [one.sha256 for one in header.bases]
            remark = unfit(self.file.name, read_source(self.file.path), wanted)
            raise SourceHashMismatch(f"{error}{remark}")

    def is_target(self) -> bool:
        """Whether there is nothing to do."""
        target = self.patch.front.header.target
        return self.digest == target.blake3 and self.file.sha256() == target.sha256

    def _in_file(self) -> frozenset[int]:
        """Which of the patch's bases the file is, or was."""
        bases = self.patch.front.header.bases
        return frozenset(i for i, base in enumerate(bases) if base.blake3 == self.digest)

    def _bases(self) -> list[Content | None]:
        """The contents of the bases; None for the file.

        Raises:
            SourceHashMismatch: one is missing.
        """
        front = self.patch.front
        in_file = self._in_file()
        others = tuple(base for i, base in enumerate(front.header.bases) if i not in in_file)
        if not others:
            return [None] * len(front.header.bases)
        header = dataclasses.replace(front.header, bases=others)
        patch = dataclasses.replace(self.patch, front=dataclasses.replace(front, header=header))
        given = self.sources or [b""]
        found = iter(matched_sources(patch, given, self.receiving.most_threads))
        return [None if i in in_file else next(found) for i in range(len(front.header.bases))]

    def begun(self, stack: contextlib.ExitStack) -> InPlaceJournal:
        """A new journal; nothing of the file has changed.

        Raises:
            IoError: there is no room for it.
        """
        if not self.undo:
            self._try_first()
        chunks, plan = self._left(Spans(), Spans())
        header = self.patch.front.header
        base_size = self.file.size
        changed = sum(one.end - one.begin for one in chunks)
        cut = max(0, base_size - header.target.size)
        head = JournalHead(
            patch=self.patch.front.digest,
            base=self.digest,
            target=header.target.sha256 or b"",
            base_size=base_size,
            target_size=header.target.size,
            changed=changed + cut,
            slot_size=max(
                [min(self.step, changed + cut), *(one.end - one.begin for one in chunks)]
            ),
            inode=self.file.inode,
            undo=self.undo,
        )
        path = journal_path(self.file.path)
        journal = InPlaceJournal.create(path, head, saves(self.file, plan.saves))
        stack.callback(journal.close)
        return journal

    def _try_first(self) -> None:
        """Decodes all of the target, which goes nowhere: there will be no way back."""
        own = FileWindow(self.file.size, self.file.read)
        bases = [own if base is None else base for base in self._bases()]
        write_target(self.patch, bases, self.receiving.most_threads, None, self.receiving.progress)

    def _left(self, done: Spans, saved: Spans) -> tuple[list[Rewritten], StepPlan]:
        """The chunks that are left to be written, and how."""
        chunks = [
            one
            for one in rewritten_chunks(self.patch, self._in_file())
            if not done.covers(one.begin, one.end)
        ]
        return chunks, plan_rewrites(chunks, saved)

    def finish(self, journal: InPlaceJournal) -> bytes:
        """Goes on to the end from wherever the update is, and returns the target's SHA-256.

        Raises:
            InvalidPatch, TargetHashMismatch: the base is back, unless there is no undo.
        """
        steps = StepRunner(self.file, journal, self.receiving.most_threads)
        if is_target(self.file, journal.head) and not self._may_go_on(steps, journal.head):
            return journal.head.target
        steps.settle()
        with self._going_back(steps, journal):
            self._go_on(steps, journal)
            return self._checked(journal.head)

    def _may_go_on(self, steps: StepRunner, head: JournalHead) -> bool:
        """Whether a file that is the target came to be it before the last step.

        Its undo is whole only when the steps that are left are written down too.
        """
        return head.undo and not steps.are_all() and steps.lead_back()

    def _go_on(self, steps: StepRunner, journal: InPlaceJournal) -> None:
        """Does the steps that are left."""
        bases = self._bases()
        journal.drop_undone()
        self.file.reserve(journal.head.target_size)
        saved = Spans((one.begin, one.end) for one in journal.saved)
        chunks, plan = self._left(Spans(steps.written()), saved)
        steps.save(plan.saves)
        decoder = Decoder(self.patch, bases, steps.read_base)
        steps.forth(chunks, plan, decoder, self.receiving.progress)

    def _checked(self, head: JournalHead) -> bytes:
        """The SHA-256 of the whole file, which is that of the target.

        Raises:
            TargetHashMismatch: it is not.
        """
        actual = self.file.sha256()
        if self.file.size != head.target_size or actual != head.target:
            raise TargetHashMismatch(
                f"wrong result: expected SHA-256 {head.target.hex()}, found {actual.hex()}"
            )
        return actual

    @contextlib.contextmanager
    def _going_back(self, steps: StepRunner, journal: InPlaceJournal) -> Iterator[None]:
        """Leaves the file as it was where a patch leads nowhere, or nothing was begun."""
        try:
            yield
        except (InvalidPatch, TargetHashMismatch) as e:
            if not journal.head.undo:
                raise
            steps.back(self.receiving.progress)
            journal.remove()
            raise e.before(f"{self.file.name} is what it was before") from e
        except BaseException:
            if journal.done == 0 and journal.pending() is None:
                self.file.cut(journal.head.base_size)
                journal.remove()
            raise
