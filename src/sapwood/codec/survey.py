"""What an encoder measures of a tensor before it plans.

A survey of a large tensor is taken from samples: blocks of neighbouring rows,
evenly spread. Counts are then scaled up, so that surveys add up whatever their
sampling. A survey is an estimate: what it overlooks costs bytes, never bits of
the target.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood.codec.chunk import STILL, Bytes, Levelling, Levels
from sapwood.tensors import DType

CONTEXTS = 128  # that a measurement tells apart
WHOLE = 1 << 20  # bytes; smaller tensors are read whole
SAMPLED = 4  # of larger ones, one block in so many
BLOCK = 1 << 17  # bytes

MOST_SPECIALS = 14
FIRST_SPECIAL = 240  # above the tokens of all 32-bit buckets

Counts: TypeAlias = npt.NDArray[np.float64]
Heavy: TypeAlias = dict[int, float]  # residual: how many elements have it


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Levelled:
    """What a tensor looks like under one levelling: counts of residual tokens by context.

    Only what occurs is held, a few thousand pairs: a model has thousands of tensors.

    Attributes:
        context: of each pair, measured (0 to 127).
        token: of each pair.
        count: of each pair, scaled to the whole tensor.
        steps: (256,) counts of the tokens of the row levels.
    """

    context: npt.NDArray[np.int16]
    token: npt.NDArray[np.uint8]
    count: npt.NDArray[np.float32]
    steps: npt.NDArray[np.float32]

    @classmethod
    def of(cls, counts: Counts, steps: Counts) -> Levelled:
        """From (128, 256) counts."""
        context, token = np.nonzero(counts)
        return cls(
            context.astype(np.int16),
            token.astype(np.uint8),
            counts[context, token].astype(np.float32),
            steps.astype(np.float32),
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Measurements of one tensor against its base.

    Attributes:
        dtype: of the elements.
        elements: of the whole tensor.
        levelled: by levelling; empty without a base.
        level: the one of Levelling.TENSOR; STILL where nothing changed.
        exponents: counts of exponent fields of the target; None for integers.
    """

    dtype: DType
    elements: int
    levelled: Mapping[Levelling, Levelled] = dataclasses.field(default_factory=dict)
    level: int = STILL
    exponents: Counts | None = None

    @property
    def changed(self) -> bool:
        """Whether there is a base and a sampled element differs from it."""
        return bool(self.levelled) and self.level != STILL


def sample_blocks(elements: int, size: int, row_length: int) -> list[tuple[int, int]]:
    """Ranges of elements to read: begin and end, whole rows where rows are short.

    Args:
        elements: of the tensor.
        size: bytes an element.
        row_length: elements a row.
    """
    if elements * size <= WHOLE:
        return [(0, elements)]
    rows_a_block = max(1, BLOCK // (row_length * size))
    block = min(rows_a_block * row_length, elements)
    blocks = math.ceil(elements / block)
    return [
        (i * block, min((i + 1) * block, elements)) for i in range(SAMPLED // 2, blocks, SAMPLED)
    ] or [(0, block)]


def special_tokens(dtype: DType, specials: tuple[int, ...]) -> list[tuple[int, int]]:
    """(token, value) of the special residuals of a type."""
    if dtype.size != 4:
        return []
    return [(FIRST_SPECIAL + i, value) for i, value in enumerate(specials)]


def step_tokens(levels: Levels) -> Counts:
    """Counts of the tokens that a chunk's row levels are coded with."""
    counts = np.zeros(256)
    if len(levels) == 1:
        return counts
    moving = levels[levels != STILL].astype(np.int64)
    counts[254] = len(levels) - len(moving)
    if len(moving):
        steps = np.diff(moving, prepend=moving[0])
        zigzag = np.where(steps < 0, -2 * steps - 1, 2 * steps)
        np.add.at(counts, zigzag[zigzag < 15], 1)
        large = np.abs(steps[zigzag >= 15])
        octave = np.log2(np.maximum(large, 8)).astype(np.int64)
        part = (large >> (octave - 2)) & 3
        negative = steps[zigzag >= 15] < 0
        np.add.at(counts, 15 + 2 * (4 * (octave - 3) + part) + negative, 1)
    return counts


def heavy_residuals(dtype: DType, base: Bytes, target: Bytes, row_length: int) -> Heavy:
    """Residuals of 8 ULPs and more that come again and again, and how often.

    Rows without a gradient move by weight decay alone and take a few exact values;
    buckets would spend raw bits on them. Only 32-bit types have buckets wide enough
    for it to matter. Counts are scaled to the whole tensor.
    """
    if dtype.size != 4:
        return {}
    elements = len(target) // dtype.size
    found: Counter[int] = Counter()
    read = 0
    for begin, end in sample_blocks(elements, dtype.size, row_length)[::2]:
        span = slice(begin * dtype.size, end * dtype.size)
        residuals = _kernel.residuals(dtype.code, base[span], target[span])
        values, counts = np.unique(residuals, return_counts=True)
        often = (np.abs(values) >= 8) & (counts > max(32, len(residuals) // 500))
        found.update(dict(zip(values[often].tolist(), counts[often].tolist(), strict=True)))
        read += end - begin
    return {value: count * elements / read for value, count in found.items()}


def special_values(heavy: Iterable[Heavy]) -> tuple[int, ...]:
    """The values that earn a token of their own, over all tensors of a patch."""
    total: Counter[int] = Counter()
    for one in heavy:
        total.update({value: round(count) for value, count in one.items()})
    return tuple(value for value, _ in total.most_common(MOST_SPECIALS))


def survey_tensor(
    dtype: DType,
    base: Bytes | None,
    target: Bytes,
    row_length: int,
    specials: tuple[int, ...] = (),
    sampled: bool = True,
) -> Survey:
    """Measures a tensor against its base, or alone.

    Args:
        dtype: of the elements.
        base: little-endian elements, as long as `target`, or None.
        target: little-endian elements, contiguous; neither is kept.
        row_length: elements a row.
        specials: of `special_values`, for 32-bit types.
        sampled: False reads every element, however large the tensor.
    """
    elements = len(target) // dtype.size
    whole = [(0, elements)]
    blocks = sample_blocks(elements, dtype.size, row_length) if sampled else whole
    spans = [slice(begin * dtype.size, end * dtype.size) for begin, end in blocks]
    scale = elements / max(1, sum(end - begin for begin, end in blocks))
    exponents = None
    if dtype.family == "float":
        parts = [_kernel.exponent_counts(dtype.code, target[s]) for s in spans]
        exponents = np.sum(parts, axis=0, dtype=np.float64) * scale
    if base is None:
        return Survey(dtype, elements, exponents=exponents)

    named = special_tokens(dtype, specials)
    def measured(spans: list[slice], levels: list[Levels]) -> Levelled:
        counts: Counts = np.zeros((CONTEXTS, 256))
        steps: Counts = np.zeros(256)
        read = 0
        for span, own in zip(spans, levels, strict=True):
            read += (span.stop - span.start) // dtype.size
            counts += _kernel.residual_counts(
                dtype.code, base[span], target[span], row_length, own, named
            )
            steps += step_tokens(own)
        scale = elements / max(1, read)
        return Levelled.of(counts * scale, steps * scale)

    def rows(spans: list[slice], slack: int) -> list[Levels]:
        return [
            _kernel.row_levels(dtype.code, base[s], target[s], row_length, slack) for s in spans
        ]

    by_row = rows(spans, Levelling.ROWS.slack)
    level = one_level(np.concatenate(by_row))
    single = np.array([level], np.int16)
    # All from the same rows, or differences between rows would decide.
    levelled = {Levelling.TENSOR: measured(spans, [single] * len(spans))}
    if elements > row_length and level != STILL:
        levelled[Levelling.ROWS] = measured(spans, by_row)
        levelled[Levelling.RUNS] = measured(spans, rows(spans, Levelling.RUNS.slack))
    return Survey(dtype, elements, levelled, level, exponents)


def one_level(levels: Levels) -> int:
    """The level of a tensor as one row, from the levels of its rows."""
    moving = levels[levels != STILL].astype(np.float64)
    if not len(moving):
        return STILL
    mean = np.exp2((moving - moving.max()) / 2).sum() / len(levels)
    return int(moving.max() + np.round(2 * np.log2(mean)))
