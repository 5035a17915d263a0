"""Damaged and hostile patches: always one of our errors, in bounded memory, never wrong data."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_cases import Example, example, inline_example
from patch_writer import PREAMBLE, Parts, canonical, parts_of
from sapwood import Patch, apply_patch, apply_patch_to_chunks, errors, inspect_patch
from sapwood.codec import Coding
from sapwood.patch import zstd
from sapwood.patch.applying import open_patch
from sapwood.patch.format import Limits

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
        with pytest.raises(errors.InvalidPatch):
            try:
                Patch.from_bytes(patch)
            except errors.LimitExceeded as e:  # a length that became too large
                assert 12 <= bit // 8 < 32
                raise errors.InvalidPatch("as good") from e
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
@settings(deadline=None)
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


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


Change = Callable[[Parts], None]


def in_preamble(**fields: Any) -> Change:
    return lambda parts: parts.fields.update(fields)


def in_header(**fields: Any) -> Change:
    return lambda parts: parts.header.update(fields)


def header_text(old: str, new: str) -> Change:
    def change(parts: Parts) -> None:
        text = canonical(parts.header).decode()
        assert old in text
        parts.header = text.replace(old, new, 1).encode()

    return change


def header_without(name: str) -> Change:
    return lambda parts: parts.header.pop(name)


def in_segment(**fields: Any) -> Change:
    return lambda parts: parts.segment.update(fields)


def segment_without(name: str) -> Change:
    return lambda parts: parts.segment.pop(name)


def whole_index(value: Any) -> Change:
    return lambda parts: setattr(parts, "index", value)


def packed_index(packed: bytes, unpacked: int) -> Change:
    def change(parts: Parts) -> None:
        parts.packed = packed
        parts.fields["unpacked"] = unpacked

    return change


def table_bytes(tables: Any) -> Change:
    return lambda parts: setattr(parts, "tables", tables)


def more_segments(parts: Parts) -> None:
    parts.index["segments"] *= 2


def empty_segment_too(parts: Parts) -> None:
    empty = {**parts.segment, "shape": [0], "codings": "", "sizes": [], "digests": ""}
    parts.index["segments"].append(empty)


def spaced_index(parts: Parts) -> None:
    parts.index = canonical(parts.index).replace(b":", b": ", 1)


def unsorted_index(parts: Parts) -> None:
    backwards = dict(sorted(parts.segment.items(), reverse=True))
    parts.index = json.dumps({"segments": [backwards]}, separators=(",", ":")).encode()


def model_without_segments(parts: Parts) -> None:
    parts.header.update(kind="model", target={"size": 0, "blake3": "0" * 64})
    parts.index["segments"] = []


HUGE = 2**63 - 1
BASE = {"blake3": "00" * 32, "size": 800}
FRONTS: dict[str, Change] = {
    "another magic": in_preamble(magic=b"\x89PNG\r\n\x1a\n"),
    "a later version": in_preamble(major=2),
    "version 0": in_preamble(major=0),
    "the other byte order": in_preamble(order=0xFFFE),
    "a reserved field in use": in_preamble(zero=1),
    "a header of 4 GiB": in_preamble(header=2**32 - 1),
    "a header of 200 MiB": in_preamble(header=200 << 20),
    "a header that ends too early": in_preamble(header=10),
    "no header": in_preamble(header=0),
    "an index of 4 GiB": in_preamble(unpacked=2**32 - 1),
    "an index said to be longer": in_preamble(unpacked=1 << 27),
    "an index said to be shorter": in_preamble(unpacked=10),
    "an empty index": in_preamble(unpacked=0),
    "tables past the end": in_preamble(tables=1 << 27),
    "a body of 16 EiB": in_preamble(body=2**64 - 1),
    "a body said to be shorter": in_preamble(body=1),
    "another body's digest": in_preamble(body_digest=bytes(32)),
    "a header that is no JSON": lambda p: setattr(p, "header", b"{"),
    "a header that is no object": lambda p: setattr(p, "header", []),
    "a header that is no UTF-8": lambda p: setattr(p, "header", b'{"format":"\xff"}'),
    "a header behind a mark of byte order": header_text("{", "\ufeff{"),
    "a header of two values": header_text("}", "} {}"),
    "a field twice": header_text("{", '{"kind":"tensor",'),
    "a number past 64 bits": in_header(created_at=2**63),
    "a number of 10,000 digits": header_text('"metadata":{}', '"metadata":{"a":%s}' % ("9" * 10_000)),
    "a number past a double": header_text('"metadata":{}', '"metadata":{"a":1e999}'),
    "NaN": header_text('"metadata":{}', '"metadata":{"a":NaN}'),
    "-Infinity": header_text('"metadata":{}', '"metadata":{"a":-Infinity}'),
    "half a surrogate pair": header_text('"metadata":{}', '"metadata":{"a":"\\ud800"}'),
    "a key of half a surrogate pair": header_text('"metadata":{}', '"metadata":{"\\udfff":1}'),
    "a writer of half a surrogate pair": header_text('"writer":"', '"writer":"\\ud800'),
    "metadata 65 levels deep": in_header(metadata={"a": nested(65)}),
    "metadata 900 levels deep": in_header(metadata={"a": nested(900)}),
    "metadata 100,000 levels deep": header_text(
        '"metadata":{}', '"metadata":{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    ),
    "an unknown field 100,000 levels deep": header_text(
        "{", '{"a":' + '{"a":' * 100_000 + "0" + "}" * 100_000 + ","
    ),
    "metadata that are no object": in_header(metadata=[1]),
    "another format": in_header(format="ttpatch/v2"),
    "an unknown kind": in_header(kind="film"),
    "an unknown algorithm": in_header(algorithm="magic"),
    "no bases": in_header(bases=[]),
    "two bases": in_header(bases=[BASE, BASE]),
    "bases that are no list": in_header(bases=BASE),
    "a base that is no object": in_header(bases=[1]),
    "a base of another size": in_header(bases=[BASE]),
    "a base of a negative size": in_header(bases=[{**BASE, "size": -800}]),
    "a base of a fractional size": in_header(bases=[{**BASE, "size": 800.0}]),
    "a base whose size is true": in_header(bases=[{**BASE, "size": True}]),
    "a digest that is too short": in_header(bases=[{**BASE, "blake3": "00"}]),
    "a digest in upper case": in_header(bases=[{**BASE, "blake3": "AA" * 32}]),
    "a digest with spaces": in_header(bases=[{**BASE, "blake3": "00 " * 31 + "00"}]),
    "a digest that is no text": in_header(bases=[{**BASE, "blake3": 0}]),
    "a target of 8 EiB": in_header(target={**BASE, "size": HUGE}),
    "an unknown dtype": in_header(dtype="f7"),
    "another dtype than the index": in_header(dtype="i16"),
    "another shape than the index": in_header(shape=[1, 400]),
    "a shape of text": in_header(shape="400"),
    "a shape 900 levels deep": in_header(shape=nested(900)),
    "a negative side": in_header(shape=[-400]),
    "65 dimensions": in_header(shape=[1] * 64 + [400]),
    "counts that are no sizes": in_header(counts={"tensors": -1}),
    "a time that is no number": in_header(created_at="now"),
    "an index that is no object": whole_index([1]),
    "an index that is no JSON": whole_index(b"{]"),
    "an index of zeros": whole_index(bytes(1000)),
    "an index 100,000 levels deep": whole_index(b"[" * 100_000 + b"]" * 100_000),
    "an index without segments": whole_index({"segments": []}),
    "an index with an unknown field": whole_index({"segments": [], "more": 1}),
    "an index with spaces": spaced_index,
    "an index out of order": unsorted_index,
    "ten million objects": whole_index(b'{"segments":[' + b"{}," * 10_000_000 + b"{}]}"),
    "ten million lists": whole_index(b'{"segments":[' + b"[]," * 10_000_000 + b"[]]}"),
    "an index with 1e999": whole_index(b'{"segments":[1e999]}'),
    "an index with half a surrogate pair": whole_index(b'{"segments":["\\ud800"]}'),
    "an index that is a bomb": packed_index(zstd.compress(bytes(100 << 20), 19), 1000),
    "an index past the limit": packed_index(zstd.compress(bytes(300 << 20), 3), 300 << 20),
    "an index that is no frame": packed_index(b"\x28\xb5\x2f\xfd" + bytes(20), 1000),
    "an index of two frames": packed_index(zstd.compress(b"[", 3) + zstd.compress(b"]", 3), 2),
    "an index frame with a huge window": packed_index(
        # A frame header with a window of 2 GiB and no content size, one raw last block.
        b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x11\x00\x00" + b"{}", 2
    ),
    "two segments": more_segments,
    "an empty segment more": empty_segment_too,
    "a segment with an unknown field": in_segment(more=1),
    "a segment without a row": segment_without("row"),
    "a segment without a prediction": segment_without("prediction"),
    "a name on a tensor": in_segment(name="weight"),
    "a side of 8 EiB": in_segment(shape=[HUGE]),
    "many sides of 8 EiB": in_segment(shape=[HUGE] * 64),
    "20,000 sides": in_segment(shape=[HUGE] * 20_000),
    "no elements": in_segment(shape=[0]),
    "fewer elements": in_segment(shape=[399]),
    "more elements": in_segment(shape=[401]),
    "a chunk of nothing": in_segment(chunk=0),
    "a chunk of 2^63 elements": in_segment(chunk=HUGE),
    "chunks of one element": in_segment(chunk=1),
    "a row of nothing": in_segment(row=0),
    "a negative row": in_segment(row=-1),
    "a coding too many": in_segment(codings="uu"),
    "no coding": in_segment(codings=""),
    "an unknown coding": in_segment(codings="q"),
    "a coding beyond ASCII": in_segment(codings="\U0001f332"),
    "a residual without a base": in_segment(prediction=None),
    "another prediction": in_segment(prediction={"kind": "low-rank", "base": 0, "offset": 0}),
    "the second base": in_segment(prediction={"kind": "base", "base": 1, "offset": 0}),
    "a prediction with an unknown field": in_segment(
        prediction={"kind": "base", "base": 0, "offset": 0, "scale": 2}
    ),
    "a prediction past the end": in_segment(prediction={"kind": "base", "base": 0, "offset": 1}),
    "a prediction far past the end": in_segment(
        prediction={"kind": "base", "base": 0, "offset": HUGE}
    ),
    "a prediction that is text": in_segment(prediction="base"),
    "a copy with a payload": in_segment(codings="c"),
    "raw bytes of another size": in_segment(codings="r"),
    "values of integers": lambda p: (
        p.header.update(dtype="i16"),
        p.segment.update(dtype="i16", codings="v"),
    )[0],
    "a payload of nothing": in_segment(sizes=[0]),
    "a payload past the body": in_segment(sizes=[700]),
    "a payload of 8 EiB": in_segment(sizes=[HUGE]),
    "a negative payload": in_segment(sizes=[-1]),
    "sizes too many": in_segment(sizes=[1, 1]),
    "no sizes": in_segment(sizes=[]),
    "sizes 900 levels deep": in_segment(sizes=nested(900)),
    "digests too short": in_segment(digests="00"),
    "no tables": table_bytes([]),
    "tables cut off": table_bytes(b"\x01\x00"),
    "tables past their end": table_bytes(b"\xff\xff\xff\xff\x00"),
    "a set of no bytes": table_bytes([b""]),
    "a set of zeros": table_bytes([bytes(1000)]),
    "a set of ones": table_bytes([b"\xff" * 1000]),
    "a million sets": table_bytes(b"\x00\x00\x00\x00" * 1_000_000),
    "70,000 sets of half a MiB each": table_bytes([bytes(10)] * 70_000),
    "a model's patch": in_header(kind="model"),
    "a model's patch of nothing": model_without_segments,
}


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
@settings(max_examples=60, deadline=None)
def test_a_payload_of_any_bytes_gives_no_wrong_data(kind: str, data: st.DataObject) -> None:
    found = case(kind)
    parts = parts_of(found.patch)
    size = len(parts.body)
    cut = data.draw(st.integers(0, size))
    more = data.draw(st.binary(min_size=0, max_size=200))
    body = (parts.body[:cut] + more + parts.body[cut:])[:size]
    parts.body = body + bytes(size - len(body))
    checked_apply(found, parts.write())


@pytest.mark.parametrize("kind", ["RESIDUAL", "SPARSE", "VALUE", "RAW", "COMPRESSED", "SPLICE"])
@pytest.mark.parametrize("coding", "usvxzr")
@given(data=st.data())
@settings(max_examples=25, deadline=None)
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


def splice(operations: list[int], literals: bytes) -> bytes:
    """The payload of a splice with such numbers for operations."""
    content = bytearray()
    for number in operations:
        while number >= 0x80:
            content.append(number & 0x7F | 0x80)
            number >>= 7
        content.append(number)
    content += literals
    size = len(content)
    head = bytearray()
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(head + bytes([size])) + zstd.compress(content, 3)


SPLICES = {
    "no content": b"",
    "a size alone": b"\x05",
    "an endless size": b"\xff" * 30,
    "a padded size": b"\x85\x00" + zstd.compress(b"\0\0\0\0\0", 3),
    "a content larger than said": b"\x05" + zstd.compress(bytes(100), 3),
    "a bomb": b"\x05" + zstd.compress(bytes(50 << 20), 19),
    "no operations": splice([], b""),
    "operations cut off": splice([3, 0, 5], b""),
    "an endless number": splice([1], b"\xff" * 40),
    "more copies than bytes": splice([1 << 40], b""),
    "a copy of nothing": splice([1, 0, 0, 0], bytes(3000)),
    "a copy before the base": splice([1, 0, 5, 1], bytes(2995)),
    "a copy past the base": splice([1, 0, 5, 2 * 2996], bytes(2995)),
    "a copy from 2^63": splice([1, 0, 5, 1 << 63], bytes(2995)),
    "a copy that is too long": splice([1, 0, 3001, 0], b""),
    "a copy of 2^63 bytes": splice([1, 0, 1 << 63, 0], b""),
    "new bytes past the content": splice([1, 2990, 10, 0], bytes(5)),
    "new bytes of 2^63": splice([1, 1 << 63, 10, 0], bytes(5)),
    "bytes too few": splice([1, 0, 1000, 0], b""),
    "bytes too many": splice([1, 0, 1000, 0], bytes(2001)),
    "a thousand copies of nothing else": splice([1000, *[0, 1, 0] * 1000], b""),
}


@pytest.mark.parametrize("name", SPLICES)
def test_a_hostile_splice_is_refused(name: str) -> None:
    found = case("SPLICE")
    parts = parts_of(found.patch)
    parts.body = SPLICES[name]
    parts.segment["sizes"] = [len(parts.body)]
    tracemalloc.start()
    try:
        with pytest.raises(errors.InvalidPatch):
            apply_patch(found.base, parts.write(), threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_splice_of_many_operations_takes_no_memory_for_them() -> None:
    n = 1 << 15
    base = bytes(range(256)) * (n // 256)
    parts = parts_of(case("SPLICE").patch)
    parts.header["bases"][0]["size"] = parts.header["target"]["size"] = n
    parts.header["shape"] = parts.segment["shape"] = [n]
    parts.segment["chunk"] = n
    parts.body = splice([n - 1, *[0, 1, 0] * (n - 1)], b"!")
    parts.segment["sizes"] = [len(parts.body)]
    patch = parts.write()
    tracemalloc.start()
    try:
        found = apply_patch(base, patch, force=True, threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tobytes() == base[:-1] + b"!"
    assert peak < 12 * n  # base, target and the 3 bytes of each operation


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
