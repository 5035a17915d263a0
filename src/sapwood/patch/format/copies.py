"""Stretches of the target that stand in the base."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """`length` bytes of the target, equal to as many of the base. Offsets in bytes."""

    target: int
    base: int
    length: int

    @property
    def target_end(self) -> int:
        """The first target offset after it."""
        return self.target + self.length

    @property
    def base_end(self) -> int:
        """The first base offset after it."""
        return self.base + self.length

    @property
    def shift(self) -> int:
        """How far the base's bytes lie behind the target's."""
        return self.base - self.target
