"""One line of the table of bars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """What is asked and what came out.

    Attributes:
        what: the bar in words; limit: what it asks, in print; measured: what
            came out, in print; met: None where there is nothing to judge.
    """

    what: str
    limit: str
    measured: str
    met: bool | None
