"""Writes a finished patch: what comes last is known first, and stands first."""

from __future__ import annotations

from typing import IO

from sapwood.errors import InputError, LimitExceeded
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.format.parsing import parse_front

STRIPE = 1 << 20  # bytes read back from the spool at once


def write_patch(front: bytes, spool: IO[bytes], out: IO[bytes], chunk_size: int) -> int:
    """Writes the front and then the payloads that wait in the spool file.

    The front is parsed once more: what was made can be opened, with the limits that
    every reader has by default, or with chunks as large as they were asked for.

    Args:
        front: of `serialise_front`.
        spool: all payloads, read from its beginning.
        out: positioned where the patch is to begin; may take less than it is given.
        chunk_size: bytes of target a chunk, as asked for.

    Returns:
        Bytes written.

    Raises:
        InputError: the front is larger than readers allow. Nothing was written.
        OSError: from either file.
    """
    try:
        parse_front(front, Limits(chunk=max(chunk_size, DEFAULT_LIMITS.chunk)))
    except LimitExceeded as e:
        raise InputError(
            f"{e}: nobody could open the patch; use a larger chunk_size, or low_rank=False"
        ) from e
    write_all(out, memoryview(front))
    written = len(front)
    spool.seek(0)
    while stripe := spool.read(STRIPE):
        write_all(out, memoryview(stripe))
        written += len(stripe)
    return written
