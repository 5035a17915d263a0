"""Names that a caller may have meant, of tensors that there are: a hint in an error."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Collection

MOST_SHOWN = 3
MOST_COMPARED = 1000  # names, those of the nearest length; a tenth of a second
LONGEST = 128  # letters of a name that is compared: it takes time with their square


def near_names(name: str, known: Collection[str]) -> str:
    """What to say of names that are like one that there is not; empty where none is.

    Args:
        name: the name that was asked for.
        known: the names that there are.
    """
    if len(name) > LONGEST:
        return ""
    short = (one for one in known if len(one) <= LONGEST)
    likely = heapq.nsmallest(MOST_COMPARED, short, key=lambda one: abs(len(one) - len(name)))
    near = difflib.get_close_matches(name, likely, n=MOST_SHOWN)
    return f"; near: {', '.join(map(repr, near))}" if near else ""
