"""Updates a model file in place: the base becomes the target, with no second copy on the disk.

What makes it safe is a journal beside the file (`journal`), what makes it possible an order in
which nothing is overwritten that is still needed (`in_place_plan`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

from sapwood.codec.content import Content
from sapwood.errors import (
    InputError,
    InvalidPatch,
    LimitExceeded,
    SourceHashMismatch,
    TargetHashMismatch,
)
from sapwood.models.applying import checked_patch, matched_sources, verification, write_target
from sapwood.models.files import Source
from sapwood.models.in_place_chunks import Decoder, Rewritten, Window, rewritten_chunks
from sapwood.models.in_place_plan import Plan, Rewrite, plan_rewrites
from sapwood.models.in_place_steps import Steps, saves
from sapwood.models.journal import Journal
from sapwood.models.journal_format import Head
from sapwood.models.journal_place import journal_path
from sapwood.models.locked_file import LockedFile, locked_file
from sapwood.models.results import PatchVerification
from sapwood.models.signing import Demands
from sapwood.models.spans import Spans
from sapwood.patch.applying import OpenPatch, wrong_base
from sapwood.patch.building import Progress, silent
from sapwood.patch.format import DEFAULT_LIMITS, Limits
from sapwood.patch.pipeline import thread_count

STEP = 16 << 20  # bytes that are written between two waits for the disk


def apply_in_place(  # noqa: PLR0913 (those of `apply_patch`, and two)
    path: str | os.PathLike[str],
    patch: Source,
    public_key: bytes | Sequence[bytes] | None = None,
    *,
    sources: Sequence[Source] = (),
    signature: Source | Sequence[Source] | None = None,
    minimum_counter: int = 0,
    threshold: int = 1,
    undo: bool = True,
    keep_undo: bool = False,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> PatchVerification:
    """Turns the base of a patch into its target, in the file itself.

    The disk need not hold both. Meanwhile a journal lies beside the file, `.NAME.sapwood-journal`:
    two steps (of 16 MiB, or a chunk if that is larger), with undo about as much as the patch, and
    some of what changed its order. When the process is killed or the power fails, the file
    is neither base nor target: call this again with the same patch and it goes on, or `roll_back`.
    The file keeps permissions and inode: who has it open or mapped sees it change, and so does
    every hard link to it. A file that is the target already is left as it is.

    Args:
        path: of the file. Symbolic links are followed.
        patch: a path, bytes or a file object.
        public_key, signature, minimum_counter, threshold: as of `apply_patch`.
        sources: the other bases, of a patch that has several; as of `apply_patch`.
        undo: keep what brings the base back until the target was checked. Without it the patch
            is tried first, and must then be gone through with.
        keep_undo: keep the journal when all is done, for `roll_back`, until `confirm`.
        threads: to use at once; by default one for each processor.
        limits: memory that the patch may ask for.
        progress: is told how many bytes of the target are done.

    Returns:
        A verification of which `is_valid()` is true: the whole file was read again.

    Raises:
        SignatureError, UnsupportedPatch, TruncatedPatch, LimitExceeded: as `apply_patch`.
        SourceHashMismatch: the file is no base of the patch, or half updated by another one.
        InvalidPatch, TargetHashMismatch: the patch is damaged, or does not lead to its target.
            The file is as it was.
        IoError: a file cannot be read or written, the disk is full, or another process updates
            the file. What was begun can be gone on with, or rolled back.
        InvalidJournal: the journal that is there is damaged, or somebody else changed the file.
        InputError: keys or counters that are none, `keep_undo` without `undo`, a patch of a
            folder.
    """
    if keep_undo and not undo:
        raise InputError("keep_undo keeps what undo=False does not write; leave one of them out")
    count = thread_count(threads)
    demands = Demands.of(public_key, signature, minimum_counter, threshold)
    opened, accepted = checked_patch(patch, demands, count, limits)
    check_files(opened)
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        work = Update(file, opened, list(sources), undo, count, limits, progress)
        journal = work.found(stack)
        if journal is None:
            work.check_base()
            if work.is_target():
                return verification(opened, file.sha256(), accepted)
            journal = work.begun(stack)
        actual = work.finish(journal)
        if not (keep_undo and Steps(file, journal, count).are_all()):
            journal.remove()
        return verification(opened, actual, accepted)


def roll_back(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> None:
    """Makes a file the base again that an update in place left on its way, or kept undo for.

    It takes nothing but the journal. It may be killed as well: call it again.

    Args:
        path: of the file.
        threads: to use at once; by default one for each processor.
        limits: memory that the journal may ask for: as the patch was applied with.
        progress: is told how many steps are undone.

    Raises:
        InputError: there is no journal, or one without undo.
        LimitExceeded: its steps are larger than allowed.
        InvalidJournal: it is damaged, or somebody else changed the file.
        IoError: a file cannot be read or written, or another process updates the file.
    """
    count = thread_count(threads)
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        journal = needed_journal(file, stack)
        check_limit(journal, limits)
        if not journal.head.undo:
            raise InputError(
                f"{file.name}: updated without undo, so there is no way back; go on with the "
                "same patch"
            )
        if not is_base(file, journal.head, count):
            steps = Steps(file, journal, count)
            if is_target(file, journal.head) and not steps.are_all():
                raise steps.foreign()
            steps.settle()
            steps.back(progress)
        journal.remove()


def confirm(path: str | os.PathLike[str]) -> None:
    """Gives up the way back of an update in place that kept its undo.

    Raises:
        InputError: there is no journal, or the update is not finished.
        InvalidJournal: the journal is damaged.
        IoError: a file cannot be read or written, or another process updates the file.
    """
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        journal = needed_journal(file, stack)
        if not is_target(file, journal.head):
            raise InputError(f"{file.name}: half updated; go on with the same patch, or roll back")
        journal.remove()


def check_files(patch: OpenPatch) -> None:
    """Refuses a patch of folders.

    Raises:
        InputError: it is one.
    """
    header = patch.front.header
    if any(one.files is not None for one in (*header.bases, header.target)):
        raise InputError("the patch is of a folder; apply it to another folder")


def needed_journal(file: LockedFile, stack: contextlib.ExitStack) -> Journal:
    """The journal of a file, closed with the stack.

    Raises:
        InputError: there is none.
    """
    journal = Journal.find(journal_path(file.path))
    if journal is None:
        raise InputError(f"{file.name}: no update in place was begun; there is nothing to do")
    stack.callback(journal.close)
    return journal


def check_limit(journal: Journal, limits: Limits) -> None:
    """Refuses a journal whose steps take more memory than allowed.

    Raises:
        LimitExceeded: they do.
    """
    if journal.head.slot_size > max(STEP, limits.chunk):
        raise LimitExceeded(
            f"{journal.path}: steps of {journal.head.slot_size} bytes, {limits.chunk} are "
            "allowed; raise Limits.chunk if you trust it"
        )


def is_base(file: LockedFile, head: Head, threads: int) -> bool:
    """Whether the whole file is the base of a journal."""
    return file.size == head.base_size and file.blake3(threads) == head.base


def is_target(file: LockedFile, head: Head) -> bool:
    """Whether the whole file is the target of a journal."""
    return file.size == head.target_size and file.sha256() == head.target


@dataclasses.dataclass(slots=True, eq=False)
class Update:
    """An update of a file by a patch.

    Attributes:
        file: locked.
        patch: opened and checked.
        sources: where the other bases are to be found.
        undo: whether to keep what brings the base back.
        threads: at once.
        limits: memory that patch and journal may ask for.
        progress: who listens.
        digest: BLAKE3 of the file as it was before the update.
    """

    file: LockedFile
    patch: OpenPatch
    sources: list[Source]
    undo: bool
    threads: int
    limits: Limits
    progress: Progress
    digest: bytes = b""

    def found(self, stack: contextlib.ExitStack) -> Journal | None:
        """The journal of an update that was begun, or None where this one is to begin.

        Raises:
            SourceHashMismatch: it is of another patch.
            InvalidJournal: it is damaged.
        """
        journal = Journal.find(journal_path(self.file.path))
        if journal is None:
            return None
        stack.callback(journal.close)
        check_limit(journal, self.limits)
        if journal.head.patch != self.patch.front.digest:
            raise SourceHashMismatch(
                f"an update in place by another patch was begun (its digest is "
                f"{journal.head.patch.hex()}); go on with that one, or roll it back or confirm it"
            )
        if is_base(self.file, journal.head, self.threads):
            journal.remove()  # of a file that is whole again
            return None
        self.digest = journal.head.base
        return journal

    def check_base(self) -> None:
        """Compares the file with the bases of the patch, and with its target.

        Raises:
            SourceHashMismatch: it is none of them.
        """
        self.digest = self.file.blake3(self.threads)
        header = self.patch.front.header
        if not self._in_file() and not self.is_target():
            size = self.file.size
            expected = header.bases[0]
            raise wrong_base(expected, size, self.digest if size == expected.size else None)

    def is_target(self) -> bool:
        """Whether there is nothing to do."""
        target = self.patch.front.header.target
        return (
            self.digest == target.blake3
            and not self._in_file()
            and self.file.sha256() == target.sha256
        )

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
        found = iter(matched_sources(patch, given, self.threads))
        return [None if i in in_file else next(found) for i in range(len(front.header.bases))]

    def begun(self, stack: contextlib.ExitStack) -> Journal:
        """A new journal; nothing of the file has changed.

        Raises:
            IoError: there is no room for it.
        """
        if not self.undo:
            self._try_first()
        chunks, _, plan = self._left(Spans(), Spans())
        header = self.patch.front.header
        base_size = self.file.size
        changed = sum(one.end - one.begin for one in chunks)
        cut = max(0, base_size - header.target.size)
        head = Head(
            patch=self.patch.front.digest,
            base=self.digest,
            target=header.target.sha256 or b"",
            base_size=base_size,
            target_size=header.target.size,
            changed=changed + cut,
            slot_size=max([min(STEP, changed + cut), *(one.end - one.begin for one in chunks)]),
            inode=self.file.inode,
            undo=self.undo,
        )
        path = journal_path(self.file.path)
        journal = Journal.create(path, head, saves(self.file, plan.saves))
        stack.callback(journal.close)
        return journal

    def _try_first(self) -> None:
        """Decodes all of the target, which goes nowhere: there will be no way back."""
        own = Window(self.file.size, self.file.read)
        bases = [own if base is None else base for base in self._bases()]
        write_target(self.patch, bases, self.threads, None, self.progress)

    def _left(self, done: Spans, saved: Spans) -> tuple[list[Rewritten], list[Rewrite], Plan]:
        """The chunks that are left to be written, and how."""
        chunks = [
            one
            for one in rewritten_chunks(self.patch, self._in_file())
            if not done.covers(one.begin, one.end)
        ]
        rewrites = [Rewrite(one.begin, one.end, one.reads) for one in chunks]
        return chunks, rewrites, plan_rewrites(rewrites, saved)

    def finish(self, journal: Journal) -> bytes:
        """Goes on to the end from wherever the update is, and returns the target's SHA-256.

        Raises:
            InvalidPatch, TargetHashMismatch: the base is back, unless there is no undo.
        """
        steps = Steps(self.file, journal, self.threads)
        if is_target(self.file, journal.head):
            return journal.head.target
        steps.settle()
        with self._going_back(steps, journal):
            self._go_on(steps, journal)
            return self._checked(journal.head)

    def _go_on(self, steps: Steps, journal: Journal) -> None:
        """Does the steps that are left."""
        bases = self._bases()
        journal.drop_undone()
        self.file.reserve(journal.head.target_size)
        saved = Spans((one.begin, one.end) for one in journal.saved)
        chunks, rewrites, plan = self._left(Spans(steps.written()), saved)
        steps.save(plan.saves)
        decoder = Decoder(self.patch, bases, steps.read_base)
        steps.forth(chunks, plan, rewrites, decoder, self.progress)

    def _checked(self, head: Head) -> bytes:
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
    def _going_back(self, steps: Steps, journal: Journal) -> Iterator[None]:
        """Leaves the file as it was where a patch leads nowhere, or nothing was begun."""
        try:
            yield
        except (InvalidPatch, TargetHashMismatch) as e:
            if not journal.head.undo:
                raise
            steps.back(self.progress)
            journal.remove()
            raise type(e)(f"{e}; {self.file.name} is what it was before") from e
        except BaseException:
            if journal.done == 0 and journal.pending() is None:
                self.file.cut(journal.head.base_size)
                journal.remove()
            raise
