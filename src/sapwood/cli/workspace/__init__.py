"""`sapwood workspace`: folders made from a template that their users own; a file a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.arguments import examples_text
from sapwood.cli.workspace import backups, data, diff, doctor, init, module, status, update
from sapwood.cli.workspace.program import Program

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

COMMANDS = (init, update, diff, module, status, doctor, data, backups)

DESCRIPTION = """\
Makes a workspace from a template, and brings it to later versions without touching what its
user wrote. A template is a folder or archive with a sapwood-template.toml, dist:NAME for the
one in an installed distribution, or oci:FOLDER:TAG for one in an OCI image layout. Without
--folder, commands are for the workspace that this folder is in."""

EXAMPLES = (
    "sapwood workspace init course-1.0.0.zip course",
    "sapwood workspace update course-1.1.0.zip --folder course --check",
    "sapwood workspace backups list --folder course",
)


def add_to(commands: Commands) -> None:
    """Adds the command and those below it."""
    program = Program()
    parser = commands.add_parser(
        "workspace",
        help="make and update folders that their users own",
        description=DESCRIPTION,
        epilog=examples_text(EXAMPLES),
    )
    parser.set_defaults(program=program)
    add_commands(parser.commands(), program)


def add_commands(commands: Commands, program: Program) -> None:
    """Adds the commands of a program: of `sapwood`, or of an author's own."""
    for command in COMMANDS:
        command.add_to(commands, program)
