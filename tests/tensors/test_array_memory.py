"""Arrays become little-endian bytes and come back, whatever their layout, order and bits."""

from __future__ import annotations

import array
import ctypes
import mmap
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood import errors
from sapwood.tensors import DType, TensorSpec, check_out, copy_into, restore, view, writable
from support.strategies import (
    LAYOUTS,
    ORDERS,
    WRITABLE_LAYOUTS,
    Order,
    any_arrays,
    arrays,
    bit_patterns,
    dtypes,
    laid_out,
    nasty_words,
    numpy_type,
    orders,
    shapes,
    word_type,
)

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]


def little_endian(tensor: Array) -> bytes:
    """What `view` must give, by way of Python's own bytes."""
    raw = tensor.tobytes()
    size = tensor.itemsize
    if tensor.dtype.byteorder != ">":
        return raw
    return b"".join(raw[i : i + size][::-1] for i in range(0, len(raw), size))


def same(found: Array, expected: Array) -> bool:
    """Same kind, dtype, byte order, shape and bits."""
    return (
        type(found) is type(expected)
        and found.dtype == expected.dtype
        and found.dtype.byteorder == expected.dtype.byteorder
        and found.shape == expected.shape
        and found.tobytes() == expected.tobytes()
    )


@given(any_arrays())
def test_a_view_holds_the_little_endian_elements_in_c_order(tensor: Array) -> None:
    seen = view(tensor)
    assert seen.data.tobytes() == little_endian(tensor)
    assert seen.spec.shape == tensor.shape
    assert seen.data.shape == (seen.spec.nbytes,)
    assert seen.data.dtype == np.uint8
    assert seen.data.flags.c_contiguous
    assert not seen.data.flags.writeable


@given(st.data(), dtypes())
def test_a_view_names_the_element_type(data: st.DataObject, dtype: DType) -> None:
    assert view(data.draw(arrays(dtype))).spec.dtype is dtype


@given(any_arrays())
def test_restoring_a_view_gives_the_same_array(tensor: Array) -> None:
    seen = view(tensor)
    found = restore(seen, seen.data)
    assert same(found, tensor)
    assert found.flags.writeable
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, seen.data)


@given(st.data(), dtypes(), shapes())
def test_restoring_takes_over_memory_that_it_is_given(
    data: st.DataObject, dtype: DType, shape: tuple[int, ...]
) -> None:
    seen = view(data.draw(arrays(dtype, shape)))
    owned = seen.data.copy()
    found = restore(seen, owned)
    assert np.shares_memory(found, owned) == (owned.size > 0)


@given(st.data(), dtypes())
def test_restoring_from_unaligned_bytes_gives_an_aligned_array(
    data: st.DataObject, dtype: DType
) -> None:
    tensor = data.draw(arrays(dtype))
    seen = view(tensor)
    found = restore(seen, laid_out(seen.data, "unaligned"))
    assert same(found, tensor)
    assert found.flags.aligned


@given(dtypes(), st.data())
def test_a_numpy_scalar_comes_back_as_one(dtype: DType, data: st.DataObject) -> None:
    scalar = data.draw(bit_patterns(dtype, 1)).view(numpy_type(dtype))[0]
    seen = view(scalar)
    assert seen.spec == TensorSpec(dtype, ())
    assert seen.data.tobytes() == scalar.tobytes()
    found = restore(seen, seen.data)
    assert type(found) is type(scalar)
    assert found.tobytes() == scalar.tobytes()


@given(dtypes(), st.data())
def test_contiguous_little_endian_memory_is_not_copied(dtype: DType, data: st.DataObject) -> None:
    words = data.draw(bit_patterns(dtype, 6)).reshape(2, 3)
    tensor = words.view(numpy_type(dtype))
    seen = view(tensor)
    assert np.shares_memory(seen.data, tensor)
    assert tensor.flags.writeable, "the caller's array was made read-only"
    assert np.shares_memory(view(tensor[1:]).data, tensor)


@pytest.mark.parametrize("dtype", [d for d in DType if d.family == "float"])
def test_every_nasty_float_survives_in_both_byte_orders(dtype: DType) -> None:
    words = nasty_words(dtype)
    for order in ORDERS:
        ordered = words.astype(words.dtype.newbyteorder(order))
        tensor = ordered.view(numpy_type(dtype, order))
        seen = view(tensor)
        assert seen.data.view(word_type(dtype)).tolist() == words.tolist()
        assert same(restore(seen, seen.data.copy()), tensor)


def out_like(tensor: Array, layout: str, order: Order) -> Array:
    """Zeros of the element type and shape of `tensor`, in a layout and byte order."""
    dtype = view(tensor).spec.dtype
    words = np.zeros(tensor.shape, word_type(dtype).newbyteorder(order))
    return laid_out(words, layout).view(numpy_type(dtype, order))


@given(any_arrays(), st.sampled_from(WRITABLE_LAYOUTS), orders())
def test_elements_are_copied_into_every_layout(tensor: Array, layout: str, order: Order) -> None:
    seen = view(tensor)
    out = out_like(tensor, layout, order)
    copy_into(out, seen.spec, seen.data)
    assert view(out).data.tobytes() == seen.data.tobytes()


def test_memory_between_the_elements_of_out_is_left_alone() -> None:
    memory = np.full((4, 6), 9, np.int16)
    source = np.arange(6, dtype=np.int16).reshape(2, 3)
    copy_into(memory[::2, ::-2], view(source).spec, view(source).data)
    assert memory[::2, ::-2].tolist() == source.tolist()
    assert (memory[1::2] == 9).all()
    assert (memory[:, ::2] == 9).all()


@given(st.data(), dtypes())
def test_out_may_be_the_memory_that_is_read(data: st.DataObject, dtype: DType) -> None:
    words = data.draw(bit_patterns(dtype, 12)).reshape(3, 4)
    tensor = words.view(numpy_type(dtype))
    for out in (tensor[::-1], tensor[:, ::-1], tensor):
        before = view(tensor)
        expected = before.data.tobytes()
        copy_into(out, before.spec, before.data)
        assert view(out).data.tobytes() == expected


@given(st.data(), dtypes(), st.sampled_from(WRITABLE_LAYOUTS), orders())
def test_writable_memory_is_that_of_out_or_none(
    data: st.DataObject, dtype: DType, layout: str, order: Order
) -> None:
    tensor = data.draw(arrays(dtype, (2, 3)))
    seen = view(tensor)
    out = out_like(tensor, layout, order)
    memory = writable(out, seen.spec)
    plain = layout in ("contiguous", "unaligned") and (order == "<" or dtype.size == 1)
    assert (memory is not None) == plain
    if memory is not None:
        memory[:] = seen.data
        assert view(out).data.tobytes() == seen.data.tobytes()


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_empty_and_zero_dimensional_outs_are_written(shape: tuple[int, ...]) -> None:
    source = np.full(shape, 7, np.float64)
    out = np.zeros(shape, ">f8")
    copy_into(out, view(source).spec, view(source).data)
    assert out.tolist() == source.tolist()


REFUSED_OUTS: dict[str, tuple[Any, type[Exception], str]] = {
    "another dtype": (np.zeros(4, np.int32), errors.DtypeMismatch, "f32"),
    "another shape": (np.zeros((2, 2), np.float32), errors.ShapeMismatch, r"\(4,\)"),
    "a longer shape": (np.zeros(5, np.float32), errors.ShapeMismatch, r"\(4,\)"),
    "read-only": (laid_out(np.zeros(4, np.float32), "read-only"), errors.InputError, "read-only"),
    "broadcast": (
        np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (4,), (0,)),
        errors.InputError,
        "share memory",
    ),
    "overlapping": (
        np.lib.stride_tricks.as_strided(np.zeros(4, np.float32), (4,), (2,)),
        errors.InputError,
        "share memory",
    ),
    "bytes": (bytes(16), errors.DtypeMismatch, "bytes"),
    "a list": ([0.0] * 4, errors.UnsupportedType, "np.asarray"),
}


@pytest.mark.parametrize("name", REFUSED_OUTS)
def test_an_out_that_does_not_fit_is_refused_and_untouched(name: str) -> None:
    out, error, words = REFUSED_OUTS[name]
    source = view(np.arange(1, 5, dtype=np.float32))
    with pytest.raises(error, match=words):
        check_out(out, source.spec)
    with pytest.raises(error, match=words):
        copy_into(out, source.spec, source.data)
    with pytest.raises(error, match=words):
        writable(out, source.spec)
    assert not np.any(np.frombuffer(out, np.uint8) if isinstance(out, bytes) else out)


def test_a_scalar_and_bytes_cannot_be_written() -> None:
    scalar = view(np.float32(1))
    with pytest.raises(errors.InputError, match="scalar"):
        copy_into(np.float32(0), scalar.spec, scalar.data)
    text = view(b"abcd")
    with pytest.raises(errors.InputError, match="read-only"):
        copy_into(b"wxyz", text.spec, text.data)


def test_data_of_another_size_is_refused() -> None:
    seen = view(np.ones(4, np.float32))
    out = np.zeros(4, np.float32)
    for data in (seen.data[:-1], np.zeros(17, np.uint8)):
        with pytest.raises(errors.InputError, match="16 bytes"):
            restore(seen, data)
        with pytest.raises(errors.InputError, match="16 bytes"):
            copy_into(out, seen.spec, data)
    assert not out.any()


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_untyped_memory_is_opaque_bytes(wrap: Any) -> None:
    seen = view(wrap(b"sapwood"))
    assert seen.spec == TensorSpec(DType.BYTES, (7,))
    assert seen.data.tobytes() == b"sapwood"
    found = restore(seen, seen.data)
    assert isinstance(found, np.ndarray)
    assert found.tobytes() == b"sapwood"


def test_mapped_memory_is_opaque_bytes_and_can_be_written() -> None:
    with mmap.mmap(-1, 16) as memory:
        assert view(memory).spec == TensorSpec(DType.BYTES, (16,))
        copy_into(memory, TensorSpec(DType.BYTES, (16,)), np.arange(16, dtype=np.uint8))
        assert memory[:] == bytes(range(16))


def test_opaque_bytes_fit_a_uint8_array_and_back() -> None:
    text = view(b"sapwood")
    out = np.zeros(7, np.uint8)
    copy_into(out, text.spec, text.data)
    assert out.tobytes() == b"sapwood"
    buffer = bytearray(7)
    copy_into(buffer, view(out).spec, view(out).data)
    assert buffer == b"sapwood"


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_typed_buffers_go_by_their_format(code: str) -> None:
    values = array.array(code, [1, 2, 3])
    expected = np.asarray(values)
    seen = view(values)
    assert seen.spec == view(expected).spec
    assert same(restore(seen, seen.data), expected)
    copy_into(values, seen.spec, view(expected * 2).data)
    assert list(values) == [2, 4, 6]


def test_a_strided_memoryview_is_read_and_written() -> None:
    memory = np.arange(12, dtype=np.float32).reshape(3, 4)
    window = memoryview(memory.data)[::2]
    seen = view(window)
    assert seen.spec == TensorSpec(DType.F32, (2, 4))
    assert seen.data.tobytes() == memory[::2].tobytes()
    copy_into(window, seen.spec, np.zeros(32, np.uint8))
    assert memory.sum() == 4 + 5 + 6 + 7


class OnlyDlpack:
    """What an array library other than NumPy and PyTorch looks like."""

    def __init__(self, elements: Array) -> None:
        self.elements = elements

    def __dlpack__(self, **options: Any) -> Any:
        return self.elements.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.elements.__dlpack_device__()


class OnAnotherDevice(OnlyDlpack):
    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("the memory is on a GPU")


@pytest.mark.parametrize("layout", WRITABLE_LAYOUTS[:-1])
def test_dlpack_objects_are_viewed(layout: str) -> None:
    elements = laid_out(np.arange(6, dtype=np.float32).reshape(2, 3), layout)
    seen = view(OnlyDlpack(elements))
    assert seen.spec == TensorSpec(DType.F32, (2, 3))
    assert seen.data.tobytes() == elements.tobytes()
    assert same(restore(seen, seen.data), np.ascontiguousarray(elements))


def test_dlpack_objects_elsewhere_are_refused_with_a_remedy() -> None:
    with pytest.raises(errors.UnsupportedType, match=r"OnAnotherDevice.*host memory"):
        view(OnAnotherDevice(np.zeros(3, np.float32)))


UNSUPPORTED = {
    "complex": (np.zeros(3, np.complex64), "np.float32"),
    "complex scalar": (np.complex128(1), "np.float64"),
    "object": (np.array([None]), "astype"),
    "str": (np.array(["a"]), "uint32"),
    "bytes strings": (np.array([b"a"]), "uint8"),
    "datetime": (np.zeros(2, "M8[s]"), "int64"),
    "timedelta": (np.zeros(2, "m8[s]"), "int64"),
    "structured": (np.zeros(2, [("a", "f4"), ("b", "i4")]), "field"),
    "long double": (np.zeros(2, np.longdouble), "float64"),
    "sub-byte": (np.zeros(2, ml_dtypes.int4), "uint8"),
    "other fp8": (np.zeros(2, ml_dtypes.float8_e8m0fnu), "uint8"),
    "masked": (np.ma.masked_equal([1, 2], 1), "mask"),
    "unicode buffer": (array.array("u", "ab"), "uint32"),
    "pointers": ((ctypes.c_void_p * 2)(), "cast"),
    "list": ([1.0, 2.0], "np.asarray"),
    "none": (None, "NumPy array"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_an_unsupported_object_is_refused_with_a_remedy(name: str) -> None:
    obj, remedy = UNSUPPORTED[name]
    with pytest.raises(errors.UnsupportedType, match=remedy):
        view(obj)


def test_all_layouts_are_covered() -> None:
    """The strategy really makes layouts that differ, so that the laws above say something."""
    made = {name: laid_out(np.arange(6, dtype=np.int32).reshape(2, 3), name) for name in LAYOUTS}
    assert made["contiguous"].flags.c_contiguous
    assert not made["transposed"].flags.c_contiguous
    assert made["transposed"].flags.f_contiguous
    assert made["strided"].strides > made["contiguous"].strides
    assert max(made["reversed"].strides) < 0
    assert not made["unaligned"].flags.aligned
    assert made["broadcast"].strides == (0, 0)
    assert not made["read-only"].flags.writeable


def test_pytorch_is_not_imported_for_anything_but_its_tensors() -> None:
    script = """
import array, sys
import numpy as np
from sapwood.tensors import DType, converted, copy_into, restore, view
for obj in (np.ones((2, 3), ">f4"), np.float32(1), b"abc", array.array("d", [1.0])):
    seen = view(obj)
    out = restore(seen, seen.data)
copy_into(out, seen.spec, seen.data)
converted(np.ones(3), DType.F16)
print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
