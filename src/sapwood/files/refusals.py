"""What the operating system refuses, as our error: translated here and nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sapwood.errors import IoError


@contextlib.contextmanager
def os_errors(what: object, *, hidden: bool = False) -> Iterator[None]:
    """Turns what the operating system refuses into our error, with the file's name.

    Args:
        what: the name of what the block works on, as its user knows it; told where a refusal
            names no file.
        hidden: whether `what` is told in any case, since the files in the block stand for it
            under names that its user never gave: hidden siblings, links that were resolved.

    Raises:
        IoError: something in the block was refused.
    """
    try:
        yield
    except OSError as e:
        raise refusal(e, what, hidden=hidden) from e


def refusal(error: OSError, what: object, *, hidden: bool = False) -> IoError:
    """Our error for one of the operating system's; other arguments as of `os_errors`."""
    name = what if hidden else error.filename or what
    return IoError(f"{name}: {error.strerror or error}")
