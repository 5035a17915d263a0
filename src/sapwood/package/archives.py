"""Packages in archives: read in place, never unpacked to names from outside.

The room of archives reads them. Here it is said which of their members are files of a package.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from sapwood.archives import Member, MemberKind, archive_members
from sapwood.documents.litter import is_litter_in_package
from sapwood.errors import InvalidPackage
from sapwood.files.positions import OpenFile
from sapwood.files.stamps import Stamp, stamp_of
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits
from sapwood.package.manifest.manifest import MANIFEST_FILE
from sapwood.package.package import Package, PackageFile, located


def archive_package(path: Path, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> Package:
    """The package in an archive.

    Its files are those beside the manifest and below it; the manifest is the one that lies
    nearest to the top.

    Args:
        path: path of a zip, a tar, a tar.gz or a tar.zst.
        limits: how much is allowed, in the archive and in the package.

    Raises:
        InvalidPackage: the archive is damaged, hostile, or none of these.
        OSError: it cannot be read.
    """
    files, close = archive_files(path, MANIFEST_FILE, limits)
    with located(path):
        return Package({one.path: one for one in files}, close, limits)


def archive_files(
    path: Path, name: str, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> tuple[list[PackageFile], Callable[[], None]]:
    """The files of an archive that lie beside a file of some name, or below it.

    Args:
        path: path of a zip, a tar, a tar.gz or a tar.zst.
        name: name of that file; the one that is nearest to the top counts.
        limits: how much is allowed in the archive.

    Returns:
        The files, with their paths from where that one lies, and what closes the archive.

    Raises:
        InvalidPackage: the archive is damaged, hostile, or none of these.
        OSError: it cannot be read.
    """
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(path.open("rb"))
        spool = opened.enter_context(tempfile.TemporaryFile())
        stamp = stamp_of(os.fstat(file.fileno()))
        content = OpenFile(file.fileno(), path)
        members = archive_members(content, spool, limits, partial(invalid_archive, path))
        with located(path):
            files = files_beside([packed_file(one, one.name, stamp) for one in members], name)
        return files, opened.pop_all().close


def invalid_archive(where: object, message: str, offset: int | None) -> InvalidPackage:
    """The error of what is wrong with the archive of a package.

    Args:
        where: name of the archive.
        message: what is wrong.
        offset: the byte at which damage was noticed; None where nothing is damaged.
    """
    if offset is None:
        return InvalidPackage(f"{where}: {message}")
    return InvalidPackage(
        f"{where}: no intact zip, tar, tar.gz or tar.zst: {message} (at byte {offset}); get it anew"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class PackedFile:
    """A member of an archive that may be a file of a package.

    Attributes:
        file: the file that it would be in a package.
        kind: what it is.
    """

    file: PackageFile
    kind: MemberKind


def packed_file(member: Member, path: str, stamp: Stamp) -> PackedFile:
    """A member of an archive as a file of a package.

    Args:
        member: the member.
        path: path of the file in the archive.
        stamp: numbers that change when the archive does.
    """
    file = PackageFile(
        path=path,
        size=member.size,
        executable=bool(member.mode & stat.S_IXUSR),
        stamp=stamp,
        stripes=member.stripes,
    )
    return PackedFile(file, member.kind)


def files_beside(members: Iterable[PackedFile], top_name: str = MANIFEST_FILE) -> list[PackageFile]:
    """The files beside the manifest, or one of another name, and below it: paths from there.

    Raises:
        InvalidPackage: there is none of that name, or several, or a link; or a path occurs twice.
    """
    everything = [one for one in members if one.kind is not MemberKind.FOLDER]
    paths = [one.file.path for one in everything]
    tops = [one.removesuffix(top_name) for one in paths if one.rpartition("/")[2] == top_name]
    least = min((one.count("/") for one in tops), default=0)
    highest = [top for top in tops if top.count("/") == least]
    if len(highest) != 1:
        raise InvalidPackage(f"expected one {top_name} nearest to the top, found {len(highest)}")
    (top,) = highest
    files: dict[str, PackageFile] = {}
    for member in everything:
        name = member.file.path
        path = name.removeprefix(top)
        if not name.startswith(top) or is_litter_in_package(path):
            continue
        if member.kind is not MemberKind.FILE:
            raise InvalidPackage(
                f"expected files and folders, found a link or device {name!r:.120}; "
                "put a copy in its place"
            )
        if path in files:
            raise InvalidPackage(f"{name!r:.120} occurs twice; pack it anew")
        files[path] = dataclasses.replace(member.file, path=path)
    return list(files.values())
