"""What a file of a package is: its canonical hash, and whether it is executable."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What makes two versions of a file the same or not.

    Attributes:
        hash: canonical, as `canonical.content_hash` gives it.
        executable: whether its owner may run it.
    """

    hash: str
    executable: bool = False
