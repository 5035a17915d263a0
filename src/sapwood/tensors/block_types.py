"""The block types of GGML, as fields of bits; spec/patch-v1.md, Blocks, has the same table.

Readers of model files and of patches take names, numbers and sizes from here. Types whose
integers are no numbers on a grid (indices into code books, signs, trits) have their scales
taken from the rest, which stays as it is.
"""

from __future__ import annotations

from sapwood.tensors.blocks import BlockField, BlockType, FieldRun, Grid
from sapwood.tensors.dtypes import DType


def _whole(
    name: str, dtype: DType, place: int, count: int = 1, grid: Grid | None = None
) -> BlockField:
    """Elements of whole bytes."""
    return BlockField(name, dtype, count, place, grid=grid)


def _bits(
    name: str, count: int, runs: list[FieldRun], zero: int = 0, grid: Grid | None = None
) -> BlockField:
    """Elements put together from bits, a byte each."""
    return BlockField(name, DType.U8, count, None, tuple(runs), zero, grid)


def _packed(
    place: int, nbytes: int, group: int, width: int, first: int = 0, up: int = 0
) -> list[FieldRun]:
    """Runs of bits of one width: each group of bytes holds as many runs of weights as fit.

    The lowest bits of the group's bytes are its first weights, the next ones those after.
    """
    runs = []
    for begin in range(0, nbytes, group):
        for shift in range(0, 8, width):
            runs.append(FieldRun(place + begin, group, shift, width, first, up=up))
            first += group
    return runs


def _spread(place: int, nbytes: int, width: int, up: int = 0) -> list[FieldRun]:
    """Bits of one width in the order of their weights: those of the first byte come first."""
    fold = 8 // width
    return [FieldRun(place, nbytes, width * k, width, k, fold, up) for k in range(fold)]


def _six_bits(place: int, high: int, shift: int) -> list[FieldRun]:
    """Eight numbers of 6 bits: four in the low bits of bytes, the bits above them of four more.

    Args:
        place: offset in the block of the four bytes with the first four numbers and the two
            high bits of the others.
        high: offset of the four bytes that have the four low bits of the others.
        shift: the lowest of these bits, 0 or 4.
    """
    return [
        FieldRun(place, 4, 0, 6, 0),
        FieldRun(high, 4, shift, 4, 4),
        FieldRun(place, 4, 6, 2, 4, up=4),
    ]


def _quants(
    count: int, runs: list[FieldRun], zero: int = 0, grid: Grid | None = None
) -> BlockField:
    """The quants, an integer or index for each weight."""
    return _bits("quants", count, runs, zero, grid)


def _rest(nbytes: int) -> tuple[BlockField, BlockField]:
    """A scale, and the opaque bytes behind it of a block of so many bytes."""
    return _SCALE, _whole("rest", DType.U8, 2, nbytes - 2)


_PLAIN = Grid(("scale",))
_SHIFTED = Grid(("scale",), ("offset",))
_NESTED = Grid(("scale", "scales"))
_K = Grid(("scale", "scales"), ("offset", "offsets"), falls=True)
_OF_SCALES, _OF_OFFSETS = Grid(("scale",)), Grid(("offset",))  # those of a block's parts

_SCALE = _whole("scale", DType.F16, 0)
_OFFSET = _whole("offset", DType.F16, 2)
_K_START = (
    _SCALE,
    _OFFSET,
    _bits("scales", 8, _six_bits(4, 12, 0), grid=_OF_SCALES),
    _bits("offsets", 8, _six_bits(8, 12, 4), grid=_OF_OFFSETS),
)
_HALVES = _packed(2, 16, 16, 4)  # 32 weights of 4 bits behind a scale

_FIELDS: dict[str, tuple[BlockField, ...]] = {
    # A scale for every 32 weights, in some types an offset.
    "q4_0": (_SCALE, _quants(32, _HALVES, 8, _PLAIN)),
    "q4_1": (_SCALE, _OFFSET, _quants(32, _packed(4, 16, 16, 4), grid=_SHIFTED)),
    "q5_0": (
        _SCALE,
        _quants(32, [*_packed(6, 16, 16, 4), *_spread(2, 4, 1, up=4)], 16, _PLAIN),
    ),
    "q5_1": (
        _SCALE,
        _OFFSET,
        _quants(32, [*_packed(8, 16, 16, 4), *_spread(4, 4, 1, up=4)], grid=_SHIFTED),
    ),
    "q8_0": (_SCALE, _whole("quants", DType.I8, 2, 32, _PLAIN)),
    "q8_1": (
        _whole("scale", DType.F32, 0),
        _whole("sum", DType.F32, 4),
        _whole("quants", DType.I8, 8, 32, _PLAIN),
    ),
    # A scale for every 256 weights, and integers times it for parts of them.
    "q2_k": (
        _whole("scale", DType.F16, 80),
        _whole("offset", DType.F16, 82),
        _bits("scales", 16, [FieldRun(0, 16, 0, 4, 0)], grid=_OF_SCALES),
        _bits("offsets", 16, [FieldRun(0, 16, 4, 4, 0)], grid=_OF_OFFSETS),
        _quants(256, _packed(16, 64, 32, 2), grid=_K),
    ),
    "q3_k": (
        _whole("scale", DType.F16, 108),
        _bits("scales", 16, [*_packed(96, 8, 8, 4), *_packed(104, 4, 4, 2, up=4)], 32, _OF_SCALES),
        _quants(256, [*_packed(32, 64, 32, 2), *_packed(0, 32, 32, 1, up=2)], 4, _NESTED),
    ),
    "q4_k": (*_K_START, _quants(256, _packed(16, 128, 32, 4), grid=_K)),
    "q5_k": (
        *_K_START,
        _quants(256, [*_packed(48, 128, 32, 4), *_packed(16, 32, 32, 1, up=4)], grid=_K),
    ),
    "q6_k": (
        _whole("scale", DType.F16, 208),
        _whole("scales", DType.I8, 192, 16, _OF_SCALES),
        _quants(256, [*_packed(0, 128, 64, 4), *_packed(128, 64, 32, 2, up=4)], 32, _NESTED),
    ),
    "q8_k": (
        _whole("scale", DType.F32, 0),
        _whole("sums", DType.I16, 260, 16),
        _whole("quants", DType.I8, 4, 256, _PLAIN),
    ),
    "tq2_0": (_whole("scale", DType.F16, 64), _quants(256, _packed(0, 64, 32, 2), 1, _PLAIN)),
    # Quants that are indices of numbers on no grid.
    "iq4_nl": (_SCALE, _quants(32, _HALVES)),
    "iq4_xs": (
        _SCALE,
        _bits("scales", 8, [*_spread(4, 4, 4), *_spread(2, 2, 2, up=4)], 32, _OF_SCALES),
        _quants(256, _packed(8, 128, 16, 4)),
    ),
    "mxfp4": (_whole("scale", DType.U8, 0), _quants(32, _packed(1, 16, 16, 4))),
    "nvfp4": (_whole("scales", DType.U8, 0, 4), _quants(64, _packed(4, 32, 8, 4))),
    # One scale for 256 weights, of which nothing else is taken apart.
    "iq1_s": _rest(50),
    "iq2_xxs": _rest(66),
    "iq2_xs": _rest(74),
    "iq2_s": _rest(82),
    "iq3_xxs": _rest(98),
    "iq3_s": _rest(110),
    "tq1_0": (_whole("scale", DType.F16, 52), _whole("rest", DType.U8, 0, 52)),
}

# Upstream's number of each type, and the weights and bytes of a block. Not taken apart are q1_0
# and iq1_m, whose scale is in bits of four integers.
_SIZES = {
    "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22), "q5_1": (7, 32, 24),
    "q8_0": (8, 32, 34), "q8_1": (9, 32, 40),
    "q2_k": (10, 256, 84), "q3_k": (11, 256, 110), "q4_k": (12, 256, 144), "q5_k": (13, 256, 176),
    "q6_k": (14, 256, 210), "q8_k": (15, 256, 292), "tq2_0": (35, 256, 66),
    "iq4_nl": (20, 32, 18), "iq4_xs": (23, 256, 136), "mxfp4": (39, 32, 17), "nvfp4": (40, 64, 36),
    "iq1_s": (19, 256, 50), "iq2_xxs": (16, 256, 66), "iq2_xs": (17, 256, 74),
    "iq2_s": (22, 256, 82), "iq3_xxs": (18, 256, 98), "iq3_s": (21, 256, 110),
    "tq1_0": (34, 256, 54), "iq1_m": (29, 256, 56), "q1_0": (41, 128, 18),
}  # fmt: skip

_TYPES = [BlockType(name, *sizes, _FIELDS.get(name, ())) for name, sizes in _SIZES.items()]

BLOCK_TYPES = {one.name: one for one in _TYPES if one.fields}
"""The types that patches know, by name."""

GGML_BLOCKS = {one.ggml: one for one in _TYPES}
"""All types by upstream's number. What is not here was removed, or came after this was written."""
