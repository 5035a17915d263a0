"""Where courses lie: a course.yml with the extra assignments beside it, a folder or an archive."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from sapwood.errors import InputError
from sapwood.files.paths import kind_of, resolved
from sapwood.files.reading import read_whole
from sapwood.files.refusals import os_errors
from sapwood.package import (
    DEFAULT_ARCHIVE_LIMITS,
    ArchiveLimits,
    PackageFile,
    file_in_folder,
    regular_files,
)
from sapwood.workspace.course.course_yml import FILE_NAME, CourseConfig, parse_course
from sapwood.workspace.course.plain_yaml import LARGEST
from sapwood.workspace.record.course import Extra

ENDINGS = (".yml", ".yaml")


@dataclasses.dataclass(frozen=True, slots=True)
class OpenCourse:
    """A course whose files can be read.

    Attributes:
        config: what the instructor wrote.
        files: files of the extra assignments, by path in the workspace.
    """

    config: CourseConfig
    files: Mapping[str, PackageFile]


CourseSource: TypeAlias = OpenCourse | str | os.PathLike[str]
"""A course that is open, or where one is: see `open_course`."""


@contextlib.contextmanager
def open_course(
    source: CourseSource | None, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> Iterator[OpenCourse | None]:
    """Opens a course, and closes it at the end.

    Args:
        source: path of a course.yml (of any name that ends in .yml or .yaml), of a folder with
            a course.yml, or of an archive (zip, tar, tar.gz) with one; or a course that is open,
            which stays so. None for none.

    Raises:
        InputError: it breaks the rules, or PyYAML is not installed.
        InvalidPackage: the archive is damaged, or an extra assignment holds a link.
        IoError: something cannot be read.
    """
    if source is None or isinstance(source, OpenCourse):
        yield source
        return
    with contextlib.ExitStack() as closing:
        with os_errors(source):
            path = resolved(source)
            if path.is_dir():
                course = _course_in_folder(path / FILE_NAME, limits)
            elif path.suffix.lower() in ENDINGS:
                course = _course_in_folder(path, limits)
            else:
                course = _course_in_archive(path, closing, limits)
            _check_amount(course, limits)
        yield course


def _course_in_folder(path: Path, limits: ArchiveLimits) -> OpenCourse:
    """The course of a course.yml, with what lies beside it.

    Raises:
        InputError, InvalidPackage, OSError: as `open_course`.
    """
    data = read_whole(path, LARGEST)
    if data is None:
        raise InputError(f"{path}: expected at most {LARGEST} bytes, found more")
    config = parse_course(data, str(path))
    files = {
        extra.to + rest: file_in_folder(path.parent, extra.origin + rest, status)
        for extra in config.extras
        for rest, status in _files_beside(path.parent, extra, config.where, limits)
    }
    return OpenCourse(config, files)


def _files_beside(
    folder: Path, extra: Extra, where: str, limits: ArchiveLimits
) -> Iterator[tuple[str, os.stat_result]]:
    """The files of an extra assignment: what their paths have behind its own, and their status.

    Raises:
        InputError: something is missing or too much, or is neither a file nor a folder.
        InvalidPackage: there is a link in a folder of it.
        OSError: something cannot be read.
    """
    place = folder
    for part in extra.origin.split("/"):
        place /= part
        try:
            status = place.lstat()
        except (FileNotFoundError, NotADirectoryError) as e:
            raise InputError(
                f"{where}.extra: expected {extra.origin!r:.120} beside it, found nothing"
            ) from e
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
            raise InputError(
                f"{where}.extra: expected files and folders, found {kind_of(status.st_mode)}: "
                f"{place}; put a copy in its place"
            )
    if stat.S_ISREG(status.st_mode):
        yield "", status
        return
    for count, one in enumerate(regular_files(place)):
        if count == limits.entries:
            raise InputError(
                f"{where}.extra: {extra.origin!r:.120}: more than {limits.entries} files"
            )
        yield f"/{one.path}", one.status


def _course_in_archive(
    path: Path, closing: contextlib.ExitStack, limits: ArchiveLimits
) -> OpenCourse:
    """The course in an archive.

    Args:
        path: path of the archive.
        closing: stack that closes it.
        limits: how much is allowed in it.

    Raises:
        InputError, InvalidPackage, OSError: as `open_course`.
    """
    from sapwood.package import archive_files

    members, close = archive_files(path, FILE_NAME, limits)
    closing.callback(close)
    by_path = {one.path: one for one in members}
    config = parse_course(by_path[FILE_NAME].read(), f"{path}: {FILE_NAME}")
    files = {
        extra.to + name.removeprefix(extra.origin): member
        for extra in config.extras
        for name, member in by_path.items()
        if name == extra.origin or name.startswith(f"{extra.origin}/")
    }
    return OpenCourse(config, files)


def _check_amount(course: OpenCourse, limits: ArchiveLimits) -> None:
    """Sees to it that each extra has files, and that they are not too many or too large.

    Raises:
        InputError: that is not so.
    """
    where = f"{course.config.where}.extra"
    for extra in course.config.extras:
        if not any(extra.holds(path) for path in course.files):
            raise InputError(
                f"{where}: expected files in {extra.origin!r:.120} beside it, found none"
            )
    total = sum(one.size for one in course.files.values())
    if len(course.files) > limits.entries or total > limits.size:
        raise InputError(f"{where}: expected at most {limits.entries} files of {limits.size} bytes")
