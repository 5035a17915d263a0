"""Runs a command line, and turns what goes wrong into a line and a code."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence

from sapwood.cli.arguments import Parser
from sapwood.cli.failures import from_os_error, report, report_interrupt
from sapwood.cli.interrupts import Interrupted, interruptible
from sapwood.cli.reports import discard_stdout, tolerant_output
from sapwood.errors import InputError, LimitExceeded, SapwoodError

READER_LEFT = 141  # what a shell says of a program that wrote to a pipe nobody reads


def run_command(parser: Callable[[], Parser], prog: str, argv: Sequence[str] | None) -> int:
    """Parses arguments and runs the command that they name.

    Args:
        parser: makes the program's parser; called where its errors are reported.
        prog: name of the program.
        argv: the arguments after it; by default those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: after `--help` and `--version`.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = _before_parsing(words, prog)
    tolerant_output()
    try:
        with interruptible():
            arguments = parser().parse_args(words)
            arguments.prog = prog
            code: int = _runner(arguments)(arguments)
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


def _before_parsing(words: Sequence[str], prog: str) -> argparse.Namespace:
    """What must be known to report an error in the arguments themselves."""
    to_stdout = "--out=-" in words or ("--out", "-") in itertools.pairwise(words)
    return argparse.Namespace(json="--json" in words, out="-" if to_stdout else None, prog=prog)


def _runner(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
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
