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
        front: bytes of a patch's header, index and tables together, unpacked.
        chunk: bytes of one chunk of the target, or of the planes of one of blocks; several
            are in memory at once, at most two for each thread, each with up to four times
            as much for its decoding.
        factors: bytes of the factors of one tensor, four for each number; up to six
            times as much is in memory for each tensor that is being decoded, of which
            there is at most one for each thread and one more.
        tables: bytes of a patch's coding tables, unpacked; None for as many as `front`.
    """

    front: int = 256 << 20
    chunk: int = 64 << 20
    factors: int = 64 << 20
    tables: int | None = None


DEFAULT_LIMITS = Limits()


@dataclasses.dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much a reader of archives and packages allows, whatever they claim.

    Attributes:
        entries: files of a package, wherever it lies; entries of an archive, folders among them.
        size: bytes of all files of a package, and of a tar as it is unpacked to a temporary file.
        directory: bytes of the directory of a zip, and of all names in a tar.
        window: bytes of memory that a frame of zstd may ask for as its window, rounded down to a
            power of two.
    """

    entries: int = 100_000
    size: int = 64 << 30
    directory: int = 32 << 20
    window: int = 64 << 20


DEFAULT_ARCHIVE_LIMITS = ArchiveLimits()

MOST_THREADS = 256


def check_range(value: object, least: int, most: int, what: str) -> None:
    """Refuses what a caller gave unless it is a whole number from `least` to `most`.

    Args:
        value: the caller's.
        least: the smallest number that is allowed.
        most: the greatest one.
        what: name of the number, for errors.

    Raises:
        InputError: the value is no whole number, or out of range.
    """
    if not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"expected {what} from {least} to {most}, found {value!r}")


def thread_count(threads: int | None) -> int:
    """The number of threads to use.

    Args:
        threads: the number that the caller wants, or None for one for each processor that the
            process may run on. More than `MOST_THREADS` are not used: each takes memory for a
            chunk, and beyond the processors none of them helps.

    Raises:
        InputError: the number is less than one, or no whole number.
    """
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    check_range(threads, 1, sys.maxsize, "threads")
    return min(threads, MOST_THREADS)
