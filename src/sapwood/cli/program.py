"""The program `sapwood`: its commands."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.cli import (
    apply,
    chain,
    completion,
    create,
    diff,
    extract_adapter,
    fingerprint,
    inspect,
    keygen,
    plan,
    roll_back,
    sign,
    verify,
    workspace,
)
from sapwood.cli.arguments import Parser, PrintVersion
from sapwood.cli.failures import INTERRUPTED, exit_codes
from sapwood.cli.running import run_command
from sapwood.cli.workspace.author import FOUND

COMMANDS = (
    *(create, apply, roll_back, inspect, verify, diff, extract_adapter),
    *(keygen, sign, fingerprint, chain, plan, completion, workspace),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: after `--help` and `--version`.
    """
    return run_command(parser, "sapwood", argv)


def parser() -> Parser:
    """The whole command line."""
    program = Parser(
        prog="sapwood",
        description="Patches from one version of a tensor or model to the next, bit for bit.",
        epilog=f"exit codes:\n{exit_codes()}\n{FOUND}\n  {INTERRUPTED:<5}interrupted (^C)\n\n"
        "'sapwood COMMAND --help' shows the options of a command, and examples.",
    )
    program.add_argument("--version", action=PrintVersion, help="print the version and exit")
    commands = program.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser, title="commands"
    )
    for command in COMMANDS:
        command.add_to(commands)
    return program
