"""The weights of Core ML networks and programs are found; hostile files are taken as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sapwood.modelfile import coreml_weights, naming, open_model
from sapwood.tensors import DType, TensorSpec
from support.coreml_files import (
    blob_header,
    blob_storage,
    dense,
    everything,
    floats,
    layer,
    model,
    network,
)
from support.layouts import (
    Contents,
    assert_damage_is_harmless,
    assert_harmless,
    assert_refused,
    tensors_in,
)
from support.model_files import FRONT, Array, patched, tuned, weights
from support.protobuf_writer import claimed, field

SMALL = weights(1, (3, 4), DType.F32)


def test_weights_in_every_place_are_named_by_layer_and_role() -> None:
    found = {name: str(spec) for name, (spec, _) in tensors_in(everything(), "coreml").items()}
    once = {
        "model/dense/weights": "f32[12]",
        "model/dense/bias": "f16[3]",
        "model/conv/weights": "i8[5]",
        "model/conv/weights#2": "u8[4]",
        "model/prelu/PReLU/alpha": "f16[3]",
        "model/lstm/inputGateWeightMatrix": "f32[12]",
        "model/lstm/outputGatePeepholeVector": "f16[3]",
        "model/lstm/inputGateWeightMatrix#2": "f32[12]",
        "model/lstm/outputGatePeepholeVector#2": "f16[3]",
        "model/loop/bodyNetwork/in loop/weights": "f32[12]",
    }
    assert once.items() <= found.items()
    assert len(found) == 2 * len(once)


@pytest.mark.parametrize("kind", [303, 403, 500])
def test_classifiers_and_regressors_are_networks_too(kind: int) -> None:
    file = model(kind, network([dense("a", SMALL)]))
    assert tensors_in(file, "coreml") == {
        "a/weights": (TensorSpec(DType.F32, (12,)), SMALL.tobytes())
    }


def test_a_program_is_skeleton() -> None:
    assert tensors_in(model(502, b"\x08\x01"), "coreml") == {}


def nested(depth: int) -> bytes:
    inner = network([dense("a", SMALL)])
    for _ in range(depth):
        inner = network([layer("loop", 615, field(4, inner))])
    return model(500, inner)


def test_networks_may_be_nested() -> None:
    (name,) = tensors_in(nested(15), "coreml")
    assert name.count("bodyNetwork") == 15


MODELS: dict[str, tuple[bytes, str]] = {
    "network is cut off": (model(500, network([dense("a", SMALL)]))[:-1], "cut off"),
    "network of 2^63 bytes": (field(1, 4) + claimed(500, 2**63), "9223372036854775808 bytes"),
    "weights pass their layer": (
        model(500, network([layer("a", 140, claimed(20, 999) + b"x")])), "999 bytes",
    ),
    "elements pass their weights": (
        model(500, network([layer("a", 140, field(20, claimed(1, 40) + b"x"))])), "40 bytes",
    ),
    "groups": (model(500, network([b"\x0b\x0c"])), "wire type"),
    "rubbish after the model": (model(500, b"") + b"\x0frubbish", "wire type"),
    "nested too deeply": (nested(40), "in one another"),
    "nested without end": (nested(3000), "in one another"),
}  # fmt: skip


@pytest.mark.parametrize("attack", MODELS)
def test_hostile_models_are_refused_and_read_as_bytes(attack: str) -> None:
    file, reason = MODELS[attack]
    assert_refused(file, reason)


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        b"\x08\x04",
        field(1, 0) + field(500, b""),
        field(1, 4) + field(500, 1),
        field(1, 4) + field(3, b"") + field(500, b""),
        field(1, 4) + field(3001, b""),
        bytes(4) + b"\2\0\0\0" + bytes(120),
    ],
)
def test_other_content_is_bytes_without_warning(content: bytes) -> None:
    layout = open_model(memoryview(content))
    assert (layout.format, layout.tensors, layout.warning) == ("bytes", (), None)


BLOBS = [(1, b"12345678"), (2, bytes(80)), (8, b"123"), (4, b"x" * 64), (2, b"odd"), (5, b"")]


def test_blobs_of_every_kind_are_found() -> None:
    dtypes = [DType.F16, DType.F32, DType.BYTES, DType.I8, DType.BYTES, DType.BF16]
    expected: Contents = {
        f"blob.{i}": (TensorSpec(dtype, (len(data) // dtype.size,)), data)
        for i, (dtype, (_, data)) in enumerate(zip(dtypes, BLOBS, strict=True))
    }
    assert tensors_in(blob_storage(BLOBS), "coreml_weights") == expected


def lone_blob(size: int, offset: int) -> bytes:
    return blob_storage([], count=1) + blob_header(2, size, offset) + bytes(64)


STORAGE: dict[str, tuple[bytes, str]] = {
    "more blobs than there are": (blob_storage(BLOBS, count=7), "blob.6: expected a header"),
    "2^32 - 1 blobs": (blob_storage(BLOBS, count=2**32 - 1), "found 4294967295"),
    "second blob is none": (
        blob_storage(BLOBS[:1], count=2) + bytes(200), "blob.1: expected a header",
    ),
    "file is cut off": (blob_storage(BLOBS)[:200], "cut off"),
    "elements in the header": (lone_blob(4, 64), "found 4 bytes at 64"),
    "elements before the file's end": (lone_blob(65, 128), "found 65 bytes at 128"),
    "offset of 2^64 - 1": (lone_blob(1, 2**64 - 1), "18446744073709551615"),
    "size of 2^64 - 1": (lone_blob(2**64 - 1, 128), "18446744073709551615"),
}  # fmt: skip


@pytest.mark.parametrize("attack", STORAGE)
def test_hostile_weights_are_refused_and_read_as_bytes(attack: str) -> None:
    file, reason = STORAGE[attack]
    assert_refused(file, reason)


def test_more_tensors_than_any_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "MOST_TENSORS", 10)
    monkeypatch.setattr(coreml_weights, "MOST_TENSORS", 5)
    eleven = model(500, network([dense("a", SMALL)] * 11))
    assert_refused(eleven, "at most 10 tensors")
    assert_refused(blob_storage(BLOBS), "at most 5 blobs")


def test_damaged_files_are_harmless() -> None:
    assert_damage_is_harmless(everything())
    assert_damage_is_harmless(blob_storage(BLOBS))


@given(st.binary(max_size=80))
def test_any_network_is_read_or_refused(content: bytes) -> None:
    assert_harmless(model(500, content))
    assert_harmless(model(500, network([content])))
    assert_harmless(model(500, network([layer("a", 140, content)])))


@given(st.binary(max_size=128))
def test_any_blob_is_read_or_refused(content: bytes) -> None:
    assert_harmless(blob_storage([], count=2) + b"\xef\xbe\xad\xde" + content)


LAYERS = {f"layer.{i}": weights(i, (64, 96), DType.F32) for i in range(4)}
TUNED = LAYERS | {"layer.2": tuned(LAYERS["layer.2"], 1)}


def as_network(arrays: dict[str, Array]) -> bytes:
    return model(500, network([dense(name, array) for name, array in arrays.items()]))


def as_storage(arrays: dict[str, Array]) -> bytes:
    return blob_storage([(2, array.tobytes()) for array in arrays.values()])


def test_a_change_in_one_layer_costs_little() -> None:
    for write in (as_network, as_storage):
        patch, _ = patched(write(LAYERS), write(TUNED))
        assert len(patch) < FRONT + LAYERS["layer.2"].nbytes


def test_a_network_and_the_weights_of_a_program_predict_each_other() -> None:
    patch, _ = patched(as_network(LAYERS), as_storage(LAYERS))
    assert len(patch) < FRONT
    patch, _ = patched(as_storage(LAYERS), as_network(LAYERS))
    assert len(patch) < FRONT


def test_small_files_come_back() -> None:
    for base in (everything(), blob_storage(BLOBS), b"", b"no model", floats(SMALL)):
        for target in (everything(), blob_storage(BLOBS)):
            patched(base, target)
