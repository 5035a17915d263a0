"""`sapwood workspace module`: commands for one module of a template; a file a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.arguments import examples_text
from sapwood.cli.workspace import module_diff, module_export, module_reset

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

COMMANDS = (module_reset, module_diff, module_export)
EXAMPLES = ("module reset TEMPLATE 05", "module diff TEMPLATE 05", "module export TEMPLATE 05")


def add_to(commands: Commands, program: Program) -> None:
    """Adds the commands."""
    below = commands.add_parser(
        "module",
        help="reset a module, show what you changed in it, export its code",
        description="Commands for one module.",
        epilog=examples_text(program.examples(*EXAMPLES, template="course-1.1.0.zip")),
    ).commands()
    for command in COMMANDS:
        command.add_to(below, program)
