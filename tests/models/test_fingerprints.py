"""Fingerprints tell versions apart, and do not call two models equal for their headers."""

from __future__ import annotations

import hashlib
import io
import os
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

from sapwood import models
from sapwood.errors import Changed, InputError, IoError
from sapwood.models.comparing.fingerprints import BLOCK, BLOCKS, HEADER, TAIL, WHOLE, block_offsets
from support.model_files import layer, patched, safetensors_file, stacked, tuned, weights
from support.places import SPEC

PAGE = (SPEC / "fingerprint-v1.md").read_text()
LARGE = np.random.default_rng(5).bytes(WHOLE + 3_000_001)
SMALL = safetensors_file(layer(1))


def same(one: bytes, other: bytes) -> bool:
    return models.compare_fingerprints(one, other)


def changed(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + bytes(byte ^ 0xFF for byte in data[begin:end]) + data[end:]


def test_equal_files_match() -> None:
    for data in (b"", b"a", SMALL, LARGE):
        assert same(data, bytes(bytearray(data)))


def test_small_models_are_not_all_equal() -> None:
    """Where both hashes are of the same bytes, their XOR is zero for every model."""
    models_of_a_kind = [safetensors_file(layer(i)) for i in range(5)]
    assert len({models.fingerprint(one).combined_hash for one in models_of_a_kind}) == 5
    assert not same(b"a", b"b")
    assert not same(b"", b"\0")
    assert int(models.fingerprint(b"a").combined_hash, 16) != 0


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_small_file_matches_itself_alone(one: bytes, other: bytes) -> None:
    assert same(one, other) == (one == other)


def test_a_change_in_the_middle_is_seen() -> None:
    """The header, the length and the last 4 KiB stay what they are."""
    old = {
        "head": weights(1, (64, 512)),
        "body": weights(2, (4000, 1000)),
        "tail": weights(3, (9, 999)),
    }
    new = {**old, "body": tuned(old["body"], 4)}
    a, b = safetensors_file(old), safetensors_file(new)
    assert len(a) == len(b) > WHOLE
    assert (a[:HEADER], a[-TAIL:]) == (b[:HEADER], b[-TAIL:])
    first, second = models.fingerprint(a), models.fingerprint(b)
    assert (first.header_hash, first.tail_hash) == (second.header_hash, second.tail_hash)
    assert first.short() != second.short()
    assert not first.matches(second)


def test_one_kind_of_tensor_in_each_of_many_equal_layers() -> None:
    """At even distances every block could fall on what did not change."""
    layers = [{"q": weights(i, (96, 64)), "rest": weights(i + 50, (512, 64))} for i in range(64)]
    a = safetensors_file(stacked(layers))
    b = safetensors_file(
        stacked([{**one, "q": tuned(one["q"], i)} for i, one in enumerate(layers)])
    )
    assert len(a) == len(b) > WHOLE
    assert not same(a, b)


@given(st.integers(0, len(LARGE)), st.integers(0, 50_000))
def test_a_long_enough_stretch_is_always_seen(begin: int, more: int) -> None:
    length = 2 * (len(LARGE) // BLOCKS + 1) + 2 * BLOCK + more
    begin = min(begin, len(LARGE) - length)
    assert not same(LARGE, changed(LARGE, begin, begin + length))


def test_what_stands_at_the_ends_is_seen() -> None:
    for at in (0, HEADER - 1, len(LARGE) - TAIL, len(LARGE) - 1):
        assert not same(LARGE, changed(LARGE, at, at + 1))


def test_other_lengths_never_match() -> None:
    sizes = (0, 1, HEADER, WHOLE - 1, WHOLE, WHOLE + 1, WHOLE + BLOCK)
    prints = [models.fingerprint(bytes(size)).combined_hash for size in sizes]
    assert len(set(prints)) == len(sizes)


def test_every_byte_of_a_file_of_four_mebibytes_counts() -> None:
    data = LARGE[:WHOLE]
    for at in np.random.default_rng(6).integers(0, WHOLE, 20):
        assert not same(data, changed(data, int(at), int(at) + 1))


def test_a_full_digest_sees_what_the_sample_does_not() -> None:
    seen = np.zeros(len(LARGE), bool)
    for offset in block_offsets(len(LARGE)):
        seen[offset : offset + BLOCK] = True
    seen[:HEADER] = seen[-TAIL:] = True
    at = int(np.flatnonzero(~seen)[1000])
    hidden = changed(LARGE, at, at + 1)
    assert same(LARGE, hidden)  # as the docstring says
    one, other = (models.fingerprint(data, full=True) for data in (LARGE, hidden))
    assert one.full_digest == hashlib.sha256(LARGE).hexdigest()
    assert not one.matches(other)
    assert one.matches(models.fingerprint(hidden))  # nothing more is known of it


def test_the_full_digest_is_the_one_in_patches() -> None:
    patch, _ = patched(SMALL, b"target")
    digest = models.fingerprint(SMALL, full=True).full_digest
    assert digest == models.patch_info(patch).source_hash.hex()


@given(st.integers(WHOLE + 1, 1 << 45))
def test_blocks_lie_inside_and_in_order_one_in_each_part(size: int) -> None:
    offsets = block_offsets(size)
    assert len(offsets) == BLOCKS
    assert all(0 <= at <= size - BLOCK and at % BLOCK == 0 for at in offsets)
    assert all(one < other for one, other in pairwise(offsets))
    part = size / BLOCKS
    assert all(i * part - 2 * BLOCK <= at < (i + 1) * part for i, at in enumerate(offsets))


def test_fields() -> None:
    found = models.fingerprint(SMALL)
    assert found.format == "safetensors"
    assert models.fingerprint(b"plain").format == models.fingerprint(b"").format == "bytes"
    assert found.file_size == len(SMALL)
    assert found.header_hash == blake3(SMALL[:HEADER]).hexdigest()
    assert found.tail_hash == blake3(SMALL[-TAIL:]).hexdigest()
    assert found.short() == found.combined_hash[:16]
    assert found.full_digest is None


@pytest.mark.parametrize("data", [b"", b"a", SMALL, LARGE], ids=len)
def test_paths_bytes_and_files_have_one_fingerprint(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(data)
    expected = models.fingerprint(data, full=True)
    assert models.fingerprint(path, full=True) == expected
    assert models.fingerprint(str(path), full=True) == expected
    assert models.fingerprint(io.BytesIO(data), full=True) == expected
    assert models.compare_fingerprints(str(path), path)


def test_of_a_large_file_little_is_read(tmp_path: Path) -> None:
    """2.1 MB, whatever the size: counted, since times depend on the machine."""
    path = tmp_path / "model"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    read: list[int] = []
    real = os.preadv

    def counting(handle: int, places: list[memoryview], offset: int) -> int:
        read.extend(map(len, places))
        return real(handle, places, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", counting)
        found = models.fingerprint(path)
    assert found.file_size == 1 << 40
    assert sum(read) == HEADER + TAIL + BLOCKS * BLOCK < 2_200_000


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(IoError):
        models.fingerprint(tmp_path / "none")
    with pytest.raises(InputError):
        models.fingerprint(5)  # type: ignore[arg-type]


def test_a_file_that_is_cut_off_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(LARGE)
    real = os.preadv

    def cutting(handle: int, places: list[memoryview], offset: int) -> int:
        os.truncate(path, 100_000)
        return real(handle, places, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", cutting)
        with pytest.raises(Changed, match="cut off"):
            models.fingerprint(path)


def content(size: int) -> bytes:
    """The bytes that the vectors of the specification are of."""
    i = np.arange(size, dtype=np.int64)
    return bytes(((i + 17 * (i >> 8) + 131 * (i >> 16)) % 256).astype(np.uint8))


def test_the_vectors_of_the_specification() -> None:
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for size, expected in rows:
        assert models.fingerprint(content(int(size))).combined_hash == expected
    begin = re.search(r"begin at (\d+), (\d+) and (\d+), the last at (\d+)", PAGE)
    assert begin is not None
    offsets = block_offsets(20_000_000)
    assert [*offsets[:3], offsets[-1]] == [int(one) for one in begin.groups()]
