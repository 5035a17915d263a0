"""Every path of the kernel decodes what the reference says, and encodes as it does."""

from __future__ import annotations

import dataclasses
import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import _kernel
from sapwood.tensors import DType
from support.payload_cases import (
    CODINGS,
    CONTEXTS,
    FLOATS,
    KINDS,
    PATHS,
    STARTS,
    TYPES,
    UNIFORM,
    WITH_EDGES,
    Case,
    all_cases,
    as_bytes,
    check_both_ways,
    element_of,
    make_case,
    random_words,
    some_edges,
    some_levels,
    updated,
)
from support.places import SPEC
from support.reference_codec import EDGE, LANES, NONE, ROW, STILL
from support.reference_elements import gap_bins, residual_bins
from support.reference_tables import RESIDUAL, SPARSE, VALUE, parse_tables
from support.strategies import bit_patterns


def test_the_scalar_path_is_always_there() -> None:
    assert PATHS[0] == 0


@pytest.mark.parametrize("context", WITH_EDGES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_all_codings_lanes_and_tables(dtype: DType, context: int) -> None:
    for i, case in enumerate(all_cases(dtype, context)):
        check_both_ways(case, offset=i % 3, in_place=i % 2 == 1)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Anything that can be encoded."""
    coding = draw(st.sampled_from(CODINGS))
    dtype = draw(st.sampled_from(FLOATS if coding == VALUE else TYPES))
    possible = {RESIDUAL: WITH_EDGES, VALUE: (NONE,), SPARSE: CONTEXTS}
    context = draw(st.sampled_from(possible[coding]))
    n = draw(st.integers(0, 150))
    words = DType.U8 if dtype in (DType.BOOL, DType.BYTES) else dtype
    base = draw(bit_patterns(words, n)).tolist()
    if draw(st.booleans()):
        target = draw(bit_patterns(words, n)).tolist()
    else:
        target = updated(dtype, base, draw(st.integers(0, 1000)), draw(st.sampled_from([0.1, 1])))
    row_length = draw(st.sampled_from([1, 5, 63, 64, 65, 149, 2**40]))
    return make_case(
        dtype,
        coding,
        base,
        target,
        lanes=draw(st.sampled_from(LANES)),
        context=context,
        levels=some_levels(dtype, context, -(-n // row_length), draw(st.integers(0, 1000))),
        row_length=row_length,
        edges=some_edges(context, n, draw(st.integers(0, 1000))),
        kind=draw(st.sampled_from(KINDS)),
        table=draw(st.sampled_from([None, 0, 1, 300])),
        specials=draw(st.lists(st.integers(8, 1 << (8 * dtype.size - 2)), max_size=10)),
        starts=draw(st.sampled_from(STARTS)),
        first_exponent=draw(st.sampled_from([0, 1, 100, 0xFFFF])),
    )


@settings(max_examples=300)
@given(case=cases(), offset=st.integers(0, 3), in_place=st.booleans())
def test_any_bit_pattern_comes_back(case: Case, offset: int, in_place: bool) -> None:
    check_both_ways(case, offset=offset, in_place=in_place)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_size_of_residual(dtype: DType) -> None:
    """Each bin at both of its ends, through rounds of 16 and of 64."""
    element = element_of(dtype)
    ends = [b.value(raw) for b in residual_bins(element.width) for raw in (0, (1 << b.bits) - 1)]
    steps = [*ends, -element.sign] * 2
    base = random_words(dtype, len(steps), 5)
    target = [element.moved(word, step) for word, step in zip(base, steps, strict=True)]
    for lanes, kind in itertools.product(LANES, KINDS):
        check_both_ways(make_case(dtype, RESIDUAL, base, target, lanes=lanes, kind=kind))


@pytest.mark.parametrize("context", WITH_EDGES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_large_chunks(dtype: DType, context: int) -> None:
    """As many elements as make the kernel itself take 16 or 64 lanes."""
    n = 40_000
    small = make_case(dtype, RESIDUAL, base := random_words(dtype, 500, 1), updated(dtype, base, 2))
    words = np.tile(as_bytes(small.base, dtype), n // 500)
    target = np.tile(as_bytes(small.target, dtype), n // 500)
    for row_length in (37, 64, 4096):
        levels = some_levels(dtype, context, -(-n // row_length), 3)
        edges = np.array(some_edges(context, n, 4), np.uint8) if context == EDGE else None
        payload, *others = (
            _kernel.encode_residual(
                dtype.code,
                words,
                target,
                row_length,
                context,
                np.array(levels, np.int16),
                small.shared[0],
                0,
                path,
                edges,
            )
            for path in [*PATHS, -1]
        )
        assert all(other == payload for other in others)
        assert LANES[payload[0] >> 3] >= 16
        for path in PATHS:
            out = words.copy()
            data = np.frombuffer(payload, np.uint8)
            _kernel.decode_residual(
                dtype.code, data, out, out, row_length, small.shared, path, edges
            )
            assert np.array_equal(out, target)


def test_gaps_of_every_size_between_changes() -> None:
    """Gaps beyond a few thousand appear in chunks too long for the reference."""
    gaps = [b.low + raw for b in gap_bins() if b.low < 1 << 16 for raw in (0, (1 << b.bits) - 1)]
    places = np.cumsum(np.array(gaps) + 1) - 1
    base = np.zeros(places[-1] + 50, np.uint8)
    target = base.copy()
    target[places] = 1 + np.arange(len(places)) % 255
    counts = np.ones((33, 256), np.uint32)
    no_levels = np.empty(0, np.int16)
    for known in (counts, 0 * counts):  # 0: all by escapes
        tables = _kernel.Tables.build(SPARSE, known, [], [0], 0)
        payload = _kernel.encode_sparse(
            DType.U8.code, base, target, 1000, NONE, no_levels, tables, 0
        )
        for path in PATHS:
            out = np.empty_like(base)
            data = np.frombuffer(payload, np.uint8)
            _kernel.decode_sparse(DType.U8.code, data, base, out, 1000, [tables], path)
            assert np.array_equal(out, target)


def test_rows_that_stay_still_cost_no_raw_bits() -> None:
    base = random_words(DType.BF16, 640, 1)
    target = updated(DType.BF16, base[:64], 2) + base[64:]
    levels = [200, *[STILL] * 9]
    case = make_case(
        DType.BF16, RESIDUAL, base, target, context=ROW, levels=levels, row_length=64, lanes=16
    )
    check_both_ways(case)
    bare = make_case(
        DType.BF16, RESIDUAL, base, target, context=ROW, levels=levels, row_length=64, kind="bare"
    )
    check_both_ways(bare)
    assert len(case.payload) < len(bare.payload)


def test_threads_share_tables() -> None:
    case = make_case(DType.F16, RESIDUAL, base := random_words(DType.F16, 300, 1), base[::-1])
    found: list[list[int]] = []
    work = [
        threading.Thread(target=lambda: found.append(case.kernel_decode(case.payload, -1)))
        for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert found == [case.target] * 8


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_counts_are_those_of_the_tokens(dtype: DType) -> None:
    base = random_words(dtype, 150, 1)
    target = updated(dtype, base, 2)
    first = len(residual_bins(8 * dtype.size))
    specials = [(first + i, 8 + i) for i in range(min(10, 254 - first))]
    levels = some_levels(dtype, ROW, 3, 4)
    arrays = as_bytes(base, dtype), as_bytes(target, dtype)
    found = [
        _kernel.residual_counts(
            dtype.code, *arrays, 64, np.array(levels, np.int16), specials, path
        ).tolist()
        for path in PATHS
    ]
    expected = np.zeros((128, 256), np.uint32)
    case = make_case(dtype, RESIDUAL, base, target, specials=[value for _, value in specials])
    element = element_of(dtype)
    uniform = dataclasses.replace(case.layout.tables, frequencies=UNIFORM)
    for i, symbol in enumerate(case.relaid(tables=uniform).written().symbols):
        assert symbol is not None
        context = levels[i // 64] - 2 * element.exponent(base[i])
        expected[min(max(context, 0), 127), symbol[1]] += 1
    assert found == [expected.tolist()] * len(PATHS)


def test_the_example_of_the_specification() -> None:
    spec = (SPEC / "patch-v1.md").read_text()
    example = spec[spec.index("### An example") :].split("```")[0]
    lines = [line.strip() for line in example.splitlines() if line.startswith("    ")]
    tables, *fields = [bytes.fromhex(line.split("  ")[0]) for line in lines]
    payload = b"".join(fields)
    base = [0x3F80, 0xBF80, 0x0000, 0x4000]
    target = [0x3F81, 0xBF80, 0x8000, 0x7FC1]
    case = make_case(DType.BF16, RESIDUAL, base, target, table=0)
    case = case.with_tables(parse_tables(tables))
    assert case.serialised == tables
    assert case.payload == case.kernel_payload(PATHS[0]) == payload
    assert case.reference_decode(payload) == case.kernel_decode(payload, PATHS[0]) == target
