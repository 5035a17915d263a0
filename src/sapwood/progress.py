"""Who listens to work that takes long: to how far it is, and to what happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias


class Progress(Protocol):
    """Hears how much is done, in bytes of the target; called from the caller's thread."""

    def __call__(self, done: int, total: int) -> None:
        """Hears that `done` bytes of `total` are done."""


def silent(done: int, total: int) -> None:
    """The progress of nobody who listens."""


Notes: TypeAlias = Callable[[str], object]
"""Hears in words what somebody may want to know of work that goes on, as that a server failed."""


def unheard(text: str) -> None:
    """The notes of nobody who listens."""


class Stages:
    """Hands out a progress for each stage, and tells the whole."""

    def __init__(self, total: int, progress: Progress) -> None:
        """Starts before the first stage.

        Args:
            total: bytes of all stages together.
            progress: the listener to the whole.
        """
        self._total = total
        self._progress = progress
        self._begun = 0

    def stage(self, size: int) -> Progress:
        """The progress of the next stage, which is `size` bytes of the whole."""
        begin = self._begun
        self._begun += size

        def tell(done: int, total: int) -> None:
            self._progress(begin + (size * done // total if total else size), self._total)

        return tell
