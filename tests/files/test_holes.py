"""Long runs of zeros become holes, and what is read is what was written."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood.files.file_objects import copy_rest
from sapwood.files.holes import BLOCK, SparseWriter
from sapwood.files.positions import reserve
from support.sparse_files import need_holes, room

pytestmark = pytest.mark.quick

# Runs of zeros and of other bytes, most of them near the length of a block.
RUNS = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(1, 3).flatmap(lambda n: st.integers(n * BLOCK - 9, n * BLOCK + 9)),
    ),
    max_size=4,
)


def content(runs: list[tuple[bool, int]]) -> bytes:
    return b"".join(bytes(size) if zero else b"\1" * size for zero, size in runs)


@settings(max_examples=60, deadline=None)
@given(RUNS, st.lists(st.integers(0, 12 * BLOCK), max_size=4), st.integers(0, 9))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[bool, int]],
    cuts: list[int],
    before: int,
) -> None:
    data = content(runs)
    path = tmp_path_factory.getbasetemp() / "file"
    for buffering in (0, -1):
        with path.open("wb", buffering=buffering) as out:
            out.write(b"\2" * before)
            writer = SparseWriter(out)
            for begin, end in itertools.pairwise([0, *sorted(cuts), 12 * BLOCK + 99]):
                writer.write(np.frombuffer(data, np.uint8)[begin:end])
            writer.finish()
        assert path.read_bytes() == b"\2" * before + data


def test_zeros_take_no_room(tmp_path: Path) -> None:
    need_holes(tmp_path)
    with (tmp_path / "file").open("wb") as out:
        writer = SparseWriter(out)
        for _ in range(16):
            writer.write(np.zeros(4 * BLOCK + 1, np.uint8))
        writer.write(np.ones(BLOCK, np.uint8))
        writer.finish()
    assert (tmp_path / "file").stat().st_size == 65 * BLOCK + 16
    assert room(tmp_path / "file") <= 20 * BLOCK  # one of five where two parts meet


def test_holes_of_a_file_stay_where_room_is_reserved_behind_them(tmp_path: Path) -> None:
    need_holes(tmp_path)
    with (tmp_path / "file").open("w+b") as file:
        file.truncate(16 * BLOCK)
        reserve(file.fileno(), 17 * BLOCK)
    assert BLOCK <= room(tmp_path / "file") < 3 * BLOCK


@pytest.mark.parametrize("size", [0, 5, BLOCK, 3 * BLOCK])
def test_what_is_no_file_gets_the_zeros(size: int) -> None:
    out = io.BytesIO()
    writer = SparseWriter(out)
    writer.write(np.zeros(size, np.uint8))
    writer.finish()
    assert out.getvalue() == bytes(size)


def test_a_pipe_gets_the_zeros() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as out:
        writer = SparseWriter(out)
        writer.write(np.zeros(BLOCK // 2, np.uint8))
        writer.write(memoryview(b"end"))
        writer.finish()
        out.close()
        found = io.BytesIO()
        copy_rest(source, found)
    assert found.getvalue() == bytes(BLOCK // 2) + b"end"
