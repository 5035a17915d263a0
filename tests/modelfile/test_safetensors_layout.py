"""The layout of a safetensors file covers it exactly; a hostile one is refused with its place."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, strategies as st

from sapwood.errors import InvalidModelFile, UnsupportedType
from sapwood.modelfile import open_model
from sapwood.modelfile.safetensors import read_safetensors
from sapwood.tensors import DType, TensorSpec
from support.layouts import Contents, assert_covers, tensors_of

pytestmark = pytest.mark.quick

WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "BOOL": 1,
    "I8": 1, "I16": 2, "I32": 4, "I64": 8, "U8": 1, "U16": 2, "U32": 4, "U64": 8,
}  # fmt: skip
OPAQUE = ["F4", "F6_E2M3", "F8_E8M0", "C64", "something new", ""]


def file_of(header: bytes | dict[str, Any], data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)
shapes = st.lists(st.integers(0, 4), max_size=4)


@st.composite
def hand_written(draw: st.DrawFn) -> tuple[bytes, Contents]:
    """A file, and each tensor's spec and bytes: any header order, any file order, with holes."""
    chosen = draw(st.lists(names, unique=True, max_size=6))
    data = bytearray()
    header: dict[str, Any] = {}
    expected = {}
    for name in chosen:
        data += draw(st.binary(max_size=3))  # a hole
        dtype = draw(st.sampled_from([*WIDTHS, *OPAQUE]))
        shape = tuple(draw(shapes))
        opaque = dtype not in WIDTHS
        size = draw(st.integers(0, 20)) if opaque else math.prod(shape) * WIDTHS[dtype]
        content = draw(st.binary(min_size=size, max_size=size))
        header[name] = tensor(dtype, shape, len(data), len(data) + size)
        spec = (
            TensorSpec(DType.BYTES, (size,))
            if opaque
            else TensorSpec(DType.named(dtype.lower()), shape)
        )
        expected[name] = (spec, content)
        data += content
    data += draw(st.binary(max_size=3))
    items = draw(st.permutations(list(header.items())))
    if draw(st.booleans()):
        metadata = draw(st.dictionaries(names, st.text(max_size=5), max_size=3))
        items.insert(0, ("__metadata__", json.loads(json.dumps(metadata))))
    text = json.dumps(dict(items), ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    return file_of(text + b" " * draw(st.integers(0, 9)), bytes(data)), expected


@given(hand_written())
def test_hand_written_files_are_covered_exactly(
    written: tuple[bytes, Contents],
) -> None:
    file, expected = written
    layout = read_safetensors(memoryview(file))
    assert layout == open_model(np.frombuffer(file, np.uint8))
    assert (layout.format, layout.warning) == ("safetensors", None)
    assert_covers(layout, len(file))
    assert tensors_of(layout, file) == expected


@given(
    st.dictionaries(
        names, st.tuples(st.sampled_from(["f2", "f4", "f8", "i1", "u8", "?"]), shapes), max_size=6
    ),
    # safetensors 0.8.0 writes broken JSON for no tensors with empty metadata.
    st.none() | st.dictionaries(st.text("abc", max_size=3), st.text("xyz"), min_size=1, max_size=3),
)
def test_files_of_the_library_are_covered_exactly(
    wanted: dict[str, tuple[str, list[int]]], metadata: dict[str, str] | None
) -> None:
    arrays = {
        name: np.arange(math.prod(shape)).reshape(shape).astype(kind)
        for name, (kind, shape) in wanted.items()
    }
    file = safetensors.numpy.save(arrays, metadata)
    layout = open_model(memoryview(file))
    assert layout.format == "safetensors"
    assert_covers(layout, len(file))
    assert {entry.name for entry in layout.tensors} == set(arrays)
    for entry in layout.tensors:
        array = arrays[entry.name]
        assert entry.spec.shape == array.shape
        assert file[entry.offset : entry.end] == array.tobytes()


GOOD = tensor("U8", [2], 0, 2)
ATTACKS: dict[str, tuple[bytes, str]] = {
    "header longer than the file": ((100).to_bytes(8, "little") + b"{}", "left in the file"),
    "header over the limit": ((100_000_001).to_bytes(8, "little") + b"{}", "at most 100000000"),
    "header cut short": (file_of(b'{"a":'), "no usable JSON"),
    "two values in the header": (file_of(b"{} {}"), "no usable JSON"),
    "name given twice": (
        file_of(b'{"a":%b,"a":%b}' % ((json.dumps(GOOD).encode(),) * 2), b"xy"),
        "'a' occurs twice",
    ),
    "field given twice": (
        file_of(b'{"a":{"dtype":"U8","dtype":"I8","shape":[2],"data_offsets":[0,2]}}', b"xy"),
        "'dtype' occurs twice",
    ),
    "nested without end": (file_of(b'{"a":' * 100_000), "nested too deeply"),
    "lists nested without end": (file_of(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "not UTF-8": (file_of(b'{"\xff":1}'), "UTF-8"),
    "lone surrogate": (file_of(b'{"\\ud800":%b}' % json.dumps(GOOD).encode(), b"xy"), "surrogate"),
    "integer of 5000 digits": (file_of(b'{"a":' + b"9" * 5000 + b"}"), "64 bits"),
    "NaN": (file_of(b'{"a":NaN}'), "NaN"),
    "infinity": (file_of(b'{"a":-Infinity}'), "-Infinity"),
    "metadata is no object": (file_of({"__metadata__": ["a"]}), "__metadata__"),
    "metadata value is no string": (file_of({"__metadata__": {"a": 1}}), "__metadata__"),
    "entry is no object": (file_of({"a": 1}), "entry"),
    "dtype is missing": (file_of({"a": {"shape": [], "data_offsets": [0, 0]}}), "dtype"),
    "dtype is a list": (file_of({"a": tensor(["F32"], [], 0, 0)}), "dtype"),
    "shape is missing": (file_of({"a": {"dtype": "U8", "data_offsets": [0, 0]}}), "shape"),
    "shape is negative": (file_of({"a": tensor("U8", [-1, -2], 0, 2)}, b"xy"), "shape"),
    "shape is fractional": (file_of({"a": tensor("U8", [2.0], 0, 2)}, b"xy"), "shape"),
    "shape is true": (file_of({"a": tensor("U8", [True], 0, 1)}, b"x"), "shape"),
    "shape is a string": (file_of({"a": tensor("U8", "22", 0, 2)}, b"xy"), "shape"),
    "shape wraps around to the size": (
        file_of({"a": tensor("U8", [2**33, 2**31 + 1], 0, 2**33 % 2**33)}), "shape",
    ),
    "shape overflows on the way to zero": (
        file_of({"a": tensor("F32", [2**62, 2**62, 0], 0, 0)}), "shape",
    ),
    "extent of 63 bits and one": (file_of({"a": tensor("U8", [2**63], 0, 0)}), "64 bits"),
    "extent of 64 bits": (file_of({"a": tensor("U8", [2**64], 0, 0)}), "64 bits"),
    "opaque with a bad shape": (file_of({"a": tensor("C64", [-1], 0, 0)}), "shape"),
    "one offset": (
        file_of({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0]}}), "data_offsets",
    ),
    "offsets descend": (file_of({"a": tensor("U8", [2], 2, 0)}, b"xy"), "data_offsets"),
    "offset is negative": (file_of({"a": tensor("U8", [2], -2, 0)}, b"xy"), "data_offsets"),
    "offset past the end": (file_of({"a": tensor("U8", [2], 1, 3)}, b"xy"), "cut off"),
    "offset is false": (file_of({"a": tensor("U8", [2], False, 2)}, b"xy"), "data_offsets"),
    "size is not that of the shape": (file_of({"a": tensor("F32", [1], 0, 3)}, b"xyz"), "4 bytes"),
    "two tensors in one place": (file_of({"a": GOOD, "b": GOOD}, b"xy"), "overlap"),
    "tensors overlap by a byte": (
        file_of({"a": tensor("U8", [2], 1, 3), "b": GOOD}, b"xyz"), "overlap",
    ),
    "empty tensor inside another": (
        file_of({"a": tensor("U8", [0], 1, 1), "b": GOOD}, b"xy"), "overlap",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    file, reason = ATTACKS[attack]
    with pytest.raises(InvalidModelFile) as caught:
        read_safetensors(memoryview(file))
    assert reason in str(caught.value)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(file)
    assert len(str(caught.value)) < 500

    layout = open_model(memoryview(file))
    assert (layout.format, layout.tensors) == ("bytes", ())
    assert layout.skeleton == ((0, len(file)),)
    assert layout.warning == str(caught.value)


def test_holes_and_trailing_bytes_are_skeleton() -> None:
    file = file_of({"b": tensor("U8", [2], 5, 7), "a": tensor("I16", [1], 1, 3)}, b"?aa??bb?")
    start = len(file) - 8
    layout = open_model(memoryview(file))
    assert [entry.name for entry in layout.tensors] == ["a", "b"]
    assert layout.skeleton == ((0, start + 1), (start + 3, 2), (start + 7, 1))


def test_empty_and_zero_dimensional_tensors() -> None:
    header = {
        "scalar": tensor("F32", [], 0, 4),
        "empty at the start": tensor("F64", [3, 0], 0, 0),
        "empty at the end": tensor("F64", [0], 4, 4),
    }
    layout = read_safetensors(memoryview(file_of(header, b"1234")))
    order = ["empty at the start", "scalar", "empty at the end"]
    assert [entry.name for entry in layout.tensors] == order
    assert layout.tensors[1].spec == TensorSpec(DType.F32, ())


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"GGML\3\0\0\0", b"plain text, {not} a model", b'{"a": 1{}', b"\xff" * 8 + b"{"],
)
def test_other_content_is_bytes_without_warning(content: bytes) -> None:
    layout = open_model(memoryview(content))
    assert (layout.format, layout.tensors, layout.warning) == ("bytes", (), None)
    assert_covers(layout, len(content))


def test_every_prefix_is_refused_or_bytes() -> None:
    file = safetensors.numpy.save(
        {"weight": np.ones((3, 2), np.float32), "bias": np.ones(2, np.float16)}, {"key": "value"}
    )
    for length in range(len(file)):
        prefix = memoryview(file)[:length]
        layout = open_model(prefix)
        assert layout.format == "bytes"
        assert (layout.warning is not None) == (length > 8)
        assert_covers(layout, length)
        with pytest.raises(InvalidModelFile):
            read_safetensors(prefix)


@given(st.binary(max_size=60), st.integers(0, 70))
def test_any_header_is_read_or_refused(header: bytes, length: int) -> None:
    file = length.to_bytes(8, "little") + b"{" + header
    assert_covers(open_model(memoryview(file)), len(file))


def test_elements_that_are_not_bytes_are_refused() -> None:
    with pytest.raises(UnsupportedType, match="4 bytes"):
        open_model(memoryview(b"12345678").cast("I"))
    with pytest.raises(UnsupportedType, match="not contiguous"):
        open_model(np.zeros(8, np.uint8)[::2])
    assert open_model(np.zeros(0, np.uint8)).skeleton == ()
