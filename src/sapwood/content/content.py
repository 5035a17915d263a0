"""Content: bytes that are read by slices, wherever they lie."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]


class Content(Protocol):
    """Bytes of which parts can be had: an array, several files end to end, a file elsewhere.

    May be read by several threads at once.
    """

    def __len__(self) -> int:
        """How many bytes."""

    def __getitem__(self, part: slice, /) -> Bytes:
        """The bytes [begin, end), with 0 <= begin <= end <= len and no step.

        They are borrowed, read-only, and lie where they lay if they can.
        """
