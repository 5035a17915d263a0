"""What a receiver says once for all patches that it takes: whom it trusts, what they may cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sapwood.errors import InputError
from sapwood.fetching.openers import DEFAULT_FETCHING, Fetching
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.models.receiving.memory import fitting_threads, within
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import Segment
from sapwood.progress import Progress, silent
from sapwood.trust import Trust


@dataclasses.dataclass(frozen=True, slots=True)
class Receiving:
    """How patches are received, the same for every function that takes one.

    Attributes:
        trust: whom the receiver trusts; a patch must be signed as that demands. None takes a
            patch from anybody. Keys in a patch are never trusted.
        limits: memory that a patch may ask for, whatever it claims.
        memory: bytes of anonymous memory that applying may take beyond what the process has
            when everything is imported, 16 MiB at least; None for what chunks and threads take.
            Fewer threads are used where that is needed; a patch that does not fit is refused
            before anything is decoded.
        threads: threads to use at once; None for one for each processor.
        progress: is told how many bytes of the target are done.
        download: is told how many bytes of a patch behind a URL are here.
        fetching: how a patch behind a URL is brought, by which openers and how patiently.

    Raises:
        InputError: a number is out of range.
    """

    trust: Trust | None = None
    limits: Limits = DEFAULT_LIMITS
    memory: int | None = None
    threads: int | None = None
    progress: Progress = silent
    download: Progress = silent
    fetching: Fetching = DEFAULT_FETCHING

    def __post_init__(self) -> None:
        within(self.memory, self.limits)
        thread_count(self.threads)

    @property
    def allowed(self) -> Limits:
        """The limits, none larger than the memory leaves room for."""
        return within(self.memory, self.limits)

    @property
    def most_threads(self) -> int:
        """How many threads there may be at once."""
        return thread_count(self.threads)

    def fitting(self, opened: OpenPatch, segments: Sequence[Segment] | None = None) -> int:
        """As many threads as have room in the memory while a patch is decoded.

        Args:
            opened: the patch, which is here.
            segments: those that are going to be decoded; all by default.

        Raises:
            LimitExceeded: there is not enough for one thread.
        """
        return fitting_threads(opened, self.memory, self.most_threads, segments)

    def unbounded(self, what: str) -> None:
        """Refuses a bound of memory where none can be kept.

        Args:
            what: the work that keeps none, in words.

        Raises:
            InputError: there is a bound.
        """
        if self.memory is not None:
            raise InputError(f"{what} keeps to no bound of memory; leave out memory")


ANYBODY = Receiving()
"""Takes patches from anybody, with what is allowed by default."""


def trusting(receiving: Receiving, public_key: bytes | Sequence[bytes] | None) -> Receiving:
    """The same with these keys to trust, for functions that take keys as a shorthand.

    Raises:
        InputError: a key is none, or `receiving` says already whom to trust.
    """
    if public_key is None:
        return receiving
    if receiving.trust is not None:
        raise InputError("expected public_key or receiving.trust, found both; give one of them")
    return dataclasses.replace(receiving, trust=Trust(public_key))
