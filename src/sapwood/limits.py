"""What a caller allows: memory, threads, numbers within a range."""

from __future__ import annotations

import dataclasses
import os
import sys

from sapwood.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How much memory a reader allows, whatever a patch claims.

    Attributes:
        front: bytes of header, index and tables together, unpacked.
        chunk: bytes of one chunk of the target, or of the planes of one of blocks; several
            are in memory at once, at most two for each thread, each with up to four times
            as much for its decoding.
        factors: bytes of the factors of one tensor, four for each number; up to six
            times as much is in memory for each tensor that is being decoded, of which
            there is at most one for each thread and one more.
    """

    front: int = 256 << 20
    chunk: int = 64 << 20
    factors: int = 64 << 20
    tables: int | None = None


DEFAULT_LIMITS = Limits()


MOST_THREADS = 256


def check_range(value: object, least: int, most: int, what: str) -> None:
    """Refuses what a caller gave in place of a whole number between two others.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    if not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"expected {what} from {least} to {most}, found {value!r}")


def thread_count(threads: int | None) -> int:
    """The number of threads to use: as asked, or one for each processor we may run on.

    No more than `MOST_THREADS`, whatever was asked for: each takes memory for a chunk,
    and beyond the processors none of them helps.

    Raises:
        InputError: fewer than one asked for.
    """
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    check_range(threads, 1, sys.maxsize, "threads")
    return min(threads, MOST_THREADS)
