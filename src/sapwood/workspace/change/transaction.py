"""Turns a plan into a staged change and its journal."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from typing import assert_never

from sapwood.content.digests import raw_hash
from sapwood.documents.paths import clashing
from sapwood.errors import InvalidPackage, InvalidWorkspace
from sapwood.files.paths import is_there
from sapwood.files.reading import read_stripes
from sapwood.package import (
    LARGEST_READ,
    FileIdentity,
    PackageFile,
    Policy,
    UnreadableNotebook,
    with_ends_of,
)
from sapwood.workspace.change.planning import WRITING, Change, recorded_after
from sapwood.workspace.change.reach import mismatch
from sapwood.workspace.change.staging import (
    Stage,
    StagedFile,
    Taken,
    changed_meanwhile,
    checked_data,
    permissions,
)
from sapwood.workspace.change.weights import Goal, patched_weights
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import Disk, file_hash
from sapwood.workspace.disk.states import Action, Blocked, State
from sapwood.workspace.notebooks.merging import merge_notebook
from sapwood.workspace.notebooks.reports import MergedNotebook
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, RecordedFile


@dataclasses.dataclass(frozen=True, slots=True)
class Transaction:
    """What the steps of an update are made from.

    Attributes:
        places: places of the workspace.
        template: template that it is updated to.
        record: record of the workspace, None if it is only being made.
        stage: stage that the steps go to.
        merges: what became of each notebook that was merged, by its path.
    """

    places: Places
    template: Template
    record: Record | None
    stage: Stage
    merges: dict[str, MergedNotebook] = dataclasses.field(default_factory=dict)

    def add(self, change: Change) -> Change:
        """Stages one change.

        Returns:
            The change as it is made: where a merge or a patch is impossible, what is done
            instead.

        Raises:
            Changed: the file is not what it was when the change was planned.
            InvalidPackage: the template is not what it was then, or it is damaged.
            IoError, OSError: the system refused.
        """
        match change.action:
            case Action.MERGE:
                return self._merge(change)
            case Action.INSTALL:
                self._install(change, change.path)
            case Action.REPLACE:
                return self._replace(change)
            case Action.REMOVE:
                self._remove(change)
            case Action.SET_MODE if change.moved_from is None:
                self.stage.set_mode(change.path, executable=_wanted(change).executable)
            case Action.LAY_BESIDE:
                self._lay_beside(change)
                self._move(change)
            case (
                Action.ADOPT
                | Action.KEEP
                | Action.HOLD
                | Action.UNREACHABLE
                | Action.SET_MODE
                | Action.FORGET
                | Action.SKIP
                | Action.NOTHING
            ):
                self._move(change)
            case _:
                assert_never(change.action)
        return change

    def _beside(self, path: str) -> str:
        return self.places.incoming(self.template.version, path)

    def _new(self, change: Change) -> PackageFile:
        return self.template.files[change.path]

    def _install(self, change: Change, path: str) -> None:
        """Writes the template's file where nothing is."""
        new, file = _wanted(change), self._new(change)
        beside = self._beside(change.path) if path == change.path else None
        staged = self.stage.write(new_stripes(file, new), executable=new.executable)
        self.stage.put(path, staged, old=None, beside=beside)

    def _replace(self, change: Change) -> Change:
        """Backs the user's file up and writes the template's, with the line ends it had."""
        taken = self._take(change)
        staged = self._patched(change, taken)
        if staged is None:
            new, file = _wanted(change), self._new(change)
            if file.only is not None:
                return self.add(change.not_made(mismatch(file.only)))
            stripes: Iterable[bytes] = new_stripes(file, new)
            if taken.data is not None and file.size <= LARGEST_READ:
                stripes = (with_ends_of(one, taken.data) for one in stripes)
            staged = self.stage.write(stripes)
        self._put(change, taken, staged, beside=self._beside(change.path))
        return change

    def _put(
        self, change: Change, taken: Taken, staged: StagedFile, *, beside: str | None = None
    ) -> None:
        """Gives the user's file the bytes of a staged one, under the name that it has now."""
        mode, moved = taken.mode, change.moved_from
        if change.action in WRITING:
            mode = permissions(mode, change.recorded, _wanted(change))
        old = taken.raw if moved is None else None
        self.stage.put(change.path, staged, old=old, mode=mode, beside=beside)
        if moved is not None:
            self.stage.remove(moved, taken.raw, after=change.path)

    def _merge(self, change: Change) -> Change:
        """Backs the user's notebook up and writes one made of it and the template's."""
        known = change.old_path
        taken = self._take(change, back_up=False)
        new = _wanted(change)
        theirs = checked_data(self._new(change).read(), change.path, new)
        try:
            merged = merge_notebook(self._installed(known), taken.data or b"", theirs)
        except (InvalidWorkspace, UnreadableNotebook) as e:
            return self.add(change.not_merged(str(e)))
        self.stage.back_up(known, taken)
        # Nothing is laid beside if somebody else is faster: the next merge is of what they wrote.
        self._put(change, taken, self.stage.write([merged.data]))
        if merged.conflicts:
            self._lay_beside(change)
        self.merges[change.path] = merged
        return change

    def _installed(self, path: str) -> bytes:
        """What was installed under a path.

        Raises:
            InvalidWorkspace: it is missing or damaged.
            UnreadableNotebook: it is not kept.
            OSError: it cannot be read.
        """
        entry = None if self.record is None else self.record.files.get(path)
        if entry is None or entry.blob is None:
            raise UnreadableNotebook("what was installed is not kept")
        return self.places.blobs.get(entry.blob, entry.size)

    def _lay_beside(self, change: Change) -> None:
        """Lays the template's file beside; one that was laid there before makes room if it differs.

        Versions of a template do not change, but a course's files do within one.
        """
        beside, new, file = self._beside(change.path), _wanted(change), self._new(change)
        there = Disk(self.places.root).raw(beside)
        if isinstance(there, Blocked) and is_there(self.places.root / beside):
            return
        if not isinstance(there, str):
            self._install(change, beside)
        elif there != raw_hash(new_stripes(file, new)):
            expected = FileIdentity(file_hash(str(self.places.root), beside))
            taken = self.stage.take(beside, expected, back_up=True)
            staged = self.stage.write(new_stripes(file, new))
            self.stage.put(beside, staged, old=taken.raw, mode=taken.mode)

    def _patched(self, change: Change, taken: Taken) -> StagedFile | None:
        """Weights made by a patch; None unless the template has one from what is installed."""
        known = change.old_path
        entry = None if self.record is None else self.record.files.get(known)
        file, new = self._new(change), _wanted(change)
        weights = change.policy is Policy.WEIGHTS or file.only is not None
        if not weights or change.state is not State.OUTDATED or entry is None:
            return None
        name = self.template.manifest.patch_for(change.path, entry.version)
        if name is None:
            return None
        patch = self.template.patches[name]
        goal = Goal(change.path, new.hash, file.size)
        current, staged = self.places.root / known, self.stage.new_file()
        made = patched_weights(current, patch, goal, self.stage.new_file(), staged)
        if made is None and raw_hash(read_stripes(current)) != taken.raw:
            raise changed_meanwhile(known)
        return None if made is None else StagedFile(staged, made)

    def _remove(self, change: Change) -> None:
        taken = self._take(change)
        self.stage.remove(change.path, taken.raw)

    def _move(self, change: Change) -> None:
        """Gives the user's file the name that the template has given it."""
        if change.moved_from is None or not isinstance(change.found, FileIdentity):
            return
        taken = self._take(change)
        self._put(change, taken, self.stage.write(taken.stripes()))

    def _take(self, change: Change, *, back_up: bool = True) -> Taken:
        """Reads the user's file, and backs it up, but for weights that nobody has edited."""
        path = change.old_path
        if not isinstance(change.found, FileIdentity):
            raise InvalidPackage(f"{path}: expected a file to replace, found none")
        taken = self.stage.take(path, change.found, back_up=False)
        # Byte for byte: a notebook that was only run counts as unchanged, and has outputs.
        untouched = change.recorded is not None and change.recorded.hash == taken.raw
        weights = change.policy is Policy.WEIGHTS and change.action is Action.REPLACE
        if back_up and not (weights and untouched):
            self.stage.back_up(path, taken)
        return taken

    def record_after(self, changes: Sequence[Change], now: datetime, *, whole: bool) -> Record:
        """What the record says once the changes are made; keeps the blobs it needs.

        Args:
            changes: changes that are made. What the record says of other files stays.
            now: the time.
            whole: whether these are all changes that lead to the template's version: of a
                part the workspace keeps the version that it has.
        """
        before = {} if self.record is None else dict(self.record.files)
        kept = self._kept_blobs()
        planned = {name for one in changes for name in (one.path, one.moved_from)}
        files = {path: entry for path, entry in before.items() if path not in planned}
        for change in changes:
            old, new = before.get(change.old_path), self._entry(change, kept)
            entry = recorded_after(change, old, new)
            if entry is None:
                continue
            files[change.path] = entry
            if entry is new and entry.blob is not None and entry.blob not in kept:
                kept.add(entry.blob)
                self.stage.keep_blob(entry.blob, self._new(change).read())
        # Such as Readme.md, kept, beside README.md: the template's is what counts from now on.
        held = files.keys() & self.template.files.keys()
        for path in clashing(files.keys() - held, held):
            del files[path]
        return self._record(files, now, whole=whole)

    def _kept_blobs(self) -> set[str]:
        """The blobs that need not be kept anew: nobody has deleted them, or nothing has them."""
        blobs = self.places.blobs
        files = {} if self.record is None else self.record.files
        named = {one.blob: path for path, one in files.items() if one.blob is not None}
        known = self.template.known
        return {blob for blob, path in named.items() if path in known or is_there(blobs.path(blob))}

    def _entry(self, change: Change, kept: Set[str]) -> RecordedFile | None:
        """What the record says of the template's file, where some blobs are kept already."""
        file = self.template.files.get(change.path)
        if file is None or change.new is None:
            return None
        before = None if self.record is None else self.record.files.get(change.path)
        if (
            before is not None
            and before.identity.hash == change.new.hash
            and before.size == file.size
            and (before.blob is None or before.blob in kept)
        ):
            blob = before.blob  # the same content, as text or cells
        elif change.policy is Policy.WEIGHTS or file.size > LARGEST_READ or file.only is not None:
            blob = None
        else:
            blob = hashlib.sha256(file.read()).hexdigest()
        extra = change.path in self.template.extras
        return RecordedFile(self.template.version, change.new, file.size, blob, extra)

    def _record(self, files: dict[str, RecordedFile], now: datetime, *, whole: bool) -> Record:
        version, name = self.template.version, self.template.manifest.name
        if self.record is None:
            return Record(name, version, version, now, now, files, self.template.course)
        before = self.record
        version = version if whole else before.template_version
        course = self.template.course if whole else before.course
        same = before.template_version == version and before.course == course
        if same and before.files == files:
            return before
        # A clock that was set back does not turn the order of updates.
        updated = max(now, before.last_updated)
        return dataclasses.replace(
            before, template_version=version, last_updated=updated, files=files, course=course
        )


def _wanted(change: Change) -> FileIdentity:
    """What the template holds, for a change that needs it.

    Raises:
        InvalidPackage: it holds nothing.
    """
    if change.new is None:
        raise InvalidPackage(f"{change.path}: expected it in the template, found nothing")
    return change.new


def new_stripes(file: PackageFile, new: FileIdentity) -> Iterator[bytes]:
    """The bytes of a template's file, which must be what was planned with.

    Raises:
        InvalidPackage: it changed meanwhile.
    """
    if file.size <= LARGEST_READ:
        yield checked_data(file.read(), file.path, new)
        return
    hasher = hashlib.sha256()
    for stripe in file.stripes():
        hasher.update(stripe)
        yield stripe
    if f"sha256:{hasher.hexdigest()}" != new.hash:
        raise InvalidPackage(f"{file.path}: changed in the template while it was read; try again")
