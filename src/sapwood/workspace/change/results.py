"""What the operations of a workspace give back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sapwood.package import USER, Module
from sapwood.workspace.change.planning import Change
from sapwood.workspace.disk.states import State
from sapwood.workspace.notebooks.reports import MergedNotebook
from sapwood.workspace.record.course import Course
from sapwood.workspace.record.record import Record


@dataclasses.dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What an update would do.

    Attributes:
        template: name of the template.
        from_version: version that the workspace has; None while it is being made.
        to_version: version of the template.
        changes: one change a path, in the order of the template's policies, then by path.
        user: what the template calls owners of a workspace.
        modules: modules of the template.
        module: module that the change is for; None where it is for all files.
        course: course that configures the workspace then; None for none.
    """

    template: str
    from_version: str | None
    to_version: str
    changes: tuple[Change, ...]
    user: str = USER
    modules: tuple[Module, ...] = ()
    module: Module | None = None
    course: Course | None = None

    @property
    def updates(self) -> tuple[Change, ...]:
        """Changes that write, move or remove files of the user's."""
        return tuple(one for one in self.changes if one.is_update)

    @property
    def conflicts(self) -> tuple[Change, ...]:
        """Changes that the user has to look at."""
        return tuple(one for one in self.changes if one.is_conflict)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values, without the files of which there is nothing to say."""
        told = (one for one in self.changes if one.state is not State.IDENTICAL or one.is_update)
        return {
            "template": self.template,
            "from_version": self.from_version,
            "to_version": self.to_version,
            "course": None if self.course is None else self.course.summary(),
            "module": None if self.module is None else self.module.name,
            "updates": len(self.updates),
            "conflicts": len(self.conflicts),
            "changes": [one.to_json() for one in told],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What an update did.

    Attributes:
        plan: plan that was carried out.
        backup: name of the backup of what was replaced and removed, None if nothing was.
        incoming: path of the template's file for each file in conflict, by its path.
        missed: paths that somebody else wrote to meanwhile; they were left alone.
        recovered: whether a change that was interrupted was finished first.
        merges: what became of each notebook that was merged, by its path.
    """

    plan: UpdatePlan
    backup: str | None
    incoming: Mapping[str, str]
    missed: tuple[str, ...]
    recovered: bool
    merges: Mapping[str, MergedNotebook] = dataclasses.field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing that the user has to look at."""
        merged = any(one.conflicts for one in self.merges.values())
        return not (self.plan.conflicts or self.missed or merged)

    def to_json(self) -> dict[str, Any]:
        """What the plan tells, and what came of it, as JSON values."""
        return {
            **self.plan.to_json(),
            "backup": self.backup,
            "incoming": dict(self.incoming),
            "missed": list(self.missed),
            "recovered": self.recovered,
            "merges": [{"path": path, **one.to_json()} for path, one in self.merges.items()],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """How a file of the user's differs from the template's.

    Attributes:
        path: the file's path in the template.
        state: state of the file.
        lines: lines of a unified diff from the user's to the template's, without their ends;
            None if one of them is no text, or too long to compare.
    """

    path: str
    state: State
    lines: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The difference as JSON values."""
        lines = None if self.lines is None else list(self.lines)
        return {"path": self.path, "state": self.state.value, "lines": lines}


@dataclasses.dataclass(frozen=True, slots=True)
class FileStatus:
    """A file that was installed.

    Attributes:
        path: the file's path.
        state: IDENTICAL, MODIFIED, DELETED or BLOCKED.
        version: version of the template that the file comes from.
        reason: what is in the way of a file that is blocked, None for others.
    """

    path: str
    state: State
    version: str
    reason: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """The file's status as JSON values."""
        return {
            "path": self.path,
            "state": self.state.value,
            "version": self.version,
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """How a workspace is.

    Attributes:
        record: what was installed.
        files: status of each file in the record, by path.
        unfinished: whether a change was interrupted; the next one finishes it.
    """

    record: Record
    files: tuple[FileStatus, ...]
    unfinished: bool

    def to_json(self) -> dict[str, Any]:
        """What holds of the whole, as JSON values."""
        course = self.record.course
        return {
            "template": self.record.template,
            "version": self.record.template_version,
            "course": None if course is None else course.summary(),
            "installed": len(self.files),
            "unfinished": self.unfinished,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Restored:
    """What was restored.

    Attributes:
        paths: paths that were written, those that were missed among them.
        unchanged: paths that were as in the backup.
        backup: name of the backup of what was replaced, None if nothing was.
        missed: paths that somebody else wrote to meanwhile.
    """

    paths: tuple[str, ...]
    unchanged: tuple[str, ...]
    backup: str | None
    missed: tuple[str, ...]

    @property
    def written(self) -> tuple[str, ...]:
        """Paths that are as in the backup now, and were not."""
        return tuple(path for path in self.paths if path not in self.missed)

    def to_json(self) -> dict[str, Any]:
        """What was restored, as JSON values."""
        return {
            "restored": list(self.written),
            "unchanged": list(self.unchanged),
            "missed": list(self.missed),
            "backup": self.backup,
        }
