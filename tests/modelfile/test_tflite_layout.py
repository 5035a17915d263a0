"""The buffers of a TFLite file are found by its tables; a hostile one is taken as bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.modelfile import naming, open_model
from sapwood.tensors import DType, TensorSpec
from support.flatbuffer_writer import Part, at, file, integer, once, table, vector
from support.layouts import (
    Contents,
    assert_covers,
    assert_damage_is_harmless,
    assert_harmless,
    assert_refused,
    tensors_in,
)
from support.model_files import FRONT, patched, tuned, weights
from support.tflite_files import TYPES, buffer, distant, large, model, network, small, tensor

BYTES_24 = bytes(range(24))


def found_in(tensors: list[Part], *buffers: Part, tail: bytes = b"") -> Contents:
    return tensors_in(model(tensors, [buffer(), *buffers], tail), "tflite")


@st.composite
def networks(draw: st.DrawFn) -> tuple[bytes, Contents]:
    """A model of tensors of every type, in any order of buffers, and what must be found."""
    chosen = draw(st.lists(st.text("abc/é", min_size=1, max_size=4), unique=True, max_size=6))
    order = draw(st.permutations(range(1, len(chosen) + 1)))
    buffers = [buffer()] * (len(chosen) + 1)
    tensors, expected = [], {}
    for name, index in zip(chosen, order, strict=True):
        dtype = draw(st.sampled_from(sorted(TYPES, key=lambda dtype: dtype.code)))
        shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4)))
        size = math.prod(shape) * dtype.size
        data = draw(st.binary(min_size=size, max_size=size))
        buffers[index] = buffer(data)
        tensors.append(tensor(name, TYPES[dtype], shape, index))
        expected[name] = (TensorSpec(dtype, shape), data)
    return model(tensors, buffers, draw(st.binary(max_size=5))), expected


@given(networks())
def test_buffers_of_every_type_are_found(written: tuple[bytes, Contents]) -> None:
    file, expected = written
    assert tensors_in(file, "tflite") == expected


def test_a_buffer_of_several_tensors_is_named_for_the_first() -> None:
    both = [tensor("a", 9, (24,), 1), tensor("b", 9, (2, 12), 1)]
    assert found_in(both, buffer(BYTES_24)) == {"a": (TensorSpec(DType.I8, (24,)), BYTES_24)}


def test_subgraphs_have_names_of_their_own() -> None:
    body = [tensor("w", 3, (24,), 2), tensor("", 3, (24,), 3)]
    buffers = [buffer(), *[buffer(BYTES_24)] * 3]
    file = model([tensor("w", 9, (24,), 1)], buffers, others=[body])
    assert {name: str(spec) for name, (spec, _) in tensors_in(file, "tflite").items()} == {
        "w": "i8[24]",
        "w#2": "u8[24]",
        "tensor": "u8[24]",
    }


def test_buffers_that_no_tensor_uses_are_skeleton() -> None:
    assert found_in([tensor("input", 0, (1, 2), 0)], buffer(b"metadata")) == {}


def test_two_buffers_in_one_place_are_one_tensor() -> None:
    shared = once(buffer(BYTES_24))
    both = [tensor("a", 9, (24,), 1), tensor("b", 9, (24,), 2)]
    assert list(found_in(both, shared, shared)) == ["a"]


def test_of_overlapping_buffers_the_first_stays() -> None:
    tail = bytes(100)
    size = len(model([tensor("a", 9, (8,), i) for i in (1, 2, 3)], [distant(9, 8)] * 4))
    places = [distant(size + 10, 8), distant(size + 5, 8), distant(size + 13, 8)]
    file = model([tensor("abc"[i], 9, (8,), i + 1) for i in range(3)], [buffer(), *places], tail)
    layout = open_model(memoryview(file))
    assert_covers(layout, len(file))
    assert [entry.name for entry in layout.tensors] == ["b", "c"]


def test_types_without_an_equal_and_shapes_that_lie_are_bytes() -> None:
    kinds: list[tuple[int, tuple[int, ...]]] = [
        (8, (3,)), (5, (24,)), (99, (24,)), (-1, (24,)), (0, (7,)), (0, (-2, -3)),
        (0, (2**30, 2**30, 2**30, 2**30)), (3, (1,) * 70 + (24,)),
    ]  # fmt: skip
    tensors = [tensor(f"{i}", *kind, i + 1) for i, kind in enumerate(kinds)]
    found = found_in(tensors, *[buffer(BYTES_24)] * len(kinds))
    assert list(found.values()) == [(TensorSpec(DType.BYTES, (24,)), BYTES_24)] * len(kinds)


def test_int4_is_taken_two_at_a_time() -> None:
    found = found_in([tensor("w", 17, (6, 8), 1)], buffer(BYTES_24))
    assert found == {"w": (TensorSpec(DType.U8, (24,)), BYTES_24)}


def test_large_models_have_their_elements_behind_the_tables() -> None:
    arrays = {f"layer.{i}": weights(i, (5, 7), DType.F16) for i in range(3)}
    assert tensors_in(large(arrays), "tflite") == {
        name: (TensorSpec(DType.F16, (5, 7)), array.tobytes()) for name, array in arrays.items()
    }


def test_a_name_as_long_as_the_file_is_cut() -> None:
    (name,) = found_in([tensor("long" * 10_000, 9, (24,), 1)], buffer(BYTES_24))
    assert len(name) <= naming.LONGEST


def rooted(root: Part) -> bytes:
    return file(root, b"TFL3")


def with_buffer(place: Part) -> bytes:
    return model([tensor("w", 9, (24,), 1)], [buffer(), place], bytes(64))


def vector_of(count: int) -> Part:
    """A vector that claims to have so many elements."""

    def write(out: bytearray) -> int:
        out += integer(count, 4)
        return len(out) - 4

    return write


def shared_subgraphs(subgraphs: int, tensors: int) -> bytes:
    """Every subgraph is the same one, of many tensors that are the same one."""
    one = once(tensor("w", 9, (24,), 0))
    graph = once(table(vector([one] * tensors)))
    return rooted(table(None, None, vector([graph] * subgraphs), None, vector([buffer()])))


SELF = integer(12, 4) + b"TFL3" + bytes(4) + integer(0, 4) + bytes(40)  # is its own vtable

ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing but the identifier": (b"\x08\0\0\0TFL3", "cut off"),
    "root past the end": (b"\xff\xff\xff\xffTFL3", "cut off"),
    "vtable before the file": (b"\x08\0\0\0TFL3" + integer(2**31 - 1, 4) + bytes(9), "cut off"),
    "vtable past the end": (b"\x08\0\0\0TFL3" + integer(-(2**31), 4) + bytes(9), "cut off"),
    "vector past the end": (rooted(table(None, None, at(2**31))), "cut off"),
    "2^32 - 1 subgraphs": (
        rooted(table(None, None, vector_of(2**32 - 1), None, vector([]))), "4294967295 times 4",
    ),
    "2^32 - 1 buffers": (
        rooted(table(None, None, vector([]), None, vector_of(2**32 - 1))), "4294967295 times 4",
    ),
    "2^30 tensors": (
        rooted(table(None, None, vector([table(vector_of(2**30))]), None, vector([]))),
        "1073741824 times 4",
    ),
    "elements past the end": (with_buffer(table(vector_of(2**31))), "2147483648 times 1"),
    "shape past the end": (
        model([table(vector_of(2**29), b"\0", integer(1, 4))], [buffer(), buffer(b"abcd")]),
        "536870912 times 4",
    ),
    "buffer that is not there": (model([tensor("w", 9, (24,), 7)], [buffer()]), "buffer 7"),
    "buffer of 2^32 - 1": (model([tensor("w", 9, (4,), 2**32 - 1)], [buffer()]), "4294967295"),
    "offset of 2^64 - 1": (with_buffer(distant(2**64 - 1, 8)), "18446744073709551615"),
    "size of 2^64 - 1": (with_buffer(distant(8, 2**64 - 1)), "18446744073709551615"),
    "offset and size wrap around": (with_buffer(distant(2**63, 2**63)), "found a file"),
    "subgraphs share their tensors": (shared_subgraphs(3000, 3000), "more tensors than room"),
    "subgraphs without end share one": (shared_subgraphs(100_000, 0), "more tensors than room"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    file, reason = ATTACKS[attack]
    assert_refused(file, reason)


def test_a_table_that_is_its_own_vtable_ends() -> None:
    assert_harmless(SELF)
    for place in range(8, 40, 4):
        for lead in (0, 4, 2**32 - 4):
            file = bytearray(small())
            file[place : place + 4] = integer(lead, 4)
            assert_harmless(bytes(file))


def test_more_tensors_than_any_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "MOST_TENSORS", 10)
    tensors = [tensor("w", 9, (24,), i) for i in range(1, 12)]
    buffers = [buffer(), *[buffer(BYTES_24)] * 11]
    assert len(tensors_in(model(tensors[:10], buffers), "tflite")) == 10
    assert_refused(model(tensors, buffers), "at most 10 tensors")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x08\0\0\0TFL4" + bytes(99), b"\x08\0\0\0TFL"])
def test_other_content_is_bytes_without_warning(content: bytes) -> None:
    layout = open_model(memoryview(content))
    assert (layout.format, layout.tensors, layout.warning) == ("bytes", (), None)


def test_damaged_files_are_harmless() -> None:
    assert_damage_is_harmless(small())
    assert_damage_is_harmless(large({"w": weights(1, (4, 4), DType.F32)}))


@given(st.binary(max_size=200))
def test_any_content_behind_the_identifier_is_read_or_refused(content: bytes) -> None:
    assert_harmless(b"\x08\0\0\0TFL3" + content)


SHAPES = {"conv": (32, 3, 3, 16), "dense": (64, 128), "head": (10, 64)}
TRAINED = {name: weights(i, shape, DType.F32) for i, (name, shape) in enumerate(SHAPES.items())}


def quantised(seed: int) -> bytes:
    """The model after a little training, as int8 with a scale for each row."""
    arrays, scales = {}, {}
    for i, (name, array) in enumerate(TRAINED.items()):
        new = tuned(array, seed + i) if seed else array
        rows = new.reshape(len(new), -1)
        scale = np.abs(rows).max(axis=1) / np.float32(127)
        arrays[name] = np.rint(rows / scale[:, None]).astype(np.int8).reshape(new.shape)
        scales[name] = scale.astype(np.float32)
    return network(arrays, scales)


def test_an_int8_retrain_with_new_scales_comes_back() -> None:
    base, target = quantised(0), quantised(10)
    assert base != target
    assert len(base) == len(target)
    patch, _ = patched(base, target)
    size = sum(math.prod(shape) for shape in SHAPES.values())
    assert len(patch) < FRONT + size // 2


def test_a_change_in_one_buffer_costs_little() -> None:
    patch, _ = patched(network(TRAINED), network(TRAINED | {"head": tuned(TRAINED["head"], 1)}))
    assert len(patch) < FRONT + TRAINED["head"].nbytes


def test_a_model_that_grew_past_2_gb_costs_little() -> None:
    patch, _ = patched(network(TRAINED), large(TRAINED))
    assert len(patch) < FRONT


@given(networks(), networks())
def test_every_pair_comes_back(
    base: tuple[bytes, Contents], target: tuple[bytes, Contents]
) -> None:
    patched(base[0], target[0])
