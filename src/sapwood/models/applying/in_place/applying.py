"""Updates a model file in place: the base becomes the target, with no second copy on the disk.

What makes it safe is a journal beside the file (`journal`), what makes it possible an order in
which nothing is overwritten that is still needed (`planning`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from sapwood.errors import InputError
from sapwood.files.locked_file import LockedFile, locked_file
from sapwood.files.sources import Source
from sapwood.models.applying.in_place.journal import InPlaceJournal
from sapwood.models.applying.in_place.journal_place import journal_path
from sapwood.models.applying.in_place.steps import StepRunner
from sapwood.models.applying.in_place.update import (
    STEP,
    InPlaceUpdate,
    check_limit,
    is_base,
    is_target,
)
from sapwood.models.applying.whole import application
from sapwood.models.receiving.opening import Received, receive
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import PatchApplication, PatchRollBack
from sapwood.patch.applying.opening import OpenPatch


def apply(
    path: str | os.PathLike[str],
    patch: Source | Received,
    *,
    sources: Sequence[Source] = (),
    signature: Source | Sequence[Source] | None = None,
    undo: bool = True,
    keep_undo: bool = False,
    step: int = STEP,
    receiving: Receiving = ANYBODY,
) -> PatchApplication:
    """Turns the base of a patch into its target, in the file itself.

    The disk need not hold both. Meanwhile a journal lies beside the file, `.NAME.sapwood-journal`:
    two steps, with undo about as much as the patch, and
    some of what changed its order. When the process is killed or the power fails, the file
    is neither base nor target: call this again with the same patch and it goes on, or `roll_back`.
    The file keeps permissions and inode: who has it open or mapped sees it change, and so does
    every hard link to it. A file that is the target already is left as it is.

    Args:
        path: path of the file. Symbolic links are followed.
        patch: a path, bytes, a file object or a URL; as of `apply_patch`.
        signature: as of `apply_patch`.
        sources: the other bases, of a patch that has several; as of `apply_patch`.
        undo: keep what brings the base back until the target was checked. Without it the patch
            is tried first, and must then be gone through with.
        keep_undo: keep the journal when all is done, for `roll_back`, until `confirm`.
        step: bytes that are written between two waits for the disk; a chunk, if that is larger.
        receiving: as of `apply_patch`, without a bound of memory.

    Returns:
        What the file is now; its `is_valid()` is true: the whole file was read again.

    Raises:
        SignatureError, UnsupportedPatch, TruncatedPatch, LimitExceeded: as `apply_patch`.
        SourceHashMismatch: the file is no base of the patch, or half updated by another one.
        InvalidPatch, TargetHashMismatch: the patch is damaged, or does not lead to its target.
            The file is as it was.
        IoError: a file cannot be read or written, the disk is full, or another process updates
            the file. What was begun can be gone on with, or rolled back.
        InvalidJournal: the journal that is there is damaged, or somebody else changed the file.
        InputError: signatures without a key, `keep_undo` without `undo`, a patch of a folder, a
            bound of memory.
    """
    if keep_undo and not undo:
        raise InputError("keep_undo keeps what undo=False does not write; leave one of them out")
    receiving.unbounded("an update in place")
    with receive(patch, receiving, signature=signature) as received:
        opened = received.opened
    check_files(opened)
    count = receiving.most_threads
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        work = InPlaceUpdate(file, opened, list(sources), undo, step, receiving)
        journal = work.found(stack)
        if journal is None:
            work.check_base()
            if work.is_target():
                return application(received, file.sha256())
            journal = work.begun(stack)
        actual = work.finish(journal)
        if not (keep_undo and StepRunner(file, journal, count).are_all()):
            journal.remove()
        return application(received, actual)


def roll_back(
    path: str | os.PathLike[str],
    *,
    receiving: Receiving = ANYBODY,
) -> PatchRollBack:
    """Makes a file the base again that an update in place left on its way, or kept undo for.

    It takes nothing but the journal. It may be killed as well: call it again.

    Args:
        path: path of the file.
        receiving: as the patch was applied with: of threads, of memory that the journal may ask
            for, and who is told how many steps are undone.

    Returns:
        The size of the base.

    Raises:
        InputError: there is no journal, or one without undo.
        LimitExceeded: its steps are larger than allowed.
        InvalidJournal: it is damaged, or somebody else changed the file.
        IoError: a file cannot be read or written, or another process updates the file.
    """
    count = receiving.most_threads
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        journal = _needed_journal(file, stack)
        check_limit(journal, STEP, receiving.limits)
        if not journal.head.undo:
            raise InputError(
                f"{file.name}: updated without undo, so there is no way back; go on with the "
                "same patch"
            )
        if not is_base(file, journal.head, count):
            steps = StepRunner(file, journal, count)
            if is_target(file, journal.head) and not (steps.are_all() or steps.lead_back()):
                raise steps.foreign()
            steps.settle()
            steps.back(receiving.progress)
        journal.remove()
        return PatchRollBack(journal.head.base_size)


def confirm(path: str | os.PathLike[str]) -> None:
    """Gives up the way back of an update in place that kept its undo.

    Args:
        path: path of the file. Symbolic links are followed.

    Raises:
        InputError: there is no journal, or the update is not finished.
        InvalidJournal: the journal is damaged.
        IoError: a file cannot be read or written, or another process updates the file.
    """
    with locked_file(path) as file, contextlib.ExitStack() as stack:
        journal = _needed_journal(file, stack)
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


def _needed_journal(file: LockedFile, stack: contextlib.ExitStack) -> InPlaceJournal:
    """The journal of a file, closed with the stack.

    Raises:
        InputError: there is none.
    """
    journal = InPlaceJournal.find(journal_path(file.path))
    if journal is None:
        raise InputError(f"{file.name}: no update in place was begun; there is nothing to do")
    stack.callback(journal.close)
    return journal
