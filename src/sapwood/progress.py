"""Progress of several pieces of work, one after another, told as of one."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears how much is done, in bytes of the target; called from the caller's thread."""

    def __call__(self, done: int, total: int) -> None:
        """Bytes done so far, of all."""


def silent(done: int, total: int) -> None:
    """The progress of nobody who listens."""


class Stages:
    """Hands out a progress for each stage, and tells the whole."""

    def __init__(self, total: int, progress: Progress) -> None:
        """Starts before the first stage.

        Args:
            total: bytes of all stages together.
            progress: who listens.
        """
        self._total = total
        self._progress = progress
        self._begun = 0

    def stage(self, size: int) -> Progress:
        """The progress of the next stage, which is so many bytes of the whole."""
        begin = self._begun
        self._begun += size

        def tell(done: int, total: int) -> None:
            self._progress(begin + (size * done // total if total else size), self._total)

        return tell
