"""Where templates come from: a folder, an installed distribution, an archive, an artifact.

Nothing is unpacked to names from outside, links are not followed, and nothing that a
template holds is executed.
"""

from __future__ import annotations

import importlib.metadata
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sapwood.errors import InputError, InvalidTemplate
from sapwood.files.paths import resolved
from sapwood.files.reading import Stripes, read_stripes, read_whole
from sapwood.files.refusals import os_errors
from sapwood.files.stamps import stamp_of
from sapwood.files.walking import Found, walk
from sapwood.package.manifest.manifest import FILE_NAME, LARGEST, Manifest, parse_manifest
from sapwood.package.template import MOST_FILES, Template, TemplateFile, is_litter, located
from sapwood.store.oci.descriptors import LAYOUT

DISTRIBUTION = "dist:"


def open_template(source: str | os.PathLike[str]) -> Template:
    """Opens a template.

    Args:
        source: the path of a folder that holds `sapwood-template.toml`, or of an archive
            (zip, wheels among them, tar, tar.gz, tar.zst) in which one does; or `dist:NAME` for the
            template in an installed distribution; or `oci:FOLDER`, `oci:FOLDER:TAG` or
            `oci:FOLDER@sha256:DIGEST` for one in an OCI image layout. A folder whose name
            begins so is meant by a `Path`, or with `./` before it.

    Raises:
        InvalidTemplate: it breaks the rules.
        InputError: there is no such distribution or tag, or it has no template.
        OSError: it cannot be read.
    """
    folder = folder_of(source)
    if folder is not None:
        return folder_template(folder)
    # With them come zstd's wrapper and NumPy, which no look at a folder needs.
    from sapwood.package.archives import archive_template
    from sapwood.package.artifacts import layout_template

    if isinstance(source, str) and source.startswith(LAYOUT):
        return layout_template(source.removeprefix(LAYOUT))
    return archive_template(resolved(source))


def folder_of(source: str | os.PathLike[str]) -> Path | None:
    """The folder that a template is, or None of one that is packed.

    Raises:
        InputError: as `open_template`.
    """
    if isinstance(source, str) and source.startswith(LAYOUT):
        return None
    if isinstance(source, str) and source.startswith(DISTRIBUTION):
        return distribution_folder(source.removeprefix(DISTRIBUTION))
    path = resolved(source)
    return path if path.is_dir() else None


def read_manifest(source: str | os.PathLike[str]) -> Manifest:
    """Reads the manifest of a template, and of folders and distributions nothing else.

    Args:
        source: as of `open_template`.

    Raises:
        InvalidTemplate, InputError: as `open_template`.
        IoError: it cannot be read.
    """
    with os_errors(source):
        folder = folder_of(source)
        if folder is None:
            with open_template(source) as template:
                return template.manifest
        data = read_whole(folder / FILE_NAME, LARGEST)
        with located(folder):
            if data is None:
                raise InvalidTemplate(f"{FILE_NAME}: expected at most {LARGEST} bytes")
            return parse_manifest(data)


def distribution_folder(name: str) -> Path:
    """Where the template of an installed distribution lies, which is used there.

    Args:
        name: of the distribution, as `pip` takes it.

    Raises:
        InputError: it is not installed, or has no template, or several.
    """
    try:
        files = importlib.metadata.distribution(name).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError) as e:
        raise InputError(f"{name!r:.80}: expected an installed distribution; pip install it") from e
    folders = {Path(os.fspath(one.locate())).parent for one in files if one.name == FILE_NAME}
    if len(folders) != 1:
        raise InputError(
            f"{name}: expected one {FILE_NAME} among the files of the distribution, found "
            f"{len(folders)}; of one that is installed in editable form, name the folder"
        )
    return folders.pop()


def folder_template(folder: Path) -> Template:
    """The template that a folder is.

    Raises:
        InvalidTemplate, OSError: as `open_template`.
    """
    files: dict[str, TemplateFile] = {}
    for one in regular_files(folder):
        files[one.path] = TemplateFile(
            path=one.path,
            size=one.status.st_size,
            executable=bool(one.status.st_mode & stat.S_IXUSR),
            stamp=stamp_of(one.status),
            stripes=partial(read_below, folder, one.path),
        )
        if len(files) > MOST_FILES:
            raise InvalidTemplate(f"{folder}: expected at most {MOST_FILES} files, found more")
    with located(folder):
        return Template(files, close=lambda: None)


def regular_files(folder: Path) -> Iterator[Found]:
    """The files of a folder and of those in it, without litter.

    Raises:
        InvalidTemplate: something is neither a file nor a folder.
        OSError: something cannot be read.
    """
    for one in walk(folder, following=False, wanted=lambda path: not is_litter(path)):
        if not one.is_file:
            raise InvalidTemplate(
                f"{folder}: expected files and folders, found a link or device "
                f"{one.path!r:.120}; put a copy in its place"
            )
        yield one


def read_below(folder: Path, path: str) -> Stripes:
    """Reads a file of a folder; the path is only put together when that is asked for."""
    return read_stripes(folder / path)
