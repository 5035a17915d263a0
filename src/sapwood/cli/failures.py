"""Errors as the user sees them: one line or one JSON object, and the exit code."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sapwood import errors
from sapwood.cli.arguments import STDIO
from sapwood.cli.reports import keeps, printable, program_of, tell_json
from sapwood.errors import (
    DtypeMismatch,
    InvalidModelFile,
    InvalidPatch,
    IoError,
    LimitExceeded,
    SapwoodError,
    ShapeMismatch,
    SignatureError,
    SourceHashMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.files import refusal

MOST_NAMED = 4  # files before a message
INTERRUPTED = 130  # by SIGINT; 128 and the number of any other signal

# The argument that names the file at fault: of these the first that the command has. Other
# errors name it themselves.
BASE, PATCH = ("base",), ("patch", "chain")
BLAMED: Mapping[type[SapwoodError], tuple[str, ...]] = {
    DtypeMismatch: BASE,
    InvalidModelFile: BASE,
    InvalidPatch: PATCH,
    LimitExceeded: PATCH,
    ShapeMismatch: BASE,
    SignatureError: PATCH,
    SourceHashMismatch: BASE,
    TargetHashMismatch: PATCH,
    UnsupportedType: BASE,
}

REMEDIES = {
    errno.EACCES: "check the permissions",
    errno.EDQUOT: "free some space or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f) or write elsewhere",
    errno.EISDIR: "name a file",
    errno.ENOENT: "check the path",
    errno.ENOSPC: "free some space or write elsewhere",
    errno.ENOTDIR: "check the path",
    errno.EPERM: "check the permissions",
    errno.EPIPE: "keep what reads it running",
    errno.EROFS: "write elsewhere",
}


def report(
    error: SapwoodError, arguments: argparse.Namespace, facts: Mapping[str, Any] | None = None
) -> int:
    """Prints an error.

    Args:
        error: what went wrong.
        arguments: options of the command.
        facts: JSON values to print beside the error with --json.

    Returns:
        The exit code.
    """
    message = printable(_located(error, arguments) + _remedy(error))
    _tell_failure(arguments, type(error).__name__, message, error.exit_code, facts or {})
    return error.exit_code


def report_interrupt(number: int, arguments: argparse.Namespace) -> int:
    """Prints that a signal ended the command, and returns the exit code."""
    code = 128 + number
    _tell_failure(arguments, "Interrupted", f"interrupted by signal {number}", code, {})
    return code


def _tell_failure(
    arguments: argparse.Namespace, kind: str, message: str, code: int, facts: Mapping[str, Any]
) -> None:
    """Prints one line, or one JSON object; of a file of a batch it is kept."""
    failure = {"kind": kind, "message": message, "exit_code": code}
    if keeps(arguments, {**facts, "error": failure}):
        return
    if arguments.json:
        tell_json(arguments, {**facts, "error": failure})
    else:
        print(f"{program_of(arguments)}: error: {message}", file=sys.stderr)


def _located(error: SapwoodError, arguments: argparse.Namespace) -> str:
    """The message, behind the name of the file at fault."""
    for kind in type(error).__mro__:
        for name in BLAMED.get(kind, ()):
            blamed = getattr(arguments, name, None)
            if blamed is not None:
                return f"{listed([blamed] if isinstance(blamed, str) else blamed)}: {error}"
    return str(error)


def listed(names: Sequence[str]) -> str:
    """Files for people; of many the first ones."""
    shown = [_without_secrets(name) for name in names[:MOST_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _without_secrets(name: str) -> str:
    """A file, or what of a URL may be printed."""
    if name == STDIO:
        return "<stdin>"
    if ":" not in name:
        return name
    from sapwood.cli.streams import shown_name

    return shown_name(name)


def _remedy(error: SapwoodError) -> str:
    """What to do where the operating system refused; our other errors say it themselves."""
    cause = error.__cause__
    if isinstance(error, IoError) and isinstance(cause, OSError) and cause.errno in REMEDIES:
        return f"; {REMEDIES[cause.errno]}"
    return ""


def from_os_error(error: OSError) -> IoError:
    """Ours, for what the operating system refused outside of the library: printing, mostly."""
    ours = refusal(error, "<stdout>")
    ours.__cause__ = error
    return ours


def exit_codes(without: Collection[type[SapwoodError]] = ()) -> str:
    """The list of exit codes, a line each, from the tree of errors.

    Args:
        without: errors that the program cannot meet.
    """
    lines = ["  0    done"]
    for kind in sorted(code_owners(SapwoodError), key=lambda one: one.exit_code):
        if kind in without:
            continue
        summary = (kind.__doc__ or kind.__name__).partition("\n")[0].rstrip(".")
        if kind is SapwoodError:
            summary = "Any other error"
        if kind is errors.InputError:
            summary += ", or usage"
        lines.append(f"  {kind.exit_code:<5}{summary[0].lower()}{summary[1:]}")
    return "\n".join(lines)


def code_owners(kind: type[SapwoodError]) -> Iterator[type[SapwoodError]]:
    """The classes that set an exit code of their own."""
    if "exit_code" in vars(kind):
        yield kind
    for below in kind.__subclasses__():
        yield from code_owners(below)
