"""Blocks are taken apart into planes without loss, whatever their bytes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.tensors.block_types import BLOCK_TYPES
from sapwood.tensors.blocks import BlockType
from support.places import SPEC

pytestmark = pytest.mark.quick

TYPES = pytest.mark.parametrize("kind", BLOCK_TYPES.values(), ids=lambda kind: kind.name)


@TYPES
@given(data=st.data())
def test_packing_undoes_unpacking(kind: BlockType, data: st.DataObject) -> None:
    blocks = data.draw(st.integers(0, 5))
    size = blocks * kind.nbytes
    given_bytes = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8)
    planes = kind.unpack(given_bytes)
    assert [len(plane) for plane in planes] == [blocks * field.nbytes for field in kind.fields]
    out = np.full(size, 0xA5, np.uint8)
    kind.pack(planes, out)
    assert np.array_equal(out, given_bytes)


@TYPES
def test_every_bit_of_a_block_is_one_bit_of_a_plane(kind: BlockType) -> None:
    for bit in range(8 * kind.nbytes):
        block = np.zeros(kind.nbytes, np.uint8)
        block[bit // 8] = 1 << (bit % 8)
        assert sum(int(np.unpackbits(plane).sum()) for plane in kind.unpack(block)) == 1


def test_the_table_is_that_of_the_specification() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (\d+) \|", (SPEC / "patch-v1.md").read_text(), re.MULTILINE
    )
    written = {name: (int(weights), int(nbytes)) for name, weights, nbytes in rows}
    assert {one.name: (one.weights, one.nbytes) for one in BLOCK_TYPES.values()} == written


@TYPES
def test_a_grid_is_made_of_fields_before_its_own(kind: BlockType) -> None:
    for number, field in enumerate(kind.fields):
        if field.grid is None:
            continue
        assert field.dtype.size == 1
        for name in (*field.grid.scale, *field.grid.offset):
            assert kind.number(name) < number
            assert field.count % kind.fields[kind.number(name)].count == 0
