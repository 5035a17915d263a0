"""Decides how each tensor of a patch is coded. Pure: surveys in, recipes and tables out.

The relation between an update's size, in ULPs of the weight that it moves, and
the distribution of its residuals is nearly the same in all tensors of a model. So
each element type has one set of tables that the whole patch shares; a tensor gets
a set of its own only where that saves more than the set costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sapwood._kernel import Tables
from sapwood.codec.chunk import STILL, Coding, Context, Recipe
from sapwood.codec.costs import (
    CHANGES,
    ESCAPE,
    ROWS,
    gap_distribution,
    gap_raw_bits,
    residual_raw_bits,
    token_bits,
)
from sapwood.codec.survey import CONTEXTS, Counts, Survey, special_tokens
from sapwood.tensors import DType

WINDOW = 32  # contexts of the format
MOST_CLASSES = 8
WORTH_OWN_TABLES = 1 << 15  # bits; below, tables of one's own never pay
MOST_TABLES = 256  # sets in a patch; each takes half a MiB unpacked
PER_CLASS = 64.0  # bits, about what the tables of one more class take
SHARED_TABLES = 3  # sets of an element type: dense, sparse, values
RESIDUAL, VALUE, SPARSE = 0, 1, 2  # codings of tables
MOST_COUNT = 2**31 - 1  # counts handed to the kernel are 32-bit


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Recipes, one for each survey in order, and the tables that they name by index."""

    recipes: tuple[Recipe, ...]
    tables: tuple[Tables, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TableSet:
    """Tables as the planner sees them: with their costs and the context window."""

    tables: Tables
    coding: Coding
    bits: npt.NDArray[np.float64]  # (33, 256), raw bits included
    shift: int
    starts: tuple[int, ...] = ()  # of the classes of a sparse coding


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A way to code a tensor."""

    coding: Coding
    bits: float
    context: Context = Context.NONE
    table_set: TableSet | None = None


def plan_tensors(surveys: Sequence[Survey], specials: tuple[int, ...] = ()) -> Plan:
    """The recipe of every tensor.

    Args:
        surveys: of the tensors of one patch.
        specials: those that the surveys were made with.
    """
    choices: list[Choice] = [Choice(Coding.RAW, 8.0 * s.elements * s.dtype.size) for s in surveys]
    dtypes = sorted({s.dtype for s in surveys}, key=lambda d: d.code)
    for dtype in dtypes:
        group = [i for i, s in enumerate(surveys) if s.dtype is dtype]
        own = MOST_TABLES // len(dtypes) - SHARED_TABLES
        planned = plan_group(dtype, [surveys[i] for i in group], specials, own)
        for i, choice in zip(group, planned, strict=True):
            choices[i] = choice
    return numbered(surveys, choices)


def numbered(surveys: Sequence[Survey], choices: Sequence[Choice]) -> Plan:
    """The choices as recipes, with an id for each set of tables that one of them uses."""
    ids: dict[int, int] = {}
    tables: list[Tables] = []
    recipes = []
    for survey, choice in zip(surveys, choices, strict=True):
        chosen = choice.table_set
        bits = choice.bits / max(1, survey.elements)
        still = survey.by_row is not None and survey.level == STILL
        if chosen is None:
            recipes.append(Recipe(choice.coding, bits=bits, unseen_changes=still))
            continue
        if id(chosen) not in ids:
            ids[id(chosen)] = len(tables)
            tables.append(chosen.tables)
        recipes.append(
            Recipe(
                choice.coding,
                choice.context,
                chosen.shift,
                survey.level,
                ids[id(chosen)],
                bits,
                still,
            )
        )
    return Plan(tuple(recipes), tuple(tables))


def plan_group(
    dtype: DType, surveys: list[Survey], specials: tuple[int, ...], most_own: int
) -> list[Choice]:
    """Choices for the tensors of one type, which share tables.

    At most `most_own` tensors get tables of their own: those that save the most by it.
    """
    shared_values = value_tables(surveys)
    alone = [standalone(survey, shared_values) for survey in surveys]
    changed = [s for s in surveys if s.by_row is not None and s.level != STILL]
    if not changed:
        return alone
    shift = window_shift(changed)
    # Tables from all tensors tell which tensors to make the tables from.
    everyone = [(s, Context.ROW) for s in changed]
    dense = dense_tables(dtype, everyone, shift, specials)
    sparse = sparse_tables(dtype, everyone, shift)
    first = [cheapest(s, a, [dense, sparse]) for s, a in zip(surveys, alone, strict=True)]
    users = [(s, c.context) for s, c in zip(surveys, first, strict=True) if c.table_set is dense]
    if users:
        dense = dense_tables(dtype, users, shift, specials)
    users = [(s, c.context) for s, c in zip(surveys, first, strict=True) if c.table_set is sparse]
    if users:
        sparse = sparse_tables(dtype, users, shift)
    shared = [cheapest(s, a, [dense, sparse]) for s, a in zip(surveys, alone, strict=True)]
    own = [own_choice(s, c, specials) for s, c in zip(surveys, shared, strict=True)]
    savings = [c.bits - o.bits for c, o in zip(shared, own, strict=True)]
    best = sorted(range(len(own)), key=lambda i: -savings[i])[:most_own]
    for i in best:
        if savings[i] > 0:
            shared[i] = own[i]
    return shared


def cheapest(survey: Survey, alone: Choice, shared: list[TableSet]) -> Choice:
    """The best of coding a tensor alone and against its base."""
    if survey.by_row is None or survey.level == STILL:
        return alone
    choices = [alone]
    for tables in shared:
        for context in (Context.ONE, Context.ROW):
            choices.append(
                Choice(tables.coding, residual_bits(survey, tables, context), context, tables)
            )
    return min(choices, key=lambda c: c.bits)


def own_choice(survey: Survey, shared: Choice, specials: tuple[int, ...]) -> Choice:
    """The same coding with tables made for this tensor, which then have to be paid for."""
    if shared.table_set is None or shared.bits < WORTH_OWN_TABLES:
        return shared
    user = [(survey, shared.context)]
    if shared.coding is Coding.RESIDUAL:
        own = dense_tables(survey.dtype, user, window_shift([survey]), specials)
    elif shared.coding is Coding.SPARSE:
        own = sparse_tables(survey.dtype, user, shared.table_set.shift)
    else:
        return shared
    bits = residual_bits(survey, own, shared.context) + 8.0 * len(own.tables.serialised())
    return Choice(shared.coding, bits, shared.context, own)


def counts_of(survey: Survey, context: Context) -> Counts:
    """(128, 256) counts of a surveyed tensor that has a base."""
    counts = survey.by_row if context is Context.ROW else survey.by_tensor
    assert counts is not None
    return counts


def steps_of(survey: Survey, context: Context) -> Counts:
    """(256,) counts of the row levels that a context brings with it."""
    if context is not Context.ROW or survey.steps is None:
        return np.zeros(256)
    return survey.steps


def windowed(counts: Counts, shift: int) -> Counts:
    """(32, 256): the contexts of the format out of the measured ones."""
    out = counts[shift : shift + WINDOW].copy()
    out[0] += counts[:shift].sum(axis=0)
    out[-1] += counts[shift + WINDOW :].sum(axis=0)
    return out


def window_shift(surveys: Sequence[Survey]) -> int:
    """Where the 32 contexts begin: 20 below the median of the elements that change."""
    changes = np.sum([counts_of(s, Context.ROW)[:, 1:].sum(axis=1) for s in surveys], axis=0)
    median = int(np.searchsorted(np.cumsum(changes), changes.sum() / 2))
    return min(max(median - 20, 0), CONTEXTS - WINDOW)


def built(
    coding: int,
    counts: Counts,
    specials: list[tuple[int, int]],
    starts: tuple[int, ...] = (),
    first_exponent: int = 0,
) -> Tables:
    """Tables for (33, 256) counts, which may be fractions; what occurs keeps a frequency."""
    scale = min(1.0, MOST_COUNT / max(1.0, counts.max()))
    whole = np.where(counts > 0, np.maximum(1, np.rint(counts * scale)), 0).astype(np.uint32)
    return Tables.build(coding, whole, specials, list(starts), first_exponent)


Users = Sequence[tuple[Survey, Context]]


def dense_tables(dtype: DType, users: Users, shift: int, specials: tuple[int, ...]) -> TableSet:
    """Tables for the residuals of all elements."""
    counts = np.zeros((ROWS + 1, 256))
    for survey, context in users:
        counts[:WINDOW] += windowed(counts_of(survey, context), shift)
        counts[ROWS] += steps_of(survey, context)
    named = special_tokens(dtype, specials)
    tables = built(RESIDUAL, counts, named)
    raw = np.tile(residual_raw_bits(8 * dtype.size, len(named)), (ROWS + 1, 1))
    raw[ROWS] = residual_raw_bits(32, 0)
    return TableSet(tables, Coding.RESIDUAL, token_bits(tables, raw), shift)


def by_class(counts: Counts, starts: tuple[int, ...]) -> Counts:
    """Sums (32, 256) counts over the contexts of each class."""
    return np.add.reduceat(counts, list(starts), axis=0)


def sparse_tables(dtype: DType, users: Users, shift: int) -> TableSet:
    """Tables for the positions and residuals of changed elements."""
    windows = [windowed(counts_of(survey, context), shift) for survey, context in users]
    starts = class_starts(np.sum(windows, axis=0))
    counts = np.zeros((ROWS + 1, 256))
    for window, (survey, context) in zip(windows, users, strict=True):
        for k, row in enumerate(by_class(window, starts)):
            changed = row[1:].sum()
            if changed > 0:
                counts[k] += changed * gap_distribution(changed, row.sum())
                counts[CHANGES + k, 1:] += row[1:]
        counts[ROWS] += steps_of(survey, context)
    # Gaps too rare for the counts to see go through the escape.
    counts[: len(starts)][counts[: len(starts)] < 0.5] = 0
    tables = built(SPARSE, counts, [], starts)
    raw = np.zeros((ROWS + 1, 256))
    raw[:CHANGES] = gap_raw_bits()
    raw[CHANGES:ROWS] = residual_raw_bits(8 * dtype.size, 0)
    raw[ROWS] = residual_raw_bits(32, 0)
    return TableSet(tables, Coding.SPARSE, token_bits(tables, raw), shift, starts)


def class_starts(window: Counts) -> tuple[int, ...]:
    """The contexts at which the classes of a sparse coding start, the first always 0.

    Neighbouring contexts go together so that the positions of the changes take the
    fewest bits: dynamic programming over (contexts, classes).
    """
    members = np.concatenate([[0.0], np.cumsum(window.sum(axis=1))])
    changes = np.concatenate([[0.0], np.cumsum(window[:, 1:].sum(axis=1))])

    def bits(begin: int, end: int) -> float:
        n = members[end] - members[begin]
        k = changes[end] - changes[begin]
        if k <= 0 or k >= n:
            return 0.0
        return float(k * np.log2(n / k) + (n - k) * np.log2(n / (n - k))) + PER_CLASS

    best: list[tuple[float, tuple[int, ...]]] = [
        (bits(0, end), (0,)) for end in range(WINDOW + 1)
    ]
    for _ in range(MOST_CLASSES - 1):
        best = [
            min(
                [best[end]]
                + [
                    (best[middle][0] + bits(middle, end), (*best[middle][1], middle))
                    for middle in range(1, end)
                ]
            )
            for end in range(WINDOW + 1)
        ]
    return best[WINDOW][1]


def residual_bits(survey: Survey, tables: TableSet, context: Context) -> float:
    """What a tensor takes under given tables."""
    window = windowed(counts_of(survey, context), tables.shift)
    rows = float((steps_of(survey, context) * tables.bits[ROWS]).sum())
    if tables.coding is Coding.RESIDUAL:
        return rows + float((window * tables.bits[:WINDOW]).sum())
    total = rows
    for k, row in enumerate(by_class(window, tables.starts)):
        changed = row[1:].sum()
        if changed > 0:
            gaps = gap_distribution(changed, row.sum()) * tables.bits[k]
            total += changed * float(gaps.sum())
            total += float((row[1:] * tables.bits[CHANGES + k, 1:]).sum())
    return total


def value_tables(surveys: Sequence[Survey]) -> TableSet | None:
    """Tables for elements by themselves; None for integers."""
    counted = [s.exponents for s in surveys if s.exponents is not None]
    if not counted:
        return None
    exponents = np.sum(counted, axis=0)
    dtype = surveys[0].dtype
    # 255 fields from the first that occurs often enough to matter.
    often = np.flatnonzero(exponents > exponents.sum() * 1e-6)
    last = int(often[-1]) if len(often) else 0
    first = max(0, last - 254)
    if len(exponents) > 255 and len(often):
        first = max(first, int(often[0]))
    counts = np.zeros((ROWS + 1, 256))
    fields = exponents[first : first + 255]
    counts[0, : len(fields)] = fields
    counts[0, ESCAPE] = exponents.sum() - fields.sum()
    tables = built(VALUE, counts, [], (), first)
    raw = np.full((ROWS + 1, 256), float(dtype.mantissa + 1))
    raw[:, ESCAPE] = 8 * dtype.size
    return TableSet(tables, Coding.VALUE, token_bits(tables, raw), first)


def standalone(survey: Survey, values: TableSet | None) -> Choice:
    """A tensor by itself: exponents as tokens, or what zstd makes of it."""
    compressed = Choice(Coding.COMPRESSED, 8.0 * survey.elements * survey.dtype.size)
    if values is None or survey.exponents is None:
        return compressed
    fields = survey.exponents[values.shift : values.shift + 255]
    bits = float((fields * values.bits[0, : len(fields)]).sum())
    bits += (survey.elements - float(fields.sum())) * values.bits[0, ESCAPE]
    return min(compressed, Choice(Coding.VALUE, bits, Context.NONE, values), key=lambda c: c.bits)
