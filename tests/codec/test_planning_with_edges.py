"""Predictions that have edges: surveyed in step, planned among themselves, and smaller for it.

The tensors stand for a merge whose low-rank update was found almost exactly: the target is
the rounded sum, the prediction the sum rounded with a small error, and what is left are
single ULPs where the sum lies near a boundary.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from sapwood.codec import (
    Coding,
    CodingPlan,
    Survey,
    TensorCoding,
    decode_chunk,
    encode_chunk,
    plan_tensors,
    survey_tensor,
)
from sapwood.codec.chunk import INLINE, STILL, Levelling, settled
from sapwood.codec.local import plan_locally
from sapwood.codec.survey import sample_ranges
from sapwood.content.content import Bytes
from sapwood.content.parts import joined
from sapwood.errors import InvalidPatch
from sapwood.tensors import DType

pytestmark = pytest.mark.quick

COLUMNS = 1024


@dataclasses.dataclass(frozen=True)
class Pair:
    """Prediction, edges and target of one bf16 tensor, as the codec takes them."""

    base: Bytes
    edges: Bytes
    target: Bytes

    def survey(self, *, with_edges: bool = True) -> Survey:
        edges = self.edges if with_edges else None
        return survey_tensor(DType.BF16, self.base, self.target, COLUMNS, edges=edges)

    def encoded(self, tensor_coding: TensorCoding, plan: CodingPlan) -> bytes:
        tables = plan.tables[tensor_coding.table]
        return encode_chunk(
            tensor_coding, DType.BF16, self.base, self.target, COLUMNS, tables, self.edges
        )


def rounded(sums: npt.NDArray[np.float32]) -> Bytes:
    """Sums as bf16, to nearest even."""
    bits = sums.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").view(np.uint8)


def edges_of(sums: npt.NDArray[np.float32]) -> Bytes:
    """Twice the half octaves by which a sum is nearer to a boundary than can be, and its side."""
    rest = (sums.view(np.uint32) & 0xFFFF).astype(np.int64)
    distance = np.maximum(1, np.abs(rest - 0x8000))
    octave = np.frexp(distance)[1] - 1
    part = np.where(octave > 0, distance >> np.maximum(octave - 1, 0) & 1, 0)
    return (2 * (30 - 2 * octave - part) + (rest < 0x8000)).astype(np.uint8)


def merged(rows: int, seed: int = 1, error: float = 4e-6) -> Pair:
    rng = np.random.default_rng(seed)
    sums = rng.normal(0, 0.02, rows * COLUMNS).astype(np.float32)
    found = sums + rng.normal(0, error, len(sums)).astype(np.float32)
    return Pair(rounded(found), edges_of(found), rounded(sums))


def trained(rows: int, seed: int = 1) -> Pair:
    """An update that edges say nothing of."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0, 0.02, rows * COLUMNS).astype(np.float32)
    target = base + rng.normal(0, 2e-4, len(base)).astype(np.float32)
    return Pair(rounded(base), rng.integers(0, 62, len(base)).astype(np.uint8), rounded(target))


def check_round_trip(pair: Pair, tensor_coding: TensorCoding, plan: CodingPlan) -> bytes:
    payload = pair.encoded(tensor_coding, plan)
    out = np.empty_like(pair.target)
    decode_chunk(
        tensor_coding.coding,
        DType.BF16,
        np.frombuffer(payload, np.uint8),
        pair.base,
        out,
        COLUMNS,
        plan.tables,
        edges=pair.edges,
    )
    assert np.array_equal(out, pair.target)
    return payload


def test_edges_make_a_recovered_merge_smaller() -> None:
    pair = merged(400)
    with_edges = plan_tensors([pair.survey()])
    without = plan_tensors([pair.survey(with_edges=False)])
    (tensor_coding,), (plain,) = with_edges.codings, without.codings
    assert (tensor_coding.coding, tensor_coding.levelling) == (Coding.RESIDUAL, Levelling.EDGES)
    payload = check_round_trip(pair, tensor_coding, with_edges)
    assert len(payload) < 0.75 * len(check_round_trip(pair, plain, without))
    # The estimate was made from samples, the payload is the whole.
    assert 0.95 < 8 * len(payload) / len(pair.edges) / tensor_coding.bits < 1.05


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize("error", [1e-7, 1e-5, 1e-3])
def test_any_plan_with_edges_comes_back(rows: int, error: float) -> None:
    pair = merged(rows, error=error)
    plan = plan_tensors([pair.survey()])
    tensor_coding = plan.codings[0]
    if tensor_coding.coding in {Coding.RESIDUAL, Coding.SPARSE}:
        check_round_trip(pair, tensor_coding, plan)
    forced = dataclasses.replace(tensor_coding, coding=Coding.RESIDUAL, levelling=Levelling.EDGES)
    tables = plan_tensors([merged(100).survey()]).tables
    for level in (tensor_coding.level, STILL, -8191, 8191, tensor_coding.level + 10):
        moved = dataclasses.replace(forced, table=0, level=level)
        check_round_trip(pair, moved, CodingPlan((moved,), tables))


def test_edges_that_say_nothing_are_not_used() -> None:
    pair = trained(400)
    (tensor_coding,) = plan_tensors([pair.survey()]).codings
    (plain,) = plan_tensors([pair.survey(with_edges=False)]).codings
    assert tensor_coding == plain
    assert tensor_coding.levelling is not Levelling.EDGES


def test_tensors_with_edges_leave_the_others_as_they_are() -> None:
    plain = [trained(100, seed).survey(with_edges=False) for seed in range(5)]
    edged = [merged(100, seed) for seed in range(5)]
    alone = plan_tensors(plain)
    among = plan_tensors([*[pair.survey() for pair in edged], *plain])
    for one, other in zip(alone.codings, among.codings[5:], strict=True):
        assert dataclasses.replace(one, table=0) == dataclasses.replace(other, table=0)
        expected = alone.tables[one.table].serialised()
        assert among.tables[other.table].serialised() == expected
    shared = {tensor_coding.table for tensor_coding in among.codings[:5]}
    assert len(shared) == 1
    assert shared.isdisjoint(tensor_coding.table for tensor_coding in among.codings[5:])
    for pair, tensor_coding in zip(edged, among.codings[:5], strict=True):
        assert tensor_coding.levelling is Levelling.EDGES
        check_round_trip(pair, tensor_coding, among)


def test_merges_and_updates_of_one_type_may_both_have_edges() -> None:
    pairs = [merged(100), trained(100), merged(50, 2), trained(200, 2)]
    plan = plan_tensors([pair.survey() for pair in pairs])
    used = [tensor_coding.levelling is Levelling.EDGES for tensor_coding in plan.codings]
    assert used == [True, False, True, False]
    for pair, tensor_coding in zip(pairs, plan.codings, strict=True):
        check_round_trip(pair, tensor_coding, plan)


def test_a_prediction_that_is_right_everywhere_has_no_use_for_edges() -> None:
    pair = dataclasses.replace(merged(100), target=merged(100).base)
    survey = pair.survey()
    assert not survey.changed
    assert Levelling.EDGES not in survey.levelled
    assert plan_tensors([survey]).codings[0].unseen_changes


def test_one_row_has_edges_too() -> None:
    survey = merged(1).survey()
    assert set(survey.levelled) == {Levelling.TENSOR, Levelling.EDGES}


def test_a_chunk_planned_alone() -> None:
    pair = merged(300)
    tensor_coding, tables = plan_locally(DType.BF16, pair.base, pair.target, COLUMNS, pair.edges)
    assert (tensor_coding.levelling, tensor_coding.table) == (Levelling.EDGES, INLINE)
    assert tables is not None
    moved = dataclasses.replace(tensor_coding, table=0)
    inside = pair.encoded(
        dataclasses.replace(tensor_coding, table=INLINE), CodingPlan((), (tables,))
    )
    assert len(inside) > len(pair.encoded(moved, CodingPlan((), (tables,))))
    out = np.empty_like(pair.target)
    data = np.frombuffer(inside, np.uint8)
    decode_chunk(Coding.RESIDUAL, DType.BF16, data, pair.base, out, COLUMNS, [], edges=pair.edges)
    assert np.array_equal(out, pair.target)


def test_edges_that_are_missing() -> None:
    pair = merged(100)
    plan = plan_tensors([pair.survey()])
    (tensor_coding,) = plan.codings
    data = np.frombuffer(pair.encoded(tensor_coding, plan), np.uint8)
    out = np.empty_like(pair.target)
    with pytest.raises(InvalidPatch, match="edges"):
        decode_chunk(Coding.RESIDUAL, DType.BF16, data, pair.base, out, COLUMNS, plan.tables)
    with pytest.raises(ValueError, match="edges"):
        encode_chunk(tensor_coding, DType.BF16, pair.base, pair.target, COLUMNS, plan.tables[0])


@given(
    dtype=st.sampled_from([DType.U8, DType.BF16, DType.F32, DType.F64]),
    elements=st.integers(0, 700_000),
    row_length=st.sampled_from([1, 7, 64, 1000, 4096, 300_000, 2**40]),
)
def test_samples_are_ranges_of_whole_elements_in_order(
    dtype: DType, elements: int, row_length: int
) -> None:
    length = elements * dtype.size
    ranges = sample_ranges(length, dtype.size, row_length)
    assert all(begin % dtype.size == end % dtype.size == 0 for begin, end in ranges)
    borders = [at for one in ranges for at in one]
    assert borders == sorted(borders)
    assert borders[-1] <= length
    data = np.arange(length, dtype=np.uint64).astype(np.uint8)
    assert joined(data, ranges).tobytes() == b"".join(data[b:e].tobytes() for b, e in ranges)


@pytest.mark.parametrize("rows", [10, 3000])
def test_edges_change_nothing_else_that_a_survey_says(rows: int) -> None:
    pair = merged(rows)
    found, plain = pair.survey(), pair.survey(with_edges=False)
    assert set(found.levelled) - set(plain.levelled) == {Levelling.EDGES}
    assert found.level == plain.level
    for levelling, expected in plain.levelled.items():
        counted = found.levelled[levelling]
        assert np.array_equal(counted.context, expected.context)
        assert np.array_equal(counted.token, expected.token)
        assert np.array_equal(counted.count, expected.count)
    edged = found.levelled[Levelling.EDGES]
    assert edged.count.sum() == pytest.approx(len(pair.edges))
    assert edged.steps.sum() == pytest.approx(rows)


def test_rows_take_the_level_of_the_tensor_unless_theirs_is_far_off() -> None:
    levels = np.array([260, 257, 256, 263, 264, STILL, -8191], np.int16)
    assert settled(levels, 260, 3).tolist() == [260, 260, 256, 260, 264, STILL, -8191]
