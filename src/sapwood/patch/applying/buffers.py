"""Memory for chunks that are decoded."""

from __future__ import annotations

from collections import deque

import numpy as np

from sapwood.content.content import Bytes


class Buffers:
    """Memory for chunks, used again and again: fresh pages cost as much as decoding."""

    def __init__(self) -> None:
        """Starts without any."""
        self._free: deque[Bytes] = deque()

    def place(self, begin: int, end: int) -> Bytes:
        """Memory for the target bytes [begin, end); called from several threads."""
        size = end - begin
        try:
            buffer = self._free.popleft()
        except IndexError:
            buffer = np.empty(size, np.uint8)
        if len(buffer) < size:
            buffer = np.empty(size, np.uint8)
        return buffer[:size]

    def give_back(self, place: Bytes) -> None:
        """Takes memory back that `place` gave and nobody uses any more."""
        whole = place.base if isinstance(place.base, np.ndarray) else place
        self._free.append(whole)
