"""What the harness asks of a codec that it measures.

A peer works from file to file, in a process of its own. It is made with the
number of threads that it may use and a folder for what it keeps between calls;
what a user of it would hold already (an archive or a database of the base) is
made by `prepare`, which is not timed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar


class Unsuitable(Exception):
    """The peer has no way to patch this pair, by its design or its format."""


class Peer(ABC):
    """One codec with one setting.

    Attributes:
        name: as it stands in the tables.
        package: the distribution whose version is printed.
        threaded: whether it can use more than one thread; if not, it is
            measured on one core only.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    threaded: ClassVar[bool] = False

    def __init__(self, threads: int, work: Path) -> None:
        self.threads = threads
        self.work = work

    def version(self) -> str:
        return version(self.package)

    def prepare(self, base: Path) -> None:  # noqa: B027 (most peers hold nothing)
        """Makes what a user holds before there is a patch; not timed, not counted."""

    @abstractmethod
    def create(self, base: Path, target: Path, patch: Path) -> None:
        """Writes the patch from base to target.

        Raises:
            Unsuitable: the pair is outside what the peer can do.
        """

    @abstractmethod
    def apply(self, base: Path, patch: Path, out: Path) -> None:
        """Writes the target, from the base and the patch alone."""
