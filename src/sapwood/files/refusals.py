"""What the operating system refuses, as our error: translated once, where work begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sapwood.errors import IoError


@contextlib.contextmanager
def os_errors(what: object) -> Iterator[None]:
    """Turns what the operating system refuses into our error, with the file's name."""
    try:
        yield
    except OSError as e:
        raise IoError(f"{what}: {e.strerror or e}") from e


@contextlib.contextmanager
def system_errors(what: object) -> Iterator[None]:
    """Turns what the operating system refuses into our error, with the file's name.

    Args:
        what: is worked on, for refusals that name no file.

    Raises:
        IoError: something in the block was refused.
    """
    try:
        yield
    except OSError as e:
        raise IoError(f"{e.filename or what}: {e.strerror or e}") from e
