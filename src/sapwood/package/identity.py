"""What a file is to whoever compares versions of it: a canonical hash, and whether it runs."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class FileIdentity:
    """What makes two versions of a file the same or not.

    Attributes:
        hash: canonical, as `canonical.content_hash` gives it.
        executable: whether its owner may run it.
    """

    hash: str
    executable: bool = False
