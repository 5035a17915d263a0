"""Which files of a folder are a part of what it holds: all but litter, unless a caller says more.

Two that differ in this take one folder for two, and find other digests: all that reads folders as
models asks here. What a folder holds is for its reader to see; no disk is looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from sapwood.documents.litter import is_litter
from sapwood.documents.patterns import Pattern
from sapwood.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class FileSelection:
    """Which files of a folder are taken.

    Attributes:
        include: patterns of files that are taken in spite of the others, litter among them.
        exclude: patterns of files that are left out; of a folder, with all that is in it.
    """

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> FileSelection:
        """The selection by patterns as `documents.patterns` has them.

        Raises:
            InputError: one is no pattern, or something else than a list of them was given.
        """
        return cls(_parsed(include, "include"), _parsed(exclude, "exclude"))

    def skips(self, path: str) -> bool:
        """Whether a path is left out, and with it all that is below if it is of a folder."""
        return not self.include and self._is_out(path)

    def left_out(self, path: str) -> str | None:
        """With what a file is left out, or None of one that is taken.

        Returns:
            The path of the file, or of the uppermost folder on the way that is left out, with "/".
        """
        if any(one.matches(path) for one in self.include):
            return None
        return next((one for one in _from_above(path) if self._is_out(one.rstrip("/"))), None)

    def _is_out(self, path: str) -> bool:
        """Whether a path itself is left out as long as nothing includes it."""
        return is_litter(path) or any(one.matches(path) for one in self.exclude)


ALL_BUT_LITTER = FileSelection()


def _from_above(path: str) -> Iterator[str]:
    """The folders on the way to a file from the uppermost on, each with "/", and the file."""
    at = path.find("/")
    while at >= 0:
        yield path[: at + 1]
        at = path.find("/", at + 1)
    yield path


def _parsed(patterns: Sequence[str], what: str) -> tuple[Pattern, ...]:
    """Patterns of an argument of that name.

    Raises:
        InputError: they are none.
    """
    if isinstance(patterns, str) or not all(isinstance(one, str) for one in patterns):
        raise InputError(f"{what}: expected a list of patterns, found {patterns!r:.80}")
    try:
        return tuple(Pattern.of(one) for one in patterns)
    except ValueError as e:
        raise InputError(f"{what}: {e}") from e
