"""The program: parses, runs one command, and turns what goes wrong into a line and a code."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence

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
from sapwood.cli.arguments import Parser, Version
from sapwood.cli.failures import INTERRUPTED, exit_codes, from_os_error, report, report_interrupt
from sapwood.cli.interrupts import Interrupted, interruptible
from sapwood.cli.reports import discard_stdout, tolerant_output
from sapwood.errors import InputError, LimitExceeded, SapwoodError

COMMANDS = (
    *(create, apply, roll_back, inspect, verify, diff, extract_adapter),
    *(keygen, sign, fingerprint, chain, plan, completion, workspace),
)
READER_LEFT = 141  # what a shell says of a program that wrote to a pipe nobody reads


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: after `--help` and `--version`.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = before_parsing(words)
    tolerant_output()
    try:
        with interruptible():
            arguments = parser().parse_args(words)
            code: int = runner(arguments)(arguments)
            sys.stdout.flush()
            return code
    except SapwoodError as e:
        return report(e, arguments)
    except BrokenPipeError:
        discard_stdout()
        return READER_LEFT
    except OSError as e:
        discard_stdout()
        return report(from_os_error(e), arguments)
    except MemoryError:
        return report(LimitExceeded("out of memory; use fewer --threads"), arguments)
    except Interrupted as e:
        return report_interrupt(e.number, arguments)


def runner(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """What runs a command: itself, or for many files the batch that runs it for each.

    Raises:
        InputError: an option of a batch, and no batch.
    """
    if not getattr(arguments, "keep_going", False):
        if getattr(arguments, "jobs", None) is not None:
            raise InputError("--jobs is of many files; add --keep-going, or leave it out")
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run
    from sapwood.cli import batch

    return batch.run


def before_parsing(words: Sequence[str]) -> argparse.Namespace:
    """What must be known to report an error in the arguments themselves."""
    to_stdout = "--out=-" in words or ("--out", "-") in itertools.pairwise(words)
    return argparse.Namespace(json="--json" in words, out="-" if to_stdout else None)


def parser() -> Parser:
    """The whole command line."""
    program = Parser(
        prog="sapwood",
        description="Patches from one version of a tensor or model to the next, bit for bit.",
        epilog=f"exit codes:\n{exit_codes()}\n  {INTERRUPTED:<5}interrupted (^C)\n\n"
        "'sapwood COMMAND --help' shows the options of a command, and examples.",
    )
    program.add_argument("--version", action=Version, help="print the version and exit")
    commands = program.add_subparsers(
        metavar="COMMAND", required=True, parser_class=Parser, title="commands"
    )
    for command in COMMANDS:
        command.add_to(commands)
    return program
