"""`sapwood workspace`: folders made from a template that their users own; a file a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.arguments import Parser
from sapwood.cli.workspace import backups, init, status, update

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Makes a workspace from a template, and brings it to later versions without touching what its
user wrote. A template is a folder or archive with a sapwood-template.toml, or dist:NAME for
the one in an installed distribution."""

EXAMPLES = (
    "sapwood workspace init course-1.0.0.zip course",
    "sapwood workspace update course-1.1.0.zip --folder course --check",
    "sapwood workspace backups list --folder course",
)


def add_to(commands: Commands) -> None:
    """Adds the commands."""
    parser = commands.add_parser(
        "workspace",
        help="make and update folders that their users own",
        description=DESCRIPTION,
        epilog="\n".join(["examples:", *(f"  {example}" for example in EXAMPLES)]),
    )
    below = parser.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser, title="commands"
    )
    for command in (init, update, status, backups):
        command.add_to(below)
