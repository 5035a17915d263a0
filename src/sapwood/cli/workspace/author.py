"""Gives the author of a template a console program of its own name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import NoReturn

from sapwood.cli.arguments import Parser
from sapwood.cli.failures import INTERRUPTED, exit_codes
from sapwood.cli.running import run_command
from sapwood.cli.workspace.commands import add_commands
from sapwood.cli.workspace.doctor import PROBLEMS
from sapwood.cli.workspace.options import CONFLICTS, UPDATES
from sapwood.cli.workspace.program import Program
from sapwood.errors import BatchFailed, InvalidJournal, SignatureError

ELSEWHERE = (SignatureError, BatchFailed, InvalidJournal)  # of patches, of which nobody asks here
FOUND = f"""\
  {UPDATES}   of a workspace: there are updates, differences, or modules to export
  {CONFLICTS}   of a workspace: there are conflicts, or something is in the way
  {PROBLEMS}   of a workspace: doctor found problems"""


def workspace_cli(
    prog: str, template: str | os.PathLike[str], *, description: str | None = None
) -> Callable[[Sequence[str] | None], int]:
    """The console program of a template.

        # course/cli.py; in pyproject.toml: [project.scripts] tito = "course.cli:main"
        from sapwood.cli import workspace_cli

        main = workspace_cli("tito", "dist:our-course")

    Nothing is read before the program runs.

    Args:
        prog: its name, as users type it.
        template: `dist:NAME` for the template in an installed distribution, or the path
            of a folder or an archive.
        description: for its `--help`, a line or a paragraph.

    Returns:
        A function that takes the arguments (by default those of the process) and returns
        the exit code, as `sapwood.cli.main` does.
    """
    bound = Program(prog, template)
    about = f"Your copy of {prog}: yours to edit, and updated without touching what you wrote."

    def parser() -> Parser:
        program = Parser(
            prog=prog,
            description=description or about,
            epilog=f"exit codes:\n{exit_codes(ELSEWHERE)}\n{FOUND}\n"
            f"  {INTERRUPTED:<5}interrupted (^C)\n\n"
            f"'{prog} COMMAND --help' shows the options of a command, and examples.",
        )
        program.set_defaults(program=bound)
        program.add_argument("--version", action=TemplateVersion, help="print the version and exit")
        commands = program.add_subparsers(
            metavar="COMMAND", required=True, parser_class=Parser, title="commands"
        )
        add_commands(commands, bound)
        return program

    def main(argv: Sequence[str] | None = None) -> int:
        return run_command(parser, prog, argv)

    return main


class TemplateVersion(argparse.Action):
    """Prints the version of the program's template, and of what it runs on."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: object) -> None:
        """Takes no value."""
        super().__init__(option_strings, dest, nargs=0, help=str(options.get("help")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Prints it and exits."""
        from sapwood import __version__
        from sapwood.workspace import read_manifest

        program = parser.get_default("program")
        print(f"{parser.prog} {read_manifest(program.template).version} (sapwood {__version__})")
        parser.exit()
