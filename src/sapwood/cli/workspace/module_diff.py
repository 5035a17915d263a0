"""`sapwood workspace module diff`: shows how a module's files differ from the template's."""

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
Shows how your files of a module differ from the template's: what 'module reset' would take away
(-) and bring (+). Of notebooks the cells are compared, not their outputs. On a terminal it goes
through the program that PAGER names, if it names one.

exit codes:
  0    no difference
  {UPDATES}   there are differences"""

EXAMPLES = ("module diff TEMPLATE 05", "module diff TEMPLATE autograd --folder ~/course")


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "diff", _run, "show differences", DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument("module", metavar="NN", help="number or name of the module")
    add_folder(parser, program)
    add_downgrade(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    downgrade: bool = arguments.allow_downgrade
    found = opened(arguments).differences(
        arguments.template, arguments.module, allow_downgrade=downgrade
    )
    tell_differences(arguments, "workspace module diff", found, arguments.module)
    return UPDATES if found else 0
