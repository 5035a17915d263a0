"""Damaged and hostile patches: always one of our errors, in bounded memory, never wrong data."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import Patch, apply_patch, apply_patch_to_chunks, errors, inspect_patch
from sapwood.codec import Coding
from sapwood.content import zstd
from sapwood.limits import Limits
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.applying.splice import decode_splice
from support.hostile_patches import FRONTS, PREFIXES, SPLICES, splice
from support.patch_cases import Example, example, inline_example
from support.patch_writer import PREAMBLE, canonical, parts_of

INLINE = "inline tables"
KINDS = [*(coding.name for coding in Coding), INLINE]


@functools.cache
def case(kind: str) -> Example:
    """A small patch in which a coding occurs; shared, so never to be changed."""
    found = inline_example() if kind == INLINE else example(Coding[kind])
    if kind != INLINE:
        assert Coding[kind] in found.codings
    return found


def refused(patch: bytes) -> None:
    """Asserts that nothing takes the patch."""
    with pytest.raises(errors.SapwoodError):
        Patch.from_bytes(patch)
    with pytest.raises(errors.SapwoodError):
        apply_patch(case("COPY").base, patch, threads=1)


def tried(base: Any, patch: bytes) -> bytes | None:
    """What applying gives, or None after one of the errors that there may be."""
    try:
        return bytes(apply_patch(base, patch, threads=1).tobytes())
    except (errors.InvalidPatch, errors.TargetHashMismatch):
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_every_prefix_is_refused(kind: str) -> None:
    patch = case(kind).patch
    for length in range(len(patch)):
        with pytest.raises(errors.TruncatedPatch):
            Patch.from_bytes(patch[:length])
        refused(patch[:length])


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    patch = bytearray(case(kind).patch)
    for bit in range(8 * len(patch)):
        patch[bit // 8] ^= 1 << bit % 8
        lengths = 12 <= bit // 8 < 32  # one of which may become too large
        kinds = (errors.InvalidPatch, errors.LimitExceeded) if lengths else errors.InvalidPatch
        with pytest.raises(kinds):
            Patch.from_bytes(patch)
        patch[bit // 8] ^= 1 << bit % 8
    assert bytes(patch) == case(kind).patch
    Patch.from_bytes(patch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_by_every_reader(kind: str) -> None:
    patch = bytearray(case(kind).patch)
    base = case(kind).base
    for bit in range(0, 8 * len(patch), 37):
        patch[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.SapwoodError):
            apply_patch(base, patch, threads=1)
        with pytest.raises(errors.SapwoodError):
            apply_patch_to_chunks([], patch)
        patch[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("kind", KINDS)
def test_inspecting_a_damaged_header_tells_or_refuses(kind: str) -> None:
    patch = bytearray(case(kind).patch)
    end = PREAMBLE.size + len(canonical(parts_of(bytes(patch)).header))
    expected = set(inspect_patch(patch))
    refusals = 0
    for bit in range(8 * end):
        patch[bit // 8] ^= 1 << bit % 8
        try:
            assert set(inspect_patch(patch)) == expected
        except (errors.InvalidPatch, errors.LimitExceeded):
            refusals += 1
        patch[bit // 8] ^= 1 << bit % 8
    assert refusals > end  # most of the header is keys and digests' digits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("more", [b"\0", b"\x89TTP", bytes(5000)], ids=len)
def test_bytes_after_the_end_are_refused(kind: str, more: bytes) -> None:
    with pytest.raises(errors.InvalidPatch, match="after the end"):
        Patch.from_bytes(case(kind).patch + more)
    refused(case(kind).patch + more)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    refused(data)
    refused(b"\x89TTP\r\n\x1a\n\1\0\xff\xfe" + data)


@pytest.mark.parametrize("value", [None, 5, "patch", [1, 2], np.zeros((4, 4))[:, ::2]])
def test_what_is_no_buffer_is_an_input_error(value: Any) -> None:
    for call in (
        Patch.from_bytes,
        inspect_patch,
        functools.partial(apply_patch, np.zeros(3)),
    ):
        with pytest.raises(errors.InputError):
            call(value)


def test_the_writer_of_these_tests_writes_what_sapwood_does() -> None:
    for kind in KINDS:
        assert parts_of(case(kind).patch).write() == case(kind).patch


# Hostile fronts, every digest right


@functools.cache
def hostile(name: str) -> bytes:
    parts = parts_of(case("RESIDUAL").patch)
    FRONTS[name](parts)
    return parts.write()


@pytest.mark.parametrize("name", FRONTS)
def test_a_hostile_front_is_refused_in_bounded_memory(name: str) -> None:
    patch = hostile(name)
    base = case("RESIDUAL").base
    tracemalloc.start()
    try:
        with pytest.raises(errors.SapwoodError) as caught:
            apply_patch(base, patch, threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(
        caught.value,
        errors.InvalidPatch | errors.LimitExceeded | errors.SourceHashMismatch | errors.InputError,
    )
    assert len(str(caught.value)) < 500  # nothing of the patch is poured out
    unpacked = PREAMBLE.unpack_from(patch)[5]
    claimed = unpacked if unpacked < 64 << 20 else 0  # and within the limits
    assert peak < (8 << 20) + 16 * len(patch) + 4 * claimed
    with pytest.raises(errors.SapwoodError):
        list(apply_patch_to_chunks([base], patch))


LIMIT_SCRIPT = """
import resource, sys
import numpy as np
from sapwood import Patch, errors
Patch.from_bytes(open(sys.argv[1], "rb").read())
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB on Linux
before = peak()
for path in sys.argv[2:]:
    try:
        Patch.from_bytes(open(path, "rb").read())
    except errors.SapwoodError:
        pass
print(peak() - before)
"""


def test_native_memory_is_bounded_too(tmp_path: Any) -> None:
    # tracemalloc does not see what zstd and the kernel take.
    names = [
        "an index that is a bomb",
        "an index frame with a huge window",
        "70,000 sets of half a MiB each",
        "a million sets",
    ]
    (tmp_path / "good").write_bytes(case("RESIDUAL").patch)
    for i, name in enumerate(names):
        (tmp_path / str(i)).write_bytes(hostile(name))
    paths = [str(tmp_path / "good"), *(str(tmp_path / str(i)) for i in range(len(names)))]
    done = subprocess.run(
        [sys.executable, "-c", LIMIT_SCRIPT, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 48


def test_the_readers_limits_hold() -> None:
    patch = np.frombuffer(case("RESIDUAL").patch, np.uint8)
    for limits in (Limits(front=200), Limits(chunk=799)):
        with pytest.raises(errors.LimitExceeded, match="Limits"):
            open_patch(patch, limits)
        with pytest.raises(errors.LimitExceeded):
            Patch.from_bytes(patch.tobytes(), limits=limits)
    assert Patch.from_bytes(patch.tobytes(), limits=Limits(chunk=800)).inspect()
    with pytest.raises(errors.LimitExceeded):
        apply_patch(case("RESIDUAL").base, patch.tobytes(), chunk_size=799)


def test_a_header_may_hold_fields_that_this_release_does_not_know() -> None:
    parts = parts_of(case("RESIDUAL").patch)
    parts.header["later"] = {"a": [1, None, 0.5]}
    found = apply_patch(case("RESIDUAL").base, parts.write())
    assert found.tobytes() == case("RESIDUAL").target.tobytes()


# Hostile payloads, every digest right


def checked_apply(found: Example, patch: bytes) -> None:
    """Asserts that applying gives the target or one of the errors for it."""
    result = tried(found.base, patch)
    target = found.target if isinstance(found.target, bytes) else found.target.tobytes()
    assert result in (None, target)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "COPY"])
def test_a_payload_with_a_flipped_bit_gives_no_wrong_data(kind: str) -> None:
    found = case(kind)
    parts = parts_of(found.patch)
    good = bytearray(parts.body)
    for bit in range(0, 8 * len(good), max(1, len(good) // 60)):
        good[bit // 8] ^= 1 << bit % 8
        parts.body = bytes(good)
        checked_apply(found, parts.write())
        good[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "COPY"])
@given(data=st.data())
@settings(max_examples=60)
def test_a_payload_of_any_bytes_gives_no_wrong_data(kind: str, data: st.DataObject) -> None:
    found = case(kind)
    parts = parts_of(found.patch)
    size = len(parts.body)
    cut = data.draw(st.integers(0, size))
    more = data.draw(st.binary(min_size=0, max_size=200))
    body = (parts.body[:cut] + more + parts.body[cut:])[:size]
    parts.body = body + bytes(size - len(body))
    checked_apply(found, parts.write())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"COPY", INLINE}])
@pytest.mark.parametrize("coding", "usvxzrp")
@given(data=st.data())
@settings(max_examples=25)
def test_a_payload_of_another_coding_gives_no_wrong_data(
    kind: str, coding: str, data: st.DataObject
) -> None:
    found = case(kind)
    parts = parts_of(found.patch)
    length = math.prod(parts.segment["shape"]) * int(parts.header["target"]["size"])
    size = data.draw(st.integers(0, min(600, length)))
    body = data.draw(st.one_of(st.just(parts.body), st.binary(min_size=size, max_size=size)))
    if coding == "z":
        body = zstd.compress(body, 3)
    if coding == "p":
        body = bytes([0, data.draw(st.integers(8, 127))]) + zstd.compress(body, 3)
    if coding == "x":
        frame = zstd.compress(body, 3)
        body = bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + frame
    parts.body = body
    parts.segment.update(codings=coding * len(parts.segment["codings"]))
    parts.segment["sizes"] = [len(body), *[0] * (len(parts.segment["sizes"]) - 1)]
    checked_apply(found, parts.write())


@pytest.mark.parametrize("row", [1, 3, 399, 2**31, 2**32 + 1, 2**63 - 1])
@pytest.mark.parametrize("kind", ["RESIDUAL", "SPARSE", "VALUE", INLINE])
def test_rows_of_any_length_give_no_wrong_data(kind: str, row: int) -> None:
    parts = parts_of(case(kind).patch)
    parts.segment["row"] = row
    checked_apply(case(kind), parts.write())


@pytest.mark.parametrize("name", SPLICES)
def test_a_hostile_splice_is_refused(name: str) -> None:
    check_refused("x", SPLICES[name])


@pytest.mark.parametrize("name", PREFIXES)
def test_a_hostile_prefix_is_refused(name: str) -> None:
    check_refused("p", PREFIXES[name])


def check_refused(coding: str, body: bytes) -> None:
    """Asserts that a payload of 3000 bytes that may copy is refused in little memory."""
    found = case("SPLICE")
    parts = parts_of(found.patch)
    parts.body = body
    parts.segment.update(codings=coding, sizes=[len(body)])
    tracemalloc.start()
    try:
        with pytest.raises(errors.InvalidPatch):
            apply_patch(found.base, parts.write(), threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_splice_of_many_operations_takes_no_memory_for_them() -> None:
    n = 1 << 16
    base = bytes(range(256)) * (n // 256)
    parts = parts_of(case("SPLICE").patch)
    parts.header["bases"][0]["size"] = parts.header["target"]["size"] = n
    parts.header["shape"] = parts.segment["shape"] = [n]
    parts.segment["chunk"] = n
    parts.body = splice([n // 8 - 1, *[0, 8, 0] * (n // 8 - 1)], b"!" * 8)
    parts.segment["sizes"] = [len(parts.body)]
    patch = parts.write()
    tracemalloc.start()
    try:
        found = apply_patch(base, patch, force=True, threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tobytes() == base[:-8] + b"!" * 8
    # Base, target and 3 bytes for each operation, and what one stripe of them takes.
    assert peak < 12 * n + (1 << 20)

    too_many = splice([n // 8 + 65, *[0, 1, 0] * (n // 8 + 65)], b"")
    out = np.zeros(n, np.uint8)
    with pytest.raises(errors.InvalidPatch, match="more copies than bytes"):
        decode_splice(np.frombuffer(too_many, np.uint8), np.frombuffer(base, np.uint8), out)


def test_an_error_leaves_out_alone_before_the_patch_is_known_to_be_whole() -> None:
    found = case("RAW")
    damaged = found.patch[:-1] + bytes([found.patch[-1] ^ 1])
    out = np.zeros_like(found.base)
    for patch in (damaged, found.patch[:-1], hostile("two segments")):
        with pytest.raises(errors.InvalidPatch):
            apply_patch(found.base, patch, out=out)
    with pytest.raises(errors.SourceHashMismatch):
        apply_patch(-found.base, found.patch, out=out)
    assert not out.any()
