"""Conversions: predictions that are elements of a base in another type."""

from __future__ import annotations

from typing import Protocol

from sapwood.content.content import Bytes


class Conversion(Protocol):
    """Makes a stretch of a prediction of a stretch of one base; used by several threads."""

    def stretch(self, begin: int, end: int) -> tuple[int, int]:
        """Which bytes of the base's elements the predicted bytes [begin, end) are made of."""

    def convert(self, elements: Bytes, begin: int, out: Bytes) -> None:
        """Predicts a stretch.

        Args:
            elements: the bytes of the base's elements that `stretch` names; of any alignment.
            begin: offset of the stretch in the segment, bytes.
            out: the caller's memory, as long as the stretch; not that of the elements.
        """
