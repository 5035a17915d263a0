"""What a message may hold, whatever it speaks of: names from outside come into all of them."""

from __future__ import annotations

import re

MOST_LETTERS = 2000  # of a message
LAST_LETTERS = 400  # of a longer one that are kept: they say what to do
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}:/+)([^\s'\"]+)")
PUNCTUATION = ":;,."  # that may follow a URL in a sentence


def presentable(message: str) -> str:
    """A message on one line, of at most `MOST_LETTERS`, without control characters and secrets.

    What would steer a terminal or forge a line of a log is escaped. Of URLs, and of what a path
    makes of one, user, password, query and fragment are left out.
    """
    text = URL.sub(_without_secrets, _shortened(message))
    if not text.isprintable():
        text = "".join(
            one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode()
            for one in text
        )
    return _shortened(text)


def _shortened(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= MOST_LETTERS:
        return text
    return f"{text[: MOST_LETTERS - LAST_LETTERS - 5]} ... {text[-LAST_LETTERS:]}"


def _without_secrets(found: re.Match[str]) -> str:
    """A URL as it may be shown; one that is shown so already stays as it is."""
    scheme, rest = found.groups()
    place = rest.rstrip(PUNCTUATION)
    after = rest[len(place) :]
    place = place.rpartition("@")[2]
    if place.endswith("?") and after.startswith("..."):
        return f"{scheme}{place}{after}"
    before, mark, _ = place.partition("#")[0].partition("?")
    return f"{scheme}{before}{'?...' if mark else ''}{after}"
