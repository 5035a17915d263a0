"""What an encoder measures of a tensor before it plans.

A survey of a large tensor is taken from samples: blocks of neighbouring rows,
evenly spread. Counts are then scaled up, so that surveys add up whatever their
sampling. A survey is an estimate: what it overlooks costs bytes, never bits of
the target.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood.codec.chunk import STILL, Levelling, Levels, edge_levels
from sapwood.content.content import Bytes
from sapwood.tensors import DType

CONTEXTS = 128  # contexts that a measurement tells apart
WHOLE = 1 << 18  # bytes; smaller tensors are read whole
SAMPLED = 4  # one block in so many is read of larger tensors
BLOCK = 1 << 14  # bytes; small, since rows differ more the further they are apart
MOST_SAMPLED = 16 << 20  # bytes of a tensor that are read, however large it is
MOST_LOOKED_THROUGH = 2 << 20  # bytes that are searched for heavy residuals
MOST_SPECIALS = 14
FIRST_SPECIAL = 240  # above the tokens of all 32-bit buckets
LEAST_LEVEL = -8191
SPECIAL_SIZE = 4  # bytes of the elements whose residuals may have tokens of their own

Counts: TypeAlias = npt.NDArray[np.float64]
Heavy: TypeAlias = dict[int, float]  # how many elements have a residual, by residual


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Levelled:
    """What a tensor looks like under one levelling: counts of residual tokens by context.

    Only what occurs is held, a few thousand pairs: a model has thousands of tensors.

    Attributes:
        context: (pairs,) measured contexts, 0 to 127; see `Survey` for edges.
        token: (pairs,) residual tokens.
        count: (pairs,) how often each pair occurs, scaled to the whole tensor.
        steps: (256,) counts of the tokens of the row levels.
    """

    context: npt.NDArray[np.int16]
    token: npt.NDArray[np.uint8]
    count: Counts
    steps: Counts

    @classmethod
    def of(cls, counts: Counts, steps: Counts) -> Levelled:
        """The pairs that occur in (128, 256) counts, with the counts of row levels."""
        # Several times as fast as np.nonzero of the counts.
        place = np.flatnonzero(counts.reshape(-1) != 0)
        return cls(
            (place // counts.shape[1]).astype(np.int16),
            (place % counts.shape[1]).astype(np.uint8),
            counts.reshape(-1)[place],
            steps,
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Measurements of one tensor against its base.

    Attributes:
        dtype: type of the elements.
        elements: how many the whole tensor has.
        levelled: counts by levelling; empty without a base. Levelling.EDGES is there where the
            base is a prediction that has edges and something changed; its contexts are those of
            the format, 0 to 31.
        level: the level of Levelling.TENSOR, half octaves; STILL where nothing changed.
        exponents: (fields,) counts of exponent fields of the target; None for integers.
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


def sample_ranges(
    length: int, size: int, row_length: int, most: int = MOST_SAMPLED
) -> list[tuple[int, int]]:
    """Which bytes of a tensor to read: evenly spread blocks of neighbouring rows.

    Args:
        length: bytes of the tensor.
        size: bytes an element.
        row_length: elements a row.
        most: bytes to read, about.

    Returns:
        Begin and end of each block in bytes, ascending.
    """
    if length <= WHOLE:
        return [(0, length)]
    row = row_length * size
    block = max(1, BLOCK // row) * row
    blocks = length // block
    if blocks < 2 * SAMPLED or block > most // 64:  # rows too long to choose among: parts of rows
        block = BLOCK
        blocks = length // block
    step = max(SAMPLED, length // most)
    return [(i * block, (i + 1) * block) for i in range(SAMPLED // 2, blocks, step)]


def special_tokens(dtype: DType, specials: tuple[int, ...]) -> list[tuple[int, int]]:
    """(token, value) of the special residuals of a type."""
    if dtype.size != SPECIAL_SIZE:
        return []
    return [(FIRST_SPECIAL + i, value) for i, value in enumerate(specials)]


def _step_tokens(levels: Levels) -> Counts:
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


def heavy_residuals(dtype: DType, base: Bytes, target: Bytes, elements: int) -> Heavy:
    """Residuals of 8 ULPs and more that come again and again, and how often.

    Rows without a gradient move by weight decay alone and take a few exact values;
    buckets would spend raw bits on them. Only 32-bit types have buckets wide enough
    for it to matter.

    Args:
        dtype: type of the elements, of 4 bytes.
        base: little-endian elements of a sample, as many as in `target`.
        target: the same elements of the target.
        elements: how many the whole tensor has; counts are scaled to it.
    """
    residuals = _kernel.residuals(dtype.code, base, target)
    values, counts = np.unique(residuals, return_counts=True)
    often = (np.abs(values) >= 8) & (counts > max(32, len(residuals) // 500))
    scale = elements / max(1, len(residuals))
    return {int(v): n * scale for v, n in zip(values[often], counts[often].tolist(), strict=True)}


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
    elements: int | None = None,
    edges: Bytes | None = None,
) -> Survey:
    """Measures a tensor against its base, or alone.

    Args:
        dtype: type of the elements.
        base: little-endian elements, as many as in `target`, or None.
        target: little-endian elements, contiguous, of the tensor or of a sample of it
            (`sample_ranges`); neither is kept.
        row_length: elements a row.
        specials: the residuals that `special_values` found; only 32-bit types have use for them.
        elements: how many the whole tensor has, where `target` is a sample.
        edges: edges of the base's elements, a byte each, where they are known.
    """
    if elements is None:
        elements = len(target) // dtype.size
    scale = elements * dtype.size / max(1, len(target))
    exponents = None
    if dtype.family == "float":
        exponents = _kernel.exponent_counts(dtype.code, target).astype(np.float64) * scale
    if base is None:
        return Survey(dtype, elements, exponents=exponents)

    named = special_tokens(dtype, specials)

    def measured(levels: Levels, edges: Bytes | None = None) -> Levelled:
        found = _kernel.residual_counts(
            dtype.code, base, target, row_length, levels, named, edges=edges
        )
        counts: Counts = found.astype(np.float64) * scale
        return Levelled.of(counts, _step_tokens(levels) * scale)

    by_row = _kernel.row_levels(dtype.code, base, target, row_length, Levelling.ROWS.slack)
    level = _one_level(by_row)
    if level == STILL and not np.array_equal(base, target):
        level = LEAST_LEVEL  # negative zero became positive: a change of no size
    levelled = {Levelling.TENSOR: measured(np.array([level], np.int16))}
    if level == STILL:
        return Survey(dtype, elements, levelled, level, exponents)
    if len(by_row) > 1:
        runs = _kernel.row_levels(dtype.code, base, target, row_length, Levelling.RUNS.slack)
        levelled[Levelling.ROWS] = measured(by_row)
        levelled[Levelling.RUNS] = measured(runs)
    if edges is not None:
        levelled[Levelling.EDGES] = measured(edge_levels(dtype, by_row, level), edges)
    return Survey(dtype, elements, levelled, level, exponents)


def _one_level(levels: Levels) -> int:
    """The level of a tensor as one row, from the levels of its rows."""
    moving = levels[levels != STILL].astype(np.float64)
    if not len(moving):
        return STILL
    mean = np.exp2((moving - moving.max()) / 2).sum() / len(levels)
    return int(moving.max() + np.round(2 * np.log2(mean)))
