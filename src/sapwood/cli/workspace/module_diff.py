"""`sapwood workspace module diff`: shows how a module's files differ from the template's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import printable, tell_json
from sapwood.cli.workspace.diffs import show_differences
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
    parser = add_command(commands, "diff", run, "show differences", DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument("module", metavar="NN", help="number or name of the module")
    add_folder(parser, program)
    add_downgrade(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    downgrade: bool = arguments.allow_downgrade
    found = opened(arguments).differences(
        arguments.template, arguments.module, allow_downgrade=downgrade
    )
    if arguments.json:
        listed = [
            {
                "path": one.path,
                "state": one.state.value,
                "lines": None if one.lines is None else list(one.lines),
            }
            for one in found
        ]
        tell_json(arguments, {"command": "workspace module diff", "differences": listed})
    elif not arguments.quiet and found:
        show_differences(found)
    elif not arguments.quiet:
        print(f"{printable(arguments.module)}: no difference")
    return UPDATES if found else 0
