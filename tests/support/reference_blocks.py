"""Blocks of quantised weights in plain Python, as spec/patch-v1.md tells them.

Written from the text alone: a bit at a time, a weight at a time.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Iterator, Sequence

Bit = tuple[int, int, int, int]  # element, its bit; byte of the block, its bit


@dataclasses.dataclass(frozen=True)
class ReferenceField:
    """A field: its elements' struct format, how many, what is taken from them, and their bits."""

    name: str
    format: str
    count: int
    bits: tuple[Bit, ...]
    zero: int = 0

    @property
    def width(self) -> int:
        """Bits of an element that a block has."""
        return 1 + max(bit for _, bit, _, _ in self.bits)


def at(place: int, fmt: str, count: int = 1) -> Iterator[Bit]:
    """Whole bytes."""
    size = struct.calcsize(fmt)
    for i in range(count * size):
        for bit in range(8):
            yield i // size, 8 * (i % size) + bit, place + i, bit


def p(place: int, size: int, group: int, width: int, up: int = 0) -> Iterator[Bit]:
    """P(b, n, g, w)."""
    element = 0
    for begin in range(place, place + size, group):
        for run in range(8 // width):
            for byte in range(begin, begin + group):
                for bit in range(width):
                    yield element, up + bit, byte, width * run + bit
                element += 1


def s(place: int, size: int, width: int, up: int = 0) -> Iterator[Bit]:
    """S(b, n, w)."""
    for i in range(8 * size // width):
        for bit in range(width):
            yield i, up + bit, place + i * width // 8, i * width % 8 + bit


def k(place: int, low: int, first: int) -> Iterator[Bit]:
    """K(b), and the low bits of its last four elements: those of the bytes from `low` on."""
    for i in range(4):
        for bit in range(6):
            yield i, bit, place + i, bit
        for bit in range(4):
            yield 4 + i, bit, low + i, first + bit
        for bit in range(2):
            yield 4 + i, 4 + bit, place + i, 6 + bit


def low_bits(first: int) -> Iterator[Bit]:
    """Four bits of each of the bytes 0 to 15."""
    for i in range(16):
        for bit in range(4):
            yield i, bit, i, first + bit


def whole(name: str, fmt: str, place: int, count: int = 1) -> ReferenceField:
    return ReferenceField(name, fmt, count, tuple(at(place, fmt, count)))


def joined(name: str, count: int, *runs: Iterator[Bit], zero: int = 0) -> ReferenceField:
    return ReferenceField(name, "<B", count, tuple(bit for run in runs for bit in run), zero)


def scale(place: int = 0, fmt: str = "<e") -> ReferenceField:
    return whole("scale", fmt, place)


def offset(place: int = 2) -> ReferenceField:
    return whole("offset", "<e", place)


def k_scales() -> tuple[ReferenceField, ...]:
    return (
        scale(),
        offset(),
        joined("scales", 8, k(4, 12, 0)),
        joined("offsets", 8, k(8, 12, 4)),
    )


def rest(size: int) -> tuple[ReferenceField, ...]:
    return scale(), whole("rest", "<B", 2, size)


LAYOUTS: dict[str, tuple[ReferenceField, ...]] = {
    "q4_0": (scale(), joined("quants", 32, p(2, 16, 16, 4), zero=8)),
    "q4_1": (scale(), offset(), joined("quants", 32, p(4, 16, 16, 4))),
    "q5_0": (scale(), joined("quants", 32, p(6, 16, 16, 4), s(2, 4, 1, 4), zero=16)),
    "q5_1": (scale(), offset(), joined("quants", 32, p(8, 16, 16, 4), s(4, 4, 1, 4))),
    "q8_0": (scale(), whole("quants", "<b", 2, 32)),
    "q8_1": (scale(0, "<f"), whole("sum", "<f", 4), whole("quants", "<b", 8, 32)),
    "q2_k": (
        scale(80),
        offset(82),
        joined("scales", 16, low_bits(0)),
        joined("offsets", 16, low_bits(4)),
        joined("quants", 256, p(16, 64, 32, 2)),
    ),
    "q3_k": (
        scale(108),
        joined("scales", 16, p(96, 8, 8, 4), p(104, 4, 4, 2, 4), zero=32),
        joined("quants", 256, p(32, 64, 32, 2), p(0, 32, 32, 1, 2), zero=4),
    ),
    "q4_k": (*k_scales(), joined("quants", 256, p(16, 128, 32, 4))),
    "q5_k": (*k_scales(), joined("quants", 256, p(48, 128, 32, 4), p(16, 32, 32, 1, 4))),
    "q6_k": (
        scale(208),
        whole("scales", "<b", 192, 16),
        joined("quants", 256, p(0, 128, 64, 4), p(128, 64, 32, 2, 4), zero=32),
    ),
    "q8_k": (scale(0, "<f"), whole("sums", "<h", 260, 16), whole("quants", "<b", 4, 256)),
    "tq2_0": (scale(64), joined("quants", 256, p(0, 64, 32, 2), zero=1)),
    "iq4_nl": (scale(), joined("quants", 32, p(2, 16, 16, 4))),
    "iq4_xs": (
        scale(),
        joined("scales", 8, s(4, 4, 4), s(2, 2, 2, 4), zero=32),
        joined("quants", 256, p(8, 128, 16, 4)),
    ),
    "mxfp4": (whole("scale", "<B", 0), joined("quants", 32, p(1, 16, 16, 4))),
    "nvfp4": (whole("scales", "<B", 0, 4), joined("quants", 64, p(4, 32, 8, 4))),
    "iq1_s": rest(48),
    "iq2_xxs": rest(64),
    "iq2_xs": rest(72),
    "iq2_s": rest(80),
    "iq3_xxs": rest(96),
    "iq3_s": rest(108),
    "tq1_0": (scale(52), whole("rest", "<B", 0, 52)),
}

QUANTS = {
    **dict.fromkeys(("q4_0", "q5_0", "q8_0", "q8_1", "q8_k", "tq2_0"), (("scale",), ())),
    **dict.fromkeys(("q4_1", "q5_1"), (("scale",), ("offset",))),
    **dict.fromkeys(("q3_k", "q6_k"), (("scale", "scales"), ())),
    **dict.fromkeys(("q2_k", "q4_k", "q5_k"), (("scale", "scales"), ("offset", "offsets"))),
}
PARTS = {
    "scales": (("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"), ("scale",)),
    "offsets": (("q2_k", "q4_k", "q5_k"), ("offset",)),
}

Grid = tuple[tuple[str, ...], tuple[str, ...]]  # the fields whose products are D, and M
Block = dict[str, list[float]]  # by field: the numbers of a block


def grid_of(name: str, field: str) -> Grid | None:
    """The table of grids."""
    if field == "quants":
        return QUANTS.get(name)
    names, own = PARTS.get(field, ((), ()))
    return (own, ()) if name in names else None


def plane(field: ReferenceField, blocks: Sequence[bytes]) -> bytes:
    """A field of all blocks."""
    size = struct.calcsize(field.format)
    out = bytearray(len(blocks) * field.count * size)
    for n, block in enumerate(blocks):
        for element, bit, byte, place in field.bits:
            begin = (n * field.count + element) * size
            out[begin + bit // 8] |= (block[byte] >> place & 1) << bit % 8
    return bytes(out)


def numbers(field: ReferenceField, block: bytes) -> list[float]:
    """What the elements of a block stand for."""
    own = plane(field, [block])
    return [one - field.zero for (one,) in struct.iter_unpack(field.format, own)]


def single(x: float) -> float:
    """The nearest number of binary32."""
    try:
        found: float = struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)
    return found


def divided(x: float, y: float) -> float:
    """x / y, where y may be 0."""
    if y != 0:
        return single(x / y)
    if x == 0 or math.isnan(x):
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def of_element(block: Block, names: Sequence[str], i: int, count: int) -> float:
    """The product of fields for the element i of so many; 0 of none."""
    if not names:
        return 0.0
    found = 1.0
    for name in names:
        own = block[name]
        found = single(found * own[i * len(own) // count])
    return found


def place_of(b: float, old: tuple[float, float], new: tuple[float, float]) -> float:
    """x of the specification, from (D, M) of both blocks."""
    if old == new:
        return b
    with_scale = single(single(b * old[0]) + old[1])
    x = divided(single(with_scale - new[1]), new[0])
    return x if math.isfinite(x) else b


def predicted(name: str, field: ReferenceField, base: bytes, target: bytes) -> tuple[bytes, bytes]:
    """The prediction of a field of one block, and its edges."""
    grid = grid_of(name, field.name)
    assert grid is not None
    blocks = [{one.name: numbers(one, block) for one in LAYOUTS[name]} for block in (base, target)]
    lowest = -128 if field.format == "<b" else -field.zero
    patterns, edges = bytearray(), bytearray()
    for i, b in enumerate(blocks[0][field.name]):
        old, new = (
            (
                of_element(block, grid[0], i, field.count),
                of_element(block, grid[1], i, field.count) * (-1 if len(grid[1]) == 2 else 1),
            )
            for block in blocks
        )
        x = place_of(b, old, new)
        nearest = min(max(round(x), lowest), lowest + 2**field.width - 1)
        f = single(x - nearest)
        exponent = struct.unpack("<I", struct.pack("<f", f))[0] >> 23 & 0xFF
        patterns.append((nearest + field.zero) % 256)
        edges.append(2 * min(max(exponent - 118, 0), 7) + (f < 0))
    return bytes(patterns), bytes(edges)
