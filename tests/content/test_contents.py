"""Contents end to end read like the bytes that they are, and have their digest."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

from sapwood.content import parts
from sapwood.content.content import Bytes
from sapwood.content.digests import blake3_digest
from sapwood.content.parts import EndToEnd, stripes

pytestmark = pytest.mark.quick


@given(st.lists(st.binary(max_size=9), max_size=6), st.data())
def test_parts_end_to_end_are_their_bytes(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    content = EndToEnd([np.frombuffer(part, np.uint8) for part in parts])
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    assert len(content) == len(whole)
    assert content[begin:end].tobytes() == whole[begin:end]
    assert blake3_digest(content) == blake3(whole).digest()


def test_what_lies_in_one_part_is_not_copied() -> None:
    part = np.arange(100, dtype=np.uint8)
    content = EndToEnd([part[:0], part, part.copy()])
    assert np.shares_memory(content[10:100], part)
    assert not np.shares_memory(content[90:110], part)


class Copied:
    """A content that is read into new memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, part: slice, /) -> Bytes:
        return np.frombuffer(self._data, np.uint8)[part].copy()


def test_what_is_put_together_is_held_once() -> None:
    size = 1 << 16
    content = EndToEnd([Copied(bytes([n]) * size) for n in range(32)])
    tracemalloc.start()
    found = content[1 : len(content)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(content) + 3 * size
    assert bytes(found[:: size // 2][::2]) == bytes(range(32))


def test_stripes_cover_a_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "STRIPE", 7)
    content = EndToEnd([np.arange(n, dtype=np.uint8) for n in (5, 0, 20, 3)])
    found = list(stripes(content))
    assert [len(one) for one in found] == [7, 7, 7, 7]
    assert np.array_equal(np.concatenate(found), content[0 : len(content)])
