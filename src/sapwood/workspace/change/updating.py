"""Plans an update, stages it and commits it, with the workspace's lock held."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from sapwood.errors import Changed
from sapwood.files.stamps import Stamps
from sapwood.package import find_module
from sapwood.workspace.change.actions import ModuleRequest
from sapwood.workspace.change.applying import commit
from sapwood.workspace.change.opening import check_source, check_versions, with_note
from sapwood.workspace.change.planning import Scope, plan_changes
from sapwood.workspace.change.reach import Reach
from sapwood.workspace.change.results import Outcome, UpdatePlan
from sapwood.workspace.change.staging import staging
from sapwood.workspace.change.transaction import Transaction
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import scan
from sapwood.workspace.disk.states import Action
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record

ATTEMPTS = 3  # times that an update is planned anew because somebody is writing


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateRequest:
    """What is asked of an update.

    Attributes:
        module: number or name of the one module whose files are updated, protected ones too;
            None for all files. Those in conflict are backed up and replaced, those that were
            deleted come back; what only the user changed stays. All other files, and the
            version of the workspace, stay as they are.
        replace: whether files in conflict are backed up and replaced, rather than kept with
            the template's laid beside; protected files are kept in any case.
        merge: whether notebooks in conflict, protected ones too, are backed up and merged by
            cell: exercises keep what the user wrote, locked cells are the template's. Where a
            cell is in conflict the template's notebook is laid beside.
        allow_downgrade: whether the version may be one before that of the workspace.
        reset: whether the module's files become the template's, whatever the user did.
    """

    module: str | None = None
    replace: bool = False
    merge: bool = False
    allow_downgrade: bool = False
    reset: bool = False


def _scope(request: UpdateRequest, template: Template) -> Scope | None:
    """The module that is asked for, None for all files.

    Raises:
        InputError: the template has no such module.
    """
    if request.module is None:
        return None
    module = find_module(template.manifest.modules, request.module)
    return Scope(module, ModuleRequest.RESET if request.reset else ModuleRequest.UPDATE)


def plan_request(
    places: Places, record: Record | None, template: Template, request: UpdateRequest
) -> UpdatePlan:
    """Plans what is asked for.

    Args:
        places: places of the workspace.
        record: record of the workspace, None if it is only being made.
        template: template that it is updated to.
        request: what is asked for.

    Raises:
        InputError: another template, an earlier version, or no such module.
        InvalidPackage, OSError: something cannot be read.
    """
    if record is not None:
        check_source(record, template, allow_downgrade=request.allow_downgrade)
    scope = _scope(request, template)
    stamps = Stamps(places.stamps)
    try:
        new = template.identities(stamps)
        recorded = {} if record is None else record.identities()
        found = scan(places.root, recorded.keys() | new.keys(), stamps)
    finally:
        stamps.keep()
    rules = template.manifest.rules
    files = {} if record is None else record.files
    changes = plan_changes(
        recorded,
        found,
        new,
        rules,
        replace=request.replace,
        merge=request.merge,
        scope=scope,
        reach=Reach(template.patch_only(), {path: one.version for path, one in files.items()}),
    )
    plan = UpdatePlan(
        template=template.manifest.name,
        from_version=None if record is None else record.template_version,
        to_version=template.version,
        changes=tuple(with_note(one, template, files) for one in changes),
        user=template.manifest.user,
        modules=template.manifest.modules,
        module=None if scope is None else scope.module,
        course=template.course,
    )
    if not request.allow_downgrade:
        check_versions(plan.updates, template, files)
    return plan


def make_update(
    places: Places,
    record: Record | None,
    template: Template,
    label: str,
    now: datetime,
    request: UpdateRequest,
) -> Outcome:
    """Plans, stages and applies, with the lock held and nothing left to recover.

    Args:
        places: places of the workspace.
        record: record of the workspace, None if it is only being made.
        template: template that it is updated to.
        label: label of the backup, where the update is for no single module.
        now: the time.
        request: what is asked for.

    Raises:
        InputError, InvalidPackage: as `plan_request`.
        Changed: somebody writes to one of the files again and again.
        IoError, OSError: the system refused.
    """
    for attempts in range(ATTEMPTS, 0, -1):
        plan = plan_request(places, record, template, request)
        try:
            with staging(places, record) as stage:
                update = Transaction(places, template, record, stage)
                made = tuple(update.add(one) for one in plan.changes)
                after = update.record_after(made, now, whole=plan.module is None)
                named = label if plan.module is None else plan.module.name
                backup = stage.finish(named, now, plan.from_version)
            break
        except Changed:
            if attempts == 1:
                raise
    missed = commit(places, stage.journal(after), record)
    merges = {path: one for path, one in update.merges.items() if path not in missed}
    conflicts = [one.path for one in made if one.action is Action.LAY_BESIDE]
    conflicts += [path for path, one in merges.items() if one.conflicts]
    laid = {path: places.incoming(template.version, path) for path in conflicts}
    plan = dataclasses.replace(plan, changes=made)
    return Outcome(plan, backup, laid, missed, recovered=False, merges=merges)
