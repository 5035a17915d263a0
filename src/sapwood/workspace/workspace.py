"""The front door: a folder that was made from a template and that its user owns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from sapwood.errors import InputError
from sapwood.files.paths import resolved
from sapwood.files.refusals import os_errors
from sapwood.workspace.change.applying import changing
from sapwood.workspace.change.differences import differences_in
from sapwood.workspace.change.lcs import MOST_PAIRS
from sapwood.workspace.change.making import make_workspace
from sapwood.workspace.change.opening import TemplateSource, opening
from sapwood.workspace.change.restoring import restore_files
from sapwood.workspace.change.results import Difference, Outcome, Restored, Status, UpdatePlan
from sapwood.workspace.change.status import changed_lines, status_of
from sapwood.workspace.change.texts import LineChanges
from sapwood.workspace.change.updating import UpdateRequest, make_update, plan_request
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

ALL_FILES = UpdateRequest()


def _utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def _check_course(request: UpdateRequest, config: CourseSource | None) -> None:
    """Sees to it that no course comes with a change of one module.

    Raises:
        InputError: one does.
    """
    if config is not None and request.module is not None:
        raise InputError(
            "a course is for all modules: update with --config first, and then --module alone"
        )


class Workspace:
    """A folder made from a template that its user owns.

    Nothing of the user's is lost by what is done here: what is replaced or removed is
    backed up first, every change is one transaction that a kill at any moment leaves
    whole or to be finished by the next one, and links are never followed.
    """

    def __init__(self, places: Places, clock: Clock = _utc_now) -> None:
        """Use `open`, `find` or `init`.

        Args:
            places: places of the workspace.
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
            folder: the workspace's folder.
            name: name of its template; needed where a folder is a workspace of several.
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
            start: the workspace's folder or one below it.
            name: name of the workspace's template; by default any.
            clock: tells the time.

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
            folder: folder that is made, or one that is there: files in it stay, and where the
                template has another of the same name it goes to `.NAME/incoming/`.
            template: template to make it from.
            config: course to configure it by: a course.yml, or a folder or archive with one.
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
        with opening(template, config, folder) as (package, course):
            places = Places(resolved(folder), package.manifest.name)
            outcome = make_workspace(places, package, course, clock())
            return cls(places, clock), outcome

    @property
    def root(self) -> Path:
        """The workspace's folder, with links resolved."""
        return self._places.root

    @property
    def name(self) -> str:
        """The template's name."""
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
        request: UpdateRequest = ALL_FILES,
        *,
        config: CourseSource | None = None,
    ) -> UpdatePlan:
        """Says what `update` would do, and changes nothing of the user's.

        Takes the arguments of `update`, and raises what it raises, but for what writing adds.
        """
        _check_course(request, config)
        with opening(template, config, self.root) as (package, course):
            record = installed_record(self._places)
            chosen = for_workspace(package, record, course, self._places)
            return plan_request(self._places, record, chosen, request)

    def update(
        self,
        template: TemplateSource,
        request: UpdateRequest = ALL_FILES,
        *,
        config: CourseSource | None = None,
    ) -> Outcome:
        """Brings a workspace to the version of a template, as its policies say.

        A change that was interrupted is finished first.

        Args:
            template: template that the workspace was made from, of any version.
            request: what is asked for beside what the policies say.
            config: course to configure the workspace by, as of `init`; by default its own goes
                on. It is for all files: with a module in `request` it is an error.

        Returns:
            What was done.

        Raises:
            InputError: another template, an earlier version, no such module, or a course that
                does not fit.
            InvalidPackage: the template breaks the rules.
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, or too new.
            WorkspaceBusy: another program is changing the workspace.
            InvalidPatch, LimitExceeded: a patch of weights is damaged, or asks for too much.
            Changed: somebody writes to one of the files again and again; nothing was changed.
            IoError: the system refused. Either nothing was changed, or the next update
                finishes this one.
        """
        _check_course(request, config)
        with opening(template, config, self.root) as (package, course):
            with changing(self._places) as begun:
                record = begun.record or installed_record(self._places)
                chosen = for_workspace(package, record, course, self._places)
                now = self._clock()
                outcome = make_update(self._places, record, chosen, "update", now, request)
            return dataclasses.replace(outcome, recovered=begun.recovered)

    def plan_reset(
        self, template: TemplateSource, module: str, *, allow_downgrade: bool = False
    ) -> UpdatePlan:
        """Says what `reset` would do, and changes nothing of the user's.

        Takes the arguments of `reset`, and raises what it raises, but for what writing adds.
        """
        request = UpdateRequest(module, allow_downgrade=allow_downgrade, reset=True)
        return self.plan_update(template, request)

    def reset(
        self, template: TemplateSource, module: str, *, allow_downgrade: bool = False
    ) -> Outcome:
        """Makes all files that a template has of a module the template's again.

        What the user changed is in the backup, which has the module's name. Files that the
        template does not have stay, and so does the version of the workspace.

        Args:
            template: template that the workspace was made from, of any version.
            module: number or name of the module.
            allow_downgrade: whether the version may be one before that of the workspace.

        Returns:
            What was done.

        Raises:
            SapwoodError: what `update` raises.
        """
        request = UpdateRequest(module, allow_downgrade=allow_downgrade, reset=True)
        return self.update(template, request)

    def differences(
        self,
        template: TemplateSource,
        module: str | None = None,
        *,
        paths: Sequence[str] | None = None,
        allow_downgrade: bool = False,
        most_pairs: int = MOST_PAIRS,
    ) -> tuple[Difference, ...]:
        """How the user's files differ from the template's.

        Args:
            template: template that the workspace was made from, of any version.
            module: number or name of the module of which what `reset` would change is compared;
                None for all files that both have.
            paths: paths of the files to compare, from the workspace's folder or from the current
                one; by default all.
            allow_downgrade: whether the version may be one before that of the workspace.
            most_pairs: pairs of lines of two texts that are compared at most, without those that
                both begin and end with; of longer ones no difference is told.

        Raises:
            InputError: the template has no such file.
            SapwoodError: what `plan_update` raises.
        """
        request = UpdateRequest(module, allow_downgrade=allow_downgrade, reset=True)
        with opening(template, None, self.root) as (package, _):
            record = installed_record(self._places)
            chosen = for_workspace(package, record, None, self._places)
            plan = plan_request(self._places, record, chosen, request)
            return tuple(differences_in(plan, self.root, chosen, paths, most_pairs))

    def exports(
        self, template: TemplateSource, modules: Sequence[str] | None = None
    ) -> tuple[ExportStatus, ...]:
        """Tells which modules are as their notebooks, and changes nothing.

        Args:
            template: template that the workspace was made from.
            modules: numbers or names of the template's modules; by default all exports.

        Raises:
            InputError: another template, or there is no such module.
            InvalidPackage: the template breaks the rules.
            InvalidWorkspace, UnsupportedWorkspace: the record is damaged, or too new.
            IoError: something cannot be read.
        """
        with opening(template, None, self.root) as (package, _):
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
            template: template that the workspace was made from.
            modules: numbers or names of the template's modules; by default all exports.
            replace: whether modules that were edited by hand, or were never exported, are
                backed up and replaced rather than kept.

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
        with (
            opening(template, None, self.root) as (package, _),
            changing(self._places) as begun,
        ):
            chosen = for_workspace(package, begun.record, None, self._places)
            now = self._clock()
            return export_modules(self._places, chosen, modules, now, replace=replace)

    def examine(self, template: TemplateSource | None = None) -> tuple[Finding, ...]:
        """Looks for what is wrong, and says what to do about it. Writes nothing.

        What cannot be read is a finding too, a template among it.

        Args:
            template: template that the workspace was made from; None to do without what only
                the template tells: environment, imports, exports, updates.

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

    def line_changes(
        self, path: str, record: Record | None = None, *, most_pairs: int = MOST_PAIRS
    ) -> LineChanges | None:
        """How many lines of a file the user has added and removed since it was installed.

        Args:
            path: path of a file in the record.
            record: record of the workspace, where it is at hand; else it is read.
            most_pairs: pairs of lines that are compared at most, without those that both texts
                begin and end with.

        Returns:
            The numbers; None of files that are no text or too long to compare, and of those
            whose installed bytes are not kept.

        Raises:
            InputError: the record has no such file.
            InvalidWorkspace: what was installed is missing or damaged.
            IoError: something cannot be read.
        """
        with os_errors(self.root):
            known = installed_record(self._places) if record is None else record
            return changed_lines(self._places, known, path, most_pairs)

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
            backup: name of the backup.
            paths: paths of the files; by default all of the backup.

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
