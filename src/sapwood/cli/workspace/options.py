"""What the commands of workspaces have in common: options, exit codes, signs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from sapwood.cli.arguments import Parser
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Workspace

UPDATES = 20  # exit code: there are updates, and nothing is in conflict
CONFLICTS = 21  # exit code: the user has to look at something
PROBLEMS = 22  # exit code: something is wrong

TEMPLATE = (
    "folder or archive (zip, tar, tar.gz, tar.zst) with a sapwood-template.toml, dist:NAME, or "
    "oci:FOLDER[:TAG] in an OCI image layout"
)


def add_template(parser: Parser, program: Program) -> None:
    """The template: an argument, but for a program that is for one."""
    if program.is_bound:
        parser.set_defaults(template=program.template)
    else:
        parser.add_argument("template", metavar="TEMPLATE", help=TEMPLATE)


def add_folder(parser: Parser, program: Program) -> None:
    """The options that name a workspace."""
    parser.add_argument(
        "--folder", metavar="FOLDER", help="the workspace (default: the one that this folder is in)"
    )
    if not program.is_bound:
        parser.add_argument(
            "--name", metavar="NAME", help="the template, where a folder is a workspace of several"
        )


def opened(arguments: argparse.Namespace) -> Workspace:
    """The workspace that the options name."""
    from sapwood.workspace import Workspace

    program: Program = arguments.program
    name = program.template_name() if program.is_bound else arguments.name
    if arguments.folder is None:
        return Workspace.find(".", name)
    return Workspace.open(arguments.folder, name)


def add_downgrade(parser: Parser) -> None:
    """The option `--allow-downgrade`."""
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="take an earlier version of the template"
    )


def repeated(
    arguments: argparse.Namespace, command: str, *options: str, module: str | None = None
) -> str:
    """A command for the same template and workspace, as the user can type it.

    Args:
        arguments: options of the command that was typed.
        command: words of the command to type, as 'update'.
        options: options that come last.
        module: number or name of the module, of a command that is for one.
    """
    program: Program = arguments.program
    words = command.split()
    if not program.is_bound:
        words.append(str(arguments.template))
    if module is not None:
        words.append(module)
    if arguments.folder is not None:
        words += ["--folder", arguments.folder]
    return program.typed(*words, *options)


def sign(symbol: str) -> str:
    """A symbol before a line, on a terminal only: pipes get plain words."""
    return f"{symbol} " if sys.stdout.isatty() else ""
