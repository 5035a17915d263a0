"""`sapwood workspace update`: brings a workspace to another version of its template."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import printable, tell
from sapwood.cli.workspace.options import (
    CONFLICTS,
    LEFT,
    UPDATES,
    add_folder,
    add_template,
    counts,
    exit_code,
    named,
    opened,
    outcome_facts,
    outcome_lines,
    plan_facts,
    repeated,
    sign,
)

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Plan

DESCRIPTION = f"""\
Brings a workspace to a version of its template, as the policies of the template say. Files that
you changed stay; what is replaced or removed is backed up. An update that was interrupted is
finished first.

exit codes of --check and --dry-run:
  0    nothing to update
  {UPDATES}   there are updates
  {CONFLICTS}   there are conflicts: the template changed files that you changed too, or
       something is in the way
exit codes of an update:
  0    done
  {CONFLICTS}   done, and there are conflicts: your files stay, the template's lie in
       .NAME/incoming/VERSION/"""

EXAMPLES = (
    "update TEMPLATE --check",
    "update TEMPLATE --folder ~/course --dry-run",
    "update TEMPLATE --replace",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "update", run, "update a workspace", DESCRIPTION, examples)
    add_template(parser, program)
    add_folder(parser, program)
    look = parser.add_mutually_exclusive_group()
    look.add_argument("--check", action="store_true", help="say whether there are updates")
    look.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--replace", action="store_true", help="back up and replace files in conflict"
    )
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="take an earlier version of the template"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    workspace = opened(arguments)
    options = {"replace": arguments.replace, "allow_downgrade": arguments.allow_downgrade}
    if arguments.check or arguments.dry_run:
        plan = workspace.plan_update(arguments.template, **options)
        lines = check_lines(plan, arguments) if arguments.check else dry_run_lines(plan)
        facts = {**plan_facts("workspace update", plan), "applied": False}
        tell(arguments, facts, "\n".join(lines))
        return exit_code(plan)
    outcome = workspace.update(arguments.template, **options)
    facts = {**outcome_facts("workspace update", outcome), "applied": True}
    lines = outcome_lines(outcome, f".{workspace.name}")
    if not outcome.plan.updates and not outcome.plan.conflicts:
        lines.append(f"Nothing to update: this is {outcome.plan.to_version}")
    tell(arguments, facts, "\n".join(lines))
    return CONFLICTS if outcome.plan.conflicts or outcome.missed else 0


def versions(plan: Plan) -> str:
    """The line that says which versions meet."""
    return f"{sign('📦')}Package version: {plan.to_version} (you have {plan.from_version})"


def check_lines(plan: Plan, arguments: argparse.Namespace) -> list[str]:
    """What `--check` says."""
    lines = [versions(plan)]
    if plan.updates:
        lines.append(f"{sign('📝')}Available updates:")
        lines += [f"   {named(one)}" for one in plan.updates]
    if plan.conflicts:
        lines.append(f"{sign('⚠️ ')}Conflicts:")
        lines += [f"   {named(one)}" for one in plan.conflicts]
    held = [one for one in plan.changes if one.action.value == "hold"]
    if held:
        lines.append("Protected, not modified, safe to update on request:")
        lines += [f"   {named(one)}" for one in held]
    if plan.updates or plan.conflicts:
        apply, preview = (repeated(arguments, "update", *one) for one in ((), ("--dry-run",)))
        lines += ["", f"Run '{apply}' to apply, or '{preview}' to preview."]
    else:
        lines.append("Nothing to update")
    return lines


def dry_run_lines(plan: Plan) -> list[str]:
    """What `--dry-run` says."""
    lines = [versions(plan)]
    for change in plan.changes:
        state = change.state.value
        if change.is_update or change.is_conflict:
            moved = " move," if change.moved_from is not None else ""
            lines.append(f"would{moved} {change.action.value} {named(change)}")
        elif state in LEFT:
            lines.append(f"would leave {printable(change.path)}: {LEFT[state]}")
    lines.append(f"{counts(plan)}; nothing was changed")
    return lines
