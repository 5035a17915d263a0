"""Element types, residuals and tokens as spec/patch-v1.md defines them, slowly.

Numbers are Python integers and tokens are places in a list.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools

ESCAPE = 255  # the whole integer follows in raw bits


@dataclasses.dataclass(frozen=True)
class Element:
    """An element type: its bits, and how many of them are mantissa (0: an integer)."""

    width: int
    mantissa: int

    @property
    def sign(self) -> int:
        return 1 << (self.width - 1)

    def negative(self, word: int) -> bool:
        return self.mantissa > 0 and word >= self.sign

    def ordered(self, word: int) -> int:
        """Its own inverse: negative patterns count backwards."""
        return word ^ (self.sign - 1) if self.negative(word) else word

    def exponent(self, word: int) -> int:
        return (word & (self.sign - 1)) >> self.mantissa if self.mantissa else 0

    def residual(self, base: int, target: int) -> int:
        step = self.ordered(target) - self.ordered(base)
        return self.signed(-step if self.negative(base) else step)

    def moved(self, base: int, residual: int) -> int:
        step = -residual if self.negative(base) else residual
        return self.ordered((self.ordered(base) + step) % (1 << self.width))

    def signed(self, value: int) -> int:
        value %= 1 << self.width
        return value - (1 << self.width) if value >= self.sign else value


@dataclasses.dataclass(frozen=True)
class Bin:
    """The integers of a token: from `low` on, away from zero, `bits` raw bits of them."""

    low: int
    bits: int
    sign: int = 1

    def value(self, raw: int) -> int:
        return self.sign * (self.low + raw)


@functools.cache
def residual_bins(width: int) -> list[Bin]:
    out = [Bin(0, 0)]
    out += [Bin(size, 0, sign) for size in range(1, 8) for sign in (-1, 1)]
    parts = 2 if width == 64 else 4  # of an octave
    for octave, part in itertools.product(range(3, width - 1), range(parts)):
        size = (1 << octave) // parts
        low = (1 << octave) + part * size
        out += [Bin(low, size.bit_length() - 1, sign) for sign in (1, -1)]
    return out


@functools.cache
def gap_bins() -> list[Bin]:
    octaves = itertools.product(range(4, 32), range(4))
    return [Bin(gap, 0) for gap in range(16)] + [
        Bin((4 + part) << (octave - 2), octave - 2) for octave, part in octaves
    ]
