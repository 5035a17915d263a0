"""Says of an error which of many files or links it is about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sapwood.errors import IoError, SapwoodError


@contextlib.contextmanager
def located(what: str | None) -> Iterator[None]:
    """Puts words before the message of what goes wrong in the block.

    Args:
        what: the words, or None where there is nothing to add. Errors of the operating
            system name their file already.

    Raises:
        SapwoodError: of the same class as what the block raised.
    """
    try:
        yield
    except SapwoodError as e:
        if what is None or isinstance(e, IoError):
            raise
        raise e.behind(what) from e
