"""Makes a template of a package and a course: chosen modules, in its order, extra assignments.

All paths are mapped here, once, and the result is a template like any other. Only policies
and retirements are asked for by a file's path in the package, for that is what their patterns
are written for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial

from sapwood.documents.paths import clash_among, folded, portable
from sapwood.errors import InputError, InvalidWorkspace
from sapwood.files.reading import Stripes
from sapwood.package import FileIdentity, Manifest, Module, Package, PackageFile
from sapwood.workspace.course.rules import course_rules
from sapwood.workspace.course.sources import OpenCourse
from sapwood.workspace.course.successors import carried
from sapwood.workspace.course.template import Template
from sapwood.workspace.record.blobs import Blobs
from sapwood.workspace.record.course import Course, renamed_path, stems_of
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, RecordedFile

NO_COURSE = Course(None, ())


def configured(
    package: Package,
    course: Course,
    extras: Mapping[str, PackageFile],
    *,
    record: Record | None = None,
    known: Mapping[str, FileIdentity] | None = None,
) -> Template:
    """A template as a course has it.

    Args:
        package: package that it is made of, as its author made it.
        course: course that was made for this version of the package.
        extras: files of the extra assignments, by path in the workspace.
        record: record of the workspace that is updated: its files move to where the course has
            them now. None while it is being made.
        known: identities of extras that need not be computed, by path in the workspace.

    Raises:
        InputError: two files would have one name, or one that no workspace can hold.
    """
    manifest = package.manifest
    names = course.names()
    left_out = frozenset(one.name for one in manifest.modules) - names.keys()
    taken = set(names.values()) - names.keys()
    origins: dict[str, str] = {}
    for path in package.files:
        stems = stems_of(path)
        if not stems.isdisjoint(left_out):
            continue
        if not stems.isdisjoint(taken):
            raise InputError(
                f"{path!r:.120}: a module of the course gets the name "
                f"{min(stems & taken)}, which the template uses for something else; choose "
                "another order, or rename it in the template"
            )
        origins[renamed_path(path, names)] = path
    files = {new: package.files[old] for new, old in origins.items()}
    _check_paths(files, extras, manifest.name)
    files.update(extras)
    before = NO_COURSE if record is None or record.course is None else record.course
    recorded = {} if record is None else record.files
    mapped = dataclasses.replace(
        manifest,
        rules=course_rules(package, before, course, recorded, origins, extras),
        notes=tuple(
            dataclasses.replace(one, path=renamed_path(one.path, names)) for one in manifest.notes
        ),
        patches=tuple(
            dataclasses.replace(one, path=renamed_path(one.path, names)) for one in manifest.patches
        ),
        modules=_modules_of(course, manifest),
        exports=tuple(
            dataclasses.replace(one, notebook=renamed_path(one.notebook, names))
            for one in manifest.exports
            if stems_of(one.notebook).isdisjoint(left_out)
        ),
    )
    return Template(mapped, files, package.patches, course, extras.keys(), known or {})


def _modules_of(course: Course, manifest: Manifest) -> tuple[Module, ...]:
    """The modules of a workspace, in the order in which they are taught."""
    names = course.names()
    chosen = [
        Module(
            names[one.name], one.title, tuple(names[need] for need in one.needs if need in names)
        )
        for one in manifest.modules
        if one.name in names
    ]
    everything = {**course.extra_modules(), **{one.name: one for one in chosen}}
    return tuple(everything[name] for name in course.workspace_names() if name in everything)


def _check_paths(
    files: Mapping[str, PackageFile], extras: Mapping[str, PackageFile], name: str
) -> None:
    """Sees to it that the files of a course can be installed anywhere.

    Args:
        files: the template's files, by path in the workspace.
        extras: files of the extra assignments, likewise.
        name: name of the template.

    Raises:
        InputError: they cannot.
    """
    for path in (*files, *extras):
        fault = portable(path)
        if fault:
            raise InputError(f"{path!r:.120}: {fault}; rename the file in the extra assignment")
        if folded(path.partition("/")[0]) == f".{name}":
            raise InputError(
                f"{path!r:.120}: lies in .{name}/, where workspaces keep their record; install "
                "the extra assignment elsewhere"
            )
    both = files.keys() & extras.keys()
    clash = (min(both), min(both)) if both else clash_among([*files, *extras])
    if clash:
        raise InputError(
            f"{clash[0]!r:.120} and {clash[1]!r:.120}: the template and the extra assignments "
            "cannot both have them; install the extra assignment elsewhere in course.yml"
        )


def for_workspace(
    package: Package, record: Record | None, course: OpenCourse | None, places: Places
) -> Template:
    """The template that a package is for a workspace: as its course has it, if it has one.

    Args:
        package: package, as its author made it.
        record: record of the workspace; None while it is being made.
        course: course that it gets; None for the one that it has, if it has one.
        places: places of the workspace.

    Raises:
        InputError: the course is not for this template, or breaks its rules.
    """
    if record is not None and record.template != package.manifest.name:
        return Template.of(package)  # who compares the names says what is wrong
    if course is not None:
        new = course.config.course_for(package.manifest)
        return configured(package, new, course.files, record=record)
    if record is None or record.course is None:
        return Template.of(package)
    extras = dict(_kept_extras(record, record.course, places.blobs))
    known = {path: record.files[path].identity for path in extras}
    new = carried(record.course, package.manifest)
    return configured(package, new, extras, record=record, known=known)


def _kept_extras(record: Record, course: Course, blobs: Blobs) -> Iterator[tuple[str, PackageFile]]:
    """The extra assignments as they were installed: their instructor's files are elsewhere."""
    for path, entry in record.files.items():
        if entry.extra and course.extra_of(path) is not None:
            yield (
                path,
                PackageFile(
                    path=path,
                    size=entry.size,
                    executable=entry.identity.executable,
                    stamp=(0, 0, entry.size, 0, 0),  # is not asked for: the content is known
                    stripes=partial(_read_entry, blobs, path, entry),
                ),
            )


def _read_entry(blobs: Blobs, path: str, entry: RecordedFile) -> Stripes:
    """Reads what was installed.

    Raises:
        InputError: it was not kept.
        InvalidWorkspace: it is damaged.
    """
    if entry.blob is None:
        raise InputError(
            f"{path}: is too large to be kept twice; name the course again, with --config"
        )
    try:
        yield blobs.get(entry.blob, entry.size)
    except InvalidWorkspace as e:
        raise InvalidWorkspace(
            f"{path}: what was installed is missing from base/, or damaged; update with --config, "
            "which brings the course's files again"
        ) from e
