"""The front door: a folder that was made from a template and that its user owns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from sapwood.errors import InputError, InvalidWorkspace, IoError
from sapwood.workspace.applying import carry_out, read_journal, read_record, recover, tidy
from sapwood.workspace.backups import Backup, list_backups
from sapwood.workspace.blobs import Blobs
from sapwood.workspace.canonical import LARGEST
from sapwood.workspace.durable import is_there, make_folder, read_whole, write_whole
from sapwood.workspace.journal import Journal
from sapwood.workspace.lines import LineChanges, count_changes
from sapwood.workspace.locking import locked
from sapwood.workspace.opening import (
    TemplateSource,
    check_source,
    opened,
    system_errors,
    with_note,
)
from sapwood.workspace.places import Places, find_above, find_places, resolved
from sapwood.workspace.planning import plan_changes
from sapwood.workspace.record import Record
from sapwood.workspace.restoring import chosen_files, stage_restore
from sapwood.workspace.results import FileStatus, Outcome, Plan, Restored, Status
from sapwood.workspace.scanning import Disk, scan
from sapwood.workspace.staging import ChangedMeanwhile, Stage
from sapwood.workspace.stamps import Stamps
from sapwood.workspace.states import Blocked, State, state_of
from sapwood.workspace.template import Template
from sapwood.workspace.transaction import Update

Clock: TypeAlias = Callable[[], datetime]

ATTEMPTS = 3  # times that an update is planned anew because somebody is writing


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Workspace:
    """A folder made from a template that its user owns.

    Nothing of the user's is lost by what is done here: what is replaced or removed is
    backed up first, every change is one transaction that a kill at any moment leaves
    whole or to be finished by the next one, and links are never followed.
    """

    def __init__(self, places: Places, clock: Clock = utc_now) -> None:
        """Use `open` or `init`.

        Args:
            places: of the workspace.
            clock: tells the time.
        """
        self._places = places
        self._clock = clock

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], name: str | None = None, *, clock: Clock = utc_now
    ) -> Workspace:
        """Opens a workspace. Its record is read when it is needed.

        Args:
            folder: that it is.
            name: of its template; needed where a folder is a workspace of several.
            clock: tells the time.

        Raises:
            InvalidWorkspace: the folder is none.
            InputError: it is several.
            IoError: it cannot be looked at.
        """
        with system_errors(folder):
            return cls(find_places(folder, name), clock)

    @classmethod
    def find(
        cls, start: str | os.PathLike[str], name: str | None = None, *, clock: Clock = utc_now
    ) -> Workspace:
        """Opens the workspace that a folder is in, as `open` does: of several the nearest.

        Args:
            start: the folder, the workspace's own or one below it.
            name, clock: as of `open`.

        Raises:
            InvalidWorkspace, InputError, IoError: as `open`.
        """
        with system_errors(start):
            return cls(find_above(start, name), clock)

    @classmethod
    def init(
        cls,
        folder: str | os.PathLike[str],
        template: TemplateSource,
        *,
        clock: Clock = utc_now,
    ) -> tuple[Workspace, Outcome]:
        """Makes a workspace.

        Args:
            folder: that is made, or one that is there: files in it stay, and where the
                template has another of the same name it goes to `.NAME/incoming/`.
            template: to make it from.
            clock: tells the time.

        Returns:
            The workspace, and what was done.

        Raises:
            InputError: the folder is a workspace of this template already.
            InvalidTemplate: the template breaks the rules.
            InvalidWorkspace: something else is in the way of the record.
            WorkspaceBusy: another program is changing it.
            IoError: the system refused; calling again goes on.
        """
        with opened(template) as source, system_errors(folder):
            places = Places(resolved(folder), source.manifest.name)
            make_folder(places.own)
            workspace = cls(places, clock)
            with locked(places.lock):
                recovered = recover(places)
                record = read_record(places)
                if recovered is None and record is not None:
                    raise InputError(
                        f"{places.root}: is a workspace of {places.name} already; update it"
                    )
                outcome = workspace._update(record, source, "init", replace=False)
            return workspace, dataclasses.replace(outcome, recovered=recovered is not None)

    @property
    def root(self) -> Path:
        """The workspace's folder, with links resolved."""
        return self._places.root

    @property
    def name(self) -> str:
        """Of the template."""
        return self._places.name

    @property
    def backups_folder(self) -> Path:
        """Where backups lie."""
        return self._places.backups

    def record(self) -> Record:
        """What was installed.

        Raises:
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, missing or too new.
            IoError: it cannot be read.
        """
        with system_errors(self.root):
            return self._record()

    def _record(self) -> Record:
        record = read_record(self._places)
        if record is None:
            raise InvalidWorkspace(
                f"{self._places.record}: missing; 'init' finishes a workspace that was not "
                "made to the end"
            )
        return record

    def plan_update(
        self,
        template: TemplateSource,
        *,
        replace: bool = False,
        allow_downgrade: bool = False,
    ) -> Plan:
        """Says what `update` would do, and changes nothing of the user's.

        Args, Raises: as of `update`, but for what writing adds.
        """
        with opened(template) as source, system_errors(self.root):
            record = self._record()
            check_source(record, source, allow_downgrade=allow_downgrade)
            stamps = Stamps(self._places.stamps)
            try:
                return self._plan(record, source, stamps, replace=replace)
            finally:
                stamps.keep()

    def update(
        self,
        template: TemplateSource,
        *,
        replace: bool = False,
        allow_downgrade: bool = False,
    ) -> Outcome:
        """Brings a workspace to the version of a template, as its policies say.

        A change that was interrupted is finished first.

        Args:
            template: that the workspace was made from, of any version.
            replace: back up and replace files in conflict, rather than keep them and lay
                the template's beside; protected files are kept in any case.
            allow_downgrade: to a version before the one that the workspace has.

        Returns:
            What was done.

        Raises:
            InputError: another template, or an earlier version.
            InvalidTemplate: the template breaks the rules.
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, or too new.
            WorkspaceBusy: another program is changing the workspace.
            InvalidPatch, LimitExceeded: a patch of weights is damaged, or asks for too much.
            IoError: the system refused. Either nothing was changed, or the next update
                finishes this one.
        """
        with opened(template) as source, system_errors(self.root):
            self._places.check()
            with locked(self._places.lock):
                # Before anything is written: a record that is too new is not ours to change.
                before = read_record(self._places)
                finished = recover(self._places)
                record = self._record() if finished is not None or before is None else before
                check_source(record, source, allow_downgrade=allow_downgrade)
                outcome = self._update(record, source, "update", replace=replace)
            return dataclasses.replace(outcome, recovered=finished is not None)

    def _plan(
        self, record: Record | None, template: Template, stamps: Stamps, *, replace: bool
    ) -> Plan:
        new = template.contents(stamps)
        recorded = {} if record is None else record.contents()
        rules = template.manifest.rules
        paths = recorded.keys() | new.keys()
        changes = plan_changes(
            recorded, scan(self.root, paths, stamps), new, rules, replace=replace
        )
        files = {} if record is None else record.files
        noted = tuple(with_note(one, template, files) for one in changes)
        version = None if record is None else record.template_version
        return Plan(template.manifest.name, version, template.version, noted)

    def _update(
        self, record: Record | None, template: Template, label: str, *, replace: bool
    ) -> Outcome:
        """Plans, stages and applies, with the lock held and nothing left to recover."""
        for attempt in range(ATTEMPTS):
            stamps = Stamps(self._places.stamps)
            try:
                plan = self._plan(record, template, stamps, replace=replace)
            finally:
                stamps.keep()
            stage = Stage(self._places)
            try:
                backup, journal = self._staged(plan, template, record, stage, label)
                break
            except ChangedMeanwhile as e:
                if attempt + 1 == ATTEMPTS:
                    tidy(self._places, record)
                    raise IoError(f"{e}: is being written to; try again when it is not") from e
            except BaseException:
                tidy(self._places, record)
                raise
        missed: tuple[str, ...] = ()
        if journal.steps or journal.record is not record:
            missed = self._commit(journal, record)
        else:
            tidy(self._places, None)
        laid = {
            one.path: self._places.incoming(template.version, one.path)
            for one in plan.conflicts
            if one.state is not State.BLOCKED
        }
        return Outcome(plan, backup, laid, missed, recovered=False)

    def _staged(
        self, plan: Plan, template: Template, record: Record | None, stage: Stage, label: str
    ) -> tuple[str | None, Journal]:
        """Stages a plan."""
        now = self._clock()
        update = Update(self._places, template, record, stage)
        for change in plan.changes:
            update.add(change)
        after = update.record_after(plan.changes, now)
        backup = stage.finish(label, now, plan.from_version)
        return backup, Journal(stage.folder, tuple(stage.steps), after)

    def _commit(self, journal: Journal, before: Record | None) -> tuple[str, ...]:
        """From here on a kill is repaired by the next change."""
        try:
            write_whole(self._places.journal, journal.to_bytes())
        except OSError:
            if not is_there(self._places.journal):
                tidy(self._places, before)
            raise
        try:
            return carry_out(self._places, journal)
        except OSError as e:
            raise IoError(
                f"{e.filename or self.root}: {e.strerror or e}; the change is half made: "
                "see to this, and update again to finish it"
            ) from e

    def status(self) -> Status:
        """Tells which of the installed files the user has changed.

        Raises:
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, missing or too new.
            IoError: something cannot be read.
        """
        with system_errors(self.root):
            record = self._record()
            stamps = Stamps(self._places.stamps)
            found = scan(self.root, record.files, stamps)
            stamps.keep()
            files = []
            for path, entry in record.files.items():
                there = found[path]
                state = state_of(entry.content, there, entry.content)
                reason = there.reason if isinstance(there, Blocked) else None
                files.append(FileStatus(path, state, entry.version, reason))
            return Status(record, tuple(files), read_journal(self._places) is not None)

    def line_changes(self, path: str, record: Record | None = None) -> LineChanges | None:
        """How many lines of a file the user has added and removed since it was installed.

        Args:
            path: of a file in the record.
            record: of the workspace, where it is at hand; else it is read.

        Returns:
            The numbers; None of files that are no text, and of those whose installed bytes
            are not kept.

        Raises:
            InputError: the record has no such file.
            InvalidWorkspace: what was installed is missing or damaged.
            IoError: something cannot be read.
        """
        with system_errors(self.root):
            entry = (self._record() if record is None else record).files.get(path)
            if entry is None:
                raise InputError(f"{path!r:.200}: expected a file that was installed")
            if entry.blob is None:
                return None
            base = Blobs(self._places.blobs).get(entry.blob, entry.size)
            there = isinstance(Disk(self.root).status(path), os.stat_result)
            data = read_whole(self.root / path, LARGEST) if there else b""
            return None if data is None else count_changes(base, data)

    def backups(self) -> list[Backup]:
        """All backups, the oldest first.

        Raises:
            InvalidWorkspace: one is damaged.
            IoError: one cannot be read.
        """
        with system_errors(self.root):
            return list_backups(self._places.backups)

    def restore(self, backup: str, paths: Sequence[str] | None = None) -> Restored:
        """Puts files of a backup back, and backs up what they replace.

        Args:
            backup: its name.
            paths: of the files; by default all of the backup.

        Returns:
            What was done.

        Raises:
            InputError: there is no such backup, or the file is not in it.
            InvalidWorkspace: the backup is damaged, or something is in the way.
            WorkspaceBusy: another program is changing the workspace.
            IoError: the system refused.
        """
        with system_errors(self.root):
            self._places.check()
            with locked(self._places.lock):
                read_record(self._places)  # one that is too new is not ours to change
                recover(self._places)
                chosen = chosen_files(self._places, backup, paths)
                stage = Stage(self._places)
                try:
                    done = stage_restore(self._places, backup, chosen, stage)
                    saved = stage.finish("restore", self._clock(), None)
                except ChangedMeanwhile as e:
                    raise IoError(f"{e}: is being written to; try again when it is not") from e
                finally:
                    if not stage.steps:
                        tidy(self._places, None)
                missed: tuple[str, ...] = ()
                if stage.steps:
                    missed = self._commit(Journal(stage.folder, tuple(stage.steps), None), None)
            unchanged = tuple(path for path in chosen if path not in done)
            return Restored(tuple(done), unchanged, saved, missed)
