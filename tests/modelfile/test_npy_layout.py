"""The layout of a .npy file covers it exactly; a hostile one is refused with its reason."""

from __future__ import annotations

import io
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood import models
from sapwood.modelfile import open_model
from sapwood.modelfile.npy import read_header
from sapwood.tensors.dtypes import DType
from support.layouts import (
    assert_prefixes_open,
    assert_refused,
    assert_survives_damage,
    contents,
    opened,
)
from support.model_files import patched, weights

pytestmark = pytest.mark.quick

HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def npy(header: str | bytes = HEADER, data: bytes = b"x" * 24, version: bytes = b"\1\0") -> bytes:
    text = header.encode() if isinstance(header, str) else header
    size = 2 if version == b"\1\0" else 4
    return b"\x93NUMPY" + version + len(text).to_bytes(size, "little") + text + data


def saved(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


TYPES = {
    "f2": "f16", "f4": "f32", "f8": "f64", "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64",
    "u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64", "?": "bool",
}  # fmt: skip


@given(
    st.sampled_from(sorted(TYPES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    st.binary(max_size=5),
)
def test_files_of_the_library_are_covered_exactly(
    kind: str, shape: list[int], version: tuple[int, int], tail: bytes
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)
    file = saved(array, version) + tail
    spec = f"{TYPES[kind]}[{', '.join(map(str, shape))}]"
    assert contents(file) == {"array": (spec, array.tobytes())}
    assert opened(file).format == "npy"


def test_fortran_order_is_the_reversed_shape() -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert contents(saved(array)) == {"array": ("f32[3, 2]", array.tobytes("F"))}


@pytest.mark.parametrize(
    ("array", "spec"),
    [
        (np.arange(3, dtype=np.complex64), "f32[3, 2]"),
        (np.arange(3, dtype=np.complex128), "f64[3, 2]"),
        (np.ones(3, ml_dtypes.bfloat16), "bf16[3]"),
        (np.ones(3, ">f4"), "bytes[12]"),
        (np.array(["ab"]), "bytes[8]"),
        (np.ones(3, [("a", "<f4"), ("b", "<i2")]), "bytes[18]"),
        (np.ones(3, "datetime64[s]"), "bytes[24]"),
    ],
)
def test_other_types_are_their_parts_or_bytes(array: Any, spec: str) -> None:
    assert contents(saved(array)) == {"array": (spec, array.tobytes())}


@given(
    st.sampled_from(["<", ">"]),
    st.sampled_from(sorted(TYPES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.booleans(),
)
def test_a_header_says_all_that_an_array_is(
    order: str, kind: str, shape: list[int], fortran: bool
) -> None:
    array = np.ones(shape, order + kind, "F" if fortran else "C")
    file = saved(array)
    header = read_header(memoryview(file))
    assert (header.dtype, header.shape) == (array.dtype, array.shape)
    # An array that is both is said to be in C order.
    assert header.fortran is not array.flags.c_contiguous
    assert header.start + array.nbytes == len(file)
    assert file[: header.start] == saved(np.empty_like(array))[: header.start]


@pytest.mark.parametrize("descr", ["<c8", "|V2", "|S4", "<M8[s]", "|O", "f4", "", "<f3", "<f4,<i2"])
def test_a_header_of_no_numbers_has_no_type(descr: str) -> None:
    assert (
        read_header(memoryview(npy(HEADER.replace("<f4", descr).replace("2, 3", "0,")))).dtype
        is None
    )


def test_objects_are_bytes_and_are_not_unpickled() -> None:
    array = np.array([{"a": 1}, None], object)
    (entry,) = opened(saved(array)).tensors
    assert entry.spec.dtype is DType.BYTES


def test_longs_of_python_2() -> None:
    header = HEADER.replace("2, 3", "2L, 3L")
    assert contents(npy(header)) == {"array": ("f32[2, 3]", b"x" * 24)}


def shaped(shape: str) -> bytes:
    return npy(HEADER.replace("(2, 3)", shape))


ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing but the magic": (b"\x93NUMPY", "its version"),
    "version 4": (npy(version=b"\4\0"), "found 4.0"),
    "header longer than the file": (b"\x93NUMPY\2\0\xff\xff\xff\xff{}", "at most 2 bytes"),
    "header of 64 KiB": (npy(HEADER + " " * 65000), "at most 10000 bytes"),
    "no literal": (npy("{'descr': open('/etc/passwd')}"), "no Python literal"),
    "code": (npy("__import__('os').abort()"), "no Python literal"),
    "cut off": (npy(HEADER[:30]), "no Python literal"),
    "not UTF-8": (npy(b"{'\xff': 1}"), "no Python literal"),
    "zeros": (npy(bytes(100)), "no Python literal"),
    "nested without end": (npy("(" * 9000), "no Python literal"),
    "signs without end": (npy("-" * 9000 + "1"), "no Python literal"),
    "sums without end": (npy("1" + "+1" * 4900), "no Python literal"),
    "number of 9000 digits": (shaped(f"({'9' * 9000},)"), "Python literal"),
    "bad escapes": (npy(r"{'\d': '\N{}'}"), "no Python literal"),
    "a list": (npy("[1, 2]"), "an object"),
    "unhashable keys": (npy("{[]: 1}"), "no Python literal"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "a shape of sizes"),
    "negative extent": (shaped("(-1, -6)"), "a shape of sizes"),
    "fractional extent": (shaped("(6.0,)"), "a shape of sizes"),
    "extent that is true": (shaped("(True, 6)"), "a shape of sizes"),
    "order that is a number": (npy(HEADER.replace("False", "0")), "True or False"),
    "more than the file holds": (shaped("(7,)"), "at most 24 bytes"),
    "extents that wrap around": (shaped("(2**33, 2)"), "no Python literal"),
    "extents that overflow": (shaped("(8589934592, 2147483649)"), "at most 24 bytes"),
    "extents that overflow to zero": (
        shaped("(4611686018427387904, 4611686018427387904, 0)"), "at most 24 bytes",
    ),
    "extent past 64 bits": (shaped("(0, 36893488147419103232)"), "at most 24 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    assert_refused(*ATTACKS[attack])


def test_every_prefix_opens() -> None:
    assert_prefixes_open(npy())


def test_any_damage_opens() -> None:
    assert_survives_damage(npy(), range(len(npy())))


@given(st.text("{}()[]',:<>|=f48iOTruealse01-+ descrshape_fortran\\N", max_size=60))
def test_any_header_opens(header: str) -> None:
    opened(npy(header))
    opened(npy(HEADER.replace("'<f4'", repr(header))))


def test_a_small_change_costs_little() -> None:
    old = weights(1, (128, 512), DType.F32)
    new = old.copy()
    new[40, 3:9] += 1e-3
    patch, stats = patched(saved(old), saved(new))
    assert (stats.tensors_modified, stats.tensors_unchanged) == (1, 0)
    assert len(patch) < 1500
    assert models.patch_info(patch).format == "npy"


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr':'<f4','fortran_order':False,'shape':(0x" + b"F" * 6000 + b",)}",
        b"{'descr':'<f4','fortran_order':0x" + b"F" * 6000 + b",'shape':(1,)}",
        b"0x" + b"F" * 6000,
    ],
    ids=["shape", "order", "alone"],
)
def test_integers_too_long_to_print_are_refused(header: bytes) -> None:
    data = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(100)
    found = open_model(memoryview(data))
    assert found.format == "bytes"
    assert found.warning is not None
