"""Where things lie in a workspace."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from sapwood.errors import InputError, InvalidWorkspace, WorkspaceBusy
from sapwood.files.paths import is_folder, is_there, resolved
from sapwood.package import PACKAGE_NAME
from sapwood.workspace.record.blobs import Blobs

RECORD = "version.json"
JOURNAL = "journal.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """The paths of a workspace's own files.

    Attributes:
        root: folder of the workspace, with links resolved.
        name: name of its template.
    """

    root: Path
    name: str

    @property
    def own(self) -> Path:
        """The folder that holds all the others."""
        return self.root / f".{self.name}"

    @property
    def record(self) -> Path:
        """What was installed."""
        return self.own / RECORD

    @property
    def journal(self) -> Path:
        """The change that is being made; absent at rest."""
        return self.own / JOURNAL

    @property
    def lock(self) -> Path:
        """Held while the workspace is changed."""
        return self.own / "lock"

    @property
    def busy(self) -> WorkspaceBusy:
        """What to say where another program holds the lock."""
        return WorkspaceBusy(
            f"{self.root}: another program is changing this workspace; wait for it to end"
        )

    @property
    def stamps(self) -> Path:
        """Hashes of files that have not been written to since; may be deleted at any time."""
        return self.own / "stamps.json"

    @property
    def staging(self) -> Path:
        """New files before they take their names."""
        return self.own / "staging"

    @property
    def blobs(self) -> Blobs:
        """What was installed, compressed, to show differences to."""
        return Blobs(self.own / "base")

    @property
    def backups(self) -> Path:
        """What was replaced or removed."""
        return self.own / "backups"

    def incoming(self, version: str, path: str) -> str:
        """Where the template's file lies beside the user's, relative to the root."""
        return f".{self.name}/incoming/{version}/{path}"

    def check(self) -> None:
        """Sees to it that the own folder is a folder.

        Raises:
            InvalidWorkspace: it is a link or a file.
        """
        if is_there(self.own) and not is_folder(self.own):
            raise InvalidWorkspace(f"{self.own}: expected a folder; move away what is there")


def path_below(root: Path, file: str) -> str:
    """The path in a folder of a file that is named from there, or from the current folder.

    Args:
        root: the folder, with links resolved.
        file: path of the file as the user names it.
    """
    here = resolved(Path(file).parent) / Path(file).name
    if not (root / file).exists() and here.is_relative_to(root):
        return here.relative_to(root).as_posix()
    return Path(file).as_posix()


def find_places(folder: str | os.PathLike[str], name: str | None) -> Places:
    """The places of the workspace that a folder is.

    Args:
        folder: folder of the workspace.
        name: name of its template; needed where a folder is several workspaces.

    Raises:
        InvalidWorkspace: it is none.
        InputError: it is several and no name is given, or the name is none of a template.
        OSError: it cannot be looked at.
    """
    root = resolved(folder)
    if name is not None and not PACKAGE_NAME.fullmatch(name):
        raise InputError(f"expected the name of a template, found {name!r:.80}")
    names = _names_in(root) if name is None else [name] if _holds(root / f".{name}") else []
    if not names:
        raise InvalidWorkspace(f"{root}: expected a workspace, found none; 'init' makes one")
    if len(names) > 1:
        raise InputError(f"{root}: a workspace of {', '.join(names)}; name one of them")
    places = Places(root, names[0])
    places.check()
    return places


def find_above(start: str | os.PathLike[str], name: str | None) -> Places:
    """The places of the workspace that a folder is in: of the nearest one, upwards.

    Args:
        start: folder that the search begins with.
        name: name of the template; by default any.

    Raises:
        InvalidWorkspace, InputError: as `find_places`.
    """
    folder = resolved(start)
    for root in (folder, *folder.parents):
        names = _recorded_in(root)
        if name in names or (name is None and names):
            return find_places(root, names[0] if len(names) == 1 else name)
    return find_places(folder, name)  # begun and not finished, damaged, or none


def _recorded_in(root: Path) -> list[str]:
    """The templates that a folder is certainly a workspace of; none where it cannot be read.

    Somebody else's `.config/version.json` is nothing to us.
    """
    names = []
    with contextlib.suppress(OSError):
        for one in _names_in(root):
            with (root / f".{one}" / RECORD).open("rb") as file:
                if b'"sapwood-workspace"' in file.read(100):
                    names.append(one)
    return names


def _names_in(root: Path) -> list[str]:
    """The templates that a folder is a workspace of."""
    if not is_folder(root):
        return []
    hidden = (one for one in root.iterdir() if one.name.startswith("."))
    return sorted(
        one.name[1:] for one in hidden if PACKAGE_NAME.fullmatch(one.name[1:]) and _holds(one)
    )


def _holds(own: Path) -> bool:
    """Whether a folder holds a record, or a journal that will make one."""
    if not is_folder(own):
        return False
    return is_there(own / RECORD) or is_there(own / JOURNAL)
