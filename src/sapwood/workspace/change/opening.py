"""What every operation of a workspace begins with: an open template that fits it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from packaging.version import Version

from sapwood.errors import InputError
from sapwood.files.paths import is_folder
from sapwood.files.refusals import os_errors
from sapwood.package.sources import open_template
from sapwood.package.template import Template
from sapwood.workspace.change.planning import Change
from sapwood.workspace.course.sources import CourseSource, OpenCourse, open_course
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import State
from sapwood.workspace.record.record import FileEntry, Record

TemplateSource: TypeAlias = Template | str | os.PathLike[str]
"""A template that is open, or where one is: see `open_template`."""


def with_note(change: Change, template: Template, files: Mapping[str, FileEntry]) -> Change:
    """A change with the reason that the template gives for it."""
    if change.state in {State.IDENTICAL, State.MODIFIED}:
        return change
    entry = files.get(change.moved_from or change.path)
    note = template.manifest.note_for(change.path, None if entry is None else entry.version)
    return change if note is None else dataclasses.replace(change, note=note)


def check_source(record: Record, template: Template, *, allow_downgrade: bool) -> None:
    """Sees to it that a workspace may be updated to a template.

    Raises:
        InputError: it is another template, or an earlier version.
    """
    name = template.manifest.name
    if name != record.template:
        raise InputError(f"expected the template {record.template}, found {name}")
    if template.manifest.version < Version(record.template_version) and not allow_downgrade:
        raise InputError(
            f"expected version {record.template_version} of {name} or later, found "
            f"{template.version}; allow the downgrade if you mean it "
            "(--allow-downgrade)"
        )


def check_versions(
    changes: Iterable[Change], template: Template, files: Mapping[str, FileEntry]
) -> None:
    """Sees to it that no file goes back to an earlier version.

    A module that was updated alone is of a later version than the workspace.

    Args:
        changes: that write to files of the user's.
        template: that they come from.
        files: what was installed, by path.

    Raises:
        InputError: one would.
    """
    for change in changes:
        entry = files.get(change.moved_from or change.path)
        if entry is not None and Version(entry.version) > template.manifest.version:
            raise InputError(
                f"{change.path}: expected version {entry.version} or later, which it has, found "
                f"{template.version}; allow the downgrade if you mean it "
                "(--allow-downgrade)"
            )


def check_whole(template: Template, root: Path) -> None:
    """Sees to it that a workspace can be made: a patch starts from what is not there yet.

    Args:
        template: to make it from.
        root: of the workspace, which need not be there.

    Raises:
        InputError: the template has a file only as patches, and it is not there already.
        OSError: something cannot be looked at.
    """
    for path, only in template.patch_only().items():
        found = Disk(root).raw(path) if is_folder(root) else None
        if found != only.target.hash:
            raise InputError(
                f"{path}: {only}: make the workspace from the full release; nothing was made"
            )


@contextlib.contextmanager
def opened(template: TemplateSource) -> Iterator[Template]:
    """A template that is closed at the end if it was opened here."""
    if isinstance(template, Template):
        yield template
        return
    with os_errors(template):
        source = open_template(template)
    with source:
        yield source


@contextlib.contextmanager
def sources(
    template: TemplateSource, config: CourseSource | None, what: object
) -> Iterator[tuple[Template, OpenCourse | None]]:
    """A template and a course that are closed at the end if they were opened here.

    Args:
        template: as of `opened`.
        config: of the course, None for none.
        what: is worked on, for what the system refuses.
    """
    with opened(template) as source, open_course(config) as course, os_errors(what):
        yield source, course
