"""What became of exports on disk, and how they are written: staged as any other change."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Collection, Sequence
from datetime import datetime

from sapwood.errors import InputError, IoError
from sapwood.workspace.change.applying import commit, tidy
from sapwood.workspace.change.staging import ChangedMeanwhile, Stage
from sapwood.workspace.disk.canonical import LARGEST, content_hash, unix_ends
from sapwood.workspace.disk.durable import is_folder, read_whole
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import Blocked, Content
from sapwood.workspace.exporting.exporting import exported_module, is_marked, is_untouched
from sapwood.workspace.manifest.exports import Export, exports_among
from sapwood.workspace.manifest.manifest import Manifest
from sapwood.workspace.manifest.modules import find_module
from sapwood.workspace.record.journal import Journal
from sapwood.workspace.record.places import Places
from sapwood.workspace.template.template import Template


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


WAITS = frozenset({ExportState.NEVER, ExportState.STALE})
OWN_WORK = frozenset({ExportState.EDITED, ExportState.FOREIGN})


@dataclasses.dataclass(frozen=True, slots=True)
class ExportStatus:
    """What became of one export.

    Attributes:
        export: which one.
        state: of the module.
        reason: why it is BLOCKED or BROKEN, else None.
        new: the bytes that the module would get, None if there are none.
        there: the bytes that it has, None if there are none.
        packages: paths of `__init__.py` that are missing beside it.
    """

    export: Export
    state: ExportState
    reason: str | None = None
    new: bytes | None = dataclasses.field(default=None, repr=False)
    there: bytes | None = dataclasses.field(default=None, repr=False)
    packages: tuple[str, ...] = ()

    @property
    def is_exported(self) -> bool:
        """Whether a module is there that came from the notebook."""
        return self.there is not None and is_marked(self.there)


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    Attributes:
        exports: how each was before, in the template's order.
        written: paths of modules, and of `__init__.py` beside them.
        kept: paths of modules that stay because they are the user's own work.
        backup: name of the backup of what was replaced, None if nothing was.
        missed: paths that somebody else wrote to meanwhile.
    """

    exports: tuple[ExportStatus, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    backup: str | None
    missed: tuple[str, ...]


def chosen_exports(manifest: Manifest, modules: Sequence[str] | None) -> list[Export]:
    """The exports that a user asks for, in the template's order.

    Args:
        manifest: of the template.
        modules: numbers or names; None for all exports.

    Raises:
        InputError: there is no such module, or it exports nothing.
    """
    if modules is None:
        return list(manifest.exports)
    chosen: list[Export] = []
    for word in modules:
        module = find_module(manifest.modules, word)
        found = exports_among(manifest.exports, module)
        if not found:
            raise InputError(f"{module.name}: expected a module with exports; it has none")
        chosen += found
    return [one for one in manifest.exports if one in chosen]


def export_modules(
    places: Places,
    template: Template,
    modules: Sequence[str] | None,
    now: datetime,
    *,
    replace: bool,
) -> Exported:
    """Exports notebooks, all or none, with nothing left to recover.

    Args:
        places: of the workspace, whose lock is held.
        template: whose manifest names the exports.
        modules: as of `chosen_exports`.
        now: the time.
        replace: back up and replace modules that are the user's own work.

    Raises:
        InputError: as `look_at_exports` and `check_exports`.
        IoError, OSError: the system refused.
    """
    looks = look_at_exports(places, template, modules)
    check_exports(places, looks, all_of_them=modules is None)
    stage = Stage(places)
    try:
        kept = stage_exports(looks, template.files.keys(), stage, replace=replace)
        backup = stage.finish("export", now, None)
    except ChangedMeanwhile as e:
        tidy(places, None)
        raise IoError(f"{e}: is being written to; try again when it is not") from e
    except BaseException:
        tidy(places, None)
        raise
    paths = tuple(step.path for step in stage.steps)
    missed: tuple[str, ...] = ()
    if stage.steps:
        missed = commit(places, Journal(stage.folder, tuple(stage.steps), None), None)
    else:
        tidy(places, None)
    written = tuple(one for one in paths if one not in missed)
    return Exported(looks, written, kept, backup, missed)


def look_at_exports(
    places: Places, template: Template, modules: Sequence[str] | None
) -> tuple[ExportStatus, ...]:
    """How the exports are that a user asks for.

    Args, Raises: as of `chosen_exports`; another template is an InputError too.
    """
    if template.manifest.name != places.name:
        raise InputError(f"expected the template {places.name}, found {template.manifest.name}")
    chosen = chosen_exports(template.manifest, modules)
    return tuple(look_at_export(places, one) for one in chosen)


def look_at_export(places: Places, export: Export) -> ExportStatus:
    """How an export is now.

    Raises:
        OSError: something cannot be read.
    """
    disk = Disk(places.root)
    source = disk.status(export.notebook)
    if source is None:
        return ExportStatus(export, ExportState.GONE, there=bytes_of(places, disk, export.to))
    if isinstance(source, Blocked):
        return ExportStatus(export, ExportState.BROKEN, f"{export.notebook}: {source.reason}")
    data = read_whole(places.root / export.notebook, LARGEST)
    found = disk.status(export.to)
    if isinstance(found, Blocked):
        return ExportStatus(export, ExportState.BLOCKED, found.reason)
    there = bytes_of(places, disk, export.to)
    if found is not None and there is None:
        return ExportStatus(export, ExportState.BLOCKED, f"a file of more than {LARGEST} bytes")
    try:
        if data is None:
            raise InputError(f"{export.notebook}: expected at most {LARGEST} bytes")
        new = exported_module(data, export.notebook)
    except InputError as e:
        return ExportStatus(export, ExportState.BROKEN, str(e), there=there)
    packages = tuple(one for one in export.packages() if disk.status(one) is None)
    return ExportStatus(export, state_between(there, new), None, new, there, packages)


def bytes_of(places: Places, disk: Disk, path: str) -> bytes | None:
    """The bytes of a file that may be read and is not too large, else None."""
    if not isinstance(disk.status(path), os.stat_result):
        return None
    return read_whole(places.root / path, LARGEST)


def state_between(there: bytes | None, new: bytes) -> ExportState:
    """The state of a module.

    Args:
        there: its bytes, None where there is none.
        new: those that it would get.
    """
    if there is None:
        return ExportState.NEVER
    if unix_ends(there) == new:
        return ExportState.FRESH
    if is_untouched(there):
        return ExportState.STALE
    return ExportState.EDITED if is_marked(there) else ExportState.FOREIGN


def check_exports(places: Places, looks: Sequence[ExportStatus], *, all_of_them: bool) -> None:
    """Sees to it that exports can be written, before one is.

    Args:
        places: of the workspace.
        looks: at those that are asked for.
        all_of_them: whether that is every export; then one whose notebook is gone is passed.

    Raises:
        InputError: a notebook cannot be exported, is not there, or something is in the way.
    """
    for look in looks:
        if look.state is ExportState.BROKEN:
            raise InputError(f"{look.reason}; nothing was exported")
        if look.state is ExportState.BLOCKED:
            raise InputError(
                f"{look.export.to}: {look.reason} is in the way; move it away. Nothing was exported"
            )
        if look.state is ExportState.GONE and not all_of_them:
            raise InputError(
                f"{look.export.notebook}: expected a notebook, found nothing; restore it, by an "
                "update or a reset of its module. Nothing was exported"
            )
        for path in look.packages:
            parent = (places.root / path).parent
            if parent.exists() and not is_folder(parent):
                raise InputError(f"{parent}: expected a folder; move away what is there")


def stage_exports(
    looks: Sequence[ExportStatus], template: Collection[str], stage: Stage, *, replace: bool
) -> tuple[str, ...]:
    """Stages what exports change.

    Args:
        looks: at those that are asked for, checked.
        template: paths of its files: a missing `__init__.py` among them is for an update.
        stage: that the steps go to.
        replace: back up and replace modules that are the user's own work.

    Returns:
        Paths of the modules that stay because they are.

    Raises:
        ChangedMeanwhile: somebody is writing to one of the files.
        IoError, OSError: the system refused.
    """
    kept: list[str] = []
    packages: set[str] = set()
    for look in looks:
        if look.state in OWN_WORK and not replace:
            kept.append(look.export.to)
            continue
        if look.state is ExportState.GONE or look.new is None:
            continue
        packages.update(one for one in look.packages if one not in template)
        if look.state is ExportState.FRESH:
            continue
        old = mode = None
        path = look.export.to
        if look.there is not None:
            there = Content(content_hash(look.there, path))
            taken = stage.take(path, there, back_up=look.state in OWN_WORK)
            old, mode = taken.raw, taken.mode
        stage.put(path, [look.new], old=old, mode=mode)
    # A package whose own module is an export has that one.
    for path in sorted(packages - {one.export.to for one in looks}):
        stage.put(path, [b""], old=None, mode=None)
    return tuple(kept)
