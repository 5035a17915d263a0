"""Splices come back whichever copies they keep, and keep those that make them smaller."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.patch.applying.splice import decode_splice
from sapwood.patch.format.copies import Copy
from sapwood.patch.making.matching import find_copies
from sapwood.patch.making.splice import LONG, encode_splice, packed, splice_content

pytestmark = pytest.mark.quick

BASE = np.random.default_rng(1).integers(0, 256, 4000, np.uint8)


@st.composite
def spliced(draw: st.DrawFn) -> tuple[bytes, list[Copy]]:
    """A target of pieces of BASE with new bytes between them, and the copies it consists of."""
    target, copies = bytearray(), []
    for _ in range(draw(st.integers(0, 9))):
        target += draw(st.binary(max_size=9))
        begin, length = draw(st.integers(0, 3800)), draw(st.integers(1, 200))
        copies.append(Copy(len(target), begin, length))
        target += BASE[begin : begin + length].tobytes()
    return bytes(target + draw(st.binary(max_size=9))), copies


@given(spliced(), st.integers(1, 19))
def test_a_splice_comes_back_and_is_no_larger_for_what_it_leaves_out(
    made: tuple[bytes, list[Copy]], level: int
) -> None:
    data, copies = made
    target = np.frombuffer(data, np.uint8)
    payload = encode_splice(target, 0, copies, level)
    out = np.zeros_like(target)
    decode_splice(np.frombuffer(payload, np.uint8), BASE, out)
    assert out.tobytes() == data
    assert len(payload) <= len(packed(splice_content(target, 0, copies), level))


def test_short_copies_of_what_zstd_finds_anyway_are_left_out() -> None:
    words = [b"model.layers.%d.attention.weight" % i for i in range(300)]
    base = np.frombuffer(b"".join(words), np.uint8)
    target = np.frombuffer(
        b"".join(b"%s\0%03d" % (word, i) for i, word in enumerate(words)), np.uint8
    )
    copies = find_copies(base, target, 0, len(target))
    assert len(copies) > 100
    assert max(copy.length for copy in copies) < LONG
    payload = encode_splice(target, 0, copies, 3)
    assert len(payload) < len(packed(splice_content(target, 0, copies), 3))
