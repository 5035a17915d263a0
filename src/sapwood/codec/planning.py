"""Decides how each tensor of a patch is coded. Pure: surveys in, codings of tensors and tables out.

The relation between an update's size, in ULPs of the weight that it moves, and
the distribution of its residuals is nearly the same in all tensors of a model. So
each element type has one set of tables that the whole patch shares; a tensor gets
a set of its own only where that saves more than the set costs. Tensors whose prediction
has edges share with each other alone: what it leaves is not an update, but rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

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
    """Tables as the planner sees them: with their costs and the context window.

    Attributes:
        tables: the tables themselves.
        coding: RESIDUAL, SPARSE or VALUE, which they serve.
        bits: (33, 256) bits of each token by context, raw bits included.
        shift: the measured context, or of values the exponent field, at which they begin.
        starts: the lowest context of each class of a sparse coding; empty for others.
        edges: whether they are made for Levelling.EDGES, and for nothing else.
    """

    tables: Tables
    coding: Coding
    bits: npt.NDArray[np.float64]
    shift: int
    starts: tuple[int, ...] = ()
    edges: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CodingChoice:
    """A way to code a tensor, and the bits of the whole tensor that it is expected to take."""

    coding: Coding
    bits: float
    levelling: Levelling = Levelling.NONE
    table_set: TableSet | None = None


def plan_tensors(surveys: Sequence[Survey], specials: tuple[int, ...] = ()) -> CodingPlan:
    """The tensor coding of every tensor.

    Args:
        surveys: surveys of the tensors of one patch.
        specials: the special residuals that the surveys were made with.
    """
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, survey in enumerate(surveys):
        groups.setdefault((survey.dtype.code, Levelling.EDGES in survey.levelled), []).append(i)
    choices: dict[int, CodingChoice] = {}
    for (_, edged), group in sorted(groups.items()):
        own = MOST_TABLES // len(groups) - SHARED_TABLES - edged
        planned = _plan_group([surveys[i] for i in group], specials, own)
        choices.update(zip(group, planned, strict=True))
    return numbered(surveys, [choices[i] for i in range(len(surveys))])


def numbered(surveys: Sequence[Survey], choices: Sequence[CodingChoice]) -> CodingPlan:
    """The choices as codings, with an id for each set of tables that one of them uses."""
    used = dict.fromkeys(one.table_set for one in choices if one.table_set is not None)
    ids = {table_set: i for i, table_set in enumerate(used)}
    codings = tuple(_coding(*pair, ids) for pair in zip(surveys, choices, strict=True))
    return CodingPlan(codings, tuple(table_set.tables for table_set in used))


def _coding(survey: Survey, choice: CodingChoice, ids: Mapping[TableSet, int]) -> TensorCoding:
    """A choice as a coding; `ids` are those of the sets of tables."""
    coding = TensorCoding(
        choice.coding,
        bits=choice.bits / max(1, survey.elements),
        unseen_changes=bool(survey.levelled) and not survey.changed,
    )
    chosen = choice.table_set
    if chosen is None:
        return coding
    return dataclasses.replace(
        coding,
        levelling=choice.levelling,
        shift=chosen.shift,
        level=survey.level,
        table=ids[chosen],
    )


def _plan_group(
    surveys: list[Survey], specials: tuple[int, ...], most_own: int
) -> list[CodingChoice]:
    """Choices for the tensors of one type, which share tables.

    Args:
        surveys: surveys of the tensors; all of them with edges, or none.
        specials: the special residuals that the surveys were made with.
        most_own: how many tensors may have tables of their own, at most.
    """
    dtype = surveys[0].dtype
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
        sets.append(_dense_tables(dtype, users[Coding.RESIDUAL, True], 0, specials))
    shared = [_cheapest(s, a, sets) for s, a in zip(surveys, alone, strict=True)]
    best = [
        _least([choice, *_own_choices(survey, choice, specials)])
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
        sets.append(_dense_tables(dtype, [(s, Levelling.EDGES) for s in changed], 0, specials))
    return sets


def _cheapest(survey: Survey, alone: CodingChoice, shared: list[TableSet]) -> CodingChoice:
    """The best of coding a tensor alone and against its base."""
    if not survey.changed:
        return alone
    against = [
        _with_tables(survey, tables, levelling)
        for tables in shared
        for levelling in survey.levelled
        if tables.edges == (levelling is Levelling.EDGES)
    ]
    return _least([alone, *against])


def _least(choices: Iterable[CodingChoice]) -> CodingChoice:
    """The choice that takes the fewest bits, the first of several."""
    return min(choices, key=lambda one: one.bits)


def _with_tables(
    survey: Survey, tables: TableSet, levelling: Levelling, price: float = 0.0
) -> CodingChoice:
    """A tensor coded with given tables, at a price in bits for the tables themselves."""
    bits = _residual_bits(survey, tables, levelling) + price
    return CodingChoice(tables.coding, bits, levelling, tables)


def _with_own(survey: Survey, tables: TableSet, levelling: Levelling) -> CodingChoice:
    """A tensor coded with tables made for it alone, which it has to pay for."""
    return _with_tables(survey, tables, levelling, 8.0 * len(tables.tables.serialised()))


def _own_choices(
    survey: Survey, shared: CodingChoice, specials: tuple[int, ...]
) -> list[CodingChoice]:
    """Codings with tables made for this tensor."""
    if shared.coding not in {Coding.RESIDUAL, Coding.SPARSE} or shared.bits < WORTH_OWN_TABLES:
        return []
    dtype, levelling = survey.dtype, shared.levelling
    user = [(survey, levelling)]
    if shared.coding is Coding.SPARSE:
        fitted = _sparse_tables(dtype, user, window_shift([survey]))
        return [_with_own(survey, fitted, levelling)]
    shift = 0 if levelling is Levelling.EDGES else window_shift([survey])
    fitted = _dense_tables(dtype, user, shift, specials)
    without = _dense_tables(dtype, [(survey, Levelling.NONE)], 0, specials)
    return [_with_own(survey, fitted, levelling), _with_own(survey, without, Levelling.NONE)]


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

    def own(levelling: Levelling, shift: int) -> CodingChoice:
        tables = _dense_tables(survey.dtype, [(survey, levelling)], shift, ())
        return _with_own(survey, tables, levelling)

    shift = window_shift([survey])
    return _least([own(Levelling.NONE, 0), *(own(one, shift) for one in survey.levelled)])


def _dense_tables(dtype: DType, users: Users, shift: int, specials: tuple[int, ...]) -> TableSet:
    """Tables for the residuals of all elements; under Levelling.EDGES all users are, or none."""
    counts = np.zeros((ROWS + 1, 256))
    for survey, levelling in users:
        window, steps = window_of(survey, levelling, shift)
        counts[:WINDOW] += window
        counts[ROWS] += steps
    counts[:WINDOW] = _bridged(counts[:WINDOW])
    counts = _common(counts, 8 * dtype.size)
    named = special_tokens(dtype, specials)
    tables = _built(RESIDUAL, counts, named)
    raw = np.tile(residual_raw_bits(8 * dtype.size, len(named)), (ROWS + 1, 1))
    raw[ROWS] = row_raw_bits()
    edges = users[0][1] is Levelling.EDGES
    return TableSet(tables, Coding.RESIDUAL, token_bits(tables, raw), shift, edges=edges)


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


def _sparse_tables(dtype: DType, users: Users, shift: int) -> TableSet:
    """Tables for the positions and residuals of changed elements."""
    windows = [window_of(survey, levelling, shift) for survey, levelling in users]
    starts = _class_starts(np.sum([window for window, _ in windows], axis=0))
    counts = np.zeros((ROWS + 1, 256))
    for window, steps in windows:
        classes = np.add.reduceat(window, list(starts), axis=0)
        changed = classes[:, 1:].sum(axis=1)
        gaps = gap_distribution(changed, classes.sum(axis=1))
        counts[: len(starts)] += changed[:, None] * gaps
        counts[CHANGES : CHANGES + len(starts), 1:] += classes[:, 1:]
        counts[ROWS] += steps
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
    bits = float((counted.steps * tables.bits[ROWS]).sum())
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
    return _least([compressed, CodingChoice(Coding.VALUE, bits, table_set=values)])
