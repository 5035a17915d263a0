"""Order-0 entropy of the ULP residual, given the exponent of the base's weight.

What an ideal coder would spend that knows, for each tensor and each exponent of
the base in it, how often each residual occurs (the tables themselves are not
counted), and nothing else. Row scales and adaptive values go below it, so it is a line to
measure distances from and no bound.

16-bit types count each residual as a symbol. In f32 and f64 there are too many
for that: below 16 in size each is a symbol, above it the symbol is the sign,
the place of the highest bit and the two bits below, and the bits beneath those
are counted whole. Tensors of other types count 0 where equal, else their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safetensors_layout import WIDTHS, layout
from ulp import EXPONENT_SHIFT, FLOATS, Signed, Unsigned, difference

EXACT = 16  # residuals below this size are symbols of their own
FINE = 2  # bits below the highest that stay in the symbol
SYMBOL_BITS = 32  # of a key, below the exponent; enough for every residual of 16 bits


@dataclass(frozen=True)
class Entropy:
    """Of one pair: bits a weight and bytes a file, and how many weights are equal."""

    bits_per_weight: float
    bytes: int
    equal_share: float


def symbols(steps: Signed) -> tuple[NDArray[np.int64], int]:
    """A symbol for each residual, and the bits that the symbols leave out."""
    wide = steps.astype(np.int64)
    if steps.dtype.itemsize == 2:
        return wide + (1 << 16), 0
    size = np.abs(wide).view(np.uint64)
    large = size >= EXACT
    # frexp is exact to 53 bits; the top three bits of larger sizes may round up
    top = np.frexp(size[large].astype(np.float64))[1] - 1
    fine = (size[large] >> (top - FINE).astype(np.uint64)) & np.uint64((1 << FINE) - 1)
    symbol = size.astype(np.int64)
    symbol[large] = EXACT + (top << FINE) + fine.astype(np.int64)
    return symbol * 2 + (wide < 0), int((top - FINE).sum())


def information(counts: NDArray[np.int64]) -> float:
    """Bits of a sequence with these counts under its own frequencies."""
    total = counts.sum()
    return float(total * np.log2(total) - (counts * np.log2(counts)).sum()) if total else 0.0


def tensor_bits(base: Unsigned, target: Unsigned, dtype: str) -> float:
    """Bits of the residual of one tensor of floats, given the base's exponents."""
    symbol, raw_bits = symbols(difference(base, target))
    magnitude = (base << base.dtype.type(1)) >> base.dtype.type(1 + EXPONENT_SHIFT[dtype])
    exponents = magnitude.astype(np.int64)
    _, both = np.unique((exponents << SYMBOL_BITS) | symbol, return_counts=True)
    _, alone = np.unique(exponents, return_counts=True)
    # H(residual | exponent) = H(both) - H(exponent), in bits of the whole tensor
    return information(both) - information(alone) + raw_bits


def residual_entropy(base: Path, target: Path) -> Entropy | None:
    """None where the two are not safetensors files of one layout, or hold no floats."""
    places = layout(target)
    if places is None or places != layout(base):
        return None
    base_data, target_data = base.read_bytes(), target.read_bytes()
    begin = places[0].begin
    bits = 0.0 if base_data[:begin] == target_data[:begin] else begin * 8.0
    weights = equal = 0
    for place in places:
        width = WIDTHS[place.dtype]
        count = (place.end - place.begin) // width
        a, b = (
            np.frombuffer(d, f"<u{width}", count, place.begin) for d in (base_data, target_data)
        )
        same = int(np.count_nonzero(a == b))
        if place.dtype in FLOATS:
            bits += tensor_bits(a, b, place.dtype)
            weights += count
            equal += same
        elif same < count:
            bits += count * width * 8
    return Entropy(bits / weights, int(bits / 8), equal / weights) if weights else None
