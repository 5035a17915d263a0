"""`sapwood workspace diff`: shows how files of the user's differ from the template's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.workspace.diffs import tell_differences
from sapwood.cli.workspace.options import UPDATES, add_downgrade, add_folder, add_template, opened

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

DESCRIPTION = f"""\
Shows how your files differ from the template's: what is yours (-) and what the template has (+),
whatever an update would do about it. Of notebooks the cells are compared, not their outputs. On a
terminal it goes through the program that PAGER names, if it names one.

exit codes:
  0    no difference
  {UPDATES}   there are differences"""

EXAMPLES = ("diff TEMPLATE", "diff TEMPLATE milestones/01_first.py README.md")


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "diff", _run, "show differences", DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="to compare, from the workspace's folder or from this one (default: all)",
    )
    add_folder(parser, program)
    add_downgrade(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    workspace, files = opened(arguments), arguments.files
    found = workspace.differences(
        arguments.template, paths=files or None, allow_downgrade=arguments.allow_downgrade
    )
    tell_differences(arguments, "workspace diff", found, ", ".join(files) or workspace.name)
    return UPDATES if found else 0
