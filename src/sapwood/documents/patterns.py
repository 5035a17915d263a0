"""Patterns over relative POSIX paths.

`*`, `?` and `[...]` match within one name, `**` matches any number of whole names, none
included. A pattern matches the whole path; one that ends in `/` matches all below it.
Matching takes time in proportion to the names of both, whatever the pattern: the
standard library's translation does not backtrack, and `**` is tried once a place.

Case counts as it is written, on every system. What a path may be is `documents.paths`; no folder
is looked at here.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re

MOST_LETTERS = 1024
ANY = "**"


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, parsed.

    Attributes:
        text: the pattern as it was written.
        names: for each part the expression that matches a name, None for `**`.
    """

    text: str
    names: tuple[re.Pattern[str] | None, ...] = dataclasses.field(repr=False)

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Parses a pattern.

        Raises:
            ValueError: it is empty, too long, absolute, or has an empty name in it.
        """
        if not text or len(text) > MOST_LETTERS:
            raise ValueError(f"expected a pattern of 1 to {MOST_LETTERS} letters")
        parts = (text + ANY if text.endswith("/") else text).split("/")
        if any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"expected a relative pattern such as 'tests/**', found {text!r:.80}")
        followed = zip(parts, [*parts[1:], ""], strict=True)
        kept = [one for one, after in followed if one != ANY or after != ANY]  # as one of a row
        # No function of `fnmatch` that matches: they fold case where the system does.
        names = (None if one == ANY else re.compile(fnmatch.translate(one)) for one in kept)
        return cls(text, tuple(names))

    @property
    def steps(self) -> int:
        """The most steps that matching takes for each name of a path."""
        free = next((place for place, one in enumerate(self.names) if one is None), None)
        return 1 if free is None else len(self.names) - free + 1

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the whole path."""
        # How many of the pattern's parts may have matched what was read of the path.
        places = self._spread({0})
        for part in path.split("/"):
            after = set()
            for place in places - {len(self.names)}:
                name = self.names[place]
                if name is None:
                    after.add(place)
                elif name.match(part):
                    after.add(place + 1)
            places = self._spread(after)
            if not places:
                return False
        return len(self.names) in places

    def _spread(self, places: set[int]) -> set[int]:
        """The places, and those behind each `**`, which may match nothing more."""
        last = len(self.names)
        return places | {one + 1 for one in places if one < last and self.names[one] is None}
