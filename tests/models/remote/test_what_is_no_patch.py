"""A URL may lead to anything: an error of ours, nothing left, no more taken than needed."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from sapwood.errors import Changed, InvalidPatch, SapwoodError, TruncatedPatch, Unavailable
from sapwood.models.receiving.ranges import RemotePatch, patch_parts
from sapwood.models.receiving.received import received
from sapwood.patch.format.front import PREAMBLE
from sapwood.patch.format.parsing import parse_front
from support.model_files import safetensors_file
from support.remotes import QUICK, MemoryFile, fetching_from

RANDOM = np.random.default_rng(5)
OLD = {"a": RANDOM.standard_normal((300, 300), dtype=np.float32)}
NEW = {"a": RANDOM.standard_normal((300, 300), dtype=np.float32)}
BASE, TARGET = safetensors_file(OLD), safetensors_file(NEW)
PAGE = b"<html>" * 1000


@functools.cache
def patch() -> bytes:
    """Longer than what is asked for first."""
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out)
    made = out.getvalue()
    assert len(made) > 3 * QUICK.head
    return made


def received_bytes(file: MemoryFile, resumed: Path | None = None) -> bytes:
    """What is received of a file elsewhere."""
    with received("memory:p", resumed=resumed, fetching=fetching_from({"memory:p": file})) as data:
        return data.tobytes()


BAD: dict[str, tuple[bytes, type[SapwoodError], str]] = {
    "a web page": (PAGE, InvalidPatch, "not a patch"),
    "an empty file": (b"", TruncatedPatch, "found 0"),
    "a few bytes": (b"\x89TTP", TruncatedPatch, "found 4"),
    "a patch cut off": (b"cut", TruncatedPatch, "cut off"),
    "a patch and more": (b"more", InvalidPatch, "1 bytes after the end"),
    "a patch and more and more": (b"endless", InvalidPatch, "after the end"),
}


def content(case: str) -> bytes:
    bad = BAD[case][0]
    made = {b"cut": patch()[:-9], b"more": patch() + b"x", b"endless": patch() + bytes(1 << 20)}
    return made.get(bad, bad)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("case", BAD)
def test_what_is_no_patch_is_told_and_leaves_nothing(
    case: str, ranges: bool, tmp_path: Path
) -> None:
    _, error, words = BAD[case]
    for resumed in (None, tmp_path / "out"):
        file = MemoryFile(content(case), ranges=ranges)
        with pytest.raises(error, match=words):
            received_bytes(file, resumed)
        assert file.closed
        assert set(file.asked) <= {None, (0, min(PREAMBLE.size, len(file.data)))}
    file = MemoryFile(content(case), ranges=ranges)
    with pytest.raises(error, match=words):
        patch_parts("memory:p", fetching=fetching_from({"memory:p": file}))
    assert set(file.asked) <= {None, (0, min(PREAMBLE.size, len(file.data)))}
    assert list(tmp_path.iterdir()) == []


UNSIZED: dict[str, tuple[bytes, type[SapwoodError], str]] = {
    **BAD,
    "a patch cut off": (b"cut", Unavailable, "gave up after 5 tries: 9 bytes are missing"),
    "a patch and more": (b"more", InvalidPatch, "more than the"),
    "a patch and more and more": (b"endless", InvalidPatch, "more than the"),
}


@pytest.mark.parametrize("case", UNSIZED)
def test_of_what_has_no_known_size_no_more_is_taken_than_the_patch_says(case: str) -> None:
    _, error, words = UNSIZED[case]
    with pytest.raises(error, match=words):
        received_bytes(MemoryFile(content(case), ranges=False, sized=False))


def test_a_damaged_body_is_received_and_found_by_its_digest(tmp_path: Path) -> None:
    damaged = patch()[:-1] + b"\0"
    assert received_bytes(MemoryFile(damaged)) == damaged
    with pytest.raises(InvalidPatch, match="damaged body"):
        models.apply_patch(BASE, damaged, tmp_path / "out")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_a_connection_that_breaks_is_made_again(ranges: bool, sized: bool, tmp_path: Path) -> None:
    for resumed in (None, tmp_path / "out"):
        file = MemoryFile(patch(), ranges=ranges, sized=sized, cuts=[None, 10, 100_000, 10])
        assert received_bytes(file, resumed) == patch()
        whole = [one for one in file.asked if one in {None, (0, len(patch()))}]
        assert len(whole) == (1 if ranges else len(file.asked))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("why", [Unavailable("gone", status=404), Changed("another version")])
def test_what_came_before_a_failure_is_kept_where_it_may_be_gone_on_with(
    why: SapwoodError, tmp_path: Path
) -> None:
    file = MemoryFile(patch(), cuts=[None, None, 100_000, why])
    with pytest.raises(type(why)):
        received_bytes(file, tmp_path / "out")
    (kept,) = tmp_path.iterdir()
    assert kept.name == f".out.{parse_front(patch()).digest[:8].hex()}.download"
    assert kept.read_bytes() == patch()[:100_000]
    file = MemoryFile(patch())
    assert received_bytes(file, tmp_path / "out") == patch()
    assert file.asked[-1] == (100_000, len(patch()))
    assert list(tmp_path.iterdir()) == []


def test_tensors_come_from_any_place_that_has_an_opener() -> None:
    file = MemoryFile(patch(), cuts=[None, None, 10, 20])
    fetching = fetching_from({"memory:p": file})
    receiving = models.Receiving(threads=1, fetching=fetching)
    model = models.load_patched(BASE, "memory:p", receiving=receiving)
    assert np.array_equal(model["a"], NEW["a"])
    assert None not in file.asked


def test_of_a_patch_elsewhere_the_front_alone_is_taken() -> None:
    file = MemoryFile(patch())
    data = patch_parts("memory:p", fetching=fetching_from({"memory:p": file}))
    assert isinstance(data, RemotePatch)
    assert len(data) == len(patch())
    front = parse_front(patch())
    assert max(end for _, end in filter(None, file.asked)) == front.size
    assert data[front.size : front.size + 100].tobytes() == patch()[front.size :][:100]
    assert data[0:50].tobytes() == patch()[:50]
