"""What became of exports on disk. Writes nothing."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Sequence

from sapwood.errors import InputError
from sapwood.files.reading import read_whole
from sapwood.package import LARGEST_READ, Export, Manifest, find_module, unix_ends
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import Blocked
from sapwood.workspace.exporting.code import exported_module, is_sealed, is_untouched
from sapwood.workspace.record.places import Places


class ExportState(enum.StrEnum):
    """How a module relates to the notebook that it is exported from."""

    FRESH = "fresh"  # it is what the notebook would be exported as
    NEVER = "never exported"
    STALE = "stale"  # the notebook was changed since
    EDITED = "edited"  # the module was, by hand
    FOREIGN = "foreign"  # something that was never exported has its name
    BLOCKED = "blocked"  # a link, a folder or something unreadable has its name
    BROKEN = "broken"  # the notebook cannot be exported
    GONE = "gone"  # the notebook is not there


@dataclasses.dataclass(frozen=True, slots=True)
class ExportStatus:
    """What became of one export.

    Attributes:
        export: export that is looked at.
        state: state of the module.
        reason: why it is BLOCKED or BROKEN, else None.
        new: bytes that the module would get, None if there are none.
        there: bytes that it has, None if there are none.
        packages: paths of `__init__.py` that are missing beside it.
    """

    export: Export
    state: ExportState
    reason: str | None = None
    new: bytes | None = dataclasses.field(default=None, repr=False)
    there: bytes | None = dataclasses.field(default=None, repr=False)
    packages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, str | None]:
        """The export as JSON values."""
        return {
            "notebook": self.export.notebook,
            "to": self.export.to,
            "state": self.state.value,
            "reason": self.reason,
        }

    @property
    def is_exported(self) -> bool:
        """Whether a module is there that came from the notebook."""
        return self.there is not None and is_sealed(self.there)


def _chosen_exports(manifest: Manifest, modules: Sequence[str] | None) -> list[Export]:
    """The exports that a user asks for, in the template's order.

    Args:
        manifest: manifest of the template.
        modules: numbers or names of modules; None for all exports.

    Raises:
        InputError: there is no such module, or it exports nothing.
    """
    if modules is None:
        return list(manifest.exports)
    chosen: list[Export] = []
    for word in modules:
        module = find_module(manifest.modules, word)
        found = [one for one in manifest.exports if module.holds(one.notebook)]
        if not found:
            raise InputError(f"{module.name}: expected a module with exports; it has none")
        chosen += found
    return [one for one in manifest.exports if one in chosen]


def look_at_exports(
    places: Places, template: Template, modules: Sequence[str] | None
) -> tuple[ExportStatus, ...]:
    """How the exports are that a user asks for.

    Args:
        places: places of the workspace.
        template: template whose manifest names the exports.
        modules: numbers or names of modules; None for all exports.

    Raises:
        InputError: another template, there is no such module, or it exports nothing.
        OSError: something cannot be read.
    """
    if template.manifest.name != places.name:
        raise InputError(f"expected the template {places.name}, found {template.manifest.name}")
    chosen = _chosen_exports(template.manifest, modules)
    return tuple(look_at_export(places, one) for one in chosen)


def look_at_export(places: Places, export: Export) -> ExportStatus:
    """How an export is now.

    Raises:
        OSError: something cannot be read.
    """
    disk = Disk(places.root)
    notebook = disk.status(export.notebook)
    if notebook is None:
        return ExportStatus(export, ExportState.GONE, there=_bytes_of(places, disk, export.to))
    if isinstance(notebook, Blocked):
        return ExportStatus(export, ExportState.BROKEN, f"{export.notebook}: {notebook.reason}")
    data = read_whole(places.root / export.notebook, LARGEST_READ)
    found = disk.status(export.to)
    if isinstance(found, Blocked):
        return ExportStatus(export, ExportState.BLOCKED, found.reason)
    there = _bytes_of(places, disk, export.to)
    if found is not None and there is None:
        return ExportStatus(
            export, ExportState.BLOCKED, f"a file of more than {LARGEST_READ} bytes"
        )
    try:
        if data is None:
            raise InputError(f"{export.notebook}: expected at most {LARGEST_READ} bytes")
        new = exported_module(data, export.notebook)
    except InputError as e:
        return ExportStatus(export, ExportState.BROKEN, str(e), there=there)
    packages = tuple(one for one in export.packages() if disk.status(one) is None)
    return ExportStatus(export, _state_between(there, new), None, new, there, packages)


def _bytes_of(places: Places, disk: Disk, path: str) -> bytes | None:
    """The bytes of a file that may be read and is not too large, else None."""
    if not isinstance(disk.status(path), os.stat_result):
        return None
    return read_whole(places.root / path, LARGEST_READ)


def _state_between(there: bytes | None, new: bytes) -> ExportState:
    """The state of a module.

    Args:
        there: bytes of the module, None where there is none.
        new: bytes that it would get.
    """
    if there is None:
        return ExportState.NEVER
    if unix_ends(there) == new:
        return ExportState.FRESH
    if is_untouched(there):
        return ExportState.STALE
    return ExportState.EDITED if is_sealed(there) else ExportState.FOREIGN
