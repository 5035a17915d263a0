"""`sapwood workspace module reset`: makes a module the template's again, with a backup."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, human_size, printable, tell
from sapwood.cli.workspace.choices import choose
from sapwood.cli.workspace.diffs import show_differences
from sapwood.cli.workspace.options import (
    CONFLICTS,
    UPDATES,
    add_downgrade,
    add_folder,
    add_template,
    opened,
    sign,
)
from sapwood.cli.workspace.plans import (
    backed_up,
    dry_run_lines,
    exit_code,
    missed_line,
    place_of,
)
from sapwood.errors import InputError, InvalidWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Change, Outcome, Package, UpdatePlan, Workspace

COMMAND = "workspace module reset"
CANCELLED = 1  # exit code: what follows with && is not done
MOST_SHOWN = 10  # files
OPTIONS = ("Backup and reset (recommended)", "View diff first", "Cancel")
RESET, VIEW = 1, 2

DESCRIPTION = f"""\
Makes all files that the template has of a module the template's again, protected ones too: what
you changed is backed up first, what you deleted comes back. Files of yours that the template does
not have stay. Asks before it does so; you can see the differences first.

exit codes:
  0    done, or nothing to reset
  {CANCELLED}    cancelled; nothing was changed
  {UPDATES}   of --dry-run: there is something to reset
  {CONFLICTS}   something is in the way of a file, or wrote to it meanwhile"""

EXAMPLES = (
    "module reset TEMPLATE 05",
    "module reset TEMPLATE autograd --yes",
    "module reset TEMPLATE 05 --dry-run --json | jq '.changes[].path'",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "reset", _run, "back up and reset", DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument("module", metavar="NN", help="number or name of the module")
    add_folder(parser, program)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="do not ask")
    how.add_argument("--dry-run", action="store_true", help="say what would be done")
    add_downgrade(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood.workspace import open_package

    asks = not (arguments.yes or arguments.dry_run)
    if asks and (arguments.json or arguments.quiet):
        raise InputError("--json and --quiet leave no question: add --yes, or --dry-run")
    if asks and not sys.stdin.isatty():
        raise InputError(
            "expected a terminal to ask on; add --yes to back up and reset, or --dry-run"
        )
    workspace = opened(arguments)
    downgrade: bool = arguments.allow_downgrade
    with open_package(arguments.template) as template:
        plan = workspace.plan_reset(template, arguments.module, allow_downgrade=downgrade)
        if arguments.dry_run or not plan.updates:
            lines = dry_run_lines(plan) if arguments.dry_run else _nothing_lines(plan)
            facts = {"command": COMMAND, **plan.to_json(), "applied": False}
            tell(arguments, facts, "\n".join(lines))
            return exit_code(plan)
        if asks and not _agreed(plan, workspace, template, arguments):
            print("Cancelled: nothing was changed")
            return CANCELLED
        outcome = workspace.reset(template, arguments.module, allow_downgrade=downgrade)
    facts = {"command": COMMAND, **outcome.to_json(), "applied": True}
    lines = [*([""] if asks else []), *_reset_lines(outcome, workspace.name)]
    tell(arguments, facts, "\n".join(lines))
    return CONFLICTS if outcome.plan.conflicts or outcome.missed else 0


def _agreed(
    plan: UpdatePlan, workspace: Workspace, template: Package, arguments: argparse.Namespace
) -> bool:
    """Shows what would be reset, and asks whether it is to be."""
    print(f"{sign('⚠️ ')}This will reset {_places(plan.updates, plan)} to the latest template.\n")
    for change in _protected_first(plan.updates)[:MOST_SHOWN]:
        print("\n".join([*_file_lines(change, workspace), ""]))
    more = len(plan.updates) - MOST_SHOWN
    if more > 0:
        print(f"And {count(more, 'more file')}.\n")
    while (choice := choose(OPTIONS)) == VIEW:
        print()
        found = workspace.differences(
            template, arguments.module, allow_downgrade=arguments.allow_downgrade
        )
        show_differences(found)
        print()
    return choice == RESET


def _protected_first(changes: Iterable[Change]) -> list[Change]:
    """Changes, those of what the user works on first."""
    return sorted(changes, key=lambda one: one.policy.value != "protect")


def _places(changes: Iterable[Change], plan: UpdatePlan) -> str:
    """The folders of a module that changes are in."""
    found = dict.fromkeys(place_of(one.path, plan)[0] for one in _protected_first(changes))
    return " and ".join(printable(one) for one in found)


def _file_lines(change: Change, workspace: Workspace) -> Iterator[str]:
    """A file that would be reset."""
    known = change.old_path
    if change.found is None:
        word = "New" if change.recorded is None else "Missing"
        yield f"{word} file: {printable(known)}"
        return
    status = os.lstat(workspace.root / known)
    from datetime import datetime

    written = datetime.fromtimestamp(status.st_mtime)
    yield f"Current file: {printable(known)}"
    yield f"  Last modified: {written:%Y-%m-%d %H:%M:%S}"
    yield f"  Size: {human_size(status.st_size).replace('kB', 'KB')}"
    yield f"  Changes: {_changes_made(change, known, workspace)}"


def _changes_made(change: Change, path: str, workspace: Workspace) -> str:
    """What the user did to a file since it was installed."""
    if change.state.value == "collision":
        return "the whole file is yours"
    if change.state.value in {"outdated", "identical"}:
        return "none of yours"
    try:
        found = workspace.line_changes(path)
    except InvalidWorkspace:  # what was installed is not kept any more: no reason to stop
        found = None
    if found is None:
        return "cannot be counted in lines"
    if found.added == 0 and found.removed > 0:
        return f"{count(found.removed, 'line')} removed"
    return f"{count(found.added, 'line')} added/modified"


def _nothing_lines(plan: UpdatePlan) -> list[str]:
    """What is said where nothing is reset."""
    lines = _blocked_lines(plan)
    if not lines:
        name = "the module" if plan.module is None else plan.module.name
        home = _protected_first(plan.changes)[:1]
        where = _places(home, plan) if home else name
        lines.append(f"{where} is as in version {plan.to_version}: nothing to reset")
    return lines


def _blocked_lines(plan: UpdatePlan) -> list[str]:
    """The files that something is in the way of, and those that the template has as patches."""
    return [
        f"{sign('⏭️ ')}Skipped {printable(one.path)}: "
        + (
            f"{getattr(one.found, 'reason', 'something')} is in the way"
            if one.unmade is None
            else printable(one.unmade)
        )
        for one in plan.conflicts
    ]


def _reset_lines(outcome: Outcome, name: str) -> list[str]:
    """What was done."""
    plan, missed = outcome.plan, set(outcome.missed)
    lines = ["Finished a change that had been interrupted"] if outcome.recovered else []
    lines += _blocked_lines(plan)
    lines += [missed_line(printable(path)) for path in outcome.missed]
    if outcome.backup is not None:
        lines.append(f"{sign('✅')}{backed_up(outcome.backup, name)}")
    done = [one for one in plan.updates if one.path not in missed]
    if done:
        lines.append(f"{sign('✅')}Reset {_places(done, plan)} to version {plan.to_version}")
    # Somebody may have done it while the question was open.
    return lines or _nothing_lines(plan)
