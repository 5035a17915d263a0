"""Any file is patched as bytes: what moved is copied, what was retrained is coded as weights."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import models
from sapwood.content.zstd import compress
from sapwood.patch.format.parsing import parse_preamble
from sapwood.tensors.dtypes import DType
from support.model_files import (
    FRONT,
    Array,
    layer,
    patched,
    safetensors_file,
    stacked,
    tuned,
    weights,
    with_header,
)

rng = np.random.default_rng(2024)
NOISE = rng.bytes(300_000)
OTHER_NOISE = rng.bytes(300_000)
WORDS = [rng.bytes(1 + i % 9).hex() for i in range(3000)]


def text(seed: int, words: int = 60_000) -> bytes:
    """Prose of words of which a few are frequent."""
    ranks = np.random.default_rng(seed).zipf(1.3, words) % len(WORDS)
    return " ".join(WORDS[rank] for rank in ranks).encode()


PROSE = text(1)


@pytest.mark.parametrize(
    ("base", "target"),
    [(b"", b""), (b"", NOISE), (NOISE, b""), (NOISE, NOISE), (b"a", b"b"), (b"\0", b"\0" * 9000)],
    ids=["both empty", "empty base", "empty target", "equal", "one byte", "grown"],
)
def test_the_smallest_and_the_same(base: bytes, target: bytes) -> None:
    patch, _ = patched(base, target)
    info = models.patch_info(patch)
    assert (info.format, info.tensors_modified, info.tensors_unchanged) == ("bytes", 0, 0)
    same = base == target or len(set(target)) < 2
    assert len(patch) < FRONT + (0 if same else len(target))


EDITS = {
    "prefix": b"new beginning " * 9 + NOISE,
    "suffix": NOISE + b"new end " * 9,
    "insert": NOISE[:123_457] + OTHER_NOISE[:97] + NOISE[123_457:],
    "delete": NOISE[:100_003] + NOISE[150_001:],
    "replace": NOISE[:100_000] + OTHER_NOISE[:64] + NOISE[100_064:],
    "moved": NOISE[200_000:] + NOISE[100_000:200_000] + NOISE[:100_000],
    "twice": NOISE + NOISE,
    "cut off": NOISE[:123],
    "beginning cut off": NOISE[7:],
    "interleaved": b"".join(NOISE[i : i + 4096] + b"|" for i in range(0, len(NOISE), 4096)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_only_moved_is_copied(edit: str) -> None:
    target = EDITS[edit]
    new = 130 if edit != "interleaved" else 12 * (len(NOISE) // 4096)
    assert len(patched(NOISE, target)[0]) < FRONT + new
    patched(target, NOISE)


def archive(members: Mapping[str, bytes], year: int) -> bytes:
    """A zip of stored members, as PyTorch writes checkpoints."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def test_an_archive_that_was_written_anew() -> None:
    members = {f"data/{i}": weights(i, (100 + 10 * i, 64)).tobytes() for i in range(20)}
    base = archive(members, 2024)
    moved = {f"checkpoint/{name}": content for name, content in reversed(members.items())}
    target = archive({"version": b"3\n", **moved, "notes": b"new " * 50}, 2025)
    assert len(patched(base, target)[0]) < 0.05 * len(target)


def test_a_text_that_was_edited() -> None:
    at = PROSE.index(b" ", len(PROSE) // 2)
    target = b"A new title\n" + PROSE[:at] + b" and, as one says," + PROSE[at:]
    assert len(patched(PROSE, target)[0]) < FRONT
    assert len(patched(PROSE, target.replace(b"e4", b"4e"))[0]) < 0.5 * len(compress(target, 3))


UNRELATED = {
    "noise": (NOISE, OTHER_NOISE),
    "text": (PROSE, text(2)),
    "zeros": (NOISE, bytes(500_000)),
    "f32": (
        weights(1, (1 << 17,), DType.F32).tobytes(),
        weights(2, (1 << 17,), DType.F32).tobytes(),
    ),
    "bf16": (weights(1, (1 << 18,)).tobytes(), weights(2, (1 << 18,)).tobytes()),
    "f16": (
        weights(1, (1 << 18,), DType.F16).tobytes(),
        weights(2, (1 << 18,), DType.F16).tobytes(),
    ),
    "int8": (
        weights(1, (1 << 19,), DType.I8).tobytes(),
        weights(2, (1 << 19,), DType.I8).tobytes(),
    ),
    "mixed": (PROSE, NOISE[:9999] + text(3) + bytes(100_000) + weights(5, (50_000,)).tobytes()),
}


@pytest.mark.parametrize("kind", UNRELATED)
@pytest.mark.parametrize("chunk_size", [1 << 16, 4 << 20])
def test_never_larger_than_the_target_compressed_alone(kind: str, chunk_size: int) -> None:
    """By more than the front: header, index and tables."""
    base, target = UNRELATED[kind]
    patch, _ = patched(base, target, chunk_size=chunk_size)
    front = parse_preamble(patch).front_size
    pieces = [target[i : i + chunk_size] for i in range(0, len(target), chunk_size)]
    alone = sum(min(len(compress(piece, 3)), len(piece)) for piece in pieces)
    assert len(patch) <= alone + front
    assert len(patch) <= len(target) + 1536 + len(target) // 1000 * (
        1 if chunk_size > 1 << 16 else 2
    )


def test_the_front_of_a_file_of_bytes_is_small() -> None:
    """A header of fixed fields, and 16 bytes of digest a chunk."""
    patch, _ = patched(b"", NOISE, chunk_size=4096)
    chunks = -(-len(NOISE) // 4096)
    assert parse_preamble(patch).front_size < 1024 + 24 * chunks


def container(head: bytes, *parts: Array, between: bytes = b"") -> bytes:
    """Weights in a format that nobody has described."""
    return head + between.join(part.tobytes() for part in parts) + b"end of file"


@pytest.mark.parametrize("dtype", [DType.F32, DType.BF16, DType.F16])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_weights_in_an_unknown_container_are_coded_as_weights(dtype: DType, offset: int) -> None:
    old = [weights(i, (60_000,), dtype) for i in range(3)]
    new = [tuned(part, i) for i, part in enumerate(old)]
    graph = PROSE[: 2000 + offset]
    base = container(graph, *old, between=b"<tensor>" * 20)
    target = container(b"version 2 " + graph, *new, between=b"<tensor>" * 20)
    patch, _ = patched(base, target)
    assert models.patch_info(patch).neural
    assert len(patch) < 0.8 * len(compress(target, 3))


def test_weights_without_anything_around_them() -> None:
    old = weights(1, (100_000,), DType.F32)
    for cut in (slice(None), slice(1, None), slice(None, -1)):
        patch, _ = patched(old.tobytes(), tuned(old, 2)[cut].tobytes())
        assert len(patch) < 0.8 * len(compress(tuned(old, 2).tobytes(), 3))


def test_few_weights_changed_in_an_unknown_container() -> None:
    old = weights(1, (300_000,))
    new = old.copy()
    new[::500] = tuned(old, 2, 1e-2)[::500]
    patch, _ = patched(container(PROSE[:999], old), container(PROSE[:1001], new))
    assert len(patch) < FRONT + 8 * 600


def test_a_model_file_and_a_plain_file() -> None:
    tensors = stacked([layer(1), layer(2)])
    model = safetensors_file(tensors)
    plain = container(PROSE[:5000], *tensors.values(), between=b"-" * 37)
    assert models.patch_info(patched(plain, model)[0]).format == "safetensors"
    patch, _ = patched(model, plain)
    assert models.patch_info(patch).format == "bytes"
    assert len(patch) < 0.1 * len(plain)


@pytest.mark.parametrize(
    "broken",
    [
        with_header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, NOISE[:8]),
        with_header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, NOISE[:7]),
        safetensors_file(layer(1))[:-1],
        (2**31).to_bytes(8, "little") + b'{"a": 1}',
        (10).to_bytes(8, "little") + b'{"a": nul}' + NOISE[:999],
        with_header(
            {
                n: {"dtype": "U8", "shape": [5], "data_offsets": [i, i + 5]}
                for i, n in enumerate("ab")
            },
            NOISE[:6],
        ),
    ],
    ids=["size", "short", "cut off", "length", "json", "overlap"],
)
def test_a_broken_model_file_is_a_file(broken: bytes) -> None:
    whole = safetensors_file(layer(1))
    assert models.patch_info(patched(whole, broken)[0]).format == "bytes"
    assert models.patch_info(patched(broken, whole)[0]).format == "safetensors"
    patched(broken, broken + b"more")


pieces = st.one_of(
    st.binary(max_size=300),
    st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).bytes(4000)),
    st.integers(0, 2**16).map(lambda seed: weights(seed, (1500,), DType.F32).tobytes()),
    st.integers(0, 2**16).map(lambda seed: weights(seed, (1500,)).tobytes()),
    st.integers(0, 2**16).map(lambda at: PROSE[at : at + 3000]),
    st.integers(0, 5000).map(bytes),
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A file and what a random script of edits makes of it."""
    base = b"".join(draw(st.lists(pieces, max_size=4)))
    target = bytearray(base)
    for _ in range(draw(st.integers(0, 5))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(target))] * 2)))
        match draw(st.sampled_from(["insert", "delete", "move", "repeat", "noise", "step"])):
            case "insert":
                target[at:at] = draw(pieces)
            case "delete":
                del target[at:end]
            case "move":
                block = target[at:end]
                del target[at:end]
                to = draw(st.integers(0, len(target)))
                target[to:to] = block
            case "repeat":
                target[at:at] = target[at : min(end, at + 5000)]
            case "noise":
                target[at:end] = np.random.default_rng(at).bytes(end - at)
            case "step":
                size = draw(st.sampled_from([2, 4]))
                end -= (end - at) % size
                words = np.frombuffer(bytes(target[at:end]), f"<u{size}")
                steps = np.random.default_rng(end).integers(0, 9, len(words)).astype(words.dtype)
                target[at:end] = (words + steps).tobytes()
    return base, bytes(target)


@settings(max_examples=120)
@given(edited(), st.sampled_from([1024, 4096, 1 << 22]))
def test_any_edits_come_back(pair: tuple[bytes, bytes], chunk_size: int) -> None:
    base, target = pair
    patch, _ = patched(base, target, chunk_size=chunk_size, threads=1)
    front = parse_preamble(patch).front_size
    assert len(patch) - front <= len(target)
    patched(target, base, chunk_size=chunk_size, threads=1)


@settings(max_examples=60)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_two_files(base: bytes, target: bytes) -> None:
    patched(base, target, threads=1)
