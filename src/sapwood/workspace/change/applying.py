"""Makes a change that was staged, and finishes one that was interrupted: both are the same."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidWorkspace
from sapwood.files.exchange import give_back, take_away, take_place
from sapwood.files.folders import make_folder, remove_empty, remove_tree
from sapwood.files.locks import exclusive
from sapwood.files.outputs import write_whole
from sapwood.files.paths import is_folder, is_there
from sapwood.files.reading import read_stripes
from sapwood.files.refusals import refusal
from sapwood.files.syncing import rename, sync
from sapwood.workspace.disk.scanning import UNREADABLE, Disk
from sapwood.workspace.disk.states import Blocked
from sapwood.workspace.record.journal import ChangeJournal, ChangeStep, StepKind, read_journal
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, read_record


def commit(places: Places, journal: ChangeJournal, before: Record | None) -> tuple[str, ...]:
    """Makes a change that was staged. From here on a kill is repaired by the next change.

    Where there is nothing to do, what was staged is cleared away.

    Args:
        places: places of the workspace, whose lock is held.
        journal: journal of the change.
        before: the record as it is, None where it is not at hand.

    Returns:
        The paths that somebody else has written to meanwhile.

    Raises:
        OSError: the system refused the journal; nothing was changed.
        IoError: it refused later; the next change finishes this one.
    """
    if not journal.steps and journal.record is before:
        tidy(places, None)
        return ()
    try:
        write_whole(places.journal, journal.to_bytes())
    except OSError:
        if not is_there(places.journal):
            tidy(places, before)
        raise
    try:
        return _carry_out(places, journal)
    except OSError as e:
        raise refusal(e, places.root).before(
            "the change is half made: see to this, and update again to finish it"
        ) from e


def _carry_out(places: Places, journal: ChangeJournal) -> tuple[str, ...]:
    """Makes a change whose journal is written, up to the end.

    A file that is already what it is to become is done. A file that is neither that nor
    what it was when the change was planned belongs to whoever wrote it: it stays, the
    template's goes beside it, and the record keeps saying of it what it said.

    Args:
        places: places of the workspace, whose lock is held.
        journal: journal of the change, durable.

    Returns:
        The paths that somebody else has written to meanwhile.

    Raises:
        OSError: the system refused; the journal stays, and the next change finishes this one.
    """
    missed: list[str] = []
    folders: set[Path] = set()
    for step in journal.steps:
        if step.after in missed or not apply_step(places, journal.folder, step):
            missed.append(step.path)
        folders.add((places.root / step.path).parent)
    # A power cut must not leave a record that is newer than the files.
    sync([one for one in folders if is_folder(one)])
    record = None
    if journal.record is not None:
        record = _adjusted(journal.record, read_record(places), missed)
        write_whole(places.record, record.to_bytes())
    places.journal.unlink()
    sync([places.own])
    tidy(places, record)
    return tuple(missed)


def apply_step(places: Places, folder: str, step: ChangeStep) -> bool:
    """Makes one step, and tells whether it is made; False if somebody else was faster."""
    path = places.root / step.path
    disk = Disk(places.root)
    if step.kind is StepKind.MODE:
        status = disk.status(step.path)
        if isinstance(status, os.stat_result):
            path.chmod(mode_with(status.st_mode, executable=step.executable))
        return True
    found = disk.raw(step.path)
    if found == UNREADABLE:  # no reason to think that somebody has written to it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if step.staged is None:
        return _removed(places, folder, step, found)
    return _written(places, places.staging / folder / step.staged, step, found)


def _removed(places: Places, folder: str, step: ChangeStep, found: str | Blocked | None) -> bool:
    """Makes a step that removes a file."""
    path = places.root / step.path
    # Of the path, so that whoever goes on after a kill finds it.
    name = hashlib.sha256(step.path.encode()).hexdigest()[:16]
    spare = places.staging / folder / f"removed-{name}"
    if found is None:
        if is_there(spare) and _hash_at(spare) != step.old:  # killed before it was looked at
            give_back(spare, path)
            return False
        remove_empty(path.parent, places.root)  # as it would have been done before a kill
        return True
    if step.old is None or found != step.old or not take_away(path, spare, step.old):
        return False
    remove_empty(path.parent, places.root)
    return True


def _written(places: Places, staged: Path, step: ChangeStep, found: str | Blocked | None) -> bool:
    """Makes a step that gives a staged file its name."""
    path = places.root / step.path
    holds = _hash_at(staged) if is_there(staged) else None
    if holds == step.new:
        if found == step.new:
            return True
        if found == step.old:
            with contextlib.suppress(InvalidWorkspace):  # a link has come into the way
                make_folder(path.parent, InvalidWorkspace)
                if take_place(staged, path, step.old):
                    return True
    elif holds in {None, step.old}:
        # It has taken its name before, whatever became of it then.
        return True
    elif found == step.new:
        # Killed before what was displaced was looked at, and somebody had saved it just then.
        give_back(staged, path)
    if step.beside is not None and not is_there(places.root / step.beside):
        make_folder((places.root / step.beside).parent, InvalidWorkspace)
        rename(staged, places.root / step.beside)
    return False


def _hash_at(path: Path) -> str:
    """'sha256:…' of the bytes of a file of ours."""
    return raw_hash(read_stripes(path))


def mode_with(mode: int, *, executable: bool) -> int:
    """Permissions of a file that whoever may read it may run, or nobody."""
    permissions = stat.S_IMODE(mode) & 0o777
    readers = (permissions & 0o444) >> 2
    return permissions | readers if executable else permissions & ~0o111


def _adjusted(record: Record, before: Record | None, missed: Collection[str]) -> Record:
    """The new record, but for files that somebody else has written to meanwhile."""
    files = dict(record.files)
    for path in missed:
        files.pop(path, None)
        if before is not None and path in before.files:
            files[path] = before.files[path]
    return dataclasses.replace(record, files=files)


def tidy(places: Places, record: Record | None) -> None:
    """Removes what changes have left: staged files, blobs that no record needs.

    What cannot be removed stays until the next time.

    Args:
        places: places of the workspace, whose lock is held.
        record: record of the workspace, None where it is not at hand; then the blobs stay.
    """
    with contextlib.suppress(OSError):
        for path in list(places.own.iterdir()):
            if path.name.startswith(f"{places.stamps.name}."):  # of a look that was killed
                path.unlink()
        if record is not None:
            places.blobs.prune(record.blobs())
        # Last: as long as it is there, the next change tidies again.
        remove_tree(places.staging)


def _recover(places: Places) -> bool:
    """Finishes a change that was interrupted, or clears away what it had prepared.

    Args:
        places: places of the workspace, whose lock is held.

    Returns:
        Whether there was one to finish.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: the journal or the record is damaged, or too new.
        OSError: the system refused; the next change finishes what was interrupted.
    """
    journal = read_journal(places)
    if journal is not None:
        _carry_out(places, journal)
    elif is_there(places.staging):
        tidy(places, read_record(places))
    return journal is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """A workspace that is being changed.

    Attributes:
        record: record of the workspace, None if it is only being made.
        recovered: whether a change that was interrupted was finished first.
        is_new: whether there was no record before that.
    """

    record: Record | None
    recovered: bool
    is_new: bool


@contextlib.contextmanager
def changing(places: Places) -> Iterator[Begun]:
    """Holds the lock of a workspace while the block runs, with nothing left to recover.

    Args:
        places: places of the workspace, whose own folder is there.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: the record or the journal is damaged, or too new.
        WorkspaceBusy: another program is changing it.
        OSError: the system refused; what was interrupted is finished by the next change.
    """
    places.check()
    with exclusive(places.lock, places.busy):
        # Before anything is written: a record that is too new is not ours to change.
        record = read_record(places)
        recovered = _recover(places)
        after = read_record(places) if recovered else record
        yield Begun(after, recovered, is_new=record is None)
