"""Cases for the tests of payloads: elements, tables and levels, encoded and decoded.

Each works with the kernel and with the reference.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood.tensors import DType
from support.reference_codec import (
    EDGE,
    LANES,
    NONE,
    ONE,
    ROW,
    STILL,
    decode_residual,
    decode_sparse,
    decode_value,
)
from support.reference_elements import Element, residual_bins
from support.reference_encoder import (
    Layout,
    Writer,
    written_residual,
    written_sparse,
    written_value,
)
from support.reference_tables import (
    RESIDUAL,
    SPARSE,
    VALUE,
    Damaged,
    Tables,
    parse_tables,
    serialised_tables,
)
from support.strategies import word_type

Bytes: TypeAlias = npt.NDArray[np.uint8]

PATHS = _kernel.paths()
TYPES = sorted(DType, key=lambda dtype: dtype.code)
FLOATS = [dtype for dtype in TYPES if dtype.family == "float"]
CODINGS = (RESIDUAL, VALUE, SPARSE)
CONTEXTS = (NONE, ONE, ROW)  # of every base
WITH_EDGES = (*CONTEXTS, EDGE)  # of a residual against a rounded prediction
UNIFORM = ((16,) * 256,) * 33  # every token everywhere
STARTS = ((0,), (0, 8, 16, 24), (0, 1, 2, 3, 5, 9, 20, 31), (6, 12))  # of classes

# What tables know of the data: its tokens, those of other data, or nothing.
FITTED, FOREIGN, BARE = KINDS = ("fitted", "foreign", "bare")


def element_of(dtype: DType) -> Element:
    return Element(8 * dtype.size, dtype.mantissa)


def as_bytes(words: Sequence[int], dtype: DType, offset: int = 0) -> Bytes:
    """Words as the kernel takes them, `offset` bytes from an aligned place."""
    data = np.array(words, word_type(dtype)).tobytes()
    memory = np.zeros(len(data) + offset, np.uint8)
    memory[offset:] = np.frombuffer(data, np.uint8)
    return memory[offset:]


def kernel_tables(tables: Tables, serialised: bytes) -> _kernel.Tables:
    parsed = _kernel.Tables.parse(np.frombuffer(serialised, np.uint8))
    assert parsed.frequencies.tolist() == [list(f) for f in tables.frequencies]
    return parsed


@dataclasses.dataclass(frozen=True)
class Case:
    """Elements and how they are to be coded.

    Attributes:
        dtype: of the elements.
        coding: RESIDUAL, VALUE or SPARSE.
        base: words, as many as in `target`.
        target: words.
        layout: contexts, tables and lanes.
        serialised: the tables of the layout, as the kernel wrote them.
    """

    dtype: DType
    coding: int
    base: list[int]
    target: list[int]
    layout: Layout
    serialised: bytes

    def relaid(self, **fields: Any) -> Case:
        """The case with other fields of its layout."""
        return dataclasses.replace(self, layout=dataclasses.replace(self.layout, **fields))

    def with_tables(self, tables: Tables, **fields: Any) -> Case:
        """The case with other tables, and other fields of its layout."""
        case = self.relaid(tables=tables, **fields)
        return dataclasses.replace(case, serialised=serialised_tables(tables))

    def written(self) -> Writer:
        element = element_of(self.dtype)
        if self.coding == VALUE:
            return written_value(element, self.target, self.layout)
        write = written_sparse if self.coding == SPARSE else written_residual
        return write(element, self.base, self.target, self.layout)

    @functools.cached_property
    def payload(self) -> bytes:
        """As the reference encodes it."""
        return self.written().payload()

    @property
    def edges(self) -> Bytes | None:
        """As the kernel takes them; None where the contexts have no use for them."""
        if self.layout.context != EDGE:
            return None
        return np.array(self.layout.edges, np.uint8)

    @functools.cached_property
    def shared(self) -> list[_kernel.Tables]:
        own = kernel_tables(self.layout.tables, self.serialised)
        return [own] * (1 if self.layout.table is None else self.layout.table + 1)

    def kernel_payload(self, path: int) -> bytes:
        """As a path of the kernel encodes it, with lanes of the kernel's choice."""
        layout = self.layout
        table = -1 if layout.table is None else layout.table
        code, tables = self.dtype.code, self.shared[0]
        if self.coding == VALUE:
            return _kernel.encode_value(
                code, as_bytes(self.target, self.dtype), tables, table, path
            )
        base, target = (as_bytes(words, self.dtype) for words in (self.base, self.target))
        levels = np.array(layout.levels, np.int16)
        row, context = layout.row_length, layout.context
        if self.coding == SPARSE:
            return _kernel.encode_sparse(
                code, base, target, row, context, levels, tables, table, path
            )
        return _kernel.encode_residual(
            code, base, target, row, context, levels, tables, table, path, self.edges
        )

    def kernel_decode(
        self, payload: bytes, path: int, *, offset: int = 0, in_place: bool = False
    ) -> list[int]:
        """The elements as a path of the kernel decodes them."""
        code, length = self.dtype.code, len(self.base) * self.dtype.size
        row = self.layout.row_length
        base = as_bytes(self.base, self.dtype, offset)
        out = base if in_place else np.full(length + offset, 0xA5, np.uint8)[offset:]
        data = np.frombuffer(payload, np.uint8)
        if self.coding == VALUE:
            _kernel.decode_value(code, data, out, self.shared)
        elif self.coding == SPARSE:
            _kernel.decode_sparse(code, data, base, out, row, self.shared, path)
        else:
            _kernel.decode_residual(code, data, base, out, row, self.shared, path, self.edges)
        assert in_place or base.tobytes() == as_bytes(self.base, self.dtype).tobytes()
        words: list[int] = np.frombuffer(out.tobytes(), word_type(self.dtype)).tolist()
        return words

    def reference_decode(self, payload: bytes) -> list[int]:
        """The elements as the reference decodes them."""
        element = element_of(self.dtype)
        shared = [self.layout.tables] * len(self.shared)
        if self.coding == VALUE:
            return decode_value(element, payload, len(self.base), shared)
        row = self.layout.row_length
        if self.coding == SPARSE:
            return decode_sparse(element, payload, self.base, row, shared)
        edges = self.layout.edges if self.layout.context == EDGE else None
        return decode_residual(element, payload, self.base, row, shared, edges)


def check_both_ways(case: Case, *, offset: int = 0, in_place: bool = False) -> None:
    """Reference and kernel write the same bytes, and every path gives the target."""
    written = case.kernel_payload(PATHS[0])
    assert written == case.relaid(lanes=LANES[written[0] >> 3]).payload
    assert all(written == case.kernel_payload(path) for path in PATHS)
    for payload in (written, case.payload):
        assert case.reference_decode(payload) == case.target
        for path in PATHS:
            found = case.kernel_decode(payload, path, offset=offset, in_place=in_place)
            assert found == case.target


def verdicts(case: Case, payload: bytes) -> list[list[int] | None]:
    """What each path and the reference decode; None where they refuse."""
    out: list[list[int] | None] = []
    for path in PATHS:
        try:
            out.append(case.kernel_decode(payload, path))
        except _kernel.CorruptPayload:
            out.append(None)
    try:
        out.append(case.reference_decode(payload))
    except Damaged:
        out.append(None)
    return out


def check_same_verdict(case: Case, payload: bytes) -> None:
    found = verdicts(case, payload)
    assert all(verdict == found[0] for verdict in found)


def check_refused(case: Case, payload: bytes) -> None:
    assert verdicts(case, payload) == [None] * (len(PATHS) + 1)


def flipped(data: bytes) -> Iterator[bytes]:
    """The bytes with each single bit flipped."""
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def make_case(
    dtype: DType,
    coding: int,
    base: list[int],
    target: list[int],
    *,
    lanes: int = 1,
    context: int = NONE,
    levels: Sequence[int] = (),
    row_length: int = 1,
    edges: Sequence[int] = (),
    kind: str = FITTED,
    table: int | None = None,
    specials: Sequence[int] = (),
    starts: Sequence[int] = (0,),
    first_exponent: int = 0,
) -> Case:
    """A case with tables made by the kernel.

    Args:
        dtype: of the elements.
        coding: RESIDUAL, VALUE or SPARSE.
        base: words.
        target: words; where sparse classes leave an element out, the base's is taken.
        lanes: of the reference's payload.
        context: NONE, ONE, ROW or EDGE.
        levels: none, one or one a row.
        row_length: elements a row.
        edges: for EDGE, one an element.
        kind: FITTED, FOREIGN or BARE.
        table: the shared id of the tables, or None to carry them inside.
        specials: residuals that are to have a token, as far as there is room.
        starts: of the sparse classes.
        first_exponent: of VALUE.
    """
    first = len(residual_bins(8 * dtype.size))
    own = zip(range(first, 254), specials, strict=False) if coding == RESIDUAL else ()
    known = Tables(
        coding,
        UNIFORM,
        tuple(own),
        tuple(starts) if coding == SPARSE else (),
        first_exponent if coding == VALUE else 0,
    )
    layout = Layout(known, table, lanes, context, tuple(levels), row_length, tuple(edges))
    if coding == SPARSE:
        target = confined(dtype, base, target, layout)
    case = Case(dtype, coding, base, target, layout, b"")
    counts = np.zeros((33, 256), np.uint32)
    seen = case
    if kind == FOREIGN:
        nudged = [word ^ (i % 5 == 0) for i, word in enumerate(base)]
        seen = dataclasses.replace(case, target=confined(dtype, base, nudged, layout))
    if kind != BARE:
        for symbol in filter(None, seen.written().symbols):
            counts[symbol] += 1
    serialised = _kernel.Tables.build(
        coding, counts, known.specials, list(known.class_starts), known.first_exponent
    ).serialised()
    return dataclasses.replace(case.relaid(tables=parse_tables(serialised)), serialised=serialised)


def confined(dtype: DType, base: Sequence[int], target: Sequence[int], layout: Layout) -> list[int]:
    """The target, but the base's elements where no class allows a change."""
    if layout.tables.coding != SPARSE:
        return list(target)
    element = element_of(dtype)
    contexts = [layout.context_of(i, element.exponent(word)) for i, word in enumerate(base)]
    return [
        word if layout.tables.class_of(context) is None else to
        for word, to, context in zip(base, target, contexts, strict=True)
    ]


def updated(dtype: DType, base: Sequence[int], seed: int, changed: float = 0.6) -> list[int]:
    """A target with residuals of every size, most of them small."""
    element = element_of(dtype)
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 1 + rng.integers(0, min(element.width, 62), len(base)))
    steps = rng.integers(-(1 << 62), 1 << 62, len(base)) >> (62 - bits)
    steps[rng.random(len(base)) > changed] = 0
    return [element.moved(word, step) for word, step in zip(base, steps.tolist(), strict=True)]


def random_words(dtype: DType, n: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    drawn: Any = rng.integers(0, 256, n * dtype.size, dtype=np.uint8)
    words: list[int] = drawn.view(word_type(dtype)).tolist()
    return words


def some_levels(dtype: DType, context: int, rows: int, seed: int) -> list[int]:
    """Levels that put elements into many contexts, some of them far off or still."""
    if context == NONE:
        return []
    rng = np.random.default_rng(seed)
    middle = (1 << (8 * dtype.size - 1 - dtype.mantissa)) if dtype.mantissa else 15
    levels = rng.integers(middle - 20, middle + 50, 1 if context == ONE else rows)
    if context != ONE:
        levels[rng.random(rows) < 0.2] = STILL
        levels[rng.random(rows) < 0.02] = 8191
        levels[rng.random(rows) < 0.02] = -8191
    found: list[int] = levels.tolist()
    return found


def some_edges(context: int, n: int, seed: int) -> list[int]:
    """A hint for each element, now and then one past those that encoders write."""
    if context != EDGE:
        return []
    rng = np.random.default_rng(seed)
    edges = np.where(rng.random(n) < 0.05, rng.integers(62, 256, n), rng.integers(0, 62, n))
    found: list[int] = edges.tolist()
    return found


def all_cases(dtype: DType, context: int, seed: int = 0) -> list[Case]:
    """Every coding, lane count and kind of tables, with rows of many lengths."""
    rng = np.random.default_rng(seed + 16 * context + dtype.code)
    lengths = itertools.cycle((7, 63, 64, 65, 100, 1, 128, 1000))
    starts = itertools.cycle(STARTS)
    out: list[Case] = []
    for coding, lanes, kind in itertools.product(CODINGS, LANES, KINDS):
        if coding == VALUE and (context != NONE or dtype not in FLOATS):
            continue
        if coding == SPARSE and context == EDGE:
            continue
        n = int(rng.choice([0, 1, 63, 64, 65, 130, 200, 257]))
        row_length = next(lengths)
        base = random_words(dtype, n, int(rng.integers(1 << 32)))
        target = updated(dtype, base, int(rng.integers(1 << 32)), rng.choice([0.05, 0.6, 1]))
        element = element_of(dtype)
        residuals = [element.residual(*pair) for pair in zip(base, target, strict=True)]
        large = [r for r in dict.fromkeys(residuals) if abs(r) >= 8]
        out.append(
            make_case(
                dtype,
                coding,
                base,
                target,
                lanes=lanes,
                context=context,
                levels=some_levels(dtype, context, -(-n // row_length), n),
                row_length=row_length,
                edges=some_edges(context, n, n),
                kind=kind,
                table=(None, 0, 2)[len(out) % 3],
                specials=large[:20] if len(out) % 2 else (),
                starts=next(starts),
                first_exponent=len(out) % 4,
            )
        )
    return out
