"""`sapwood workspace init`: makes a workspace."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, printable, tell
from sapwood.cli.workspace.courses import add_config, in_brackets
from sapwood.cli.workspace.options import CONFLICTS, add_template, sign
from sapwood.cli.workspace.plans import done_lines

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

DESCRIPTION = f"""\
Makes a workspace from a template. Files that are in the folder already stay; where the template
has another of the same name, it goes to .NAME/incoming/. With --config it is the workspace of a
course: chosen modules, in the course's order, and extra assignments.

exit code {CONFLICTS}: the workspace is made, and files of the template went to incoming/."""

EXAMPLES = (
    "init TEMPLATE course",
    "init TEMPLATE course --config course.yml",
    "init TEMPLATE ~/course --json | jq .to_version",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.0.0.zip")
    parser = add_command(commands, "init", _run, "make a workspace", DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", default=".", help="to make (default: this folder)"
    )
    add_config(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood.workspace import Workspace

    workspace, outcome = Workspace.init(
        arguments.folder, arguments.template, config=arguments.config
    )
    facts = {"command": "workspace init", **outcome.to_json(), "folder": str(workspace.root)}
    plan = outcome.plan
    left = [line for line in done_lines(outcome, workspace.name) if "Added" not in line]
    done = (
        f"{sign('✅')}Made {printable(str(workspace.root))} from {plan.template} "
        f"{plan.to_version}{in_brackets(plan.course)}: {count(len(plan.updates), 'file')}"
    )
    tell(arguments, facts, "\n".join([*left, done]))
    return CONFLICTS if plan.conflicts else 0
