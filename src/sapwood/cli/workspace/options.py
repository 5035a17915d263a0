"""What the commands of workspaces have in common: options, exit codes, words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sapwood.cli.reports import count, printable

if TYPE_CHECKING:
    import argparse

    from sapwood.cli.arguments import Parser
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Change, Outcome, Plan, Workspace

UPDATES = 20  # exit code: there are updates, and nothing is in conflict
CONFLICTS = 21  # exit code: the user has to look at something

TEMPLATE = (
    "folder or archive (zip, tar, tar.gz, tar.zst) with a sapwood-template.toml, dist:NAME, or "
    "oci:FOLDER[:TAG] in an OCI image layout"
)


def add_template(parser: Parser, program: Program) -> None:
    """The template: an argument, but for a program that is for one."""
    if program.is_bound:
        parser.set_defaults(template=program.template)
    else:
        parser.add_argument("template", metavar="TEMPLATE", help=TEMPLATE)


def add_folder(parser: Parser, program: Program) -> None:
    """The options that name a workspace."""
    parser.add_argument(
        "--folder", metavar="FOLDER", help="the workspace (default: the one that this folder is in)"
    )
    if not program.is_bound:
        parser.add_argument(
            "--name", metavar="NAME", help="the template, where a folder is a workspace of several"
        )


def opened(arguments: argparse.Namespace) -> Workspace:
    """The workspace that the options name."""
    from sapwood.workspace import Workspace

    program: Program = arguments.program
    name = program.template_name() if program.is_bound else arguments.name
    if arguments.folder is None:
        return Workspace.find(".", name)
    return Workspace.open(arguments.folder, name)


def repeated(arguments: argparse.Namespace, command: str, *options: str) -> str:
    """A command for the same template and workspace, as the user can type it."""
    program: Program = arguments.program
    template = () if program.is_bound else (str(arguments.template),)
    folder = () if arguments.folder is None else ("--folder", arguments.folder)
    return program.typed(*command.split(), *template, *folder, *options)


def sign(symbol: str) -> str:
    """A symbol before a line, on a terminal only: pipes get plain words."""
    return f"{symbol} " if sys.stdout.isatty() else ""


def change_facts(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes for programs, without the files of which there is nothing to say."""
    return [
        {
            "path": one.path,
            "state": one.state.value,
            "action": one.action.value,
            "policy": one.policy.value,
            "note": one.note,
            "moved_from": one.moved_from,
        }
        for one in changes
        if one.state.value != "identical" or one.is_update
    ]


def plan_facts(command: str, plan: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "command": command,
        "template": plan.template,
        "from_version": plan.from_version,
        "to_version": plan.to_version,
        "updates": len(plan.updates),
        "conflicts": len(plan.conflicts),
        "changes": change_facts(plan.changes),
    }


def outcome_facts(command: str, outcome: Outcome) -> dict[str, Any]:
    """What was done, for programs."""
    return {
        **plan_facts(command, outcome.plan),
        "backup": outcome.backup,
        "incoming": dict(outcome.incoming),
        "missed": list(outcome.missed),
        "recovered": outcome.recovered,
    }


def exit_code(plan: Plan) -> int:
    """What a script is told of a plan."""
    if plan.conflicts:
        return CONFLICTS
    return UPDATES if plan.updates else 0


def named(change: Change) -> str:
    """A file for people, with the reason of its change."""
    name = printable(change.path)
    if change.moved_from is not None:
        name += f", from {printable(change.moved_from)}"
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


def outcome_lines(outcome: Outcome, root: str) -> list[str]:
    """What was done, for people."""
    plan, missed = outcome.plan, set(outcome.missed)
    lines = []
    if outcome.recovered:
        lines.append("Finished a change that had been interrupted")
    for change in plan.changes:
        if change.path in missed:
            lines.append(f"{sign('⏭️ ')}Skipped {named(change)}: written to meanwhile")
        elif change.action.value in DONE:
            symbol, word = DONE[change.action.value]
            lines.append(f"{sign(symbol)}{word} {named(change)}")
        else:
            lines += left_lines(change, outcome)
    if outcome.backup is not None:
        lines.append(f"{sign('📦')}Backed up to {root}/backups/{outcome.backup}/")
    return lines


def left_lines(change: Change, outcome: Outcome) -> list[str]:
    """What is said of a file that was left as it is."""
    name = named(change)
    if change.state.value == "blocked":
        reason = getattr(change.found, "reason", "something")
        return [f"{sign('⏭️ ')}Skipped {name}: {reason} is in the way"]
    lines = []
    if change.moved_from is not None and change.is_update:
        lines.append(f"{sign('✅')}Moved {name}")
    if change.path in outcome.incoming:
        beside = printable(outcome.incoming[change.path])
        lines.append(f"{sign('⚠️ ')}Kept {name}: the template's is in {beside}")
    elif change.state.value in LEFT and change.state.value not in {"deleted", "modified"}:
        lines.append(f"{sign('⏭️ ')}Skipped {name}: {LEFT[change.state.value]}")
    return lines


def counts(plan: Plan) -> str:
    """How much a plan would do."""
    return f"{count(len(plan.updates), 'update')}, {count(len(plan.conflicts), 'conflict')}"
