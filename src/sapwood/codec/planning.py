"""Decides how each tensor of a patch is coded. Pure: surveys in, codings of tensors and tables out.

The relation between an update's size, in ULPs of the weight that it moves, and
the distribution of its residuals is nearly the same in all tensors of a model. So
each element type has one set of tables that the whole patch shares; a tensor gets
a set of its own only where that saves more than the set costs. Tensors whose prediction
has edges share with each other alone: what it leaves is not an update, but rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sapwood._kernel import Tables
from sapwood.codec.chunk import MOST_TABLES, Coding, Levelling, TensorCoding
from sapwood.codec.costs import (
    CHANGES,
    ESCAPE,
    ROWS,
    gap_distribution,
    gap_raw_bits,
    residual_raw_bits,
    row_raw_bits,
    token_bits,
)
from sapwood.codec.survey import Counts, Survey, special_tokens
from sapwood.codec.windows import (
    WINDOW,
    contexts_of,
    finest,
    summed,
    window_of,
    window_shift,
)
from sapwood.tensors import DType

MOST_CLASSES = 8
WORTH_OWN_TABLES = 1 << 15  # bits; below, tables of one's own never pay
PER_CLASS = 64.0  # bits, about what the tables of one more class take
SHARED_TABLES = 3  # sets of a group: dense, sparse, values; and one more with edges
RESIDUAL, VALUE, SPARSE = 0, 1, 2  # codings of tables
MOST_COUNT = 2**31 - 1  # counts handed to the kernel are 32-bit
REPRESENTATIVES = 48  # tensors, the largest, that tell how to level


@dataclasses.dataclass(frozen=True, slots=True)
class CodingPlan:
    """Codings of tensors, one for each survey in order, and the tables that they name by index."""

    codings: tuple[TensorCoding, ...]
    tables: tuple[Tables, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TableSet:
    """Tables as the planner sees them: with their costs and the context window."""

    tables: Tables
    coding: Coding
    bits: npt.NDArray[np.float64]  # (33, 256), raw bits included
    shift: int
    starts: tuple[int, ...] = ()  # of the classes of a sparse coding
    edges: bool = False  # made for Levelling.EDGES, and for nothing else


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CodingChoice:
    """A way to code a tensor."""

    coding: Coding
    bits: float
    levelling: Levelling = Levelling.NONE
    table_set: TableSet | None = None


def plan_tensors(surveys: Sequence[Survey], specials: tuple[int, ...] = ()) -> CodingPlan:
    """The tensor coding of every tensor.

    Args:
        surveys: of the tensors of one patch.
        specials: those that the surveys were made with.
    """
    choices: list[CodingChoice] = [
        CodingChoice(Coding.RAW, 8.0 * s.elements * s.dtype.size) for s in surveys
    ]
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, survey in enumerate(surveys):
        groups.setdefault((survey.dtype.code, Levelling.EDGES in survey.levelled), []).append(i)
    for (_, edged), group in sorted(groups.items()):
        own = MOST_TABLES // len(groups) - SHARED_TABLES - edged
        members = [surveys[i] for i in group]
        planned = _plan_group(members[0].dtype, members, specials, own)
        for i, choice in zip(group, planned, strict=True):
            choices[i] = choice
    return numbered(surveys, choices)


def numbered(surveys: Sequence[Survey], choices: Sequence[CodingChoice]) -> CodingPlan:
    """The choices as codings, with an id for each set of tables that one of them uses."""
    ids: dict[int, int] = {}
    tables: list[Tables] = []
    codings = []
    for survey, choice in zip(surveys, choices, strict=True):
        chosen = choice.table_set
        bits = choice.bits / max(1, survey.elements)
        still = bool(survey.levelled) and not survey.changed
        if chosen is None:
            codings.append(TensorCoding(choice.coding, bits=bits, unseen_changes=still))
            continue
        if id(chosen) not in ids:
            ids[id(chosen)] = len(tables)
            tables.append(chosen.tables)
        codings.append(
            TensorCoding(
                choice.coding,
                choice.levelling,
                chosen.shift,
                survey.level,
                ids[id(chosen)],
                bits,
                still,
            )
        )
    return CodingPlan(tuple(codings), tuple(tables))


def _plan_group(
    dtype: DType, surveys: list[Survey], specials: tuple[int, ...], most_own: int
) -> list[CodingChoice]:
    """Choices for the tensors of one type, which share tables.

    Args:
        dtype: of all surveys.
        surveys: of the tensors; all of them with edges, or none.
        specials: those that the surveys were made with.
        most_own: tensors that may have tables of their own.
    """
    shared_values = _value_tables(surveys)
    alone = [_standalone(survey, shared_values) for survey in surveys]
    changed = [s for s in surveys if s.changed]
    if not changed:
        return alone
    shift = window_shift(changed)
    # The largest tensors tell which levellings to make the tables for.
    largest = sorted(changed, key=lambda s: -s.elements)[:REPRESENTATIVES]
    tried = _trials(dtype, largest, shift, specials)
    users: dict[tuple[Coding, bool], list[tuple[Survey, Levelling]]] = {}
    for survey in largest:
        choice = _cheapest(survey, _standalone(survey, shared_values), tried)
        key = (choice.coding, choice.levelling is Levelling.EDGES)
        users.setdefault(key, []).append((survey, choice.levelling))
    everyone = [(s, finest(s)) for s in largest]
    sets = [
        _dense_tables(dtype, users.get((Coding.RESIDUAL, False), everyone), shift, specials),
        _sparse_tables(dtype, users.get((Coding.SPARSE, False), everyone), shift),
    ]
    if (Coding.RESIDUAL, True) in users:
        sets.append(_edge_tables(dtype, [s for s, _ in users[Coding.RESIDUAL, True]], specials))
    shared = [_cheapest(s, a, sets) for s, a in zip(surveys, alone, strict=True)]
    best = [
        min([choice, *_own_choices(survey, choice, specials)], key=lambda c: c.bits)
        for survey, choice in zip(surveys, shared, strict=True)
    ]
    savings = [c.bits - b.bits for c, b in zip(shared, best, strict=True)]
    worthiest = sorted(range(len(best)), key=lambda i: -savings[i])[:most_own]
    for i in worthiest:
        shared[i] = best[i]
    return shared


def _trials(
    dtype: DType, changed: list[Survey], shift: int, specials: tuple[int, ...]
) -> list[TableSet]:
    """Tables made from all tensors under each levelling, for both codings."""
    sets = []
    for levelling in (Levelling.TENSOR, Levelling.RUNS, Levelling.ROWS):
        users = [(s, levelling if levelling in s.levelled else finest(s)) for s in changed]
        sets.append(_dense_tables(dtype, users, shift, specials))
        sets.append(_sparse_tables(dtype, users, shift))
    if Levelling.EDGES in changed[0].levelled:
        sets.append(_edge_tables(dtype, changed, specials))
    return sets


def _cheapest(survey: Survey, alone: CodingChoice, shared: list[TableSet]) -> CodingChoice:
    """The best of coding a tensor alone and against its base."""
    choices = [alone]
    if survey.changed:
        choices += [
            CodingChoice(
                tables.coding, _residual_bits(survey, tables, levelling), levelling, tables
            )
            for tables in shared
            for levelling in survey.levelled
            if tables.edges == (levelling is Levelling.EDGES)
        ]
    return min(choices, key=lambda c: c.bits)


def _own_choices(
    survey: Survey, shared: CodingChoice, specials: tuple[int, ...]
) -> list[CodingChoice]:
    """Codings with tables made for this tensor, which then have to be paid for."""
    if shared.coding not in {Coding.RESIDUAL, Coding.SPARSE} or shared.bits < WORTH_OWN_TABLES:
        return []
    tables = []
    user = [(survey, shared.levelling)]
    if shared.coding is Coding.SPARSE:
        tables.append(
            (shared.levelling, _sparse_tables(survey.dtype, user, window_shift([survey])))
        )
    else:
        if shared.levelling is Levelling.EDGES:
            fitted = _edge_tables(survey.dtype, [survey], specials)
        else:
            fitted = _dense_tables(survey.dtype, user, window_shift([survey]), specials)
        tables.append((shared.levelling, fitted))
        without = _dense_tables(survey.dtype, [(survey, Levelling.NONE)], 0, specials)
        tables.append((Levelling.NONE, without))
    return [
        CodingChoice(
            own.coding,
            _residual_bits(survey, own, levelling) + 8.0 * len(own.tables.serialised()),
            levelling,
            own,
        )
        for levelling, own in tables
    ]


def _steps_of(survey: Survey, levelling: Levelling) -> Counts:
    """(256,) counts of the row levels that a levelling brings with it."""
    if levelling is Levelling.NONE:
        return np.zeros(256)
    return survey.levelled[levelling].steps


def _built(
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


Users = Sequence[tuple[Survey, Levelling]]


def residual_choice(survey: Survey) -> CodingChoice:
    """The residual coding with tables of the tensor's own, paid for."""
    shift = window_shift([survey])
    choices = []
    for levelling in (Levelling.NONE, *survey.levelled):
        own = _dense_tables(
            survey.dtype, [(survey, levelling)], 0 if levelling is Levelling.NONE else shift, ()
        )
        bits = _residual_bits(survey, own, levelling) + 8.0 * len(own.tables.serialised())
        choices.append(CodingChoice(own.coding, bits, levelling, own))
    return min(choices, key=lambda c: c.bits)


def _dense_tables(dtype: DType, users: Users, shift: int, specials: tuple[int, ...]) -> TableSet:
    """Tables for the residuals of all elements."""
    counts = np.zeros((ROWS + 1, 256))
    for survey, levelling in users:
        counts[:WINDOW] += window_of(survey, levelling, shift)
        counts[ROWS] += _steps_of(survey, levelling)
    counts[:WINDOW] = _bridged(counts[:WINDOW])
    counts = _common(counts, 8 * dtype.size)
    named = special_tokens(dtype, specials)
    tables = _built(RESIDUAL, counts, named)
    raw = np.tile(residual_raw_bits(8 * dtype.size, len(named)), (ROWS + 1, 1))
    raw[ROWS] = row_raw_bits()
    return TableSet(tables, Coding.RESIDUAL, token_bits(tables, raw), shift)


def _edge_tables(dtype: DType, surveys: Sequence[Survey], specials: tuple[int, ...]) -> TableSet:
    """Tables for the residuals of all elements under Levelling.EDGES."""
    users = [(survey, Levelling.EDGES) for survey in surveys]
    tables = _dense_tables(dtype, users, 0, specials)
    return dataclasses.replace(tables, edges=True)


def _bridged(counts: Counts) -> Counts:
    """(32, 256) counts in which no context beside one that occurs is empty.

    Under a single level every second context stays empty, and which ones hangs on one
    half octave that a sample may miss.
    """
    empty = counts.sum(axis=1) == 0
    padded = np.pad(counts, ((1, 1), (0, 0)))
    return np.where(empty[:, None], (padded[:-2] + padded[2:]) / 2, counts)


def _common(counts: Counts, width: int) -> Counts:
    """Without tokens so rare that a frequency costs more than escaping them.

    A frequency of 1 in 4096 takes 1.44 / 4096 bits from every other symbol; an escape
    puts `width` raw bits in the token's place.
    """
    kept = counts.copy()
    rare = kept * width < kept.sum(axis=1, keepdims=True) * (1.44 / 4096)
    kept[rare] = 0
    kept[:, ESCAPE] += (counts * rare).sum(axis=1)
    return kept


def _by_class(counts: Counts, starts: tuple[int, ...]) -> Counts:
    """Sums (32, 256) counts over the contexts of each class."""
    return np.add.reduceat(counts, list(starts), axis=0)


def _sparse_tables(dtype: DType, users: Users, shift: int) -> TableSet:
    """Tables for the positions and residuals of changed elements."""
    windows = [window_of(survey, levelling, shift) for survey, levelling in users]
    starts = _class_starts(np.sum(windows, axis=0))
    counts = np.zeros((ROWS + 1, 256))
    for window, (survey, levelling) in zip(windows, users, strict=True):
        classes = _by_class(window, starts)
        changed = classes[:, 1:].sum(axis=1)
        gaps = gap_distribution(changed, classes.sum(axis=1))
        counts[: len(starts)] += changed[:, None] * gaps
        counts[CHANGES : CHANGES + len(starts), 1:] += classes[:, 1:]
        counts[ROWS] += _steps_of(survey, levelling)
    # Gaps too rare for the counts to see go through the escape.
    counts[: len(starts)][counts[: len(starts)] < 0.5] = 0
    tables = _built(SPARSE, counts, [], starts)
    raw = np.zeros((ROWS + 1, 256))
    raw[:CHANGES] = gap_raw_bits()
    raw[CHANGES:ROWS] = residual_raw_bits(8 * dtype.size, 0)
    raw[ROWS] = row_raw_bits()
    return TableSet(tables, Coding.SPARSE, token_bits(tables, raw), shift, starts)


def _class_starts(window: Counts) -> tuple[int, ...]:
    """The contexts at which the classes of a sparse coding start, the first always 0.

    Neighbouring contexts go together so that the positions of the changes take the
    fewest bits: dynamic programming over (contexts, classes).
    """
    members = np.concatenate([[0.0], np.cumsum(window.sum(axis=1))])
    changes = np.concatenate([[0.0], np.cumsum(window[:, 1:].sum(axis=1))])
    n = members - members[:, None]  # from the row's context to the column's
    k = changes - changes[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = k * np.log2(n / k) + (n - k) * np.log2(n / (n - k)) + PER_CLASS
    bits = np.where((k > 0) & (k < n), bits, 0.0)
    bits[np.tril_indices(WINDOW + 1)] = np.inf  # a class has a context at least

    best = bits[0]
    starts = [(0,) for _ in range(WINDOW + 1)]
    for _ in range(MOST_CLASSES - 1):
        split = best[:, None] + bits
        middle = np.argmin(split, axis=0)
        joined = split[middle, np.arange(WINDOW + 1)]
        better = joined < best
        starts = [
            (*starts[m], int(m)) if use else old
            for old, use, m in zip(starts, better, middle, strict=True)
        ]
        best = np.minimum(best, joined)
    return starts[WINDOW]


def _residual_bits(survey: Survey, tables: TableSet, levelling: Levelling) -> float:
    """What a tensor takes under given tables."""
    counted, contexts = contexts_of(survey, levelling, tables.shift)
    bits = float((_steps_of(survey, levelling) * tables.bits[ROWS]).sum())
    if tables.coding is Coding.RESIDUAL:
        return bits + float((counted.count * tables.bits[contexts, counted.token]).sum())
    classes = np.searchsorted(tables.starts, contexts, side="right") - 1
    moved = counted.token != 0
    members = summed(classes, counted.count, len(tables.starts))
    changed = summed(classes[moved], counted.count[moved], len(tables.starts))
    gaps = gap_distribution(changed, members) * tables.bits[: len(members)]
    changes = tables.bits[CHANGES + classes[moved], counted.token[moved]]
    return (
        bits
        + float((gaps.sum(axis=1) * changed).sum())
        + float((counted.count[moved] * changes).sum())
    )


def _value_tables(surveys: Sequence[Survey]) -> TableSet | None:
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
    tables = _built(VALUE, counts, [], (), first)
    raw = np.full((ROWS + 1, 256), float(dtype.mantissa + 1))
    raw[:, ESCAPE] = 8 * dtype.size
    return TableSet(tables, Coding.VALUE, token_bits(tables, raw), first)


def _standalone(survey: Survey, values: TableSet | None) -> CodingChoice:
    """A tensor by itself: exponents as tokens, or what zstd makes of it."""
    compressed = CodingChoice(Coding.COMPRESSED, 8.0 * survey.elements * survey.dtype.size)
    if values is None or survey.exponents is None:
        return compressed
    fields = survey.exponents[values.shift : values.shift + 255]
    bits = float((fields * values.bits[0, : len(fields)]).sum())
    bits += (survey.elements - float(fields.sum())) * values.bits[0, ESCAPE]
    return min(compressed, CodingChoice(Coding.VALUE, bits, table_set=values), key=lambda c: c.bits)
