"""Two outputs that appear together: a patch and the one that leads back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import IO

from sapwood.errors import InputError
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import sync_open


@contextlib.contextmanager
def output_and_reverse(
    output: Output, reverse: Output | None
) -> Iterator[tuple[IO[bytes], IO[bytes] | None]]:
    """As `_paired_outputs`, or `atomic_output` where no reverse is asked for."""
    if reverse is None:
        with atomic_output(output) as out:
            yield out, None
    else:
        with _paired_outputs(output, reverse) as both:
            yield both


@contextlib.contextmanager
def _paired_outputs(output: Output, reverse: Output) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Files for an output and its reverse; each as `atomic_output`.

    After an error in the block both are as they were. Both are whole on the disk before
    either takes its name, and the reverse is named first: where the output can be seen,
    its reverse can. What is left to fail between the two is a rename, or the process:
    then the reverse is new and the output is what it was. File objects get their content
    in the same order, and a write to the second may fail after that to the first.

    Raises:
        InputError: both are one.
        IoError: writing failed.
    """
    _check_different(output, reverse)
    with atomic_output(output) as out, atomic_output(reverse) as back:
        yield out, back
        with os_errors(output):
            out.flush()
            sync_open(out.fileno())


def check_reversible(bases: Sequence[object]) -> None:
    """Refuses a reverse of a patch of several bases.

    Raises:
        InputError: there are several.
    """
    if len(bases) > 1:
        raise InputError(f"nothing leads back to {len(bases)} bases at once; leave the reverse out")


def _check_different(output: Output, reverse: Output) -> None:
    """Refuses two outputs of which one would replace the other.

    Raises:
        InputError: they are one file.
    """
    paths = [
        os.path.realpath(path_name(one)) if isinstance(one, str | os.PathLike) else one
        for one in (output, reverse)
    ]
    if paths[0] is paths[1] or paths[0] == paths[1]:
        raise InputError(
            f"the patch and its reverse would both go to {paths[0]!s:.200}; name two files"
        )
