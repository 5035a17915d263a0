"""The releases of the course: `source/` is the last one, `history/` holds what differed before.

`history/1.0.0/` has a file for each that release 1.0.0 had otherwise, or had and the last one
has not. (A course of one's own keeps its releases as tags, and needs no such folder.)
"""

from __future__ import annotations

import dataclasses
import shutil
import tomllib
from pathlib import Path

from packaging.version import Version

from sapwood.errors import InputError

MANIFEST = "sapwood-template.toml"
LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclasses.dataclass(frozen=True)
class Release:
    """A release of the course.

    Attributes:
        version: as its manifest has it.
        layers: folders that are laid over each other, later ones above.
    """

    version: Version
    layers: tuple[Path, ...]

    def copy_to(self, folder: Path) -> Path:
        """Lays its files out in a folder, which must not be there yet.

        Raises:
            InputError: the manifest has another version than the folder's name says.
        """
        for layer in self.layers:
            shutil.copytree(layer, folder, dirs_exist_ok=True, ignore=LITTER)
        if version_of(folder) != self.version:
            raise InputError(
                f"{self.layers[-1]}: expected {MANIFEST} of version {self.version}, found "
                f"{version_of(folder)}"
            )
        return folder


def releases(course: Path) -> list[Release]:
    """All releases, the oldest first."""
    source = course / "source"
    last = Release(version_of(source), (source,))
    earlier = [
        Release(Version(folder.name), (source, folder))
        for folder in (course / "history").iterdir()
        if folder.is_dir()
    ]
    return sorted([last, *earlier], key=lambda one: one.version)


def version_of(folder: Path) -> Version:
    """The version in a template's manifest."""
    with (folder / MANIFEST).open("rb") as file:
        return Version(tomllib.load(file)["version"])
