"""The commands of workspaces, for any program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.workspace import backups, data, diff, doctor, init, module, status, update

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

COMMANDS = (init, update, diff, module, status, doctor, data, backups)


def add_commands(commands: Commands, program: Program) -> None:
    """Adds the commands of a program."""
    for command in COMMANDS:
        command.add_to(commands, program)
