"""The planner finds the cheapest route, and accounts for everything it was offered."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import create_patch, models
from sapwood.errors import InputError, InvalidPatch
from sapwood.models.chains.offers import (
    Offered,
    chain_offers,
    file_offer,
    file_sha256,
    held_versions,
    patch_offer,
)
from sapwood.models.chains.routes import MOST_WEIGHED, By, Offer, Route, RoutePlan, plan_route
from support.chain_files import chain_of, patch_between, versions

A, B, C, D, E = (bytes([i]) * 32 for i in range(5))
NODES = (A, B, C, D, E)


def patch(name: str, bases: Sequence[bytes], target: bytes, size: int, large: int = 1000) -> Offer:
    return Offer(name, tuple(bases), target, size, large)


def whole(name: str, target: bytes, size: int) -> Offer:
    return Offer(name, (), target, size, size)


def names(route: Route | None) -> list[str] | None:
    return None if route is None else [offer.name for offer in route.offers]


offers = st.builds(
    Offer,
    st.just("offer"),
    st.lists(st.sampled_from(NODES), max_size=2).map(tuple),
    st.sampled_from(NODES),
    st.integers(0, 5),
    st.integers(0, 5),
)


def cheapest(
    have: frozenset[bytes],
    want: bytes,
    given_offers: Sequence[Offer],
    by: By,
    speeds: tuple[int, int],
) -> tuple[int, int, int] | None:
    """The least cost over all rows of offers, each of which needs at most what the last made."""
    best = (0, 0, 0) if want in have else None
    for length in range(1, len(given_offers) + 1):
        for row in itertools.permutations(given_offers, length):
            made: bytes | None = None
            for offer in row:
                if not set(offer.bases) <= have | {made}:
                    break
                made = offer.target
            else:
                if made == want:
                    size = sum(offer.size for offer in row)
                    time = size * speeds[1] + sum(o.target_size for o in row if o.bases) * speeds[0]
                    found = (size if by == "bytes" else time, length, size)
                    best = found if best is None else min(best, found)
    return best


@given(
    st.frozensets(st.sampled_from(NODES), max_size=2),
    st.sampled_from(NODES),
    st.lists(offers, max_size=5),
    st.sampled_from(["bytes", "time"]),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=300)
def test_no_route_is_cheaper(
    have: frozenset[bytes], want: bytes, given_offers: list[Offer], by: By, speeds: tuple[int, int]
) -> None:
    bandwidth, apply_speed = speeds
    plan = plan_route(have, want, given_offers, by=by, bandwidth=bandwidth, apply_speed=apply_speed)
    expected = cheapest(have, want, given_offers, by, speeds)
    assert (plan.route is None) == (expected is None)
    if plan.route is None or expected is None:
        return
    route = plan.route
    size = sum(offer.size for offer in route.offers)
    written = sum(offer.target_size for offer in route.offers if offer.bases)
    cost = size if by == "bytes" else size * apply_speed + written * bandwidth
    assert (cost, len(route.offers), size) == expected
    assert route.size == size
    assert route.seconds == pytest.approx(size / bandwidth + written / apply_speed)
    check_alternatives(plan, have, want, given_offers)


def check_alternatives(
    plan: RoutePlan, have: frozenset[bytes], want: bytes, given_offers: Sequence[Offer]
) -> None:
    """Each route can be gone, and each offer is in the chosen route, in another, or refused."""
    told = [id(one.offer) for one in plan.alternatives]
    assert len(set(told)) == len(told)
    for one in plan.alternatives:
        assert one.reason
        if one.route is not None:
            made: bytes | None = None
            for offer in one.route.offers:
                assert set(offer.bases) <= have | {made}
                made = offer.target
            assert made == want
            assert one.offer in one.route.offers
    routes = [one.route for one in plan.alternatives] + [plan.route]
    used = {id(offer) for route in routes if route is not None for offer in route.offers}
    assert {id(offer) for offer in given_offers} <= used | set(told)


def test_a_chain_of_small_patches_beats_a_file() -> None:
    links = [patch("1", [A], B, 10), patch("2", [B], C, 20), whole("file", C, 900)]
    plan = plan_route([A], C, links)
    assert names(plan.route) == ["1", "2"]
    assert (
        plan.reason
        == "1, then 2: the fewest bytes of 2 routes; the next best, file: 870 bytes more"
    )
    assert [(names(one.route), one.reason) for one in plan.alternatives] == [
        (["file"], "870 bytes more")
    ]


def test_by_time_applying_counts() -> None:
    links = [patch("1", [A], B, 10), patch("2", [B], C, 20), whole("file", C, 900)]
    slow = plan_route([A], C, links, by="time", bandwidth=100, apply_speed=100)
    assert names(slow.route) == ["file"]
    assert slow.route is not None
    assert slow.route.seconds == 9.0
    assert [one.reason for one in slow.alternatives] == ["11.3 s more"]
    quick = plan_route([A], C, links, by="time", bandwidth=100, apply_speed=1000)
    assert names(quick.route) == ["1", "2"]


def test_an_older_file_and_patches_may_be_cheapest() -> None:
    links = [whole("new", C, 900), whole("old", A, 500), patch("1", [A], C, 10)]
    plan = plan_route([], C, links)
    assert names(plan.route) == ["old", "1"]


def test_patches_with_several_bases() -> None:
    merge = patch("merge", [A, B], D, 5)
    assert names(plan_route([A, B], D, [merge]).route) == ["merge"]
    made = plan_route([A], D, [merge, patch("1", [A], B, 7)])
    assert names(made.route) == ["1", "merge"]
    plan = plan_route([], D, [merge])
    assert plan.route is None
    assert plan.alternatives[0].reason == f"needs {A.hex()[:12]} and {B.hex()[:12]}, not at hand"


def test_ties_go_to_fewer_steps_then_fewer_bytes_then_the_first() -> None:
    short, long = patch("short", [A], C, 30), [patch("1", [A], B, 10), patch("2", [B], C, 20)]
    plan = plan_route([A], C, [*long, short])
    assert names(plan.route) == ["short"]
    assert plan.alternatives[0].reason == "as much, in more steps"
    heavy, light = patch("heavy", [A], B, 20, 0), patch("light", [A], B, 10, 10)
    equal = plan_route([A], B, [heavy, light], by="time", bandwidth=5, apply_speed=5)
    assert names(equal.route) == ["light"]
    assert equal.alternatives[0].reason == "as much, and more bytes"
    twins = [patch("x", [A], B, 9), patch("y", [A], B, 9)]
    for row in (twins, twins[::-1]):
        plan = plan_route([A], B, row)
        assert names(plan.route) == [row[0].name]
        assert plan.alternatives[0].reason == "as much, but given later"


def test_everything_that_is_of_no_use_says_why() -> None:
    plan = plan_route(
        [A],
        C,
        [
            patch("1", [A], B, 1),
            patch("2", [B], C, 1),
            patch("back", [C], A, 1),
            patch("aside", [B], D, 1),
            patch("and in again", [D], B, 1),
            patch("from elsewhere", [E], C, 1),
        ],
    )
    assert {one.offer.name: one.reason for one in plan.alternatives} == {
        "back": "does not lead to the wanted version",
        "aside": "leads back to where one has been",
        "and in again": "leads back to where one has been",
        "from elsewhere": f"needs {E.hex()[:12]}, not at hand",
    }
    assert plan.reason == "1, then 2: nothing else leads to the wanted version"


def test_what_is_there_needs_no_route_and_what_is_nowhere_has_none() -> None:
    plan = plan_route([A], A, [whole("file", A, 9)])
    assert plan.route == Route((), 0, 0.0)
    assert "is there" in plan.reason
    nowhere = plan_route([A], B, [])
    assert nowhere == RoutePlan(None, nowhere.reason, ())
    assert nowhere.reason.startswith(f"nothing of what is offered leads to {B.hex()[:12]}")


def test_many_offers_are_weighed_in_bounded_work() -> None:
    versions_ = [i.to_bytes(32, "big") for i in range(16385)]
    pairs = list(itertools.pairwise(versions_))
    links = [patch("to", [a], b, 1) for a, b in pairs] + [patch("fro", [b], a, 1) for a, b in pairs]
    plan = plan_route([versions_[0]], versions_[-1], links)
    assert plan.route is not None
    assert len(plan.route.offers) == 16384
    assert len(plan.alternatives) == 16384
    spread = [patch(str(i), [A], B, i) for i in range(2 * MOST_WEIGHED)]
    last = plan_route([A], B, spread).alternatives[-1]
    assert (last.route, last.reason) == (None, f"{2 * MOST_WEIGHED - 1} bytes more at the least")


@pytest.mark.parametrize("wrong", [{"by": "luck"}, {"bandwidth": 0}, {"apply_speed": -1}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected by"):
        plan_route([A], B, [], **wrong)  # type: ignore[arg-type]  # that is the point


def test_offers_are_read_from_files(tmp_path: Path) -> None:
    files = versions(4)
    (tmp_path / "patch").write_bytes(patch_between(files[0], files[1]))
    found = patch_offer(tmp_path / "patch", "p")
    size = (tmp_path / "patch").stat().st_size
    sums = list(map(file_sha256_of, files))
    assert found == Offered(
        "p", (sums[0],), sums[1], size, len(files[1]), file="p", base_sizes=(len(files[0]),)
    )
    links = chain_offers(chain_of(files), "c")
    assert [one.name for one in links][:3] == ["c link 0", "c link 0 back", "c link 1"]
    assert sum(one.size for one in links) < len(chain_of(files))
    file = file_offer(files[3], "f")
    assert file == Offered("f", (), sums[3], len(files[3]), len(files[3]), file="f")
    plan = plan_route([sums[0]], sums[3], [file, *links])
    assert names(plan.route) == ["c link 0", "c link 1", "c link 2"]


def file_sha256_of(data: bytes) -> bytes:
    return file_sha256(np.frombuffer(data, np.uint8))


def test_what_is_held_is_looked_for_in_folders(tmp_path: Path) -> None:
    files = versions(2)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "model").write_bytes(files[0])
    (tmp_path / "note").write_bytes(b"of another size")
    sizes = {len(files[0])}
    assert list(held_versions([tmp_path], sizes)) == [file_sha256_of(files[0])]
    assert list(held_versions([files[1]], ())) == [file_sha256_of(files[1])]


def test_patches_that_are_none_of_files_or_are_damaged_are_refused(tmp_path: Path) -> None:
    tensor = create_patch(np.zeros(9), np.ones(9)).to_bytes()
    with pytest.raises(InputError, match="p: a patch of a tensor"):
        patch_offer(tensor, "p")
    (tmp_path / "model").write_bytes(b"weights")
    folders = io.BytesIO()
    models.create_patch(tmp_path, tmp_path, folders)
    with pytest.raises(InputError, match="p: a patch of a folder"):
        patch_offer(folders.getvalue(), "p")
    whole_patch = patch_between(*versions(2))
    for damaged in (whole_patch[:-1], whole_patch + b"x", whole_patch[:50], b""):
        with pytest.raises(InvalidPatch):
            patch_offer(damaged, "p")


def test_a_merge_is_planned_from_its_bases() -> None:
    files = versions(3)
    out = io.BytesIO()
    models.create_patch([files[0], files[1]], files[2], out)
    merge = patch_offer(out.getvalue(), "merge")
    step = patch_offer(patch_between(files[0], files[1]), "step")
    plan = plan_route([file_sha256_of(files[0])], merge.target, [merge, step])
    assert names(plan.route) == ["step", "merge"]
