"""Two outputs that appear together: a patch and the one that leads back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
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
    """Files for an output and, where one is asked for, its reverse, each as of `atomic_output`.

    After an error in the block both outputs are as they were. Both are whole on the disk before
    either takes its name, and the reverse is named first: where the output can be seen,
    its reverse can. What is left to fail between the two is a rename, or the process:
    then the reverse is new and the output is what it was. File objects get their content
    in the same order, and a write to the second may fail after that to the first.

    Raises:
        InputError: both are one file.
        IoError: writing failed.
    """
    if reverse is None:
        with atomic_output(output) as out:
            yield out, None
        return
    _check_different(output, reverse)
    with atomic_output(output) as out, atomic_output(reverse) as back:
        yield out, back
        with os_errors(output):
            out.flush()
            sync_open(out.fileno())


def _check_different(output: Output, reverse: Output) -> None:
    """Refuses two outputs of which one would replace the other.

    Raises:
        InputError: they are one file.
    """
    one, other = (
        os.path.realpath(path_name(one)) if isinstance(one, str | os.PathLike) else one
        for one in (output, reverse)
    )
    if one is other or one == other:
        raise InputError(f"the patch and its reverse would both go to {one!s:.200}; name two files")
