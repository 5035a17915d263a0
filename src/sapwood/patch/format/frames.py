"""Frames of zstd in a patch: what is wrong with one is wrong with the patch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sapwood.content.zstd import DamagedFrame
from sapwood.errors import InvalidPatch


@contextlib.contextmanager
def frame_errors(what: str) -> Iterator[None]:
    """Turns what is wrong with a frame into our error.

    Args:
        what: name of the frame's content.

    Raises:
        InvalidPatch: a frame in the block is damaged.
    """
    try:
        yield
    except DamagedFrame as e:
        raise InvalidPatch(f"damaged {what}: {e}; get the patch anew") from e
