"""Planes and predictions of blocks are those of the reference in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood.codec.requantising import predicted_plane
from sapwood.tensors.block_types import BLOCK_TYPES
from sapwood.tensors.blocks import BlockType
from support import reference_blocks as reference

pytestmark = pytest.mark.quick

TYPES = pytest.mark.parametrize("kind", BLOCK_TYPES.values(), ids=lambda kind: kind.name)
GRIDDED = pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param(kind, number, id=f"{kind.name}-{field.name}")
        for kind in BLOCK_TYPES.values()
        for number, field in enumerate(kind.fields)
        if field.grid is not None
    ],
)


def some_blocks(kind: BlockType, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, count * kind.nbytes, dtype=np.uint8)


@TYPES
def test_planes_are_those_of_the_reference(kind: BlockType) -> None:
    data = some_blocks(kind, 3, 1)
    blocks = [one.tobytes() for one in data.reshape(3, kind.nbytes)]
    layout = reference.LAYOUTS[kind.name]
    assert [field.name for field in kind.fields] == [field.name for field in layout]
    for field, found, expected in zip(kind.fields, kind.unpack(data), layout, strict=True):
        assert found.tobytes() == reference.plane(expected, blocks)
        assert (field.zero, field.bits if field.runs else 0) == (
            expected.zero,
            expected.width if field.runs else 0,
        )
        assert (field.grid is None) == (reference.grid_of(kind.name, field.name) is None)


def check(kind: BlockType, number: int, base: np.ndarray, target: np.ndarray) -> None:
    """One block."""
    old, new = kind.unpack(base), kind.unpack(target)
    edges = np.full_like(old[number], 0xFF)
    found = predicted_plane(kind, number, old, new[:number], edges)
    field = reference.LAYOUTS[kind.name][number]
    expected = reference.predicted(kind.name, field, base.tobytes(), target.tobytes())
    assert (found.tobytes(), edges.tobytes()) == expected


@GRIDDED
@settings(max_examples=25)  # the reference takes its time
@given(seed=st.integers(0, 2**32), step=st.integers(-40, 40))
def test_predictions_and_edges_are_those_of_the_reference(
    kind: BlockType, number: int, seed: int, step: int
) -> None:
    base = some_blocks(kind, 1, seed)
    planes = kind.unpack(base)
    # The block's own scale or offset, a few patterns away: as training moves them.
    for i, field in enumerate(kind.fields):
        if field.count == 1 and i < number:
            width = np.dtype(f"<u{field.dtype.size}")
            planes[i] = (planes[i].view(width) + np.array(step, np.int64).astype(width)).view("u1")
    target = np.empty_like(base)
    kind.pack(planes, target)
    check(kind, number, base, target)


@GRIDDED
@settings(max_examples=25)  # the reference takes its time
@given(seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
def test_so_it_is_of_blocks_that_have_nothing_in_common(
    kind: BlockType, number: int, seeds: tuple[int, int]
) -> None:
    base, target = (some_blocks(kind, 1, seed) for seed in seeds)
    check(kind, number, base, target)


@pytest.mark.parametrize("pattern", [0x0000, 0x8000, 0x0001, 0x7C00, 0xFC00, 0x7E01, 0x7D01])
@pytest.mark.parametrize("name", ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k"])
@pytest.mark.parametrize("side", [0, 1])
def test_so_it_is_of_scales_that_are_no_numbers(name: str, pattern: int, side: int) -> None:
    kind = BLOCK_TYPES[name]
    pair = [some_blocks(kind, 1, 7), some_blocks(kind, 1, 8)]
    place = kind.fields[0].place or 0
    pair[side][place : place + 2] = [pattern & 0xFF, pattern >> 8]
    for number, field in enumerate(kind.fields):
        if field.grid is not None:
            check(kind, number, *pair)


def test_quants_of_a_block_whose_sign_turned_are_turned() -> None:
    kind = BLOCK_TYPES["q4_0"]
    planes = [np.array([0.5], "<f2").view(np.uint8), np.arange(16, dtype=np.uint8).repeat(2)]
    turned = [np.array([-0.5], "<f2").view(np.uint8)]
    found = predicted_plane(kind, 1, planes, turned)
    # -(q - 8) + 8, where 4 bits can hold that: 16 is out of reach.
    assert found.tolist() == [min(16 - q, 15) for q in planes[1].tolist()]


def test_many_blocks_are_predicted_as_each_alone() -> None:
    kind = BLOCK_TYPES["q5_1"]
    count = 5000  # more than are looked at together
    old, new = (kind.unpack(some_blocks(kind, count, seed)) for seed in (3, 4))
    edges = np.empty_like(old[-1])
    found = predicted_plane(kind, 2, old, new[:2], edges)
    for n in (0, 2047, 2048, count - 1):
        own = np.empty(kind.weights, np.uint8)
        base, scales = (
            [plane.reshape(count, -1)[n] for plane in planes] for planes in (old, new[:2])
        )
        one = predicted_plane(kind, 2, base, scales, own)
        assert np.array_equal(one, found.reshape(count, -1)[n])
        assert np.array_equal(own, edges.reshape(count, -1)[n])
