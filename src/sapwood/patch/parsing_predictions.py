"""What a segment is predicted from, as the index says it: `spec/patch-v1.md`, from Blends on."""

from __future__ import annotations

import dataclasses
import math
import struct

from sapwood.errors import InvalidPatch, LimitExceeded, UnsupportedPatch
from sapwood.patch.canonical_json import Fields
from sapwood.patch.format import (
    BLENDED,
    CASTED,
    MOST_BASES,
    QUANTISED,
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    Limits,
    Prediction,
    QuantiseEntry,
    Term,
)
from sapwood.prediction.factors import (
    GREATEST_EXPONENT,
    GREATEST_RANK,
    GREATEST_SHIFT,
    LEAST_EXPONENT,
)
from sapwood.prediction.requantising import BLOCK_TYPES
from sapwood.prediction.requantising import ELEMENTS as BLOCK_ELEMENTS
from sapwood.tensors import DType


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A part of a base: `length` bytes at `offset`."""

    base: int
    offset: int
    length: int


def parse_prediction(
    fields: Fields, dtype: DType, elements: int, limits: Limits
) -> Prediction | None:
    """The prediction of a segment.

    Args:
        fields: of the segment.
        dtype: of its elements.
        elements: of the segment.
        limits: what factors may take.

    Raises:
        InvalidPatch, UnsupportedPatch, LimitExceeded: it is damaged, of a later version
            or takes too much.
    """
    one = fields.optional_object("prediction")
    if one is None:
        return None
    match one.text("kind"):
        case "base":
            one.only({"kind", "base", "offset"})
            return BaseRange(one.size("base"), one.size("offset"))
        case "blend":
            one.only({"kind", "terms", "rounding", "factors"})
            return parse_blend(one, dtype, elements, limits)
        case "cast":
            one.only({"kind", "base", "offset", "from"})
            return parse_cast(one, dtype)
        case "quantise":
            one.only({"kind", "base", "offset", "from", "type"})
            return parse_quantise(one, dtype, elements)
        case kind:
            raise UnsupportedPatch(f"{one.where}: unknown kind {kind!r}; update sapwood")


def parse_cast(fields: Fields, dtype: DType) -> CastEntry:
    """A base's elements of another type, rounded to `dtype`."""
    source = parse_dtype(fields.text("from"))
    if not {dtype, source} <= CASTED or dtype is source:
        raise InvalidPatch(
            f"{fields.where}: a cast from {source.label} to {dtype.label}; expected two of "
            + ", ".join(sorted(one.label for one in CASTED))
        )
    return CastEntry(fields.size("base"), fields.size("offset"), source)


def parse_quantise(fields: Fields, dtype: DType, elements: int) -> QuantiseEntry:
    """A base's elements, quantised to blocks that are `elements` of `dtype`."""
    source = parse_dtype(fields.text("from"))
    block = fields.text("type")
    if block not in BLOCK_TYPES:
        raise UnsupportedPatch(f"{fields.where}.type: unknown {block!r}; update sapwood")
    size = BLOCK_TYPES[block].nbytes
    if dtype is not DType.U8 or source not in QUANTISED or elements % size:
        raise InvalidPatch(
            f"{fields.where}: {source.label} quantised to {elements} elements of {dtype.label}; "
            f"expected u8, whole blocks of {size}, from "
            + ", ".join(sorted(one.label for one in QUANTISED))
        )
    return QuantiseEntry(fields.size("base"), fields.size("offset"), source, block)


def parse_dtype(label: str) -> DType:
    """The element type of that name."""
    try:
        return DType.named(label)
    except KeyError as e:
        raise UnsupportedPatch(f"unknown element type {label!r}; update sapwood") from e


def base_places(prediction: Prediction | None, nbytes: int, size: int) -> list[Place]:
    """What a prediction reads of the bases.

    Args:
        prediction: of a segment.
        nbytes: of the segment.
        size: bytes of one of its elements.
    """
    match prediction:
        case BaseRange(base, offset):
            return [Place(base, offset, nbytes)]
        case BlendEntry(terms):
            return [Place(term.base, term.offset, nbytes) for term in terms]
        case CastEntry(base, offset, source):
            return [Place(base, offset, nbytes // size * source.size)]
        case QuantiseEntry(base, offset, source, block):
            blocks = nbytes // BLOCK_TYPES[block].nbytes
            return [Place(base, offset, blocks * BLOCK_ELEMENTS * source.size)]
        case None:
            return []


def parse_blend(fields: Fields, dtype: DType, elements: int, limits: Limits) -> BlendEntry:
    """A sum of bases and a low-rank part."""
    if dtype not in BLENDED:
        raise InvalidPatch(f"{fields.where}: a blend of {dtype.label}, which are not blended")
    rounding = fields.text("rounding")
    if rounding not in {"once", "each"}:
        raise UnsupportedPatch(f"{fields.where}.rounding: unknown {rounding!r}; update sapwood")
    terms = tuple(parse_term(one, dtype) for one in fields.objects("terms"))
    given = fields.optional_object("factors")
    factors = None if given is None else parse_factors(given, elements, limits)
    if len(terms) > MOST_BASES or (not terms and factors is None):
        raise InvalidPatch(
            f"{fields.where}: expected factors, or 1 to {MOST_BASES} terms, found {len(terms)}"
        )
    return BlendEntry(terms, rounding == "each", factors)


def parse_term(fields: Fields, dtype: DType) -> Term:
    """A base and its coefficient, a number that the sum can be computed with."""
    fields.only({"base", "offset", "coefficient"})
    coefficient: float
    (coefficient,) = struct.unpack(">d", fields.hex("coefficient", 8))
    if not math.isfinite(coefficient) or not fits_working_type(coefficient, dtype):
        raise InvalidPatch(
            f"{fields.where}.coefficient: expected a finite number of the working precision, "
            f"found {coefficient!r}"
        )
    return Term(fields.size("base"), fields.size("offset"), coefficient)


def fits_working_type(coefficient: float, dtype: DType) -> bool:
    """Whether a number is one of the type that blends of `dtype` are computed in."""
    if dtype is DType.F32:  # in binary64
        return True
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", coefficient))
    except OverflowError:
        return False
    return bool(narrow == coefficient)


def parse_factors(fields: Fields, elements: int, limits: Limits) -> FactorsEntry:
    """The shape, scale and size of the factors of a tensor with so many elements."""
    fields.only({"matrices", "rows", "columns", "rank", "scale", "shifts", "row", "size"})
    factors = FactorsEntry(
        matrices=fields.size("matrices"),
        rows=fields.size("rows"),
        columns=fields.size("columns"),
        rank=fields.size("rank"),
        exponent=fields.size("scale") + LEAST_EXPONENT,
        shifts=tuple(fields.sizes("shifts")),
        row=fields.size("row"),
        size=fields.size("size"),
    )
    where = fields.where
    if elements == 0 or factors.matrices * factors.rows * factors.columns != elements:
        raise InvalidPatch(
            f"{where}: {factors.matrices} matrices of {factors.rows} x {factors.columns} for a "
            f"tensor of {elements} elements"
        )
    if not 1 <= factors.rank <= min(factors.rows, factors.columns, GREATEST_RANK):
        raise InvalidPatch(
            f"{where}: rank {factors.rank} of matrices of {factors.rows} x {factors.columns}"
        )
    if factors.exponent > GREATEST_EXPONENT:
        raise InvalidPatch(f"{where}.scale: past {GREATEST_EXPONENT - LEAST_EXPONENT}")
    if len(factors.shifts) != 2 * factors.matrices * factors.rank:
        raise InvalidPatch(f"{where}.shifts: wrong number of shifts")
    if max(factors.shifts) > GREATEST_SHIFT or factors.row < 1:
        raise InvalidPatch(f"{where}: a shift past {GREATEST_SHIFT}, or rows of no numbers")
    if 4 * factors.numbers > limits.factors:
        raise LimitExceeded(
            f"{where}: factors of {4 * factors.numbers} bytes, {limits.factors} are allowed; "
            "raise Limits.factors if you trust the patch"
        )
    if factors.size >= 4 * factors.numbers + 1024:
        raise InvalidPatch(f"{where}.size: {factors.size} bytes for {factors.numbers} numbers")
    return factors
