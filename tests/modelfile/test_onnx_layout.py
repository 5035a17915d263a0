"""The tensors of an ONNX file are found wherever they lie; a hostile one is taken as bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.modelfile import naming, open_model
from sapwood.modelfile.onnx import DEEPEST
from sapwood.tensors import DType, TensorSpec
from support.layouts import (
    Contents,
    assert_damage_is_harmless,
    assert_harmless,
    assert_refused,
    tensors_in,
)
from support.model_files import FRONT, patched, tuned, weights
from support.onnx_files import (
    KINDS,
    attribute,
    constant,
    everything,
    external,
    graph,
    model,
    network,
    node,
    raw,
    sparse,
    typed,
)
from support.protobuf_writer import claimed, field, fields, varint
from support.strategies import NUMPY_TYPES

SMALL = weights(1, (2, 3), DType.F32)


def tensors_of(*nodes_and_tensors: bytes) -> Contents:
    return tensors_in(model(graph([], nodes_and_tensors)), "onnx")


@st.composite
def initializers(draw: st.DrawFn) -> tuple[bytes, Contents]:
    """A model of tensors of every type, in `raw_data`, and what must be found."""
    written, expected = [], {}
    for name in draw(st.lists(st.text("abc/é", min_size=1, max_size=4), unique=True, max_size=6)):
        dtype = draw(st.sampled_from(sorted(KINDS, key=lambda dtype: dtype.code)))
        shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4)))
        size = math.prod(shape) * dtype.size
        data = draw(st.binary(min_size=size, max_size=size))
        parts = [fields(1, shape), field(2, KINDS[dtype]), field(8, name), field(9, data)]
        written.append(b"".join(draw(st.permutations(parts))))
        expected[name] = (TensorSpec(dtype, shape), data)
    front = draw(st.sampled_from([b"", field(5, 1) + field(6, "doc") + field(8, field(2, 3))]))
    return model(graph([], written), front=front), expected


@given(initializers())
def test_initializers_of_every_type_are_found(written: tuple[bytes, Contents]) -> None:
    file, expected = written
    assert tensors_in(file, "onnx") == expected


def test_typed_floats_are_found_and_varints_are_skeleton() -> None:
    arrays = {dtype.name: weights(3, (3, 2), dtype) for dtype in KINDS if dtype.size > 1}
    found = tensors_of(*(typed(name, array) for name, array in arrays.items()))
    assert found == {
        name: (TensorSpec(DType[name], (3, 2)), arrays[name].tobytes()) for name in ("F32", "F64")
    }


def test_tensors_in_every_place_are_named_by_their_path() -> None:
    found = {name: str(spec) for name, (spec, _) in tensors_in(everything(), "onnx").items()}
    assert found == {
        "c": "f32[2, 3]",
        "y/then_branch/c": "f32[2, 3]",
        "y/then_branch/w": "f16[4]",
        "y/g/c": "f32[2, 3]",
        "y/g/w": "f16[4]",
        "z/list": "f32[2, 3]",
        "w": "f32[2, 3]",
        "s": "f32[2, 3]",
        "indices": "i64[6]",
        "training/step": "f64[3]",
        "f/k": "f32[2, 3]",
    }


def test_names_are_made_unique() -> None:
    found = tensors_of(*(raw(name, SMALL) for name in ["a", "a", "a#2", "", "a", ""]))
    assert list(found) == ["a", "a#2", "a#2#2", "tensor", "a#3", "tensor#2"]


def test_a_name_as_long_as_the_file_is_cut() -> None:
    (name,) = tensors_of(raw("long" * 10_000, SMALL))
    assert len(name) <= naming.LONGEST


def test_nested_names_stay_short() -> None:
    inner = graph([constant("c", raw("", SMALL))])
    for level in range(DEEPEST):
        inner = graph([node("If", [f"{level}" * 200], [attribute("then", 6, inner)])])
    (name,) = tensors_in(model(inner), "onnx")
    assert len(name) == naming.LONGEST
    assert name.endswith("/then/c")


def test_external_data_is_skeleton() -> None:
    assert tensors_of(external("w", [4], "weights.bin")) == {}
    assert tensors_of(external("w", [6], "weights.bin") + field(9, SMALL.tobytes())) == {}


def test_types_without_an_equal_and_shapes_that_lie_are_bytes() -> None:
    wide = fields(1, [2**62, 2**62, 4]) + field(2, 1) + field(9, SMALL.tobytes())
    flat = fields(1, [1] * 70 + [6]) + field(2, 1) + field(9, SMALL.tobytes())
    negative = fields(1, [-2, -3]) + field(2, 1) + field(9, SMALL.tobytes())
    odd = fields(1, [2]) + field(2, 1) + field(9, b"seven b")
    complex64 = raw("", SMALL, kind=14)
    found = tensors_of(wide, flat, negative, odd, complex64)
    assert [spec for spec, _ in found.values()] == [
        TensorSpec(DType.BYTES, (len(data),)) for _, data in found.values()
    ]
    assert [len(data) for _, data in found.values()] == [24, 24, 24, 7, 24]


def test_two_runs_of_elements_are_skeleton() -> None:
    twice = raw("a", SMALL) + field(9, SMALL.tobytes())
    assert tensors_of(twice) == {}
    both = raw("b", SMALL) + field(4, SMALL.tobytes())
    assert list(tensors_of(both)) == ["b"]


def test_a_sparse_constant_has_values_and_indices() -> None:
    written = sparse("own name", SMALL, np.arange(6))
    found = tensors_in(
        model(graph([node("C", ["o"], [attribute("sparse_value", 22, written)])])), "onnx"
    )
    assert {name: spec.dtype for name, (spec, _) in found.items()} == {
        "o": DType.F32,
        "o/indices": DType.I64,
    }


def nested(depth: int) -> bytes:
    inner = graph()
    for _ in range(depth):
        inner = graph([node("If", ["o"], [attribute("then", 6, inner)])])
    return model(inner)


def test_graphs_may_be_nested_as_deeply_as_upstream_reads_them() -> None:
    assert tensors_in(nested(DEEPEST), "onnx") == {}


def graph_claiming(length: int) -> bytes:
    return field(1, 8) + claimed(7, length) + field(2, "main")


def tensor_with(data: bytes) -> bytes:
    return model(graph([], [data]))


ATTACKS: dict[str, tuple[bytes, str]] = {
    "graph is cut off": (model(graph([], [raw("w", SMALL)]))[:60], "cut off"),
    "graph of 2^31 bytes": (graph_claiming(2**31), "2147483648 bytes"),
    "graph of 2^63 bytes": (graph_claiming(2**63), "9223372036854775808 bytes"),
    "graph of 2^64 - 1 bytes": (graph_claiming(2**64 - 1), "cut off"),
    "tensor passes its graph": (
        model(claimed(5, 1000) + b"x" * 10, tail=b"\x32" + varint(2000) + b"y" * 2000),
        "1000 bytes",
    ),
    "data passes its tensor": (
        model(field(5, field(2, 1) + claimed(9, 100)) + field(2, "n" * 200)), "100 bytes",
    ),
    "length of eleven bytes": (tensor_with(b"\x4a" + b"\xff" * 10 + b"\1"), "64 bits"),
    "length of 70 bits": (tensor_with(b"\x4a" + b"\xff" * 9 + b"\x7f"), "64 bits"),
    "field number 0": (tensor_with(b"\0\0"), "number 0"),
    "field number over 2^29": (tensor_with(varint(2**29 << 3) + b"\0"), "number 536870912"),
    "groups": (tensor_with(b"\x0b\x0c"), "wire type"),
    "unknown wire type": (tensor_with(b"\x0f"), "wire type"),
    "extent is cut off": (tensor_with(field(1, b"\xff\xff")), "64 bits"),
    "rubbish after the model": (model(graph()) + b"\x0frubbish", "wire type"),
    "nested too deeply": (nested(DEEPEST + 1), "in one another"),
    "nested without end": (nested(3000), "in one another"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    file, reason = ATTACKS[attack]
    assert_refused(file, reason)


def test_more_tensors_than_any_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "MOST_TENSORS", 10)
    ten = [raw("w", SMALL)] * 10
    assert len(tensors_of(*ten)) == 10
    assert_refused(model(graph([], [*ten, raw("w", SMALL)])), "at most 10 tensors")


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        b"\x08\x08",
        b"\x08\x00" + field(7, graph()),  # no version
        b"\x08\x08 is text after a backspace",
        field(1, 1) + field(2, "meta graph") * 3,  # a TensorFlow SavedModel
        field(1, 8) + field(7, 5),  # a graph that is a number
        field(1, 8) + field(9, "unknown") + field(7, graph()),
        field(1, 8) + field(7, "this is no graph"),
        field(2, "writer") + field(7, graph()),
    ],
)
def test_other_content_is_bytes_without_warning(content: bytes) -> None:
    layout = open_model(memoryview(content))
    assert (layout.format, layout.tensors, layout.warning) == ("bytes", (), None)


def test_damaged_files_are_harmless() -> None:
    assert_damage_is_harmless(everything())


@given(st.binary(max_size=80))
def test_any_graph_is_read_or_refused(content: bytes) -> None:
    assert_harmless(model(content))
    assert_harmless(model(graph([content], [content])))


ARRAYS = {f"layer.{i}": weights(i, (64, 96), DType.F32) for i in range(6)}


def test_a_change_in_one_initializer_costs_little() -> None:
    changed = ARRAYS | {"layer.3": tuned(ARRAYS["layer.3"], 1)}
    patch, _ = patched(network(ARRAYS), network(changed))
    assert len(patch) < FRONT + ARRAYS["layer.3"].nbytes


def test_renamed_tensors_cost_little() -> None:
    renamed = {f"blocks.0.{name}": array for name, array in ARRAYS.items()}
    patch, _ = patched(network(ARRAYS), network(renamed))
    assert len(patch) < 2 * FRONT


@pytest.mark.parametrize("base", [b"", b"no model", everything()[:100]])
def test_any_base_leads_to_any_target(base: bytes) -> None:
    patched(base, everything())
    patched(everything(), base)


@given(initializers(), initializers())
def test_every_pair_comes_back(
    base: tuple[bytes, Contents], target: tuple[bytes, Contents]
) -> None:
    patched(base[0], target[0])


def test_the_types_of_the_tests_are_those_of_numpy() -> None:
    assert set(KINDS) == set(NUMPY_TYPES)


def test_hundreds_of_scalars_cost_no_segment_each() -> None:
    scalars = {f"axis.{i}": np.full((2,), i, np.int64) for i in range(300)}
    base = ARRAYS | scalars
    patch, _ = patched(network(base), network(base | {"new": ARRAYS["layer.0"]}))
    assert len(patch) < 2 * FRONT
