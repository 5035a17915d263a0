"""The layout of a GGUF file covers it exactly; a hostile one is refused with its reason."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, strategies as st

from sapwood import models
from sapwood.modelfile.gguf import DEEPEST, TYPES
from sapwood.tensors import DType
from sapwood.tensors.block_types import BLOCK_TYPES, GGML_BLOCKS
from support.gguf_files import (
    EVERY_KIND,
    F32,
    Q8_0,
    Tensor,
    aligned,
    array,
    gguf,
    model,
    pair,
    quantised,
    text,
)
from support.layouts import (
    assert_prefixes_open,
    assert_refused,
    assert_survives_damage,
    contents,
    opened,
)
from support.model_files import patched, tuned, weights

pytestmark = pytest.mark.quick

# `GGML_QUANT_SIZES` of the package gguf 0.19: number, (elements, bytes) of a block.
PUBLISHED = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4),
    27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66),
    39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
PLAIN = {
    0: DType.F32, 1: DType.F16, 24: DType.I8, 25: DType.I16, 26: DType.I32, 27: DType.I64,
    28: DType.F64, 30: DType.BF16,
}  # fmt: skip
# Names by number, of those that other types have the size of.
OF_ONE_SIZE = {2: "q4_0", 20: "iq4_nl", 11: "q3_k", 21: "iq3_s", 16: "iq2_xxs", 35: "tq2_0"}
Q4_0, UNKNOWN = 2, 1000


def test_the_table_of_types_is_the_published_one() -> None:
    plain = {n: (1, kind.size) for n, kind in PLAIN.items()}
    blocks = {n: (kind.weights, kind.nbytes) for n, kind in GGML_BLOCKS.items()}
    assert plain | blocks == PUBLISHED
    assert {**PLAIN, **GGML_BLOCKS} == TYPES
    assert {n: GGML_BLOCKS[n].name for n in OF_ONE_SIZE} == OF_ONE_SIZE
    assert {kind.name for kind in GGML_BLOCKS.values()} - set(BLOCK_TYPES) == {"iq1_m", "q1_0"}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [None, 1, 8, 32, 4096])
def test_tensors_lie_where_the_file_says(version: int, alignment: int | None) -> None:
    pairs = EVERY_KIND if alignment is None else [*EVERY_KIND, aligned(alignment)]
    file = gguf(
        [
            ("f32", [3, 2], F32, 0, b"a" * 24),
            ("scalar", [], F32, 4096, b"bbbb"),
            ("q4", [64, 1, 2], Q4_0, 8192, b"c" * 72),
        ],
        pairs,
        version=version,
        alignment=alignment or 32,
        tail=b"tail",
    )
    assert contents(file) == {
        "f32": ("f32[2, 3]", b"a" * 24),
        "scalar": ("f32[]", b"bbbb"),
        "q4": ("u8[2, 1, 36]", b"c" * 72),
    }
    assert opened(file).format == "gguf"
    assert opened(file).skeleton[-1] == (len(file) - 4, 4)


@given(st.data())
def test_files_of_every_type_are_covered_exactly(data: st.DataObject) -> None:
    at = 0
    tensors: list[Tensor] = []
    expected = {}
    for i in range(data.draw(st.integers(0, 5))):
        kind = data.draw(st.sampled_from(sorted(PUBLISHED)))
        elements, nbytes = PUBLISHED[kind]
        outer = data.draw(st.lists(st.integers(0, 3), max_size=3))
        blocks = data.draw(st.integers(0, 3))
        at += data.draw(st.integers(0, 40))
        content = bytes([i]) * (math.prod(outer) * blocks * nbytes)
        extents = [blocks * elements, *reversed(outer)]
        tensors.append((f"t{i}", extents, kind, at, content))
        size = blocks if kind in PLAIN else blocks * nbytes
        sides = ", ".join(map(str, [*outer, size]))
        expected[f"t{i}"] = (f"{PLAIN.get(kind, DType.U8)}[{sides}]", content)
        at += len(content)
    order = data.draw(st.permutations(tensors))
    pairs = data.draw(st.lists(st.sampled_from(EVERY_KIND), max_size=4))
    assert contents(gguf(order, pairs)) == expected


def test_unknown_types_are_bytes_up_to_the_next_tensor() -> None:
    file = gguf(
        [
            ("last", [7], UNKNOWN, 64, b"zz"),
            ("odd", [2**40, 3], UNKNOWN, 0, b"y" * 32),
            ("f", [8], F32, 32, b"x" * 32),
        ]
    )
    assert contents(file) == {
        "odd": ("bytes[32]", b"y" * 32),
        "f": ("f32[8]", b"x" * 32),
        "last": ("bytes[2]", b"zz"),
    }


def test_a_file_of_metadata_alone() -> None:
    layout = opened(gguf([], EVERY_KIND))
    assert (layout.format, layout.tensors, layout.warning) == ("gguf", (), None)


def test_a_big_vocabulary_is_stepped_over() -> None:
    words = b"".join(text(f"token {i}") for i in range(20_000))
    vocabulary = pair("tokenizer.ggml.tokens", 9, array(8, 20_000, words))
    scores = pair("tokenizer.ggml.scores", 9, array(6, 20_000, bytes(80_000)))
    assert set(contents(gguf([("t", [1], F32, 0, b"1234")], [vocabulary, scores]))) == {"t"}


ONE: Tensor = ("a", [2], F32, 0, b"12345678")
DEEP = array(9, 1, b"") * DEEPEST + array(4, 0, b"")
ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing but the magic": (b"GGUF", "4 more bytes"),
    "version 1": (gguf([ONE], version=1), "version 2 or 3, found 1"),
    "version 4": (gguf([ONE], version=4), "version 2 or 3, found 4"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "2^63 tensors": (gguf([ONE], counts=(2**63, None)), "a count of 9223372036854775808"),
    "more tensors than fit": (gguf([ONE], counts=(3, None)), "3"),
    "2^64 - 1 pairs": (gguf([ONE], counts=(None, 2**64 - 1)), "metadata pairs"),
    "key of 2^63 bytes": (
        gguf([], [struct.pack("<Q", 2**63) + bytes(20)]), "at most 65536 bytes, found 9223372",
    ),
    "key that is no text": (gguf([], [text(b"\xff") + bytes(8)]), "UTF-8"),
    "value of unknown type": (gguf([ONE], [pair("x", 13, b"")]), "from 0 to 12, found 13"),
    "string of 2^64 - 1 bytes": (
        gguf([ONE], [pair("x", 8, b"\xff" * 8)]), "expected 18446744073709551615 more bytes",
    ),
    "array of 2^63 numbers": (gguf([ONE], [pair("x", 9, array(4, 2**63, b""))]), "more bytes"),
    "array of 2^64 - 1 strings": (
        gguf([ONE], [pair("x", 9, array(8, 2**64 - 1, b""))]), "more bytes",
    ),
    "array of arrays without end": (
        gguf([ONE], [pair("x", 9, array(9, 2**64 - 1, b"") * 5000)]), "nested more than",
    ),
    "array too deep by one": (gguf([ONE], [pair("x", 9, DEEP)]), "nested more than"),
    "alignment 0": (gguf([ONE], [aligned(0)]), "power of two as general.alignment, found 0"),
    "alignment 24": (gguf([ONE], [aligned(24)]), "found 24"),
    "alignment past the file": (gguf([ONE], [aligned(2**31)]), "an offset within 0 bytes"),
    "alignment twice": (gguf([ONE], [aligned(32), aligned(32)]), "twice"),
    "alignment of 64 bits": (
        gguf([ONE], [pair("general.alignment", 10, struct.pack("<Q", 32))]), "found type 10",
    ),
    "nine dimensions": (gguf([("a", [1] * 9, F32, 0, b"1234")]), "at most 8 dimensions"),
    "2^32 - 1 dimensions": (
        gguf([], counts=(1, 0), tail=text("a") + b"\xff" * 4 + bytes(50)), "at most 8 dimensions",
    ),
    "extents that wrap around to the size": (
        gguf([("a", [2**33, 2**31 + 1], F32, 0, b"1234")]), "at most",
    ),
    "extents that overflow on the way to zero": (
        gguf([("a", [0, 2**63, 2**63], F32, 0, b"")], tail=b"1234"), "at most",
    ),
    "extent of 64 bits": (gguf([("a", [0, 2**64 - 1], F32, 0, b"")]), "at most"),
    "half a block": (gguf([("a", [48], Q4_0, 0, b"x" * 27)]), "whole Q4_0 blocks of 32, found 48"),
    "a scalar of blocks": (gguf([("a", [], Q4_0, 0, b"x" * 18)]), "whole Q4_0 blocks of 32"),
    "offset past the end": (gguf([("a", [2], F32, 0, b"1234")]), "at most 4 bytes"),
    "offset of 64 bits": (
        gguf([], counts=(1, 0), tail=text("a") + struct.pack("<IQIQ", 1, 1, F32, 2**64 - 1)),
        "an offset within",
    ),
    "two of one name": (gguf([ONE, ("a", [1], F32, 32, b"1234")]), "one name"),
    "two in one place": (gguf([ONE, ("b", [2], F32, 0, b"")]), "overlap"),
    "overlap by a byte": (gguf([ONE, ("b", [2], F32, 7, b"1234567")]), "overlap"),
    "name of a tensor that is no text": (
        gguf([], counts=(1, 0), tail=text(b"\xc3") + bytes(60)), "UTF-8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    assert_refused(*ATTACKS[attack])


SMALL = gguf([("f", [3, 2], F32, 0, b"a" * 24), ("q", [32], Q8_0, 32, b"b" * 34)], EVERY_KIND)


def test_every_prefix_opens() -> None:
    assert opened(SMALL).format == "gguf"
    assert_prefixes_open(SMALL)
    for length in range(4, len(SMALL)):
        assert opened(SMALL[:length]).format == "bytes"


def test_any_damage_opens() -> None:
    assert_survives_damage(SMALL, range(len(SMALL)))


@given(st.binary(max_size=100), st.integers(0, 3), st.integers(0, 3))
def test_any_header_opens(rest: bytes, tensors: int, pairs: int) -> None:
    opened(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + rest)


def test_a_small_change_costs_little() -> None:
    old = {"a": weights(1, (96, 256), DType.F32), "q": quantised(weights(2, (64, 512), DType.F32))}
    new = old | {"a": old["a"].copy()}
    new["a"][40, 3:9] += 1e-3
    patch, stats = patched(model(old), model(new, [*EVERY_KIND, pair("version", 8, text("2"))]))
    assert (stats.tensors_modified, stats.tensors_unchanged) == (1, 1)
    assert len(patch) < 2500
    info = models.patch_info(patch)
    assert info.format == "gguf"


def test_tuned_weights_are_coded_by_their_tensors() -> None:
    old = weights(1, (128, 512), DType.F32)
    new = tuned(old, 5)
    patch, stats = patched(
        model({"a": old, "q": quantised(old)}), model({"q": quantised(new), "a": new})
    )
    assert stats.tensors_modified == 2
    assert models.patch_info(patch).neural
    assert len(patch) < 0.8 * (old.nbytes + old.size)
