"""What opens files elsewhere, by the schemes of their URLs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeGuard

from sapwood.errors import InputError
from sapwood.fetching.pace import DEFAULT_PACE, Pace
from sapwood.fetching.remote import Opener, Remote
from sapwood.fetching.urls import SCHEMES, scheme_of, shown


def _open_http(url: str, pace: Pace) -> Remote:
    """The file at a URL of the web. What speaks HTTP is imported when it is needed."""
    from sapwood.fetching.http import HttpFile

    return HttpFile(url, pace)


OPENERS: Mapping[str, Opener] = MappingProxyType(dict.fromkeys(SCHEMES, _open_http))


@dataclasses.dataclass(frozen=True, slots=True)
class Fetching:
    """How files elsewhere are brought.

    Attributes:
        openers: what opens the files of each scheme, by the scheme in small letters.
        pace: how patiently the files are asked for.
    """

    openers: Mapping[str, Opener] = dataclasses.field(default_factory=lambda: OPENERS)
    pace: Pace = DEFAULT_PACE

    def is_url(self, source: object) -> TypeGuard[str]:
        """Whether a source is text with a scheme of which files can be opened, and a colon.

        A file here of such a name is meant by a `Path` of it, or by ./ before it.
        """
        return scheme_of(source) in self.openers

    def open(self, url: str) -> Remote:
        """The file that a URL leads to, which the caller closes.

        Raises:
            InputError: the URL, or a setting of the environment, is of no use, or a library
                that opens it is not installed.
            IoError: there is no such file, or it cannot be had.
        """
        opener = self.openers.get(scheme_of(url))
        if opener is None:
            expected = ", ".join(self.openers)
            raise InputError(f"{shown(url)}: expected a URL of {expected}; check it")
        return opener(url, self.pace)


DEFAULT_FETCHING = Fetching()
