"""The order of rewrites: whatever they read, each finds it, in the file or saved before."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

from sapwood.errors import LimitExceeded
from sapwood.models.applying.in_place.planning import Rewrite, StepPlan, batches, plan_rewrites
from sapwood.models.applying.in_place.spans import Span, Spans, joined_spans

pytestmark = pytest.mark.quick

SIZE = 200  # bytes of the file
places = st.integers(0, SIZE)
spans = st.tuples(places, places).map(lambda pair: (min(pair), max(pair)))


@st.composite
def rewritten(draw: st.DrawFn) -> list[Rewrite]:
    """Ranges that do not overlap, each of which reads some others."""
    borders = sorted(draw(st.sets(places, max_size=24)))
    found = []
    for begin, end in itertools.pairwise(borders):
        if draw(st.booleans()):
            found.append(Rewrite(begin, end, tuple(draw(st.lists(spans, max_size=3)))))
    return found


def content(one: Rewrite, parts: list[bytes]) -> bytes:
    """New bytes that depend on all that was read."""
    return blake3(b"|".join([str(one.begin).encode(), *parts])).digest(one.end - one.begin)


def expected(base: bytes, rewrites: list[Rewrite]) -> bytes:
    out = bytearray(base)
    for one in rewrites:
        out[one.begin : one.end] = content(one, [base[b:e] for b, e in one.reads])
    return bytes(out)


def executed(
    base: bytes, rewrites: list[Rewrite], plan: StepPlan, most: int, saved: Spans
) -> bytes:
    """The file after all steps, of which each reads before it writes."""
    file = bytearray(base)
    kept = {i: base[i] for span in (*saved, *plan.saves) for i in range(*span)}
    for batch in batches(plan, rewrites, most):
        news = []
        for i in batch:
            parts = [bytes(kept.get(at, file[at]) for at in range(*r)) for r in rewrites[i].reads]
            news.append(content(rewrites[i], parts))
        for i, new in zip(batch, news, strict=True):
            file[rewrites[i].begin : rewrites[i].end] = new
    return bytes(file)


@given(rewritten(), st.integers(1, 80), st.lists(spans, max_size=2))
def test_every_rewrite_finds_what_it_reads(
    rewrites: list[Rewrite], most: int, already: list[Span]
) -> None:
    base = random.Random(1).randbytes(SIZE)
    saved = Spans(already)
    plan = plan_rewrites(rewrites, saved)
    assert sorted(plan.order) == list(range(len(rewrites)))
    assert executed(base, rewrites, plan, most, saved) == expected(base, rewrites)


@given(rewritten())
def test_only_what_is_overwritten_and_read_is_saved(rewrites: list[Rewrite]) -> None:
    written = Spans((one.begin, one.end) for one in rewrites)
    read = Spans(span for one in rewrites for span in one.reads)
    for begin, end in plan_rewrites(rewrites, Spans()).saves:
        assert written.covers(begin, end)
        assert read.covers(begin, end)


@given(rewritten(), st.randoms(use_true_random=False))
def test_nothing_is_saved_without_a_circle(rewrites: list[Rewrite], chance: random.Random) -> None:
    """Where each reads only what comes later in some order, there is an order without."""
    order = list(range(len(rewrites)))
    chance.shuffle(order)
    straight = [
        dataclasses.replace(
            rewrites[i],
            reads=tuple((rewrites[j].begin, rewrites[j].end) for j in order[order.index(i) + 1 :]),
        )
        for i in range(len(rewrites))
    ]
    plan = plan_rewrites(straight, Spans())
    assert list(plan.saves) == []


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), max_size=20), st.booleans())
def test_parts_that_keep_their_order_need_nothing_saved(
    parts: list[tuple[int, int]], backwards: bool
) -> None:
    """Each part is some bytes, behind some others that are only in one of both files."""
    rewrites = []
    old = new = 0
    for i, (length, gap) in enumerate(parts):
        old, new = (old + gap, new) if i % 2 == backwards else (old, new + gap)
        rewrites.append(Rewrite(new, new + length, ((old, old + length),)))
        old, new = old + length, new + length
    assert list(plan_rewrites(rewrites, Spans()).saves) == []


def test_of_a_circle_the_least_is_saved() -> None:
    rewrites = [Rewrite(0, 100, ((100, 110),)), Rewrite(100, 200, ((0, 60),))]
    plan = plan_rewrites(rewrites, Spans())
    assert list(plan.saves) == [(100, 110)]
    assert plan.order == (1, 0)


def test_what_moved_to_the_end_is_written_from_the_end() -> None:
    rewrites = [Rewrite(10 * i + 3, 10 * i + 13, ((10 * i, 10 * i + 10),)) for i in range(9)]
    assert plan_rewrites(rewrites, Spans()).order == tuple(reversed(range(9)))


def test_a_hostile_patch_with_too_many_conflicts() -> None:
    rewrites = [Rewrite(i, i + 1, ((0, SIZE),)) for i in range(SIZE)]
    with pytest.raises(LimitExceeded, match="another file"):
        plan_rewrites(rewrites, Spans(), most_conflicts=1000)


@given(st.lists(spans, max_size=12), spans)
def test_spans_are_sets_of_bytes(many: list[Span], one: Span) -> None:
    found = {i for span in many for i in range(*span)}
    asked = set(range(*one))
    kept = Spans(many)
    assert kept.nbytes == len(found)
    assert {i for span in kept.within(*one) for i in range(*span)} == found & asked
    assert {i for span in kept.missing(*one) for i in range(*span)} == asked - found
    assert kept.covers(*one) == (asked <= found)


@given(st.lists(spans, max_size=12), st.integers(1, 5))
def test_joined_spans_hold_all_bytes(many: list[Span], most: int) -> None:
    joined = joined_spans(many, most)
    assert len(joined) <= max(most, 0)
    assert all(Spans(joined).covers(*span) for span in many)
