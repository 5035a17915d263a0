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
from sapwood.files.other_names import hard_links, other_names, replace_by_copy
from sapwood.files.paths import names_content, place_of
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
    break_links: bool = False,
    step: int = STEP,
    receiving: Receiving = ANYBODY,
) -> PatchApplication:
    """Turns the base of a patch into its target, in the file itself.

    The disk need not hold both. Meanwhile a journal lies beside the file, `.NAME.sapwood-journal`:
    two steps, with undo about as much as the patch, and
    some of what changed its order. When the process is killed or the power fails, the file
    is neither base nor target: call this again with the same patch and it goes on, or `roll_back`.
    The file keeps permissions and inode: who has it open or mapped sees it change. One that others
    reach by other names is refused: by hard links, by a symbolic link as `path`, by the digest of
    what is in it, as in the cache of Hugging Face. An update that was begun goes on all the same. A
    file that is the target already is left as it is.

    Args:
        path: path of the file. Links to folders on the way are followed.
        patch: a path, bytes, a file object or a URL; as of `apply_patch`.
        signature: as of `apply_patch`.
        sources: the other bases, of a patch that has several; as of `apply_patch`.
        undo: keep what brings the base back until the target was checked. Without it the patch
            is tried first, and must then be gone through with.
        keep_undo: keep the journal when all is done, for `roll_back`, until `confirm`.
        break_links: first put a copy in the place of a file that has other names, which then lead
            to the base as before. The disk needs room for it. It appears whole or not at all.
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
            bound of memory; a file with other names, unless links are to be broken; a blob by the
            name that is its digest. Nothing was written.
    """
    if keep_undo and not undo:
        raise InputError("keep_undo keeps what undo=False does not write; leave one of them out")
    receiving.unbounded("an update in place")
    with receive(patch, receiving, signature=signature) as received:
        opened = received.opened
    check_files(opened)
    count = receiving.most_threads
    while True:
        with locked_file(path) as file, contextlib.ExitStack() as stack:
            work = InPlaceUpdate(file, opened, list(sources), undo, step, receiving)
            journal = work.found(stack)
            if journal is None:
                work.check_base()
                if work.is_target():
                    return application(received, file.sha256())
                if _was_shared(file, break_links=break_links):
                    continue  # with the copy, which is looked at anew
                journal = work.begun(stack)
            actual = work.finish(journal)
            if not (keep_undo and StepRunner(file, journal, count).are_all()):
                journal.remove()
            return application(received, actual)


def _was_shared(file: LockedFile, *, break_links: bool) -> bool:
    """Whether others knew a file by other names, in whose place a copy is now.

    Raises:
        InputError: they do, and links are not to be broken or there is no name for a copy.
        IoError: it cannot be copied.
    """
    names = other_names(file)
    if names is None:
        return False
    fault = f"{file.name}: {names}: others would see it change; nothing was written"
    if names_content(place_of(file.name)):
        raise InputError(f"{fault}; write the target to another file")
    if not break_links:
        raise InputError(
            f"{fault}; write the target to another file, or have a copy put in its place first "
            "(--break-links, break_links=True), for which the disk needs room"
        )
    replace_by_copy(file)
    return True


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
        InputError: there is no journal, or one without undo; or the file is the whole target, and
            has hard links by now, which others took for that.
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
            if is_target(file, journal.head):
                if not (steps.are_all() or steps.lead_back()):
                    raise steps.foreign()
                _check_linked_since(file)
            steps.settle()
            steps.back(receiving.progress)
        journal.remove()
        return PatchRollBack(journal.head.base_size)


def _check_linked_since(file: LockedFile) -> None:
    """Refuses to change a file that is whole and has hard links.

    Half updated it has nothing to lose. It is the file of a symbolic link that has the journal.

    Raises:
        InputError: it has.
    """
    links = hard_links(file)
    if links > 1:
        raise InputError(
            f"{file.name}: the whole target by now, a file of {links} names (hard links): others "
            "would see it change back; remove the other names first, or put copies in their place"
        )


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
