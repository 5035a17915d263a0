"""`sapwood workspace`: folders made from a template that their users own; a file a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.arguments import Parser
from sapwood.cli.workspace.author import workspace_cli
from sapwood.cli.workspace.commands import add_commands
from sapwood.cli.workspace.program import Program, commands_text

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

__all__ = ["add_to", "workspace_cli"]

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
    """Adds the commands."""
    program = Program()
    parser = commands.add_parser(
        "workspace",
        help="make and update folders that their users own",
        description=DESCRIPTION,
        epilog=commands_text(EXAMPLES),
    )
    parser.set_defaults(program=program)
    below = parser.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser, title="commands"
    )
    add_commands(below, program)
