"""What a message may hold, whatever it speaks of: names from outside come into all of them."""

from __future__ import annotations

import re

MOST_LETTERS = 2000  # of a message
LAST_LETTERS = 400  # of a longer one that are kept: they say what to do
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}:/+)([^\s'\"]+)")
PUNCTUATION = ":;,."  # that may follow a URL in a sentence
WORD_ENDS = " \t\r\n'\""  # none of them is in what `URL` finds


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
    """The beginning and the end of a long text, and nothing of a URL that a cut goes through.

    Of a part of one nobody could tell what is secret.
    """
    if len(text) <= MOST_LETTERS:
        return text
    first, last = MOST_LETTERS - LAST_LETTERS - 5, len(text) - LAST_LETTERS
    mark = _url_across(text, first)
    beginning = text[:first] if mark is None else text[:mark]
    if _url_across(text, last) is not None:
        ends = [text.find(one, last) for one in WORD_ENDS]
        last = min((end for end in ends if end >= 0), default=len(text))
    return f"{beginning} ... {text[last:]}"


def _url_across(text: str, cut: int) -> int | None:
    """Where a URL has its colon that may go on behind a cut; None where there is none.

    Args:
        text: the text.
        cut: offset of the first letter behind the cut.
    """
    begin = max(text.rfind(one, 0, cut) for one in WORD_ENDS) + 1
    mark = text.find(":/", begin, cut + 2)  # one that the cut goes through is one too
    return None if mark < 0 else mark


def _without_secrets(found: re.Match[str]) -> str:
    """A URL as it may be shown; one that is shown so already stays as it is.

    A net below `fetching.urls.shown`, which knows where a URL ends: here it stands in a sentence.
    """
    scheme, rest = found.groups()
    place = rest.rstrip(PUNCTUATION)
    after = rest[len(place) :]
    place = place.rpartition("@")[2]
    if place.endswith("?") and after.startswith("..."):
        return f"{scheme}{place}{after}"
    before, mark, _ = place.partition("#")[0].partition("?")
    return f"{scheme}{before}{'?...' if mark else ''}{after}"
