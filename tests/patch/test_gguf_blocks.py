"""Quantised tensors are patched plane by plane, whatever is in their blocks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import Patch, apply_patch, apply_patch_to_chunks, errors, models
from sapwood.codec import Coding
from sapwood.codec.chunk import EDGE_CONTEXTS
from sapwood.limits import Limits
from sapwood.patch.applying.planes import plane_payloads
from sapwood.patch.format.front import Segment
from sapwood.patch.format.parsing import parse_front
from sapwood.tensors.block_types import BLOCK_TYPES
from support.block_files import block_pair, block_patch
from support.cli_session import Session
from support.gguf_files import gguf
from support.hostile_patches import BLOCKED_SEGMENTS, PLANES
from support.patch_writer import Parts, parts_of

TYPES = pytest.mark.parametrize("name", BLOCK_TYPES)
BLOCKS = 512
FRONT = 1 << 11  # bytes that the front of a patch takes at most, but for its chunks
CHUNK = 64  # and for each chunk


def segment_of(patch: bytes) -> Segment:
    return Patch.from_bytes(patch).opened.front.segments[0]


def applied(base: Any, patch: bytes) -> bytes:
    return bytes(apply_patch(base, patch, threads=1).tobytes())


@TYPES
def test_blocks_of_every_type_come_back_and_are_small(name: str) -> None:
    base, target = block_pair(name, BLOCKS)
    patch = block_patch(name, base, target, chunk_size=1 << 15)
    assert applied(base, patch) == target.tobytes()
    segment = segment_of(patch)
    assert {chunk.coding for chunk in segment.chunks} == {Coding.BLOCKS}
    assert segment.blocks is BLOCK_TYPES[name]
    assert len(patch) < 0.75 * len(target)


@TYPES
@pytest.mark.parametrize("predicted", [True, False])
@given(data=st.data())
@settings(max_examples=6)  # of each type
def test_any_bytes_come_back(name: str, predicted: bool, data: st.DataObject) -> None:
    kind = BLOCK_TYPES[name]
    blocks = data.draw(st.integers(0, 40))
    seed = data.draw(st.integers(0, 2**32))
    changed = data.draw(st.sampled_from([0.0, 0.02, 1.0]))
    rng = np.random.default_rng(seed)
    base, noise = rng.integers(0, 256, (2, blocks * kind.nbytes), dtype=np.uint8)
    target = np.where(rng.random(len(base)) < changed, noise, base)
    rows = data.draw(st.sampled_from([None, kind.nbytes, 3 * kind.nbytes]))
    patch = block_patch(name, base if predicted else None, target, rows, chunk_size=1024)
    assert applied(base if predicted else np.zeros_like(base), patch) == target.tobytes()
    assert len(patch) < len(target) + FRONT + CHUNK * len(segment_of(patch).chunks)


@pytest.mark.parametrize("name", ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k"])
@pytest.mark.parametrize("pattern", [0x0000, 0x8000, 0x7C00, 0xFE00, 0x7D55])
def test_scales_that_are_no_numbers_come_back(name: str, pattern: int) -> None:
    kind = BLOCK_TYPES[name]
    place = kind.fields[0].place or 0
    base, target = (one.reshape(-1, kind.nbytes) for one in block_pair(name, BLOCKS))
    base[::2, place : place + 2] = [pattern & 0xFF, pattern >> 8]
    target[::3, place : place + 2] = [pattern & 0xFF, pattern >> 8]
    patch = block_patch(name, base.reshape(-1), target.reshape(-1))
    assert applied(base.reshape(-1), patch) == target.tobytes()


@pytest.mark.parametrize("name", ["q4_0", "q6_k"])
def test_turned_scales_cost_little_and_turn_the_quants(name: str) -> None:
    kind = BLOCK_TYPES[name]
    base, _ = block_pair(name, 4096)
    planes = kind.unpack(base)
    turned = planes[0].copy()
    turned[1::2] ^= 0x80
    for number in range(1, len(planes)):
        if kind.fields[number].grid == kind.fields[1].grid:
            zero = kind.fields[number].zero
            integers = planes[number].view(np.int8) if zero == 0 else planes[number]
            low, high = (-128, 127) if zero == 0 else (0, (1 << kind.fields[number].bits) - 1)
            flipped = np.clip(2 * zero - integers.astype(np.int16), low, high)
            planes[number] = flipped.astype(np.uint8)
    target = np.empty_like(base)
    kind.pack([turned, *planes[1:]], target)
    patch = block_patch(name, base, target)
    assert applied(base, patch) == target.tobytes()
    assert len(patch) < 0.07 * len(target)  # raw bits of the scales, mostly


def test_fractions_choose_contexts() -> None:
    base, target = block_pair("q8_0", 8192, step=0.0005)
    patch = block_patch("q8_0", base, target)
    kind = BLOCK_TYPES["q8_0"]
    body = np.frombuffer(parts_of(patch).body, np.uint8)
    coding, quants = list(plane_payloads(body, len(kind.fields)))[-1]
    assert coding is Coding.RESIDUAL
    assert quants[0] & 3 == EDGE_CONTEXTS


def test_a_stream_of_blocks_is_applied_in_place() -> None:
    base, target = block_pair("q5_1", BLOCKS)
    patch = block_patch("q5_1", base, target, chunk_size=4096)
    pieces = [base[at : at + 777] for at in range(0, len(base), 777)]
    assert b"".join(apply_patch_to_chunks(pieces, patch)) == target.tobytes()


# Models: whole GGUF files.


def gguf_file(name: str, blocks: bytes, rows: int) -> bytes:
    kind = BLOCK_TYPES[name]
    row = len(blocks) // rows // kind.nbytes * kind.weights
    return gguf([("w", (row, rows), BLOCK_TYPES[name].ggml, 0, blocks)])


def model_patch(base: bytes, target: bytes, **options: Any) -> bytes:
    out = io.BytesIO()
    models.create_patch(base, target, out, threads=1, **options)
    return out.getvalue()


def front_segments(patch: bytes) -> list[Segment]:
    return [one for one in parse_front(patch).segments if one.name]


def model_applied(base: bytes, patch: bytes) -> bytes:
    out = io.BytesIO()
    models.apply_patch(base, patch, out)
    return out.getvalue()


@TYPES
def test_gguf_files_say_what_their_blocks_are(name: str) -> None:
    pair = block_pair(name, BLOCKS)
    base, target = (gguf_file(name, one.tobytes(), 8) for one in pair)
    patch = model_patch(base, target)
    assert model_applied(base, patch) == target
    (segment,) = front_segments(patch)
    assert segment.blocks is BLOCK_TYPES[name]
    assert segment.row_length % segment.blocks.nbytes == 0


def test_equal_blocks_are_copied_and_need_no_type() -> None:
    base, _ = block_pair("q4_0", BLOCKS)
    file = gguf_file("q4_0", base.tobytes(), 8)
    other = file.replace(b"GGUF\3", b"GGUF\2")
    (segment,) = front_segments(model_patch(file, other))
    assert segment.unchanged
    assert segment.blocks is None


def test_types_that_are_not_taken_apart_are_coded_as_bytes() -> None:
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, 56 * BLOCKS, dtype=np.uint8)
    target = base.copy()
    target[::50] += 1
    files = [gguf([("w", (256, BLOCKS), 29, 0, one.tobytes())]) for one in (base, target)]
    patch = model_patch(*files)
    assert model_applied(files[0], patch) == files[1]
    assert {segment.blocks for segment in front_segments(patch)} == {None}


def test_a_tensor_of_another_type_with_as_many_bytes_predicts_nothing() -> None:
    # Blocks of q4_0 and iq4_nl have the same size, and other meanings.
    base, _ = block_pair("q4_0", BLOCKS)
    target, _ = block_pair("iq4_nl", BLOCKS, seed=2)
    files = [gguf_file("q4_0", base.tobytes(), 8), gguf_file("iq4_nl", target.tobytes(), 8)]
    patch = model_patch(*files)
    assert model_applied(files[0], patch) == files[1]
    assert front_segments(patch)[0].prediction is None


def test_tensors_of_a_patch_are_had_one_by_one() -> None:
    pair = block_pair("q6_k", BLOCKS)
    base, target = (gguf_file("q6_k", one.tobytes(), 8) for one in pair)
    patch = model_patch(base, target)
    found = models.load_patched(base, patch)["w"]
    assert found.dtype == np.uint8
    assert found.tobytes() == pair[1].tobytes()


def test_inspect_names_the_blocks_and_counts_weights(tmp_path: Path) -> None:
    session = Session(tmp_path)
    for name, one in zip(("base", "target"), block_pair("q4_0", BLOCKS), strict=True):
        (tmp_path / name).write_bytes(gguf_file("q4_0", one.tobytes(), 8))
    session.succeed("create --base base --target target --out patch")
    (line,) = (
        line for line in session.succeed("inspect patch").decode().splitlines() if " blocks" in line
    )
    assert line.split()[:2] == ["w", "q4_0"]
    (segment,) = (one for one in session.json("inspect patch")["segments"] if one["name"] == "w")
    assert segment["blocks"] == "q4_0"
    assert segment["codings"] == {"blocks": 18 * BLOCKS}
    assert segment["bits_per_weight"] == 8 * segment["payload_size"] / (32 * BLOCKS)


def test_the_patch_does_not_depend_on_threads() -> None:
    pair = block_pair("q4_k", 2048)
    base, target = (gguf_file("q4_k", one.tobytes(), 8) for one in pair)
    out = io.BytesIO()
    models.create_patch(base, target, out, threads=3)
    assert out.getvalue() == model_patch(base, target)


# Hostile patches.


def honest() -> tuple[np.ndarray[Any, Any], Parts]:
    base, target = block_pair("q4_0", 64)
    return base, parts_of(block_patch("q4_0", base, target))


def with_body(parts: Parts, body: bytes) -> bytes:
    parts.body = body
    parts.segment["sizes"] = [len(body)]
    return parts.write()


@pytest.mark.parametrize("about", PLANES)
def test_payloads_that_no_writer_makes_are_refused(about: str) -> None:
    base, parts = honest()
    with pytest.raises(errors.InvalidPatch):
        apply_patch(base, with_body(parts, PLANES[about]), threads=1)


@given(at=st.integers(0, 1 << 16), value=st.integers(1, 255))
def test_damaged_payloads_never_give_wrong_data(at: int, value: int) -> None:
    base, parts = honest()
    body = bytearray(parts.body)
    body[at % len(body)] ^= value
    with pytest.raises((errors.InvalidPatch, errors.TargetHashMismatch)):
        apply_patch(base, with_body(parts, bytes(body)), threads=1)


@pytest.mark.parametrize("about", BLOCKED_SEGMENTS)
def test_segments_that_contradict_themselves_are_refused(about: str) -> None:
    _, parts = honest()
    parts.segment.update(BLOCKED_SEGMENTS[about])
    unknown = about == "an unknown type"
    with pytest.raises(errors.UnsupportedPatch if unknown else errors.InvalidPatch):
        Patch.from_bytes(parts.write())


def test_blocks_without_a_type_and_of_other_elements_are_refused() -> None:
    _, parts = honest()
    del parts.segment["blocks"]
    with pytest.raises(errors.InvalidPatch):
        Patch.from_bytes(parts.write())
    _, parts = honest()
    parts.segment["dtype"] = parts.header["dtype"] = "i8"
    with pytest.raises(errors.InvalidPatch):
        Patch.from_bytes(parts.write())


def test_the_limit_of_a_chunk_holds_for_its_planes() -> None:
    base, target = block_pair("tq2_0", BLOCKS)
    patch = block_patch("tq2_0", base, target)
    Patch.from_bytes(patch, limits=Limits(chunk=4 * len(target)))
    with pytest.raises(errors.LimitExceeded):
        Patch.from_bytes(patch, limits=Limits(chunk=2 * len(target)))
