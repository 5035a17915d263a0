"""The datasets of an HDF5 file are found where they lie; a hostile one is taken as bytes."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.modelfile import open_model
from sapwood.tensors import DType, TensorSpec
from support.hdf5_files import (
    MANY,
    NEWER,
    TYPES,
    WRITTEN,
    dataset,
    hdf5_file,
    header,
    message,
    superblock,
)
from support.layouts import (
    assert_covers,
    assert_damage_is_harmless,
    assert_harmless,
    assert_refused,
    tensors_in,
)
from support.model_files import FRONT, Array, patched, tuned, weights

TENSORS = {f"w{i}": weights(i, (30, 20), DType.F32) for i in range(5)}


def spec(dtype: DType, *shape: int) -> TensorSpec:
    return TensorSpec(dtype, shape)


def test_what_h5py_writes_is_read() -> None:
    found = tensors_in(WRITTEN, "hdf5")
    assert found["layers/dense/vars/0"] == (
        spec(DType.F32, 2, 3),
        np.arange(6, dtype=np.float32).tobytes(),
    )
    assert found["layers/dense/vars/1"] == (
        spec(DType.F16, 3),
        np.arange(3, dtype=np.float16).tobytes(),
    )
    assert found["others/scalar"] == (spec(DType.F64), struct.pack("<d", 1.5))
    assert found["others/int"] == (spec(DType.I32, 4), struct.pack("<4i", 0, 1, 2, 3))
    assert found["others/u8"] == (spec(DType.U8, 5), bytes(range(5)))
    assert found["others/big"] == (spec(DType.BYTES, 16), struct.pack(">4f", 0, 1, 2, 3))
    assert found["others/bool"] == (spec(DType.BYTES, 2), b"\1\0")
    for i in range(MANY):
        assert found[f"many/w{i}"][1] == struct.pack("<2f", i, i)
    assert len(found) == MANY + 8
    assert not any("chunked" in name or "gzip" in name or "soft" in name for name in found)


def test_newer_forms_have_no_tensors_that_are_known() -> None:
    assert tensors_in(NEWER, "hdf5") == {}


def test_what_is_written_by_hand_is_read() -> None:
    found = tensors_in(hdf5_file(TENSORS), "hdf5")
    assert found == {
        name: (spec(DType.F32, 30, 20), array.tobytes()) for name, array in TENSORS.items()
    }
    for dtype in TYPES:
        array: Array = np.arange(12).reshape(3, 4).astype(str(dtype))
        ((own, data),) = tensors_in(hdf5_file({"x": array}), "hdf5").values()
        assert (own.shape, data) == ((3, 4), array.tobytes())


def keras(data: bytes) -> bytes:
    """A model as Keras 3 saves it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, content in (("metadata.json", b"{}"), ("config.json", b"{}")):
            out.writestr(name, content)
        out.writestr("model.weights.h5", data)
    return file.getvalue()


def test_the_weights_in_an_archive_of_keras_are_tensors() -> None:
    assert tensors_in(keras(hdf5_file(TENSORS)), "keras").keys() == TENSORS.keys()
    for odd in (NEWER, b"no weights", hdf5_file(TENSORS)[:300]):
        assert tensors_in(keras(odd), "keras") == {}


@pytest.mark.parametrize("wrap", [bytes, keras])
def test_a_retrained_model_is_patched_by_its_tensors(wrap: Callable[[bytes], bytes]) -> None:
    target = {name: tuned(array, i) for i, (name, array) in enumerate(TENSORS.items())}
    patch, stats = patched(wrap(hdf5_file(TENSORS)), wrap(hdf5_file(target)))
    assert stats.tensors_modified == len(TENSORS)
    size = sum(array.nbytes for array in target.values())
    assert len(patch) < 0.75 * size + FRONT


def changed(at: int, form: str, *values: int) -> bytes:
    """A file with numbers written over what it had."""
    file = bytearray(hdf5_file({"w": weights(1, (3, 4), DType.F32)}))
    struct.pack_into(form, file, at if at >= 0 else len(file) + at, *values)
    return bytes(file)


FILE = hdf5_file({"w": weights(1, (3, 4), DType.F32)})
LEAF, TREE, HEAP = (FILE.index(one) for one in (b"SNOD", b"TREE", b"HEAP"))
DATASET = struct.unpack_from("<Q", FILE, LEAF + 16)[0]
LAYOUT = FILE.index(struct.pack("<BB", 3, 1) + struct.pack("<Q", 136))

HOSTILE = {
    "cut off": (FILE[:90], "past the end"),
    "a root past the end": (changed(64, "<Q", 2**63), "past the end"),
    "a root that is no header": (changed(64, "<Q", LEAF), "header of version 1"),
    "a tree at 2^64": (changed(120, "<Q", 2**64 - 1), "past the end"),
    "a tree that is none": (changed(120, "<Q", HEAP), "expected b'TREE'"),
    "a heap that is none": (changed(128, "<Q", TREE), "expected b'HEAP'"),
    "a heap of 2^63 bytes": (changed(HEAP + 8, "<Q", 2**63), "a heap past the end"),
    "names at 2^63": (changed(HEAP + 24, "<Q", 2**63), "a heap past the end"),
    "a name past its heap": (changed(LEAF + 8, "<Q", 2**40), "past the end of its heap"),
    "a tree of chunks": (changed(TREE + 4, "<B", 1), "a group's tree"),
    "a tree in itself": (changed(TREE + 5, "<BH4Q", 1, 1, 0, 0, 0, TREE), "at most 32 levels"),
    "65,535 children": (changed(TREE + 6, "<H", 65535), "past the end"),
    "65,535 names": (changed(LEAF + 6, "<H", 65535), "past the end"),
    "a dataset past the end": (changed(LAYOUT + 2, "<Q", 2**62), "past the end of the file"),
    "a dataset of 2^63 bytes": (changed(LAYOUT + 10, "<Q", 2**63), "past the end of the file"),
    "a continuation of 2^63 bytes": (
        superblock(96) + header(message(16, struct.pack("<2Q", 0, 2**63))),
        "past the end",
    ),
    "a continuation of itself": (
        superblock(96) + header(message(16, struct.pack("<2Q", 112, 24))),
        "too many parts",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused(case: str) -> None:
    file, reason = HOSTILE[case]
    assert_refused(file, reason)


def test_datasets_that_overlap_are_refused() -> None:
    array = weights(1, (8,), DType.F32)
    file = bytearray(hdf5_file({"a": array, "b": array}))
    first, second = (
        found.start() + 2 for found in re.finditer(rb"\x03\x01.{8}\x20\x00{7}", file, re.DOTALL)
    )
    (address,) = struct.unpack_from("<Q", file, first)
    struct.pack_into("<Q", file, second, address + 8)
    assert_refused(bytes(file), "overlap")


def test_groups_in_a_circle_are_looked_at_once() -> None:
    file = bytearray(FILE)
    struct.pack_into("<Q", file, LEAF + 16, 96)  # the dataset's name leads to the root
    layout = open_model(memoryview(bytes(file)))
    assert (layout.format, layout.tensors, layout.warning) == ("hdf5", (), None)
    assert_covers(layout, len(file))


def test_shapes_and_types_that_do_not_fit_give_opaque_bytes() -> None:
    array = weights(1, (3, 4), DType.F32)
    file = hdf5_file({"w": array})
    own = dataset(array, 136)
    for other in (
        own.replace(struct.pack("<2Q", 3, 4), struct.pack("<2Q", 2**63, 2**63)),
        own.replace(struct.pack("<2Q", 3, 4), struct.pack("<2Q", 3, 5)),
        own.replace(TYPES[array.dtype][:8], bytes.fromhex("11201f0003000000")),
        own.replace(TYPES[array.dtype][:8], bytes.fromhex("19201f0004000000")),
    ):
        assert other != own
        ((found, data),) = tensors_in(file.replace(own, other), "hdf5").values()
        assert (found, data) == (spec(DType.BYTES, array.nbytes), array.tobytes())


def test_damaged_files_are_harmless() -> None:
    assert_damage_is_harmless(hdf5_file({"w": weights(1, (3, 4), DType.F32)}))
    noise = random.Random(1)
    for _ in range(300):
        file = bytearray(WRITTEN)
        for _ in range(noise.randint(1, 4)):
            file[noise.randrange(len(file))] = noise.choice([0, 1, 8, 16, 255])
        assert_harmless(bytes(file))


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_superblock_are_harmless(data: bytes) -> None:
    assert_harmless(superblock(96) + data)
