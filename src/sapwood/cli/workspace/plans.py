"""What is printed of plans and of what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sapwood.cli.reports import count, printable
from sapwood.cli.workspace.courses import course_lines
from sapwood.cli.workspace.options import CONFLICTS, UPDATES, repeated, sign

if TYPE_CHECKING:
    import argparse

    from sapwood.workspace import Change, Module, Outcome, UpdatePlan


def exit_code(plan: UpdatePlan) -> int:
    """What a script is told of a plan."""
    if plan.conflicts:
        return CONFLICTS
    return UPDATES if plan.updates else 0


def _mergeable(plan: UpdatePlan, arguments: argparse.Namespace) -> list[Change]:
    """Notebooks that stay the user's although the template changed them, and `--merge` merges."""
    if arguments.merge:
        return []
    return [
        one
        for one in plan.changes
        if one.state.value == "conflict"
        and one.action.value in {"keep", "lay beside"}
        and one.path.endswith(".ipynb")
    ]


def _moved_name(change: Change) -> str:
    """A file for people."""
    name = printable(change.path)
    if change.moved_from is not None:
        name += f", from {printable(change.moved_from)}"
    return name


def _named(change: Change) -> str:
    """A file for people, with the reason of its change."""
    name = _moved_name(change)
    return name if change.note is None else f"{name} ({printable(change.note)})"


DONE: Mapping[str, tuple[str, str]] = {
    "install": ("✅", "Added"),
    "replace": ("✅", "Updated"),
    "remove": ("✅", "Removed"),
    "set mode": ("✅", "Changed who may run"),
}
LEFT: Mapping[str, str] = {
    "modified": "you modified it",
    "conflict": "you modified it, and the template changed it too",
    "collision": "you have another file of that name",
    "deleted": "you deleted it",
    "orphan": "no longer in the template",
    "retired": "no longer in the template",
    "outdated": "not modified: safe to update",
}


def _versions(plan: UpdatePlan) -> str:
    """The line that says which versions meet."""
    return f"{sign('📦')}Package version: {plan.to_version} (you have {plan.from_version})"


def check_lines(plan: UpdatePlan, arguments: argparse.Namespace) -> list[str]:
    """What `update --check` says."""
    lines = [_versions(plan), *course_lines(plan.course)]
    if plan.updates:
        lines.append(f"{sign('📝')}Available updates:")
        lines += [f"   {_named(one)}{_removed(one)}" for one in plan.updates]
    if plan.conflicts:
        lines.append(f"{sign('⚠️ ')}Conflicts:")
        lines += [f"   {_named(one)}{_why_not(one)}" for one in plan.conflicts]
    held = [one for one in plan.changes if one.action.value == "hold"]
    if held:
        lines.append("Protected, not modified, safe to update on request:")
        lines += [f"   {_named(one)}" for one in held]
    waiting = _mergeable(plan, arguments)
    if waiting:
        lines.append("Notebooks that both you and the template changed:")
        lines += [f"   {_named(one)}" for one in waiting]
    if plan.updates or plan.conflicts:
        module = () if plan.module is None else ("--module", _number_of(plan.module))
        config = () if arguments.config is None else ("--config", arguments.config)
        merge = ("--merge",) if arguments.merge else ()
        given = (*config, *module, *merge)
        apply, preview, replace = (
            repeated(arguments, "update", *given, *one)
            for one in ((), ("--dry-run",), ("--replace",))
        )
        lines.append("")
        if plan.updates:
            lines.append(f"Run '{apply}' to apply, or '{preview}' to preview.")
        else:
            lines.append("Nothing else to update: your files stay.")
        if any(map(_is_replaceable, plan.conflicts)):
            lines.append(f"'{replace}' backs up files in conflict, and takes the template's.")
    else:
        lines.append("Nothing to update")
    if waiting:
        lines.append(
            f"Run '{repeated(arguments, 'update', '--merge')}' to merge notebooks by cell."
        )
    return lines


def _removed(change: Change) -> str:
    """Says of a file that an update takes away that it does; nothing of other files."""
    return ": no longer in the template" if change.action.value == "remove" else ""


def _why_not(change: Change) -> str:
    """Why the template cannot make a file, and what to do; nothing of other files."""
    return "" if change.unmade is None else f": {printable(change.unmade)}"


def _is_replaceable(change: Change) -> bool:
    """Whether `--replace` is for a file in conflict."""
    return change.action.value == "lay beside" and change.policy.value in {"update", "weights"}


def dry_run_lines(plan: UpdatePlan) -> list[str]:
    """What `--dry-run` says."""
    lines = [_versions(plan)]
    for change in plan.changes:
        state = change.state.value
        if change.unmade is not None:
            moved = "move and not update" if change.is_update else "not update"
            lines.append(f"would {moved} {_named(change)}{_why_not(change)}")
        elif change.is_update or change.is_conflict:
            lines.append(f"would {_would(change)} {_named(change)}")
        elif state in LEFT:
            lines.append(f"would leave {_named(change)}: {LEFT[state]}")
        if change.unmerged is not None:
            lines.append(f"   cannot be merged: {printable(change.unmerged)}")
    lines.append(
        f"{count(len(plan.updates), 'update')}, {count(len(plan.conflicts), 'conflict')}; "
        "nothing was changed"
    )
    return lines


def _would(change: Change) -> str:
    """What is done about a file, as a verb."""
    action = change.action.value
    if change.moved_from is None:
        return action
    return "move" if action in {"keep", "adopt"} else f"move, {action}"


def outcome_lines(outcome: Outcome, name: str, arguments: argparse.Namespace) -> list[str]:
    """What an update did, for people.

    Args:
        outcome: what the update came to.
        name: name of the workspace's template.
        arguments: options of the command, which those that it advises repeat.
    """
    plan = outcome.plan
    lines = done_lines(outcome, name)
    skipped = _protected(plan)
    for place, (module, modified) in skipped.items():
        if modified:
            reason = f"{printable(plan.user)} modified"
        elif module is None:
            reason = "not modified, and the template has another"
        else:
            update = repeated(arguments, "update", "--module", _number_of(module))
            reason = f"not modified: '{update}' updates it"
        lines.append(f"{sign('⏭️ ')}Skipped {printable(place)} ({reason})")
    modules = {module.name: module for module, modified in skipped.values() if module and modified}
    advice = []
    if _mergeable(plan, arguments):
        merge = repeated(arguments, "update", "--merge")
        advice.append(f"{sign('💡')}To merge notebooks by cell, with what you wrote: {merge}")
    if modules:
        shown = _number_of(next(iter(modules.values()))) if len(modules) == 1 else "NN"
        reset = repeated(arguments, "module reset", module=shown)
        advice.append(f"{sign('💡')}To reset a module to latest: {reset}")
    if advice:
        lines += ["", *advice]
    if not plan.updates and not plan.conflicts:
        of_what = "this" if plan.module is None else plan.module.name
        lines.append(f"Nothing to update: {of_what} is {plan.to_version}")
    return lines


def _protected(plan: UpdatePlan) -> dict[str, tuple[Module | None, bool]]:
    """Where the template changed protected files, which an update leaves alone.

    Returns:
        The folder of a module, or the file where it is in none, to the module and whether
        the user has modified one of the files there.
    """
    found: dict[str, tuple[Module | None, bool]] = {}
    for change in plan.changes:
        modified = change.state.value == "conflict" and change.action.value == "keep"
        if change.policy.value != "protect" or not (modified or change.action.value == "hold"):
            continue
        place, module = place_of(change.path, plan)
        before = found.get(place, (module, False))[1]
        found[place] = module, before or modified
    return found


def place_of(path: str, plan: UpdatePlan) -> tuple[str, Module | None]:
    """The folder of a module that a file is in, with the module; the file where it is in none."""
    for module in plan.modules:
        folder = module.folder_in(path)
        if folder is not None:
            return folder, module
    return path, None


def _number_of(module: Module) -> str:
    """A module as its name begins: '05'."""
    return module.name.partition("_")[0]


def done_lines(outcome: Outcome, name: str) -> list[str]:
    """What was done, for people, and what was left of files that are not protected."""
    plan, missed = outcome.plan, set(outcome.missed)
    lines = []
    if outcome.recovered:
        lines.append("Finished a change that had been interrupted")
    for change in plan.changes:
        if change.path in missed:
            lines.append(missed_line(_moved_name(change)))
        elif change.path in outcome.merges:
            lines += _merge_lines(change, outcome)
        elif change.action.value in DONE:
            symbol, word = DONE[change.action.value]
            lines.append(f"{sign(symbol)}{word} {_moved_name(change)}")
        else:
            lines += _left_lines(change, outcome)
        if change.unmerged is not None:
            lines.append(f"   not merged: {printable(change.unmerged)}")
    if outcome.backup is not None and any(map(_is_loss, plan.updates)):
        lines.append(f"{sign('📦')}{backed_up(outcome.backup, name)}")
    return lines


def _merge_lines(change: Change, outcome: Outcome) -> list[str]:
    """What became of a notebook that was merged, for people."""
    merged = outcome.merges[change.path]
    number = count(len(merged.conflicts), "conflict")
    names = dict.fromkeys(repr(printable(one.cell)) for one in merged.conflicts)
    cells = f" in {'cell' if len(names) == 1 else 'cells'} {', '.join(names)}" if names else ""
    taken = f"{count(merged.taken, 'cell')} from the template"
    lines = [f"{sign('✅')}Merged {_moved_name(change)}: {taken}, {number}{cells}"]
    lines += [f"   {printable(one.cell)}: {one.reason.value}" for one in merged.reports]
    if change.path in outcome.incoming:
        lines.append(f"{sign('⚠️ ')}The template's is in {printable(outcome.incoming[change.path])}")
    return lines


def _is_loss(change: Change) -> bool:
    """Whether something is only in the backup that the user may want back: not old templates'."""
    found = getattr(change.found, "hash", None)
    installed = None if change.recorded is None else change.recorded.hash
    return found is not None and (found != installed or change.action.value == "remove")


def backed_up(backup: str, name: str) -> str:
    """Where a backup lies."""
    return f"Backed up to .{name}/backups/{backup}/"


def missed_line(path: str) -> str:
    """What is said of a file that somebody else wrote to, from `Outcome.missed` and its like."""
    return f"{sign('⏭️ ')}Skipped {path}: written to meanwhile"


def _left_lines(change: Change, outcome: Outcome) -> list[str]:
    """What is said of a file that was left as it is."""
    name, state = _moved_name(change), change.state.value
    asked = outcome.plan.module is not None
    if state == "blocked":
        reason = getattr(change.found, "reason", "something")
        return [f"{sign('⏭️ ')}Skipped {name}: {reason} is in the way"]
    lines = []
    if change.moved_from is not None and change.is_update:
        lines.append(f"{sign('✅')}Moved {name}")
    if change.path in outcome.incoming:
        beside = printable(outcome.incoming[change.path])
        lines.append(f"{sign('⚠️ ')}Kept {name}: the template's is in {beside}")
    elif change.unmade is not None:
        lines.append(f"{sign('⚠️ ')}Could not update {name}{_why_not(change)}")
    elif state in {"orphan", "retired"}:
        lines.append(f"{sign('⏭️ ')}Skipped {name}: {LEFT[state]}")
    elif state == "modified" and asked and change.policy.value != "once":
        lines.append(f"{sign('⏭️ ')}Skipped {name}: {LEFT[state]}, and the template did not")
    return lines
