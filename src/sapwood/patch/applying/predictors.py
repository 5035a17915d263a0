"""Turns what the index says of a prediction into bytes, stretch by stretch.

Where a prediction is a part of a base, it is handed out where it lies. Where it is
computed, it goes into memory of the caller's; the target may then overwrite it there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import assert_never

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import joined
from sapwood.patch.format.front import Segment
from sapwood.patch.format.predictions import (
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    Matrix,
    Prediction,
    QuantiseEntry,
)
from sapwood.prediction.blend import Blend, packed
from sapwood.prediction.casting import Cast, numbers
from sapwood.prediction.conversion import Conversion
from sapwood.prediction.factors import Factors
from sapwood.prediction.given_factors import integer_factors
from sapwood.prediction.payload import decode_factors
from sapwood.prediction.requantising import Requantise
from sapwood.tensors import DType


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Predicts one segment; may be used by several threads at once.

    Attributes:
        dtype: type of the segment's elements.
        places: number of the base and first byte there, of each part that is read.
        blend: how the parts are put together, or None.
        conversion: how the only part becomes the segment's type, or None. With neither, the
            part is the prediction itself; with no part there is none.
    """

    dtype: DType
    places: tuple[tuple[int, int], ...]
    blend: Blend | None = None
    conversion: Conversion | None = None

    def read(self, bases: Sequence[Content], begin: int, end: int) -> list[Bytes]:
        """The stretches of the bases that predict the bytes [begin, end) of the segment."""
        if self.conversion is not None:
            begin, end = self.conversion.stretch(begin, end)
        return [bases[base][offset + begin : offset + end] for base, offset in self.places]

    def predict(
        self, stretches: Sequence[Bytes], begin: int, out: Bytes, edges: Bytes | None = None
    ) -> Bytes | None:
        """The prediction of as many bytes as `out` has.

        Args:
            stretches: the stretches of the bases, from `read`.
            begin: first byte of the stretch in the segment.
            out: the caller's memory for what is computed; may be that of a stretch.
            edges: the caller's memory for a blend's edges, a byte an element; None where nobody
                asks for them.

        Returns:
            A stretch as it was given, `out`, or None where nothing predicts the segment.
        """
        if self.conversion is not None:
            self.conversion.convert(stretches[0], begin, out)
            return out
        if self.blend is None:
            return stretches[0] if stretches else None
        self.blend.predict(stretches, begin // self.dtype.size, out, edges)
        return out

    def sample(
        self, bases: Sequence[Content], ranges: Sequence[tuple[int, int]]
    ) -> tuple[Bytes | None, Bytes | None]:
        """The prediction of several ranges of bytes, put together, and the edges of a blend.

        A single range of a base is not copied.
        """
        if self.blend is None and self.conversion is None:
            if not self.places:
                return None, None
            ((base, offset),) = self.places
            moved = [(offset + begin, offset + end) for begin, end in ranges]
            return joined(bases[base], moved), None
        size = sum(end - begin for begin, end in ranges)
        out = np.empty(size, np.uint8)
        edges = None if self.blend is None else np.empty(size // self.dtype.size, np.uint8)
        at = 0
        for begin, end in ranges:
            after = at + end - begin
            own = None
            if edges is not None:
                own = edges[at // self.dtype.size : after // self.dtype.size]
            self.predict(self.read(bases, begin, end), begin, out[at:after], own)
            at = after
        return out, edges


def predictor_of(
    dtype: DType, prediction: Prediction | None, factors: Bytes, bases: Sequence[Content]
) -> Predictor:
    """The predictor that an entry of the index describes.

    Args:
        dtype: type of the segment's elements.
        prediction: the entry; None where nothing predicts the segment.
        factors: the payload of the factors; empty where there are none.
        bases: the bases, which only an adapter's factors are read from.

    Raises:
        InvalidPatch: the payload of the factors is damaged.
    """
    match prediction:
        case None:
            return Predictor(dtype, ())
        case BaseRange(base, offset):
            return Predictor(dtype, ((base, offset),))
        case CastEntry(base, offset, given):
            return Predictor(dtype, ((base, offset),), conversion=Cast(given, dtype))
        case QuantiseEntry(base, offset, given, block):
            return Predictor(dtype, ((base, offset),), conversion=Requantise(block, given))
        case BlendEntry(terms, each, entry):
            return Predictor(
                dtype,
                tuple((term.base, term.offset) for term in terms),
                Blend(
                    dtype,
                    tuple(term.coefficient for term in terms),
                    each,
                    None if entry is None else packed(blend_factors(entry, factors, bases)),
                ),
            )
        case _:
            assert_never(prediction)


def blend_factors(
    entry: FactorsEntry | GivenFactors, payload: Bytes, bases: Sequence[Content]
) -> Factors:
    """The factors of a blend, from their payload or an adapter.

    Raises:
        InvalidPatch: the payload is damaged.
    """
    if isinstance(entry, FactorsEntry):
        return unpacked_factors(entry, payload)
    left = given_matrix(entry.left, entry.rows, entry.rank, entry.transposed, bases)
    right = given_matrix(entry.right, entry.rank, entry.columns, entry.transposed, bases)
    return integer_factors(left, right, entry.coefficient)


def given_matrix(
    matrix: Matrix, rows: int, columns: int, transposed: bool, bases: Sequence[Content]
) -> npt.NDArray[np.float64]:
    """(rows, columns) numbers of an adapter, which may lie as (columns, rows)."""
    end = matrix.offset + rows * columns * matrix.dtype.size
    stored = numbers(matrix.dtype, bases[matrix.base][matrix.offset : end])
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        found = stored.astype(np.float64)
    return found.reshape(columns, rows).T if transposed else found.reshape(rows, columns)


def unpacked_factors(entry: FactorsEntry, payload: Bytes) -> Factors:
    """The factors that an entry of the index describes.

    Raises:
        InvalidPatch: the payload is damaged.
    """
    shape = (entry.matrices, entry.rank, entry.rows, entry.columns)
    return decode_factors(payload, shape, entry.shifts, entry.exponent, entry.row)


def segment_predictor(segment: Segment, body: Content, bases: Sequence[Content]) -> Predictor:
    """The predictor of a segment of an opened patch; of a tensor, bases are not asked for."""
    begin = segment.body_offset
    factors = body[begin : begin + segment.factors_size]
    return predictor_of(segment.dtype, segment.prediction, factors, bases)
