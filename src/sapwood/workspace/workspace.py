"""The front door: a folder that was made from a template and that its user owns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from sapwood.files.paths import resolved
from sapwood.files.refusals import os_errors
from sapwood.workspace.change.applying import changing
from sapwood.workspace.change.differences import differences_in
from sapwood.workspace.change.making import make_workspace
from sapwood.workspace.change.opening import TemplateSource, sources
from sapwood.workspace.change.restoring import restore_files
from sapwood.workspace.change.results import Difference, Outcome, Restored, Status, UpdatePlan
from sapwood.workspace.change.status import changed_lines, status_of
from sapwood.workspace.change.texts import LineChanges
from sapwood.workspace.change.updating import Request, make_update, plan_request
from sapwood.workspace.course.configured import for_workspace
from sapwood.workspace.course.sources import CourseSource
from sapwood.workspace.doctor.examining import examine
from sapwood.workspace.doctor.findings import Finding
from sapwood.workspace.exporting.status import ExportStatus, look_at_exports
from sapwood.workspace.exporting.writing import Exported, export_modules
from sapwood.workspace.record.backups import Backup, list_backups
from sapwood.workspace.record.places import Places, find_above, find_places
from sapwood.workspace.record.record import Record, installed_record, read_record

Clock: TypeAlias = Callable[[], datetime]


def _utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Workspace:
    """A folder made from a template that its user owns.

    Nothing of the user's is lost by what is done here: what is replaced or removed is
    backed up first, every change is one transaction that a kill at any moment leaves
    whole or to be finished by the next one, and links are never followed.
    """

    def __init__(self, places: Places, clock: Clock = _utc_now) -> None:
        """Use `open` or `init`.

        Args:
            places: of the workspace.
            clock: tells the time.
        """
        self._places = places
        self._clock = clock

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], name: str | None = None, *, clock: Clock = _utc_now
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
        with os_errors(folder):
            return cls(find_places(folder, name), clock)

    @classmethod
    def find(
        cls, start: str | os.PathLike[str], name: str | None = None, *, clock: Clock = _utc_now
    ) -> Workspace:
        """Opens the workspace that a folder is in, as `open` does: of several the nearest.

        Args:
            start: the folder, the workspace's own or one below it.
            name, clock: as of `open`.

        Raises:
            InvalidWorkspace, InputError, IoError: as `open`.
        """
        with os_errors(start):
            return cls(find_above(start, name), clock)

    @classmethod
    def init(
        cls,
        folder: str | os.PathLike[str],
        template: TemplateSource,
        *,
        config: CourseSource | None = None,
        clock: Clock = _utc_now,
    ) -> tuple[Workspace, Outcome]:
        """Makes a workspace.

        Args:
            folder: that is made, or one that is there: files in it stay, and where the
                template has another of the same name it goes to `.NAME/incoming/`.
            template: to make it from.
            config: of a course: a course.yml, or a folder or archive with one.
            clock: tells the time.

        Returns:
            The workspace, and what was done.

        Raises:
            InputError: the folder is a workspace of this template already, the course does not
                fit, or the template has files only as patches.
            InvalidPackage: the template breaks the rules.
            InvalidWorkspace: something else is in the way of the record.
            WorkspaceBusy: another program is changing it.
            IoError: the system refused; calling again goes on.
        """
        with sources(template, config, folder) as (package, course):
            places = Places(resolved(folder), package.manifest.name)
            outcome = make_workspace(places, package, course, clock())
            return cls(places, clock), outcome

    @property
    def root(self) -> Path:
        """The workspace's folder, with links resolved."""
        return self._places.root

    @property
    def name(self) -> str:
        """Of the template."""
        return self._places.name

    def record(self) -> Record:
        """What was installed.

        Raises:
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, missing or too new.
            IoError: it cannot be read.
        """
        with os_errors(self.root):
            return installed_record(self._places)

    def plan_update(
        self,
        template: TemplateSource,
        *,
        module: str | None = None,
        config: CourseSource | None = None,
        replace: bool = False,
        merge: bool = False,
        allow_downgrade: bool = False,
    ) -> UpdatePlan:
        """Says what `update` would do, and changes nothing of the user's.

        Args, Raises: as of `update`, but for what writing adds.
        """
        return self._planned(template, Request(module, replace, merge, allow_downgrade), config)

    def update(
        self,
        template: TemplateSource,
        *,
        module: str | None = None,
        config: CourseSource | None = None,
        replace: bool = False,
        merge: bool = False,
        allow_downgrade: bool = False,
    ) -> Outcome:
        """Brings a workspace to the version of a template, as its policies say.

        A change that was interrupted is finished first.

        Args:
            template: that the workspace was made from, of any version.
            module: number or name of the one module whose files are updated, protected ones
                too. Those in conflict are backed up and replaced, those that were deleted
                come back; what only the user changed stays. All other files, and the version
                of the workspace, stay as they are.
            config: of a course, as of `init`; by default the workspace's own goes on. It is
                for all files: with `module` it is an error.
            replace: back up and replace files in conflict, rather than keep them and lay
                the template's beside; protected files are kept in any case.
            merge: back up notebooks in conflict, protected ones too, and merge them by cell:
                exercises keep what the user wrote, locked cells are the template's. Where a
                cell is in conflict the template's notebook is laid beside.
            allow_downgrade: to a version before the one that the workspace has.

        Returns:
            What was done.

        Raises:
            InputError: another template, an earlier version, no such module, or a course that
                does not fit.
            InvalidPackage: the template breaks the rules.
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, or too new.
            WorkspaceBusy: another program is changing the workspace.
            InvalidPatch, LimitExceeded: a patch of weights is damaged, or asks for too much.
            IoError: the system refused. Either nothing was changed, or the next update
                finishes this one.
        """
        return self._updated(template, Request(module, replace, merge, allow_downgrade), config)

    def plan_reset(
        self, template: TemplateSource, module: str, *, allow_downgrade: bool = False
    ) -> UpdatePlan:
        """Says what `reset` would do, and changes nothing of the user's.

        Args, Raises: as of `reset`, but for what writing adds.
        """
        request = Request(module, allow_downgrade=allow_downgrade, reset=True)
        return self._planned(template, request)

    def reset(
        self, template: TemplateSource, module: str, *, allow_downgrade: bool = False
    ) -> Outcome:
        """Makes all files that a template has of a module the template's again.

        What the user changed is in the backup, which has the module's name. Files that the
        template does not have stay, and so does the version of the workspace.

        Args:
            template: that the workspace was made from, of any version.
            module: number or name of the module.
            allow_downgrade: to a version before the one that the workspace has.

        Returns:
            What was done.

        Raises:
            As `update`.
        """
        request = Request(module, allow_downgrade=allow_downgrade, reset=True)
        return self._updated(template, request)

    def differences(
        self,
        template: TemplateSource,
        module: str | None = None,
        *,
        paths: Sequence[str] | None = None,
        allow_downgrade: bool = False,
    ) -> tuple[Difference, ...]:
        """How the user's files differ from the template's.

        Args:
            template, allow_downgrade: as of `update`.
            module: to compare what `reset` would change of it; None for all that both have.
            paths: to compare, from the workspace's folder or from the current one.

        Raises:
            InputError: the template has no such file; and what `plan_reset` raises.
        """
        request = Request(module=module, allow_downgrade=allow_downgrade, reset=module is not None)
        with sources(template, None, self.root) as (package, _):
            record = installed_record(self._places)
            chosen = for_workspace(package, record, None, self._places)
            plan = plan_request(self._places, record, chosen, request)
            return tuple(differences_in(plan, self.root, chosen, paths))

    def _planned(
        self, template: TemplateSource, request: Request, config: CourseSource | None = None
    ) -> UpdatePlan:
        request.check_course(config)
        with sources(template, config, self.root) as (package, course):
            record = installed_record(self._places)
            chosen = for_workspace(package, record, course, self._places)
            return plan_request(self._places, record, chosen, request)

    def _updated(
        self, template: TemplateSource, request: Request, config: CourseSource | None = None
    ) -> Outcome:
        request.check_course(config)
        with sources(template, config, self.root) as (package, course):
            with changing(self._places) as begun:
                record = begun.record or installed_record(self._places)
                chosen = for_workspace(package, record, course, self._places)
                now = self._clock()
                outcome = make_update(self._places, record, chosen, "update", now, request)
            return dataclasses.replace(outcome, recovered=begun.recovered)

    def exports(
        self, template: TemplateSource, modules: Sequence[str] | None = None
    ) -> tuple[ExportStatus, ...]:
        """Tells which modules are as their notebooks, and changes nothing.

        Args, Raises: as of `export`, but for what writing adds.
        """
        with sources(template, None, self.root) as (package, _):
            chosen = for_workspace(package, read_record(self._places), None, self._places)
            return look_at_exports(self._places, chosen, modules)

    def export(
        self,
        template: TemplateSource,
        modules: Sequence[str] | None = None,
        *,
        replace: bool = False,
    ) -> Exported:
        """Makes Python modules of the marked cells of notebooks, as the template names them.

        The modules are the user's; the record does not know of them. All are made or none.

        Args:
            template: that the workspace was made from.
            modules: numbers or names of the template's modules; by default all exports.
            replace: back up and replace what was edited by hand, or was never exported,
                rather than keep it.

        Returns:
            What was done.

        Raises:
            InputError: another template, there is no such module, or a notebook cannot be
                exported; the message names cell and line.
            InvalidPackage: the template breaks the rules.
            InvalidWorkspace: a change was interrupted and cannot be finished.
            WorkspaceBusy: another program is changing the workspace.
            IoError: the system refused.
        """
        with sources(template, None, self.root) as (package, _), changing(self._places) as begun:
            chosen = for_workspace(package, begun.record, None, self._places)
            now = self._clock()
            return export_modules(self._places, chosen, modules, now, replace=replace)

    def examine(self, template: TemplateSource | None = None) -> tuple[Finding, ...]:
        """Looks for what is wrong, and says what to do about it. Writes nothing.

        What cannot be read is a finding too, a template among it.

        Args:
            template: that the workspace was made from; None to do without what only the
                template tells: environment, imports, exports, updates.

        Returns:
            What was found, what is in order among it.
        """
        return examine(self._places, template)

    def status(self) -> Status:
        """Tells which of the installed files the user has changed.

        Raises:
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, missing or too new.
            IoError: something cannot be read.
        """
        with os_errors(self.root):
            return status_of(self._places, installed_record(self._places))

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
        with os_errors(self.root):
            known = installed_record(self._places) if record is None else record
            return changed_lines(self._places, known, path)

    def backups(self) -> list[Backup]:
        """All backups, the oldest first.

        Raises:
            InvalidWorkspace: one is damaged.
            IoError: one cannot be read.
        """
        with os_errors(self.root):
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
        with os_errors(self.root), changing(self._places):
            return restore_files(self._places, backup, paths, self._clock())
