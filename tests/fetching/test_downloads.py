"""Downloads of files in memory: what is there already is gone on with, and nothing is trusted."""

from __future__ import annotations

import dataclasses
import io
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.errors import Changed, IoError, Unavailable
from sapwood.fetching.download import KnownSize, download
from sapwood.fetching.pace import BrokenOff
from sapwood.fetching.remote import read_beginning, read_part
from support.remotes import QUICK, MemoryFile

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
EXPECTED = KnownSize("memory:file", SIZE, "it is another file")
CUTS = st.lists(st.none() | st.integers(0, SIZE), max_size=6)
HEADS = st.sampled_from([1, 100, 1 << 16])


class Told:
    """Hears of progress."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.steps.append((done, total))


@given(CUTS, st.integers(0, SIZE), st.integers(0, SIZE))
def test_a_part_is_right_or_the_connection_is_given_up(
    cuts: list[int | None], begin: int, end: int
) -> None:
    begin, end = sorted((begin, end))
    file = MemoryFile(CONTENT, cuts=cuts)
    try:
        assert read_part(file, begin, end) == CONTENT[begin:end]
    except Unavailable:
        assert len(file.asked) == QUICK.failures + 1
    asked = [one for one in file.asked if one is not None]
    assert all(one[1] == end for one in asked)
    assert all(one[0] <= later[0] for one, later in pairwise(asked))


LEFT = (
    st.integers(0, SIZE).map(lambda size: CONTENT[:size])
    | st.binary(max_size=300)
    | st.binary(min_size=1, max_size=300).map(lambda more: CONTENT + more)
    | st.integers(0, SIZE - 1).map(lambda at: b"".join([CONTENT[:at], b"?", CONTENT[at + 1 :]]))
)


@given(LEFT, CUTS, HEADS)
def test_what_is_left_of_an_earlier_try_is_gone_on_with_where_it_begins_right(
    left: bytes, cuts: list[int | None], head: int
) -> None:
    file = MemoryFile(CONTENT, cuts=cuts, pace=dataclasses.replace(QUICK, head=head))
    out = io.BytesIO(left)
    told = Told()
    try:
        kept = download(file, out, EXPECTED, told)
    except Unavailable:
        return
    compared = left[: min(head, SIZE)]
    begins_right = compared == CONTENT[: len(compared)]
    assert kept == (min(len(left), SIZE) if begins_right else 0)
    assert out.getvalue() == left[:kept] + CONTENT[kept:]  # the digest sees the rest
    assert told.steps[0] == (kept, SIZE)
    assert told.steps[-1] == (SIZE, SIZE)
    assert told.steps == sorted(told.steps)


@given(LEFT, CUTS, st.booleans())
def test_without_parts_it_is_begun_anew(left: bytes, cuts: list[int | None], sized: bool) -> None:
    file = MemoryFile(CONTENT, ranges=False, sized=sized, cuts=cuts)
    out = io.BytesIO(left)
    try:
        assert download(file, out, EXPECTED) == 0
    except Unavailable:
        assert len(file.asked) == QUICK.failures + 1
        return
    assert out.getvalue() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("other", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT * 2])
def test_a_file_of_another_size_is_refused(ranges: bool, sized: bool, other: bytes) -> None:
    file = MemoryFile(other, ranges=ranges, sized=sized)
    out = io.BytesIO()
    told = Told()
    with pytest.raises((IoError, Unavailable)) as caught:
        download(file, out, EXPECTED, told)
    if file.size is not None:
        assert str(caught.value) == (
            f"memory:file: expected {SIZE} bytes, found {len(other)}; it is another file"
        )
        assert out.getvalue() == b""
    elif len(other) > SIZE:
        assert "and more came" in str(caught.value)
    else:
        assert f"{SIZE - len(other)} bytes are missing" in str(caught.value)
    assert len(out.getvalue()) <= SIZE
    assert all(done <= total == SIZE for done, total in told.steps)


def test_another_version_is_told_and_what_came_stays() -> None:
    file = MemoryFile(CONTENT, cuts=[None, 5000, Changed("another version")])
    out = io.BytesIO(CONTENT[:100])
    with pytest.raises(Changed):
        download(file, out, EXPECTED)
    assert out.getvalue() == CONTENT[:5100]


def test_failures_count_anew_after_enough_bytes() -> None:
    cuts = [100] * 50
    with pytest.raises(Unavailable, match="gave up after 5 tries: the connection ended; check"):
        read_part(MemoryFile(CONTENT, cuts=cuts), 0, SIZE)
    patient = dataclasses.replace(QUICK, progress=100)
    assert read_part(MemoryFile(CONTENT, cuts=cuts, pace=patient), 0, SIZE) == CONTENT


def test_pauses_grow_until_enough_failures_say_how_it_ended() -> None:
    pace = dataclasses.replace(QUICK, pause=0.01, failures=3)
    begun = time.monotonic()
    busy = [BrokenOff("the server answers 503", status=503)] * 4
    with pytest.raises(Unavailable, match="gave up after 4 tries") as caught:
        read_part(MemoryFile(CONTENT, cuts=busy, pace=pace), 0, SIZE)
    assert caught.value.status == 503
    assert time.monotonic() - begun >= 0.01 + 0.02 + 0.04


def test_a_beginning_is_no_longer_than_the_file() -> None:
    assert read_beginning(MemoryFile(b"short"), 100) == b"short"
    empty = MemoryFile(b"")
    assert read_beginning(empty, 100) == b""
    assert empty.asked == []
