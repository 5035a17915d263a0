"""What a segment is predicted from, as the index says it: `spec/patch-v1.md`, from Blends on."""

from __future__ import annotations

import math
import struct

from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPatch, LimitExceeded, UnsupportedPatch
from sapwood.limits import Limits
from sapwood.patch.format.front import MOST_BASES
from sapwood.patch.format.predictions import (
    BLENDED,
    CASTED,
    QUANTISED,
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    Matrix,
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
from sapwood.prediction.requantising import QUANTISERS
from sapwood.tensors import DType


def parse_prediction(
    fields: Fields, dtype: DType, elements: int, limits: Limits
) -> Prediction | None:
    """The prediction of a segment.

    Args:
        fields: the fields of the segment.
        dtype: type of its elements.
        elements: how many it has.
        limits: how much memory factors may take.

    Raises:
        InvalidPatch, UnsupportedPatch, LimitExceeded: it is damaged, of a later version
            or takes too much.
    """
    one = fields.nullable_object("prediction")
    if one is None:
        return None
    match one.text("kind"):
        case "base":
            one.only({"kind", "base", "offset"})
            return BaseRange(one.size("base"), one.size("offset"))
        case "blend":
            one.only({"kind", "terms", "rounding", "factors"})
            return _parse_blend(one, dtype, elements, limits)
        case "cast":
            one.only({"kind", "base", "offset", "from"})
            return _parse_cast(one, dtype)
        case "quantise":
            one.only({"kind", "base", "offset", "from", "type"})
            return _parse_quantise(one, dtype, elements)
        case kind:
            raise UnsupportedPatch(f"{one.where}: unknown kind {kind!r}; update sapwood")


def _parse_cast(fields: Fields, dtype: DType) -> CastEntry:
    """A base's elements of another type, rounded to `dtype`."""
    given = parse_dtype(fields.text("from"))
    if not {dtype, given} <= CASTED or dtype is given:
        raise InvalidPatch(
            f"{fields.where}: a cast from {given.label} to {dtype.label}; expected two of "
            + ", ".join(sorted(one.label for one in CASTED))
        )
    return CastEntry(fields.size("base"), fields.size("offset"), given)


def _parse_quantise(fields: Fields, dtype: DType, elements: int) -> QuantiseEntry:
    """A base's elements, quantised to blocks that are `elements` of `dtype`."""
    given = parse_dtype(fields.text("from"))
    block = fields.text("type")
    if block not in QUANTISERS:
        raise UnsupportedPatch(f"{fields.where}.type: unknown {block!r}; update sapwood")
    size = QUANTISERS[block].nbytes
    if dtype is not DType.U8 or given not in QUANTISED or elements % size:
        raise InvalidPatch(
            f"{fields.where}: {given.label} quantised to {elements} elements of {dtype.label}; "
            f"expected u8, whole blocks of {size}, from "
            + ", ".join(sorted(one.label for one in QUANTISED))
        )
    return QuantiseEntry(fields.size("base"), fields.size("offset"), given, block)


def parse_dtype(label: str) -> DType:
    """The element type of a name.

    Raises:
        UnsupportedPatch: no element type has it.
    """
    try:
        return DType.named(label)
    except KeyError as e:
        raise UnsupportedPatch(f"unknown element type {label!r}; update sapwood") from e


def _parse_blend(fields: Fields, dtype: DType, elements: int, limits: Limits) -> BlendEntry:
    """A sum of bases and a low-rank part."""
    if dtype not in BLENDED:
        raise InvalidPatch(f"{fields.where}: a blend of {dtype.label}, which are not blended")
    rounding = fields.text("rounding")
    if rounding not in {"once", "each"}:
        raise UnsupportedPatch(f"{fields.where}.rounding: unknown {rounding!r}; update sapwood")
    terms = tuple(_parse_term(one, dtype) for one in fields.objects("terms"))
    given = fields.nullable_object("factors")
    factors: FactorsEntry | GivenFactors | None = None
    if given is not None:
        parse = _parse_given if "left" in given else _parse_factors
        factors = parse(given, elements, limits)
    if len(terms) > MOST_BASES or (not terms and factors is None):
        raise InvalidPatch(
            f"{fields.where}: expected factors, or 1 to {MOST_BASES} terms, found {len(terms)}"
        )
    return BlendEntry(terms, rounding == "each", factors)


def _parse_term(fields: Fields, dtype: DType) -> Term:
    """A base and its coefficient, a number that the sum can be computed with."""
    fields.only({"base", "offset", "coefficient"})
    coefficient = _parse_coefficient(fields)
    if not _fits_working_type(coefficient, dtype):
        raise InvalidPatch(
            f"{fields.where}.coefficient: expected a number of the working precision, "
            f"found {coefficient!r}"
        )
    return Term(fields.size("base"), fields.size("offset"), coefficient)


def _parse_coefficient(fields: Fields) -> float:
    """The finite number in the field `coefficient`."""
    coefficient: float
    (coefficient,) = struct.unpack(">d", fields.hex("coefficient", 8))
    if not math.isfinite(coefficient):
        raise InvalidPatch(
            f"{fields.where}.coefficient: expected a finite number, found {coefficient!r}"
        )
    return coefficient


def _fits_working_type(coefficient: float, dtype: DType) -> bool:
    """Whether a number is one of the type that blends of `dtype` are computed in."""
    if dtype is DType.F32:  # in binary64
        return True
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", coefficient))
    except OverflowError:
        return False
    return bool(narrow == coefficient)


def _parse_factors(fields: Fields, elements: int, limits: Limits) -> FactorsEntry:
    """The shape, scale and size of the factors of a tensor of `elements`."""
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
    _check_sides(where, factors.matrices, factors, elements)
    if factors.exponent > GREATEST_EXPONENT:
        raise InvalidPatch(f"{where}.scale: past {GREATEST_EXPONENT - LEAST_EXPONENT}")
    if len(factors.shifts) != 2 * factors.matrices * factors.rank:
        raise InvalidPatch(f"{where}.shifts: wrong number of shifts")
    if max(factors.shifts) > GREATEST_SHIFT or factors.row < 1:
        raise InvalidPatch(f"{where}: a shift past {GREATEST_SHIFT}, or rows of no numbers")
    _check_memory(where, factors, limits)
    if factors.size >= 4 * factors.numbers + 1024:
        raise InvalidPatch(f"{where}.size: {factors.size} bytes for {factors.numbers} numbers")
    return factors


def _check_sides(
    where: str, matrices: int, factors: FactorsEntry | GivenFactors, elements: int
) -> None:
    """Checks that matrices make up a tensor of `elements`, and can have the rank."""
    if elements == 0 or matrices * factors.rows * factors.columns != elements:
        raise InvalidPatch(
            f"{where}: {matrices} matrices of {factors.rows} x {factors.columns} for a "
            f"tensor of {elements} elements"
        )
    if not 1 <= factors.rank <= min(factors.rows, factors.columns, GREATEST_RANK):
        raise InvalidPatch(
            f"{where}: rank {factors.rank} of matrices of {factors.rows} x {factors.columns}"
        )


def _check_memory(where: str, factors: FactorsEntry | GivenFactors, limits: Limits) -> None:
    """Refuses factors that take more memory than allowed."""
    if 4 * factors.numbers > limits.factors:
        raise LimitExceeded(
            f"{where}: factors of {4 * factors.numbers} bytes, {limits.factors} are allowed; "
            "raise Limits.factors if you trust the patch"
        )


def _parse_given(fields: Fields, elements: int, limits: Limits) -> GivenFactors:
    """The matrices of an adapter that update a tensor of `elements`."""
    fields.only({"left", "right", "layout", "rows", "columns", "rank", "coefficient"})
    layout = fields.text("layout")
    if layout not in {"plain", "transposed"}:
        raise UnsupportedPatch(f"{fields.where}.layout: unknown {layout!r}; update sapwood")
    factors = GivenFactors(
        left=_parse_matrix(fields.object("left")),
        right=_parse_matrix(fields.object("right")),
        transposed=layout == "transposed",
        rows=fields.size("rows"),
        columns=fields.size("columns"),
        rank=fields.size("rank"),
        coefficient=_parse_coefficient(fields),
    )
    _check_sides(fields.where, 1, factors, elements)
    _check_memory(fields.where, factors, limits)
    return factors


def _parse_matrix(fields: Fields) -> Matrix:
    """Where a matrix of an adapter lies."""
    fields.only({"base", "offset", "from"})
    dtype = parse_dtype(fields.text("from"))
    if dtype not in BLENDED:
        raise InvalidPatch(f"{fields.where}: an adapter of {dtype.label}, which are not blended")
    return Matrix(fields.size("base"), fields.size("offset"), dtype)
