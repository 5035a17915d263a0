"""`sapwood workspace update`: brings a workspace to another version of its template."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell
from sapwood.cli.workspace.courses import add_config
from sapwood.cli.workspace.options import (
    CONFLICTS,
    UPDATES,
    add_downgrade,
    add_folder,
    add_template,
    opened,
)
from sapwood.cli.workspace.plans import (
    check_lines,
    dry_run_lines,
    exit_code,
    outcome_lines,
)

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

DESCRIPTION = f"""\
Brings a workspace to a version of its template, as the policies of the template say. Files that
you changed stay; what is replaced or removed is backed up. An update that was interrupted is
finished first.

--module is for the files of one module alone, protected ones too: what the template changed is
updated, what you changed as well is backed up and replaced, what you deleted comes back, and what
only you changed stays.

--merge is for notebooks that both you and the template changed: exercises keep what you wrote,
locked cells are the template's, other cells are taken from whoever changed them. What both changed
stays yours, and is told.

exit codes of --check and --dry-run:
  0    nothing to update
  {UPDATES}   there are updates
  {CONFLICTS}   there are conflicts: the template changed files that you changed too,
       something is in the way, or the template has a file only as a patch from another version
exit codes of an update:
  0    done
  {CONFLICTS}   done, and there are conflicts: your files stay, the template's lie in
       .NAME/incoming/VERSION/; of files that the template has only as patches only yours"""

EXAMPLES = (
    "update TEMPLATE --check",
    "update TEMPLATE --folder ~/course --dry-run",
    "update TEMPLATE --replace",
    "update TEMPLATE --merge",
    "update TEMPLATE --module 05",
    "update TEMPLATE --config course.yml",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "update", _run, "update a workspace", DESCRIPTION, examples)
    add_template(parser, program)
    add_folder(parser, program)
    add_config(parser)
    look = parser.add_mutually_exclusive_group()
    look.add_argument("--check", action="store_true", help="say whether there are updates")
    look.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--replace", action="store_true", help="back up and replace files in conflict"
    )
    parser.add_argument(
        "--merge", action="store_true", help="back up notebooks in conflict and merge them by cell"
    )
    parser.add_argument("--module", metavar="NN", help="number or name of a module to update alone")
    add_downgrade(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood.workspace import UpdateRequest

    workspace, config = opened(arguments), arguments.config
    request = UpdateRequest(
        module=arguments.module,
        replace=arguments.replace,
        merge=arguments.merge,
        allow_downgrade=arguments.allow_downgrade,
    )
    if arguments.check or arguments.dry_run:
        plan = workspace.plan_update(arguments.template, request, config=config)
        lines = check_lines(plan, arguments) if arguments.check else dry_run_lines(plan)
        facts = {"command": "workspace update", **plan.to_json(), "applied": False}
        tell(arguments, facts, "\n".join(lines))
        return exit_code(plan)
    outcome = workspace.update(arguments.template, request, config=config)
    facts = {"command": "workspace update", **outcome.to_json(), "applied": True}
    tell(arguments, facts, "\n".join(outcome_lines(outcome, workspace.name, arguments)))
    return 0 if outcome.is_clean else CONFLICTS
