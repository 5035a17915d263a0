"""Where packages come from: a folder, an installed distribution, an archive, an artifact.

Nothing is unpacked to names from outside, links are not followed, and nothing that a
package holds is executed.
"""

from __future__ import annotations

import importlib.metadata
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sapwood.documents.litter import is_litter_in_package
from sapwood.errors import InputError, InvalidPackage
from sapwood.files.paths import resolved
from sapwood.files.reading import Stripes, read_stripes, read_whole
from sapwood.files.refusals import os_errors
from sapwood.files.stamps import stamp_of
from sapwood.files.walking import FoundFile, walk
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits
from sapwood.package.manifest.manifest import LARGEST, MANIFEST_FILE, Manifest, parse_manifest
from sapwood.package.package import Package, PackageFile, located
from sapwood.store.oci import OCI

DISTRIBUTION = "dist:"


def open_package(
    source: str | os.PathLike[str], limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> Package:
    """Opens a package.

    Args:
        source: the path of a folder that holds `sapwood-template.toml`, or of an archive
            (zip, wheels among them, tar, tar.gz, tar.zst) in which one does; or `dist:NAME` for the
            package in an installed distribution; or `oci:FOLDER`, `oci:FOLDER:TAG` or
            `oci:FOLDER@sha256:DIGEST` for one in an OCI image layout. A folder whose name
            begins so is meant by a `Path`, or with `./` before it.
        limits: how much is allowed, in the package and in what it is packed in.

    Raises:
        InvalidPackage: the package breaks the rules.
        InvalidStore: the layout that it lies in is damaged.
        InputError: there is no such distribution or tag, or it has no package.
        OSError: the package cannot be read.
    """
    folder = _folder_of(source)
    if folder is not None:
        return _folder_package(folder, limits)
    # With them come zstd's wrapper and NumPy, which no look at a folder needs.
    from sapwood.package.archives import archive_package
    from sapwood.package.artifacts import layout_package

    if isinstance(source, str) and source.startswith(OCI):
        return layout_package(source.removeprefix(OCI), limits)
    return archive_package(resolved(source), limits)


def _folder_of(source: str | os.PathLike[str]) -> Path | None:
    """The folder that a package is, or None of one that is packed.

    Raises:
        InputError: there is no such distribution, or it has no package.
    """
    if isinstance(source, str) and source.startswith(OCI):
        return None
    if isinstance(source, str) and source.startswith(DISTRIBUTION):
        return _distribution_folder(source.removeprefix(DISTRIBUTION))
    path = resolved(source)
    return path if path.is_dir() else None


def read_manifest(
    source: str | os.PathLike[str], limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> Manifest:
    """Reads the manifest of a package, and of folders and distributions nothing else.

    Args:
        source: a path or a name, as `open_package` takes it.
        limits: how much is allowed in what it is packed in.

    Raises:
        InvalidPackage: the package breaks the rules.
        InvalidStore: the layout that it lies in is damaged.
        InputError: there is no such distribution or tag, or it has no package.
        IoError: it cannot be read.
    """
    with os_errors(source):
        folder = _folder_of(source)
        if folder is None:
            with open_package(source, limits) as package:
                return package.manifest
        data = read_whole(folder / MANIFEST_FILE, LARGEST)
        with located(folder):
            if data is None:
                raise InvalidPackage(f"{MANIFEST_FILE}: expected at most {LARGEST} bytes")
            return parse_manifest(data)


def _distribution_folder(name: str) -> Path:
    """Where the package in an installed distribution lies, which is used there.

    Args:
        name: name of the distribution, as `pip` takes it.

    Raises:
        InputError: it is not installed, or has no package, or several.
    """
    try:
        files = importlib.metadata.distribution(name).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError) as e:
        raise InputError(f"{name!r:.80}: expected an installed distribution; pip install it") from e
    folders = {Path(os.fspath(one.locate())).parent for one in files if one.name == MANIFEST_FILE}
    if len(folders) != 1:
        raise InputError(
            f"{name}: expected one {MANIFEST_FILE} among the files of the distribution, found "
            f"{len(folders)}; of one that is installed in editable form, name the folder"
        )
    return folders.pop()


def _folder_package(folder: Path, limits: ArchiveLimits) -> Package:
    """The package that a folder is.

    Raises:
        InvalidPackage: the package breaks the rules.
        OSError: the folder cannot be read.
    """
    files: dict[str, PackageFile] = {}
    for one in regular_files(folder):
        files[one.path] = file_in_folder(folder, one.path, one.status)
        if len(files) > limits.entries:
            raise InvalidPackage(f"{folder}: expected at most {limits.entries} files, found more")
    with located(folder):
        return Package(files, lambda: None, limits)


def file_in_folder(folder: Path, path: str, status: os.stat_result) -> PackageFile:
    """A file below a folder as one of a package.

    Args:
        folder: path of the package's folder.
        path: relative path of the file.
        status: what the system says of the file.
    """
    return PackageFile(
        path=path,
        size=status.st_size,
        executable=bool(status.st_mode & stat.S_IXUSR),
        stamp=stamp_of(status),
        stripes=partial(_read_below, folder, path),
    )


def _read_below(folder: Path, path: str) -> Stripes:
    """Reads a file of a folder; the path is only put together when that is asked for."""
    return read_stripes(folder / path)


def regular_files(folder: Path) -> Iterator[FoundFile]:
    """The files of a folder and of those in it, without litter.

    Raises:
        InvalidPackage: something is neither a file nor a folder.
        OSError: something cannot be read.
    """
    for one in walk(folder, following=False, wanted=lambda path: not is_litter_in_package(path)):
        if not one.is_file:
            raise InvalidPackage(
                f"{folder}: expected files and folders, found a link or device "
                f"{one.path!r:.120}; put a copy in its place"
            )
        yield one
