"""Plans an update, stages it and commits it, with the workspace's lock held."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from sapwood.errors import Changed, InputError
from sapwood.files.stamps import Stamps
from sapwood.package.manifest.modules import find_module
from sapwood.package.manifest.patches import Reach
from sapwood.package.template import Template
from sapwood.workspace.change.actions import Asked
from sapwood.workspace.change.applying import commit, tidy
from sapwood.workspace.change.opening import check_source, check_versions, with_note
from sapwood.workspace.change.planning import Scope, plan_changes
from sapwood.workspace.change.results import Outcome, Plan
from sapwood.workspace.change.staging import ChangedMeanwhile, Stage
from sapwood.workspace.change.transaction import Update
from sapwood.workspace.disk.scanning import scan
from sapwood.workspace.disk.states import Action
from sapwood.workspace.notebooks.reports import Merged
from sapwood.workspace.record.journal import Journal
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record

ATTEMPTS = 3  # times that an update is planned anew because somebody is writing


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked of an update.

    Attributes:
        module: a word for the one module that it is for; None for all files.
        replace: whether files in conflict are backed up and replaced.
        merge: whether notebooks in conflict are merged by cell.
        allow_downgrade: whether the version may be one before that of the workspace.
        reset: whether the module's files become the template's, whatever the user did.
    """

    module: str | None = None
    replace: bool = False
    merge: bool = False
    allow_downgrade: bool = False
    reset: bool = False

    def check_course(self, config: object) -> None:
        """Sees to it that no course comes with a change of one module.

        Raises:
            InputError: one does.
        """
        if config is not None and self.module is not None:
            raise InputError(
                "a course is for all modules: update with --config first, and then --module alone"
            )

    def scope_in(self, template: Template) -> Scope | None:
        """The module that is asked for.

        Raises:
            InputError: the template has none of that name.
        """
        if self.module is None:
            return None
        module = find_module(template.manifest.modules, self.module)
        return Scope(module, Asked.RESET if self.reset else Asked.UPDATE)


def plan_request(
    places: Places, record: Record | None, template: Template, request: Request
) -> Plan:
    """Plans what is asked for.

    Args:
        places: of the workspace.
        record: of it, None if it is only being made.
        template: that it is updated to.
        request: what is asked for.

    Raises:
        InputError: another template, an earlier version, or no such module.
        InvalidTemplate, OSError: something cannot be read.
    """
    if record is not None:
        check_source(record, template, allow_downgrade=request.allow_downgrade)
    scope = request.scope_in(template)
    stamps = Stamps(places.stamps)
    try:
        new = template.contents(stamps)
        recorded = {} if record is None else record.contents()
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
    plan = Plan(
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
    request: Request,
) -> Outcome:
    """Plans, stages and applies, with the lock held and nothing left to recover.

    Args:
        places: of the workspace.
        record: of it, None if it is only being made.
        template: that it is updated to.
        label: of the backup, where the update is for no single module.
        now: the time.
        request: what is asked for.

    Raises:
        InputError, InvalidTemplate: as `plan_request`.
        IoError, OSError: the system refused.
    """
    for attempt in range(ATTEMPTS):
        plan = plan_request(places, record, template, request)
        update = Update(places, template, record, Stage(places))
        try:
            ready = staged(plan, update, label, now)
            break
        except ChangedMeanwhile as e:
            if attempt + 1 == ATTEMPTS:
                tidy(places, record)
                raise Changed(f"{e}: is being written to; try again when it is not") from e
        except BaseException:
            tidy(places, record)
            raise
    missed: tuple[str, ...] = ()
    if ready.journal.steps or ready.journal.record is not record:
        missed = commit(places, ready.journal, record)
    else:
        tidy(places, None)
    merges = {path: one for path, one in ready.merges.items() if path not in missed}
    conflicts = [one.path for one in ready.plan.changes if one.action is Action.LAY_BESIDE]
    conflicts += [path for path, one in merges.items() if one.conflicts]
    laid = {path: places.incoming(template.version, path) for path in conflicts}
    return Outcome(ready.plan, ready.backup, laid, missed, recovered=False, merges=merges)


@dataclasses.dataclass(frozen=True, slots=True)
class Staged:
    """A plan that is ready to be made.

    Attributes:
        plan: as it is made, without merges that turned out to be impossible.
        backup: its name, None if nothing is backed up.
        journal: of the change.
        merges: what becomes of each notebook that is merged, by its path.
    """

    plan: Plan
    backup: str | None
    journal: Journal
    merges: Mapping[str, Merged]


def staged(plan: Plan, update: Update, label: str, now: datetime) -> Staged:
    """Stages a plan.

    Args:
        plan: of the update.
        update: that nothing was staged of yet.
        label: of the backup, where the update is for no single module.
        now: the time.

    Raises:
        ChangedMeanwhile: a file is not what it was when the update was planned.
        InvalidTemplate: the template is not, or it is damaged.
        IoError, OSError: the system refused.
    """
    stage = update.stage
    made = dataclasses.replace(plan, changes=tuple(update.add(one) for one in plan.changes))
    after = update.record_after(made.changes, now, whole=plan.module is None)
    named = label if plan.module is None else plan.module.name
    backup = stage.finish(named, now, plan.from_version)
    journal = Journal(stage.folder, tuple(stage.steps), after)
    return Staged(made, backup, journal, update.merges)
