"""The block types of GGML, as fields of bits; spec/patch-v1.md, Blocks, has the same table.

Readers of model files and of patches take names, numbers and sizes from here. Types whose
integers are no numbers on a grid (indices into code books, signs, trits) have their scales
taken from the rest, which stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

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
        place: of the bytes with the first four.
        high: of the bytes whose bits from `shift` on are the low bits of the last four.
        shift: those.
    """
    return [
        FieldRun(place, 4, 0, 6, 0),
        FieldRun(high, 4, shift, 4, 4),
        FieldRun(place, 4, 6, 2, 4, up=4),
    ]


def _scaled(name: str, ggml: int, nbytes: int, place: int = 0) -> BlockType:
    """A block of 256 weights with one scale, and opaque bytes before or behind it."""
    at = 2 if place == 0 else 0
    rest = _whole("rest", DType.U8, at, nbytes - 2)
    return BlockType(name, ggml, 256, nbytes, (_whole("scale", DType.F16, place), rest))


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


def _quants(
    count: int, runs: list[FieldRun], zero: int = 0, grid: Grid | None = None
) -> BlockField:
    """The quants, an integer or index for each weight."""
    return _bits("quants", count, runs, zero, grid)


def _types() -> tuple[BlockType, ...]:
    return (
        *_types_of_32(),
        *_types_of_256(),
        *_types_of_indices(),
        _scaled("iq1_s", 19, 50),
        _scaled("iq2_xxs", 16, 66),
        _scaled("iq2_xs", 17, 74),
        _scaled("iq2_s", 22, 82),
        _scaled("iq3_xxs", 18, 98),
        _scaled("iq3_s", 21, 110),
        _scaled("tq1_0", 34, 54, place=52),
        BlockType("iq1_m", 29, 256, 56, ()),  # its scale is in bits of four integers
        BlockType("q1_0", 41, 128, 18, ()),
    )


def _types_of_32() -> Iterator[BlockType]:
    """A scale for every 32 weights, in some types an offset."""
    low4, low8 = (_packed(at, 16, 16, 4) for at in (6, 8))
    yield BlockType("q4_0", 2, 32, 18, (_SCALE, _quants(32, _packed(2, 16, 16, 4), 8, _PLAIN)))
    yield BlockType(
        "q4_1", 3, 32, 20, (_SCALE, _OFFSET, _quants(32, _packed(4, 16, 16, 4), grid=_SHIFTED))
    )
    yield BlockType(
        "q5_0", 6, 32, 22, (_SCALE, _quants(32, [*low4, *_spread(2, 4, 1, up=4)], 16, _PLAIN))
    )
    yield BlockType(
        "q5_1",
        7,
        32,
        24,
        (_SCALE, _OFFSET, _quants(32, [*low8, *_spread(4, 4, 1, up=4)], grid=_SHIFTED)),
    )
    yield BlockType("q8_0", 8, 32, 34, (_SCALE, _whole("quants", DType.I8, 2, 32, _PLAIN)))
    yield BlockType(
        "q8_1",
        9,
        32,
        40,
        (
            _whole("scale", DType.F32, 0),
            _whole("sum", DType.F32, 4),
            _whole("quants", DType.I8, 8, 32, _PLAIN),
        ),
    )


def _types_of_256() -> Iterator[BlockType]:
    """A scale for every 256 weights, and integers times it for parts of them."""
    yield BlockType(
        "q2_k",
        10,
        256,
        84,
        (
            _whole("scale", DType.F16, 80),
            _whole("offset", DType.F16, 82),
            _bits("scales", 16, [FieldRun(0, 16, 0, 4, 0)], grid=_OF_SCALES),
            _bits("offsets", 16, [FieldRun(0, 16, 4, 4, 0)], grid=_OF_OFFSETS),
            _quants(256, _packed(16, 64, 32, 2), grid=_K),
        ),
    )
    scales = [*_packed(96, 8, 8, 4), *_packed(104, 4, 4, 2, up=4)]
    yield BlockType(
        "q3_k",
        11,
        256,
        110,
        (
            _whole("scale", DType.F16, 108),
            _bits("scales", 16, scales, 32, _OF_SCALES),
            _quants(256, [*_packed(32, 64, 32, 2), *_packed(0, 32, 32, 1, up=2)], 4, _NESTED),
        ),
    )
    yield BlockType(
        "q4_k", 12, 256, 144, (*_K_START, _quants(256, _packed(16, 128, 32, 4), grid=_K))
    )
    runs = [*_packed(48, 128, 32, 4), *_packed(16, 32, 32, 1, up=4)]
    yield BlockType("q5_k", 13, 256, 176, (*_K_START, _quants(256, runs, grid=_K)))
    yield BlockType(
        "q6_k",
        14,
        256,
        210,
        (
            _whole("scale", DType.F16, 208),
            _whole("scales", DType.I8, 192, 16, _OF_SCALES),
            _quants(256, [*_packed(0, 128, 64, 4), *_packed(128, 64, 32, 2, up=4)], 32, _NESTED),
        ),
    )
    yield BlockType(
        "q8_k",
        15,
        256,
        292,
        (
            _whole("scale", DType.F32, 0),
            _whole("sums", DType.I16, 260, 16),
            _whole("quants", DType.I8, 4, 256, _PLAIN),
        ),
    )
    trits = _quants(256, _packed(0, 64, 32, 2), 1, _PLAIN)
    yield BlockType("tq2_0", 35, 256, 66, (_whole("scale", DType.F16, 64), trits))


def _types_of_indices() -> Iterator[BlockType]:
    """Quants that are indices of numbers on no grid."""
    yield BlockType("iq4_nl", 20, 32, 18, (_SCALE, _quants(32, _packed(2, 16, 16, 4))))
    scales = [*_spread(4, 4, 4), *_spread(2, 2, 2, up=4)]
    yield BlockType(
        "iq4_xs",
        23,
        256,
        136,
        (
            _SCALE,
            _bits("scales", 8, scales, 32, _OF_SCALES),
            _quants(256, _packed(8, 128, 16, 4)),
        ),
    )
    scale = _whole("scale", DType.U8, 0)
    yield BlockType("mxfp4", 39, 32, 17, (scale, _quants(32, _packed(1, 16, 16, 4))))
    scale = _whole("scales", DType.U8, 0, 4)
    yield BlockType("nvfp4", 40, 64, 36, (scale, _quants(64, _packed(4, 32, 8, 4))))


_TYPES = _types()

BLOCK_TYPES = {one.name: one for one in _TYPES if one.fields}
"""The types that patches know, by name."""

GGML_BLOCKS = {one.ggml: one for one in _TYPES}
"""All types by upstream's number. What is not here was removed, or came after this was written."""
