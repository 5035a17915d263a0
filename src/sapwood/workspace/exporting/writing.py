"""Makes the modules that notebooks are exported as: staged as any other change, all or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sapwood.errors import InputError
from sapwood.files.paths import is_folder
from sapwood.package import FileIdentity, content_hash
from sapwood.workspace.change.applying import commit
from sapwood.workspace.change.staging import Stage, staging
from sapwood.workspace.course.template import Template
from sapwood.workspace.exporting.status import ExportState, ExportStatus, look_at_exports
from sapwood.workspace.record.places import Places

OWN_WORK = frozenset({ExportState.EDITED, ExportState.FOREIGN})


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    Attributes:
        exports: state of each export before, in the template's order.
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

    def to_json(self) -> dict[str, Any]:
        """What was exported, as JSON values: how each export was before, and what was done."""
        return {
            "exports": [one.to_json() for one in self.exports],
            "written": list(self.written),
            "kept": list(self.kept),
            "missed": list(self.missed),
            "backup": self.backup,
        }


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
        places: places of the workspace, whose lock is held.
        template: template whose manifest names the exports.
        modules: numbers or names of the template's modules; None for all exports.
        now: the time.
        replace: whether modules that are the user's own work are backed up and replaced.

    Raises:
        InputError: another template, there is no such module, a notebook cannot be exported or
            is not there, or something is in the way.
        Changed: somebody is writing to one of the modules.
        IoError, OSError: the system refused.
    """
    looks = look_at_exports(places, template, modules)
    _check_exports(places, looks, all_of_them=modules is None)
    with staging(places) as stage:
        kept = _stage_exports(looks, template.files.keys(), stage, replace=replace)
        backup = stage.finish("export", now, None)
    missed = commit(places, stage.journal(), None)
    written = tuple(step.path for step in stage.steps if step.path not in missed)
    return Exported(looks, written, kept, backup, missed)


def _check_exports(places: Places, looks: Sequence[ExportStatus], *, all_of_them: bool) -> None:
    """Sees to it that exports can be written, before one is.

    Args:
        places: places of the workspace.
        looks: states of the exports that are asked for.
        all_of_them: whether those are all; then one whose notebook is gone is passed over.

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


def _stage_exports(
    looks: Sequence[ExportStatus], template: Collection[str], stage: Stage, *, replace: bool
) -> tuple[str, ...]:
    """Stages what exports change.

    Args:
        looks: states of the exports that are asked for, checked.
        template: paths of the template's files: an update brings a missing `__init__.py` of
            those.
        stage: stage that the steps go to.
        replace: whether modules that are the user's own work are backed up and replaced.

    Returns:
        Paths of the modules that stay because they are the user's own work.

    Raises:
        Changed: somebody is writing to one of the files.
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
            there = FileIdentity(content_hash(look.there, path))
            taken = stage.take(path, there, back_up=look.state in OWN_WORK)
            old, mode = taken.raw, taken.mode
        stage.put(path, stage.write([look.new]), old=old, mode=mode)
    # A package whose own module is an export has that one.
    for path in sorted(packages - {one.export.to for one in looks}):
        stage.put(path, stage.write([b""]), old=None)
    return tuple(kept)
