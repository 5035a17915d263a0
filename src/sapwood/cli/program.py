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
from sapwood.cli.arguments import Parser
from sapwood.cli.running import run_command
from sapwood.cli.workspace.program import new_parser

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
    about = "Patches from one version of a tensor or model to the next, bit for bit."
    program = new_parser("sapwood", about, _version)
    program.set_defaults(parser=program)  # which `completion` goes through
    commands = program.commands()
    for command in COMMANDS:
        command.add_to(commands)
    return program


def _version() -> str:
    """The version of the package, which is not imported before it is asked for."""
    from sapwood import __version__

    return __version__
