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
        text: as it was written.
        names: of each part what matches it, None for `**`.
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
        return cls(text, tuple(None if one == ANY else _compiled(one) for one in parts))

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the whole path."""
        return self._from(path.split("/"))

    def _from(self, parts: list[str]) -> bool:
        # places: of the pattern's parts, up to which what was read of the path matches.
        places = self._spread({0})
        for part in parts:
            after = set()
            for place in places:
                if place == len(self.names):
                    continue
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
        """The places, and those behind each `**` that matches nothing more."""
        out = set()
        for place in places:
            out.add(place)
            at = place
            while at < len(self.names) and self.names[at] is None:
                at += 1
                out.add(at)
        return out


def _compiled(name: str) -> re.Pattern[str]:
    """What matches one name; letters count as they are written, whatever the system."""
    return re.compile(fnmatch.translate(name))
