"""Chooses what a tensor is predicted from: a base, a sum of bases, a low-rank update too.

What is chosen only decides how large the patch gets. Each choice is made from samples;
the search for a low-rank update reads more of a tensor once it has found a sign of one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from sapwood.codec.survey import sample_ranges
from sapwood.content.content import Bytes, Content
from sapwood.content.parts import joined
from sapwood.patch.applying.predictors import predictor_of
from sapwood.patch.format.predictions import (
    BLENDED,
    BaseRange,
    BlendEntry,
    FactorsEntry,
    Prediction,
    Term,
)
from sapwood.prediction.blend import Values, values
from sapwood.prediction.coefficients import BaseSum, fit_coefficients, residual_bits
from sapwood.prediction.factors import Factors
from sapwood.prediction.lowrank import find_factors
from sapwood.prediction.payload import payload_row
from sapwood.prediction.payload_coding import encode_factors
from sapwood.tensors import DType

FITTED = 1 << 20  # bytes of all bases of a tensor that coefficients are fitted to
LEAST_FITTED = 1 << 16  # bytes of each
COMPARED = 1 << 20  # bytes that are compared at a time
TRIED = 1 << 18  # bytes of a tensor that recipes are tried on
PRICE = 1000  # bits that the entry of a recipe takes in the index, about
NOTHING = np.empty(0, np.uint8)
WORTH = 1.02  # a low-rank update must be expected to save so much


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PredictionChoice:
    """What a segment is predicted from.

    Attributes:
        entry: of the index.
        factors: the payload of the factors; empty where there are none.
    """

    entry: Prediction | None
    factors: bytes = b""


def choose_bases(
    dtype: DType,
    target: Content,
    row_length: int,
    bases: Sequence[Content],
    places: Sequence[BaseRange],
) -> PredictionChoice:
    """The base, or the sum of bases, that predicts a segment best.

    Args:
        dtype: of the segment.
        target: its bytes.
        row_length: elements a row.
        bases: whole.
        places: parts of bases that may predict it, the likeliest first.
    """
    if len(places) < 2:
        return PredictionChoice(places[0] if places else None)
    ranges = sample_ranges(
        len(target), dtype.size, row_length, max(LEAST_FITTED, FITTED // len(places))
    )
    wanted = joined(target, ranges)
    different: dict[BaseRange, tuple[Bytes, Bytes]] = {}  # whole, and the sample
    for place in places:
        data = bases[place.base][place.offset : place.offset + len(target)]
        sample = joined(data, ranges)
        if np.array_equal(sample, wanted) and _same(data, target):
            return PredictionChoice(place)
        if not any(
            np.array_equal(sample, other) and _same(data, whole)
            for whole, other in different.values()
        ):
            different[place] = data, sample
    places = list(different)
    samples = [sample for _, sample in different.values()]
    if dtype in BLENDED:
        return _choice_of(fit_coefficients(dtype, samples, wanted), places)
    if dtype is DType.BYTES:
        return PredictionChoice(places[0])
    sizes = [residual_bits(dtype, one, wanted) for one in samples]
    return PredictionChoice(places[int(np.argmin(sizes))])


def choose_recipe(
    choice: PredictionChoice,
    dtype: DType,
    target: Content,
    row_length: int,
    bases: Sequence[Content],
    recipes: Sequence[Prediction],
) -> PredictionChoice:
    """The choice, or the recipe whose prediction is nearer to the target, by samples.

    Args:
        choice: a base, a sum of bases or nothing.
        dtype: of the segment.
        target: its bytes.
        row_length: elements a row.
        bases: whole.
        recipes: predictions that are computed.
    """
    if not recipes:
        return choice
    ranges = sample_ranges(len(target), dtype.size, row_length, TRIED)
    wanted = joined(target, ranges)

    def bits(entry: Prediction) -> float:
        prediction, _ = predictor_of(dtype, entry, NOTHING, bases).sample(bases, ranges)
        if prediction is None:
            return math.inf
        price = 0.0 if entry == choice.entry else PRICE / max(1, len(target) // dtype.size)
        return residual_bits(dtype, prediction, wanted) + price

    given = () if choice.entry is None else (choice.entry,)
    return PredictionChoice(min((*given, *recipes), key=bits))  # the first of the best


def _same(data: Content, other: Content) -> bool:
    """Whether two tensors are the same bytes, a stretch at a time."""
    return all(
        np.array_equal(data[at : at + COMPARED], other[at : at + COMPARED])
        for at in range(0, len(data), COMPARED)
    )


def _choice_of(fit: BaseSum, places: Sequence[BaseRange]) -> PredictionChoice:
    """A fit as the index has it."""
    if fit.single is not None:
        return PredictionChoice(places[fit.single])
    terms = tuple(
        Term(place.base, place.offset, coefficient)
        for place, coefficient in zip(places, fit.coefficients, strict=True)
        if coefficient != 0
    )
    return PredictionChoice(BlendEntry(terms, fit.each, None))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """The unrounded sum of the bases of a segment, and its target, to find factors in.

    Attributes:
        dtype: of the segment.
        terms: coefficients, and the bases' bytes.
        target: its bytes.
    """

    dtype: DType
    terms: Sequence[tuple[float, Bytes]]
    target: Content

    def read(self, first: int, last: int) -> tuple[Values, Bytes]:
        """The sum and the target's bytes of the elements [first, last)."""
        begin, end = first * self.dtype.size, last * self.dtype.size
        (coefficient, data), *more = self.terms
        total = values(self.dtype, data[begin:end])
        with np.errstate(over="ignore", invalid="ignore"):
            if coefficient != 1:
                total *= total.dtype.type(coefficient)
            for coefficient, data in more:
                total += values(self.dtype, data[begin:end]) * total.dtype.type(coefficient)
        return total, self.target[begin:end]


def with_factors(
    choice: PredictionChoice,
    dtype: DType,
    shape: tuple[int, ...],
    target: Content,
    bases: Sequence[Content],
    bits: float,
) -> PredictionChoice | None:
    """The choice with the low-rank update that the target holds beyond it.

    Args:
        choice: the base, or sum of bases.
        dtype, shape: of the tensor.
        target: its bytes.
        bases: whole.
        bits: that the choice takes, estimated, of the whole tensor.

    Returns:
        None where there is no such update, or it is not worth its factors.
    """
    entry = choice.entry
    if isinstance(entry, BaseRange):
        entry = BlendEntry((Term(entry.base, entry.offset, 1.0),), False, None)
    if dtype not in BLENDED or not isinstance(entry, BlendEntry) or entry.factors is not None:
        return None
    parts = [
        (term.coefficient, bases[term.base][term.offset : term.offset + len(target)])
        for term in entry.terms
    ]
    elements = len(target) // dtype.size
    found = find_factors(dtype, shape, Sum(dtype, parts, target).read, bits / max(1, elements))
    if found is None or (len(parts) > 1 and found.each != entry.each):
        return None
    payload = encode_factors(found.factors)
    if WORTH * (found.bits * elements + 8 * len(payload)) > bits:
        return None
    return PredictionChoice(
        BlendEntry(entry.terms, found.each, factors_entry(found.factors, payload)), payload
    )


def factors_entry(factors: Factors, payload: bytes) -> FactorsEntry:
    """What the index says of factors."""
    return FactorsEntry(
        matrices=factors.matrices,
        rows=factors.rows,
        columns=factors.columns,
        rank=factors.rank,
        exponent=factors.exponent,
        shifts=factors.left_shifts + factors.right_shifts,
        row=payload_row(factors.rows, factors.columns),
        size=len(payload),
    )
