"""Contexts of edges: the same bytes on every path and in the reference, both ways.

An edge says how near a prediction lies to the boundary at which it rounds the other way,
and on which side. Where one comes from is not the kernel's business: any byte will do.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import _kernel
from sapwood.tensors import DType
from support.payload_cases import (
    CONTEXTS,
    KINDS,
    PATHS,
    STARTS,
    TYPES,
    UNIFORM,
    Bytes,
    Case,
    as_bytes,
    check_both_ways,
    check_refused,
    check_same_verdict,
    element_of,
    flipped,
    make_case,
    random_words,
    some_edges,
    some_levels,
    updated,
)
from support.reference_codec import EDGE, LANES, NONE, ROW, STILL, decode_residual, edge_context
from support.reference_encoder import Layout
from support.reference_tables import RESIDUAL, SPARSE, VALUE, Damaged, Tables
from support.strategies import bit_patterns


def edge_case(dtype: DType, n: int = 70, lanes: int = 1, row_length: int = 15) -> Case:
    base = random_words(dtype, n, 1)
    return make_case(
        dtype,
        RESIDUAL,
        base,
        updated(dtype, base, 2),
        lanes=lanes,
        context=EDGE,
        levels=some_levels(dtype, EDGE, -(-n // row_length), 3),
        row_length=row_length,
        edges=some_edges(EDGE, n, 4),
        table=0,
    )


@settings(max_examples=300)
@given(data=st.data())
def test_any_bit_pattern_comes_back_with_any_edges(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(TYPES))
    n = data.draw(st.integers(0, 200))
    words = DType.U8 if dtype in (DType.BOOL, DType.BYTES) else dtype
    base = data.draw(bit_patterns(words, n)).tolist()
    near = updated(dtype, base, data.draw(st.integers(0, 1000)), 0.3)
    target = data.draw(st.one_of(st.just(near), bit_patterns(words, n).map(np.ndarray.tolist)))
    row_length = data.draw(st.sampled_from([1, 5, 63, 64, 65, 2**40]))
    case = make_case(
        dtype,
        RESIDUAL,
        base,
        target,
        lanes=data.draw(st.sampled_from(LANES)),
        context=EDGE,
        levels=some_levels(dtype, EDGE, -(-n // row_length), data.draw(st.integers(0, 1000))),
        row_length=row_length,
        edges=data.draw(st.lists(st.integers(0, 255), min_size=n, max_size=n)),
        kind=data.draw(st.sampled_from(KINDS)),
        table=data.draw(st.sampled_from([None, 0, 300])),
    )
    check_both_ways(case, offset=data.draw(st.integers(0, 3)), in_place=data.draw(st.booleans()))


@pytest.mark.parametrize(
    ("size", "edges", "contexts"),
    [
        (-33, (0, 1, 60, 61, 255), (0, 1, 0, 1, 15)),
        (-32, (60, 61, 62), (0, 1, 2)),
        (-9, (13, 14, 15, 16, 28, 29), (1, 0, 1, 2, 14, 15)),
        (-1, (0, 1, 12, 13, 61, 254), (2, 3, 14, 15, 15, 14)),
        (0, (0, 1, 60, 61, 255), (16, 17, 16, 17, 17)),
        (1, (0, 61), (16, 17)),
        (2, (0, 61), (18, 19)),
        (14, (0, 61), (30, 31)),
        (8000, (0, 61), (30, 31)),
        (STILL + 240, (0, 61, 255), (0, 1, 1)),
    ],
)
def test_the_context_is_the_one_of_the_formula(
    size: int, edges: tuple[int, ...], contexts: tuple[int, ...]
) -> None:
    """With an exponent field of 120: nearness counts where an error is below the ULP."""
    assert tuple(edge_context(240 + size, 120, edge) for edge in edges) == contexts
    n = len(edges)
    words, tables = as_bytes([120 << 7] * n, DType.BF16), Tables(RESIDUAL, UNIFORM)
    level = np.array([240 + size], np.int16)
    for path in PATHS:
        counts = _kernel.residual_counts(
            DType.BF16.code, words, words, n, level, [], path, np.array(edges, np.uint8)
        )
        found = {int(k): int(c) for k, c in enumerate(counts[:, 0]) if c}
        assert found == {k: contexts.count(k) for k in contexts}
    assert Layout(tables, 0, 1, EDGE, level.tolist(), n, edges).context_of(1, 120) == contexts[1]


@pytest.mark.parametrize("path", PATHS)
def test_elements_of_one_context_share_a_table(path: int) -> None:
    """A table for context 9 alone: in all others a symbol is an escape with 16 raw bits."""
    n, exponent = 256, 127
    base = [exponent << 7] * n
    level = 2 * exponent - 11  # a nearness of 13 leaves 4
    assert edge_context(level, exponent, 27) == 9
    counts = np.zeros((33, 256), np.uint32)
    counts[9, 0] = 1 << 20
    tables = _kernel.Tables.build(RESIDUAL, counts, [], [], 0)
    words, levels = as_bytes(base, DType.BF16), np.array([level], np.int16)

    def size(hints: Bytes) -> int:
        return len(
            _kernel.encode_residual(
                DType.BF16.code, words, words, n, EDGE, levels, tables, 0, path, hints
            )
        )

    inside, outside = np.full(n, 27, np.uint8), np.full(n, 28, np.uint8)
    assert size(inside) < n // 8 < 2 * n < size(outside)
    one_outside = inside.copy()
    one_outside[100] = 26
    assert size(inside) + 2 <= size(one_outside) <= size(inside) + 4


def test_still_rows_have_the_lowest_context_but_for_the_side() -> None:
    base = random_words(DType.BF16, 128, 1)
    levels, edges = [STILL, STILL], [60, 61] * 64
    case = make_case(
        DType.BF16,
        RESIDUAL,
        base,
        base,
        context=EDGE,
        levels=levels,
        row_length=64,
        edges=edges,
    )
    assert {symbol[0] for symbol in case.written().symbols if symbol} == {0, 1, 32}
    check_both_ways(case)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("rows", [1, 3])
def test_counts_are_by_the_context_with_its_edge(dtype: DType, rows: int) -> None:
    n = 150 if rows == 3 else 64
    base = random_words(dtype, n, 1)
    target = updated(dtype, base, 2)
    levels = some_levels(dtype, ROW, rows, 4)
    edges = some_edges(EDGE, n, 5)
    found = [
        _kernel.residual_counts(
            dtype.code,
            as_bytes(base, dtype),
            as_bytes(target, dtype),
            64,
            np.array(levels, np.int16),
            [],
            path,
            np.array(edges, np.uint8),
        ).tolist()
        for path in PATHS
    ]
    plain = _kernel.residual_counts(
        dtype.code,
        as_bytes(base, dtype),
        as_bytes(target, dtype),
        64,
        np.array(levels, np.int16),
        [],
    )
    expected = np.zeros(128, np.int64)
    element = element_of(dtype)
    for i, word in enumerate(base):
        expected[edge_context(levels[i // 64], element.exponent(word), edges[i])] += 1
    assert all(one == found[0] for one in found)
    assert np.sum(found[0], axis=1).tolist() == expected.tolist()
    assert np.sum(found[0], axis=0).tolist() == plain.sum(axis=0).tolist()


@pytest.mark.parametrize("lanes", [1, 16, 64])
def test_every_flipped_bit_is_judged_alike(lanes: int) -> None:
    case = edge_case(DType.BF16, lanes=lanes)
    for damaged in flipped(case.payload):
        check_same_verdict(case, damaged)


@pytest.mark.parametrize("lanes", [1, 64])
def test_every_prefix_is_refused(lanes: int) -> None:
    case = edge_case(DType.F16, lanes=lanes)
    for size in range(len(case.payload)):
        check_refused(case, case.payload[:size])


def test_other_edges_never_leave_the_memory() -> None:
    """Wrong ones give wrong elements or a refusal, the same everywhere."""
    case = edge_case(DType.BF16, 300, lanes=16)
    for seed in range(20):
        other = case.relaid(edges=np.random.default_rng(seed).integers(0, 256, 300).tolist())
        check_same_verdict(other, case.payload)


def test_edges_that_are_missing() -> None:
    case = edge_case(DType.BF16)
    data = np.frombuffer(case.payload, np.uint8)
    base = as_bytes(case.base, DType.BF16)
    for path in PATHS:
        with pytest.raises(_kernel.CorruptPayload, match="edges"):
            _kernel.decode_residual(
                DType.BF16.code, data, base, np.empty_like(base), 15, case.shared, path
            )
    with pytest.raises(Damaged):
        decode_residual(element_of(DType.BF16), case.payload, case.base, 15, [case.layout.tables])


@pytest.mark.parametrize("context", CONTEXTS)
def test_edges_that_no_context_asks_for_are_ignored(context: int) -> None:
    base = random_words(DType.F16, 130, 1)
    case = make_case(
        DType.F16,
        RESIDUAL,
        base,
        updated(DType.F16, base, 2),
        lanes=16,
        context=context,
        levels=some_levels(DType.F16, context, 2, 3),
        row_length=65,
        table=0,
    )
    data, words = np.frombuffer(case.payload, np.uint8), as_bytes(base, DType.F16)
    for path in PATHS:
        out = np.empty_like(words)
        edges = np.full(130, 61, np.uint8)
        _kernel.decode_residual(DType.F16.code, data, words, out, 65, case.shared, path, edges)
        assert out.tobytes() == as_bytes(case.target, DType.F16).tobytes()


@pytest.mark.parametrize("coding", [SPARSE, VALUE])
def test_codings_that_know_no_edges(coding: int) -> None:
    base = random_words(DType.BF16, 64, 1)
    case = make_case(DType.BF16, coding, base, base, starts=STARTS[0], table=0)
    payload = bytearray(case.payload)
    payload[0] |= EDGE
    level = bytes(2)
    check_refused(case, bytes(payload[:1]) + level + bytes(payload[1:]))
    words, tables = as_bytes(base, DType.BF16), case.shared[0]
    with pytest.raises(ValueError, match="context"):
        _kernel.encode_sparse(
            DType.BF16.code, words, words, 64, EDGE, np.zeros(1, np.int16), tables, 0
        )


def test_edges_that_do_not_fit() -> None:
    case = edge_case(DType.BF16)
    words, target = as_bytes(case.base, DType.BF16), as_bytes(case.target, DType.BF16)
    code, tables = DType.BF16.code, case.shared[0]
    levels = np.array(case.layout.levels, np.int16)
    none = np.empty(0, np.int16)
    edges = np.zeros(len(case.base), np.uint8)
    with pytest.raises(ValueError, match="edges"):
        _kernel.encode_residual(code, words, target, 15, EDGE, levels, tables, 0)
    with pytest.raises(ValueError, match="edges"):
        _kernel.encode_residual(code, words, target, 15, NONE, none, tables, 0, -1, edges)
    with pytest.raises(ValueError, match="edges"):
        _kernel.encode_residual(code, words, target, 15, EDGE, levels, tables, 0, -1, edges[1:])
    with pytest.raises(ValueError, match="edges"):
        _kernel.residual_counts(code, words, target, 15, levels, [], -1, edges[1:])
    with pytest.raises(ValueError, match="level"):
        _kernel.encode_residual(code, words, target, 15, EDGE, levels[1:], tables, 0, -1, edges)
    data = np.frombuffer(case.payload, np.uint8)
    with pytest.raises(ValueError, match="edges"):
        _kernel.decode_residual(code, data, words, target, 15, case.shared, -1, edges[1:])
    with pytest.raises(ValueError, match="overlaps"):
        _kernel.decode_residual(
            code, data, words, target, 15, case.shared, -1, target[: len(edges)]
        )
    with pytest.raises(TypeError):
        _kernel.decode_residual(
            code,
            data,
            words,
            target,
            15,
            case.shared,
            -1,
            np.zeros(2 * len(edges), np.uint8)[::2],
        )


def test_no_elements() -> None:
    empty = np.empty(0, np.uint8)
    tables = _kernel.Tables.build(RESIDUAL, np.zeros((33, 256), np.uint32), [], [], 0)
    levels = np.empty(0, np.int16)
    for path in PATHS:
        payload = _kernel.encode_residual(
            DType.BF16.code, empty, empty, 7, EDGE, levels, tables, 0, path, empty
        )
        data = np.frombuffer(payload, np.uint8)
        _kernel.decode_residual(DType.BF16.code, data, empty, empty, 7, [tables], path, empty)
