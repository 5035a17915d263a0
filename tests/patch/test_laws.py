"""Laws of tensor patches: what was patched comes back bit for bit, whatever the tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import Patch, apply_patch, create_patch, inspect_patch
from sapwood.codec import Coding
from sapwood.tensors import DType
from support.patch_cases import CHANGES, bits, changed, long_shapes, pairs, words_of_normals
from support.strategies import (
    LAYOUTS,
    ORDERS,
    WRITABLE_LAYOUTS,
    bit_patterns,
    dtypes,
    laid_out,
    numpy_type,
    shapes,
)

FEW = settings(max_examples=60)
NUMERIC = sorted(set(DType) - {DType.BYTES}, key=lambda dtype: dtype.code)


def chunk_sizes() -> st.SearchStrategy[int]:
    return st.sampled_from([1024, 1025, 4096, 1 << 16, 1 << 22])


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
        ),
        max_leaves=12,
    )


@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
@settings(max_examples=40)
@given(data=st.data(), chunk_size=chunk_sizes(), compress=st.booleans())
def test_applying_what_was_created_gives_the_target(
    dtype: DType, data: st.DataObject, chunk_size: int, compress: bool
) -> None:
    base, target = data.draw(pairs(dtype))
    before = bits(base), bits(target)
    patch = create_patch(base, target, chunk_size=chunk_size, compress=compress, threads=1)
    found = apply_patch(base, patch, threads=1)
    assert bits(found) == bits(target)
    assert found.dtype == base.dtype  # byte order included
    assert found.shape == target.shape
    assert (bits(base), bits(target)) == before


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ORDERS)
@FEW
@given(data=st.data(), dtype=dtypes(), shape=st.one_of(shapes(), long_shapes()))
def test_every_layout_and_byte_order_makes_the_same_patch(
    data: st.DataObject, dtype: DType, shape: tuple[int, ...], order: Any, layout: str
) -> None:
    words = data.draw(bit_patterns(dtype, int(np.prod(shape, dtype=int)))).reshape(shape)
    ordered = words.astype(words.dtype.newbyteorder(order))
    base = laid_out(ordered, layout).view(numpy_type(dtype, order))
    plain = base.copy(order="C").view(ordered.dtype).astype(words.dtype)
    other = changed(plain, data.draw(st.sampled_from(CHANGES)), 1)
    target = other.view(numpy_type(dtype))
    patch = create_patch(base, target, threads=1)
    assert patch == create_patch(plain.view(numpy_type(dtype)), target, threads=1)
    assert bits(apply_patch(base, patch, threads=1)) == bits(target)


@FEW
@given(st.data(), dtypes(), chunk_sizes(), st.booleans())
def test_the_patch_is_the_same_every_time_and_for_any_number_of_threads(
    data: st.DataObject, dtype: DType, chunk_size: int, compress: bool
) -> None:
    base, target = data.draw(pairs(dtype))
    one, two, three = (
        create_patch(base, target, chunk_size=chunk_size, compress=compress, threads=threads)
        for threads in (1, 1, 3)
    )
    assert one.to_bytes() == two.to_bytes() == three.to_bytes()
    assert hash(one) == hash(three)
    assert bits(apply_patch(base, three, threads=3)) == bits(target)


@FEW
@given(st.data(), dtypes(), st.sampled_from(WRITABLE_LAYOUTS), st.sampled_from(ORDERS))
def test_out_of_any_layout_and_byte_order_takes_the_target(
    data: st.DataObject, dtype: DType, layout: str, order: Any
) -> None:
    base, target = data.draw(pairs(dtype))
    empty = np.zeros(base.shape, np.dtype(f"u{dtype.size}").newbyteorder(order))
    out = laid_out(empty, layout).view(numpy_type(dtype, order))
    before = bits(base)
    assert apply_patch(base, create_patch(base, target, threads=1), out=out, threads=1) is out
    assert bits(out) == bits(target)
    assert bits(base) == before


@FEW
@given(
    st.data(),
    dtypes(),
    st.sampled_from(WRITABLE_LAYOUTS),
    st.sampled_from(ORDERS),
    st.sampled_from([1, 3]),
)
def test_a_base_is_updated_in_place(
    data: st.DataObject, dtype: DType, layout: str, order: Any, threads: int
) -> None:
    _, target = data.draw(pairs(dtype))
    drawn = data.draw(bit_patterns(dtype, target.size)).reshape(target.shape)
    base = laid_out(drawn.astype(drawn.dtype.newbyteorder(order)), layout)
    base = base.view(numpy_type(dtype, order))
    patch = create_patch(base, target, chunk_size=1024, threads=1)
    assert apply_patch(base, patch, out=base, threads=threads) is base
    assert bits(base) == bits(target)


@FEW
@given(st.data(), dtypes())
def test_an_out_that_overlaps_the_base_takes_the_target(data: st.DataObject, dtype: DType) -> None:
    base, target = data.draw(pairs(dtype, (3000,)))
    shift = data.draw(st.integers(1, 2000))
    memory = np.zeros(base.size + shift, numpy_type(dtype))
    moved = memory[shift:]
    moved.view(f"u{dtype.size}")[:] = np.frombuffer(bits(base), f"<u{dtype.size}")
    patch = create_patch(moved, target, chunk_size=1024, threads=1)
    out = memory[: base.size]
    apply_patch(moved, patch, out=out, threads=1)
    assert bits(out) == bits(target)


@FEW
@given(
    st.lists(st.binary(min_size=1, max_size=900), max_size=6),
    st.randoms(use_true_random=False),
    chunk_sizes(),
)
def test_opaque_bytes_that_moved_come_back(parts: list[bytes], rng: Any, chunk_size: int) -> None:
    noise = [np.random.default_rng(i).bytes(700) for i in range(3)]
    base = b"".join([*parts, *noise])
    pieces = [*parts, *noise]
    rng.shuffle(pieces)
    target = b"".join(pieces)
    patch = create_patch(base, target, chunk_size=chunk_size, threads=1)
    assert apply_patch(base, patch, threads=1).tobytes() == target
    in_place = bytearray(base)
    apply_patch(in_place, patch, out=in_place, threads=1)
    assert in_place == target


@FEW
@given(st.data(), dtypes(), st.booleans())
def test_bytes_and_back_is_the_identity(data: st.DataObject, dtype: DType, compress: bool) -> None:
    base, target = data.draw(pairs(dtype))
    patch = create_patch(base, target, compress=compress, threads=1)
    raw = patch.to_bytes()
    for form in (raw, bytearray(raw), memoryview(raw)):
        again = Patch.from_bytes(form)
        assert again == patch
        assert again.to_bytes() == raw
        assert again.inspect() == patch.inspect() == inspect_patch(form)
        assert bits(apply_patch(base, form, threads=1)) == bits(target)
    assert len(patch) == len(raw)


@FEW
@given(st.dictionaries(st.text(max_size=8), json_values(), max_size=5))
def test_metadata_survives(metadata: dict[str, Any]) -> None:
    base = np.zeros(3, np.float32)
    patch = create_patch(base, base + 1, metadata=metadata, threads=1)
    again = Patch.from_bytes(patch.to_bytes())
    assert patch.metadata == again.metadata == metadata
    assert inspect_patch(patch.to_bytes())["metadata"] == metadata


@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
def test_compress_false_stores_only_copies_and_raw_bytes(dtype: DType) -> None:
    words = words_of_normals(dtype, 4096, 1)
    target = words.copy()
    target[3000:] ^= 1
    old, new = (one.view(numpy_type(dtype)) for one in (words, target))
    patch = create_patch(old, new, compress=False, chunk_size=1024, threads=1)
    (segment,) = patch.opened.front.segments
    assert {chunk.coding for chunk in segment.chunks} == {Coding.COPY, Coding.RAW}
    assert bits(apply_patch(old, patch, threads=1)) == bits(new)


@pytest.mark.parametrize("dtype", [d for d in NUMERIC if d.size > 1], ids=str)
def test_a_small_step_everywhere_costs_a_fraction_of_the_target(dtype: DType) -> None:
    if dtype.family == "float":
        words = words_of_normals(dtype, 1 << 15, 2)
    else:
        words = np.random.default_rng(0).integers(0, 256, dtype.size << 15, dtype=np.uint8)
        words = words.view(f"<u{dtype.size}")
    target = changed(words, "dense", 3)
    old, new = (one.view(numpy_type(dtype)) for one in (words, target))
    patch = create_patch(old, new, threads=1)
    assert len(patch) < 0.45 * (1 << 15) + 2048 + 1000 * (dtype.size == 1)
    assert bits(apply_patch(old, patch, threads=1)) == bits(new)


@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
def test_a_patch_costs_little_more_than_the_target(dtype: DType) -> None:
    rng = np.random.default_rng(7)
    n = (1 << 16) // dtype.size
    old, new = (
        rng.integers(0, 256, 1 << 16, dtype=np.uint8).view(numpy_type(dtype)) for _ in range(2)
    )
    patch = create_patch(old, new, threads=1)
    assert new.size == n
    assert len(patch) <= (1 << 16) + 1200


def test_an_unchanged_tensor_has_an_empty_body() -> None:
    words = words_of_normals(DType.F32, 1 << 16, 5).view(np.float32)
    patch = create_patch(words, words, threads=1)
    assert patch.inspect()["estimated_payload_size"] == 0
    assert patch.inspect()["counts"]["tensors_unchanged"] == 1
    assert len(patch) < 1000
