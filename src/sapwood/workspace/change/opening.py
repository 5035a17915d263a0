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
from sapwood.package import Package, open_package
from sapwood.workspace.change.planning import Change
from sapwood.workspace.course.sources import CourseSource, OpenCourse, open_course
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import State
from sapwood.workspace.record.record import Record, RecordedFile

TemplateSource: TypeAlias = Package | str | os.PathLike[str]
"""The package that a template is, open, or where it lies: see `open_package`."""


def with_note(change: Change, template: Template, files: Mapping[str, RecordedFile]) -> Change:
    """A change with the reason that the template gives for it."""
    if change.state in {State.IDENTICAL, State.MODIFIED}:
        return change
    entry = files.get(change.moved_from or change.path)
    note = template.manifest.note_for(change.path, None if entry is None else entry.version)
    return change if note is None else dataclasses.replace(change, note=note)


def check_source(record: Record, template: Template, *, allow_downgrade: bool) -> None:
    """Sees to it that a workspace may be updated to a template.

    Args:
        record: record of the workspace.
        template: template that it is updated to.
        allow_downgrade: whether the version may be one before that of the workspace.

    Raises:
        InputError: it is another template, or an earlier version.
    """
    name = template.manifest.name
    if name != record.template:
        raise InputError(f"expected the template {record.template}, found {name}")
    if template.manifest.version < Version(record.template_version) and not allow_downgrade:
        raise _downgrade(f"expected version {record.template_version} of {name} or later", template)


def check_versions(
    changes: Iterable[Change], template: Template, files: Mapping[str, RecordedFile]
) -> None:
    """Sees to it that no file goes back to an earlier version.

    A module that was updated alone is of a later version than the workspace.

    Args:
        changes: changes that write to files of the user's.
        template: template that they come from.
        files: what was installed, by path.

    Raises:
        InputError: one would.
    """
    for change in changes:
        entry = files.get(change.moved_from or change.path)
        if entry is not None and Version(entry.version) > template.manifest.version:
            expected = f"expected version {entry.version} or later, which it has"
            raise _downgrade(f"{change.path}: {expected}", template)


def _downgrade(expected: str, template: Template) -> InputError:
    """The error for a template of an earlier version than expected."""
    return InputError(
        f"{expected}, found {template.version}; allow the downgrade if you mean it "
        "(--allow-downgrade)"
    )


def check_whole(template: Template, root: Path) -> None:
    """Sees to it that a workspace can be made: a patch starts from what is not there yet.

    Args:
        template: template to make it from.
        root: folder of the workspace, which need not be there.

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
def opened_package(template: TemplateSource) -> Iterator[Package]:
    """The package of a template, closed at the end if it was opened here.

    Raises:
        InputError, InvalidPackage, IoError: it cannot be opened.
    """
    if isinstance(template, Package):
        yield template
        return
    with os_errors(template):
        package = open_package(template)
    with package:
        yield package


@contextlib.contextmanager
def opening(
    template: TemplateSource, config: CourseSource | None, what: object
) -> Iterator[tuple[Package, OpenCourse | None]]:
    """The package of a template, and a course: closed at the end if they were opened here.

    Args:
        template: package that the template is, open, or where it lies.
        config: course, open, or where it lies; None for none.
        what: name of what the block works on, told where the system refuses.

    Raises:
        InputError, InvalidPackage: one of the two cannot be opened.
        IoError: the system refused, here or in the block.
    """
    with opened_package(template) as package, open_course(config) as course, os_errors(what):
        yield package, course
