"""Chooses what a tensor is predicted from: a base, a sum of bases, a low-rank update too.

What is chosen only decides how large the patch gets. Each choice is made from samples;
the search for a low-rank update reads more of a tensor once it has found a sign of one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import joined
from sapwood.patch.applying.predictors import Predictor, predictor_of
from sapwood.patch.format.predictions import (
    BLENDED,
    BaseRange,
    BlendEntry,
    FactorsEntry,
    Prediction,
    Term,
)
from sapwood.patch.making.segments import SegmentSource
from sapwood.prediction.blend import Values, values
from sapwood.prediction.coefficients import BaseSum, fit_coefficients, residual_bits
from sapwood.prediction.factors import Factors
from sapwood.prediction.lowrank import find_factors
from sapwood.prediction.payload import payload_row
from sapwood.prediction.payload_coding import encode_factors
from sapwood.tensors import DType

FITTED = 1 << 20  # bytes of all bases of a tensor that coefficients are fitted to
LEAST_FITTED = 1 << 16  # bytes of each base that they are fitted to, at least
COMPARED = 1 << 20  # bytes that are compared at a time
TRIED = 1 << 18  # bytes of a tensor that recipes are tried on
PRICE = 1000  # bits that the entry of a recipe takes in the index, about
WORTH = 1.02  # how many times its bits a tensor must take without a low-rank update


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PredictionChoice:
    """What a segment is predicted from.

    Attributes:
        entry: the entry of the index.
        factors: the payload of the factors; empty where there are none.
    """

    entry: Prediction | None
    factors: bytes = b""

    def predictor(self, dtype: DType, bases: Sequence[Content]) -> Predictor:
        """What turns the choice into bytes of a segment; `bases` are whole."""
        return predictor_of(dtype, self.entry, np.frombuffer(self.factors, np.uint8), bases)


def choose_bases(source: SegmentSource, bases: Sequence[Content]) -> PredictionChoice:
    """The base, or the sum of bases, that predicts a segment best; `bases` are whole."""
    dtype, target, places = source.dtype, source.target, source.places
    if len(places) < 2:
        return PredictionChoice(places[0] if places else None)
    ranges = source.sample_ranges(max(LEAST_FITTED, FITTED // len(places)))
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
    left = list(different)
    samples = [sample for _, sample in different.values()]
    if dtype in BLENDED:
        return _choice_of(fit_coefficients(dtype, samples, wanted), left)
    if dtype is DType.BYTES:
        return PredictionChoice(left[0])
    sizes = [residual_bits(dtype, one, wanted) for one in samples]
    return PredictionChoice(left[int(np.argmin(sizes))])


def choose_recipe(
    choice: PredictionChoice, source: SegmentSource, bases: Sequence[Content]
) -> PredictionChoice:
    """The choice, or the recipe whose prediction is nearer to the target, by samples.

    Args:
        choice: a base, a sum of bases or nothing.
        source: the segment, with its recipes.
        bases: the whole bases.
    """
    if not source.recipes:
        return choice
    ranges = source.sample_ranges(TRIED)
    wanted = joined(source.target, ranges)

    def bits(entry: Prediction) -> float:
        predictor = PredictionChoice(entry).predictor(source.dtype, bases)
        prediction, _ = predictor.sample(bases, ranges)
        if prediction is None:
            return math.inf
        price = 0.0 if entry == choice.entry else PRICE / max(1, source.elements)
        return residual_bits(source.dtype, prediction, wanted) + price

    given = () if choice.entry is None else (choice.entry,)
    return PredictionChoice(min((*given, *source.recipes), key=bits))  # the first of the best


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


def _unrounded(
    dtype: DType, terms: Sequence[tuple[float, Bytes]], target: Content, first: int, last: int
) -> tuple[Values, Bytes]:
    """The unrounded sum of bases and the target's bytes, to find factors in.

    Args:
        dtype: type of the elements.
        terms: coefficients, each with the bytes that a base has of the segment.
        target: bytes of the segment.
        first: first element of those wanted.
        last: first element after them.
    """
    begin, end = first * dtype.size, last * dtype.size
    (coefficient, data), *more = terms
    total = values(dtype, data[begin:end])
    with np.errstate(over="ignore", invalid="ignore"):
        if coefficient != 1:
            total *= total.dtype.type(coefficient)
        for coefficient, data in more:
            total += values(dtype, data[begin:end]) * total.dtype.type(coefficient)
    return total, target[begin:end]


def with_factors(
    choice: PredictionChoice, source: SegmentSource, bases: Sequence[Content], bits: float
) -> PredictionChoice | None:
    """The choice with the low-rank update that the target holds beyond it.

    Args:
        choice: the base, or sum of bases.
        source: the tensor.
        bases: the whole bases.
        bits: estimated bits that the whole tensor takes with the choice as it is.

    Returns:
        None where there is no such update, or it is not worth its factors.
    """
    dtype, target = source.dtype, source.target
    entry = choice.entry
    if isinstance(entry, BaseRange):
        entry = BlendEntry((Term(entry.base, entry.offset, 1.0),), False, None)
    if dtype not in BLENDED or not isinstance(entry, BlendEntry) or entry.factors is not None:
        return None
    parts = [
        (term.coefficient, bases[term.base][term.offset : term.offset + len(target)])
        for term in entry.terms
    ]
    read = functools.partial(_unrounded, dtype, parts, target)
    found = find_factors(dtype, source.shape, read, bits / max(1, source.elements))
    if found is None or (len(parts) > 1 and found.each != entry.each):
        return None
    payload = encode_factors(found.factors)
    if WORTH * (found.bits * source.elements + 8 * len(payload)) > bits:
        return None
    return PredictionChoice(
        BlendEntry(entry.terms, found.each, factors_entry(found.factors, payload)), payload
    )


def factors_entry(factors: Factors, payload: bytes) -> FactorsEntry:
    """The index entry of factors; `payload` is theirs."""
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
