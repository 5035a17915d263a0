"""Turns what the index says of a prediction into bytes, stretch by stretch.

Where a prediction is a part of a base, it is handed out where it lies. Where it is
computed, it goes into memory of the caller's; the target may then overwrite it there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.codec.content import Content
from sapwood.codec.survey import joined
from sapwood.patch.format import BaseRange, BlendEntry, FactorsEntry, Segment
from sapwood.prediction.blend import Blend, packed
from sapwood.prediction.factors import Factors
from sapwood.prediction.payload import decode_factors
from sapwood.tensors import DType


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Predicts one segment; may be used by several threads at once.

    Attributes:
        dtype: of the segment.
        places: base and byte offset of what is read.
        blend: how that is put together; None where it is the prediction itself.
    """

    dtype: DType
    places: tuple[tuple[int, int], ...]
    blend: Blend | None

    def read(self, bases: Sequence[Content], begin: int, end: int) -> list[Bytes]:
        """The stretches of the bases that predict the bytes [begin, end) of the segment."""
        return [bases[base][offset + begin : offset + end] for base, offset in self.places]

    def predict(
        self, stretches: Sequence[Bytes], begin: int, out: Bytes, edges: Bytes | None = None
    ) -> Bytes | None:
        """The prediction of as many bytes as `out` has.

        Args:
            stretches: of `read`.
            begin: of the stretch in the segment, bytes.
            out: memory that a blend is computed into; may be that of a stretch.
            edges: likewise, a byte for each element, for a blend's.

        Returns:
            A stretch as it was given, `out`, or None where nothing predicts the segment.
        """
        if self.blend is None:
            return stretches[0] if stretches else None
        self.blend.predict(stretches, begin // self.dtype.size, out, edges)
        return out

    def sample(
        self, bases: Sequence[Content], ranges: Sequence[tuple[int, int]]
    ) -> tuple[Bytes | None, Bytes | None]:
        """The predictions of several ranges of bytes, put together, and a blend's edges.

        A single range of a base is not copied.
        """
        if not self.places and self.blend is None:
            return None, None
        if self.blend is None:
            ((base, offset),) = self.places
            moved = [(offset + begin, offset + end) for begin, end in ranges]
            return joined(bases[base], moved), None
        size = sum(end - begin for begin, end in ranges)
        out = np.empty(size, np.uint8)
        edges = np.empty(size // self.dtype.size, np.uint8)
        at = 0
        for begin, end in ranges:
            after = at + end - begin
            own = edges[at // self.dtype.size : after // self.dtype.size]
            self.predict(self.read(bases, begin, end), begin, out[at:after], own)
            at = after
        return out, edges


def predictor_of(
    dtype: DType, prediction: BaseRange | BlendEntry | None, factors: Bytes
) -> Predictor:
    """The predictor that an entry of the index describes.

    Args:
        dtype: of the segment.
        prediction: its entry.
        factors: the payload of the factors; empty where there are none.

    Raises:
        InvalidPatch: that payload is damaged.
    """
    match prediction:
        case None:
            return Predictor(dtype, (), None)
        case BaseRange(base, offset):
            return Predictor(dtype, ((base, offset),), None)
        case BlendEntry(terms, each, entry):
            return Predictor(
                dtype,
                tuple((term.base, term.offset) for term in terms),
                Blend(
                    dtype,
                    tuple(term.coefficient for term in terms),
                    each,
                    None if entry is None else packed(unpacked_factors(entry, factors)),
                ),
            )


def unpacked_factors(entry: FactorsEntry, payload: Bytes) -> Factors:
    """The factors that an entry of the index describes.

    Raises:
        InvalidPatch: the payload is damaged.
    """
    shape = (entry.matrices, entry.rank, entry.rows, entry.columns)
    return decode_factors(payload, shape, entry.shifts, entry.exponent, entry.row)


def segment_predictor(segment: Segment, body: Content) -> Predictor:
    """The predictor of a segment of an opened patch."""
    begin = segment.body_offset
    return predictor_of(
        segment.dtype, segment.prediction, body[begin : begin + segment.factors_size]
    )
