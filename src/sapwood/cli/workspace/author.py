"""Gives the author of a template a console program of its own name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from sapwood.cli.arguments import Parser
from sapwood.cli.running import run_command
from sapwood.cli.workspace import add_commands
from sapwood.cli.workspace.program import Program, new_parser
from sapwood.errors import BatchFailed, InvalidJournal, SignatureError

ELSEWHERE = (SignatureError, BatchFailed, InvalidJournal)  # of patches, of which nobody asks here


def workspace_cli(
    prog: str, template: str | os.PathLike[str], *, description: str | None = None
) -> Callable[[Sequence[str] | None], int]:
    """The console program of a template.

        # course/cli.py; in pyproject.toml: [project.scripts] tito = "course.cli:main"
        from sapwood.cli import workspace_cli

        main = workspace_cli("tito", "dist:our-course")

    Nothing is read before the program runs.

    Args:
        prog: name of the program, as users type it.
        template: `dist:NAME` for the template in an installed distribution, or the path
            of a folder or an archive.
        description: the text above the commands in `--help`, a line or a paragraph.

    Returns:
        A function that takes the arguments (by default those of the process) and returns
        the exit code, as `sapwood.cli.main` does.
    """
    bound = Program(prog, template)
    about = f"Your copy of {prog}: yours to edit, and updated without touching what you wrote."

    def version() -> str:
        from sapwood import __version__
        from sapwood.workspace import read_manifest

        return f"{read_manifest(template).version} (sapwood {__version__})"

    def parser() -> Parser:
        program = new_parser(prog, description or about, version, ELSEWHERE)
        program.set_defaults(program=bound)
        add_commands(program.commands(), bound)
        return program

    def main(argv: Sequence[str] | None = None) -> int:
        return run_command(parser, prog, argv)

    return main
