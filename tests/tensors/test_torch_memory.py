"""PyTorch tensors become little-endian bytes and come back, on any layout, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from sapwood import errors
from sapwood.tensors import (
    DType,
    TensorSpec,
    check_out,
    copy_into,
    restore,
    torch_memory,
    view,
    writable,
)
from support.strategies import bit_patterns, dtypes, shapes

pytestmark = pytest.mark.quick

TORCH_TYPES = {
    DType.BF16: torch.bfloat16,
    DType.F16: torch.float16,
    DType.F32: torch.float32,
    DType.F64: torch.float64,
    DType.F8_E4M3: torch.float8_e4m3fn,
    DType.F8_E5M2: torch.float8_e5m2,
    DType.I8: torch.int8,
    DType.I16: torch.int16,
    DType.I32: torch.int32,
    DType.I64: torch.int64,
    DType.U8: torch.uint8,
    DType.U16: torch.uint16,
    DType.U32: torch.uint32,
    DType.U64: torch.uint64,
    DType.BOOL: torch.bool,
}
LAYOUTS = ("contiguous", "transposed", "strided", "offset")


def laid_out(words: torch.Tensor, layout: str) -> torch.Tensor:
    """The integers of `words` in new memory of another layout; the shape stays."""
    if layout == "transposed":
        axes = tuple(reversed(range(words.dim())))
        return words.permute(axes).contiguous().permute(axes)
    if layout == "strided":
        wide = torch.zeros([2 * side + 1 for side in words.shape], dtype=words.dtype)
        found = wide[tuple(slice(1, None, 2) for _ in words.shape)]
        found.copy_(words)
        return found
    if layout == "offset":
        found = torch.zeros(words.numel() + 1, dtype=words.dtype)[1:].view(words.shape)
        found.copy_(words)
        return found
    return words.clone()


def as_tensor(words: np.ndarray[Any, Any], dtype: DType, layout: str) -> torch.Tensor:
    signed = np.dtype(np.uint8) if dtype.size == 1 else np.dtype(f"i{dtype.size}")
    return laid_out(torch.from_numpy(words.view(signed)), layout).view(TORCH_TYPES[dtype])


@st.composite
def tensors(
    draw: st.DrawFn, dtype: DType, shape: tuple[int, ...] | None = None
) -> tuple[torch.Tensor, bytes]:
    """A tensor of any layout, and the bytes that a view of it must hold."""
    sides = draw(shapes()) if shape is None else shape
    words = draw(bit_patterns(dtype, math.prod(sides))).reshape(sides)
    return as_tensor(words, dtype, draw(st.sampled_from(LAYOUTS))), words.tobytes()


@given(st.data(), dtypes())
def test_restoring_a_view_gives_the_same_tensor(data: st.DataObject, dtype: DType) -> None:
    tensor, raw = data.draw(tensors(dtype))
    seen = view(tensor)
    assert seen.spec == TensorSpec(dtype, tuple(tensor.shape))
    assert seen.data.tobytes() == raw
    assert not seen.data.flags.writeable
    found = restore(seen, seen.data)
    assert type(found) is torch.Tensor
    assert (found.dtype, found.shape, found.device) == (tensor.dtype, tensor.shape, tensor.device)
    assert found.is_contiguous()
    assert view(found).data.tobytes() == raw
    assert not np.shares_memory(view(found).data, seen.data)


@given(st.data(), dtypes())
def test_restoring_takes_over_memory_that_it_is_given(data: st.DataObject, dtype: DType) -> None:
    tensor, _ = data.draw(tensors(dtype, (2, 3)))
    seen = view(tensor)
    owned = seen.data.copy()
    assert np.shares_memory(view(restore(seen, owned)).data, owned)


@given(st.data(), dtypes(), st.sampled_from(LAYOUTS))
def test_elements_are_copied_into_every_layout(
    data: st.DataObject, dtype: DType, layout: str
) -> None:
    tensor, raw = data.draw(tensors(dtype))
    zeros = np.zeros(tuple(tensor.shape), f"<u{dtype.size}")
    out = as_tensor(zeros, dtype, layout)
    seen = view(tensor)
    copy_into(out, seen.spec, seen.data)
    assert view(out).data.tobytes() == raw


@given(st.data(), dtypes(), st.sampled_from(LAYOUTS))
def test_the_way_to_other_devices_keeps_every_bit(
    data: st.DataObject, dtype: DType, layout: str
) -> None:
    """PyTorch's own copy, which reaches a GPU, here within host memory."""
    tensor, raw = data.draw(tensors(dtype))
    out = as_tensor(np.zeros(tuple(tensor.shape), f"<u{dtype.size}"), dtype, layout)
    torch_memory.copy_words(out, view(tensor).data)
    assert view(out).data.tobytes() == raw


@given(st.data(), dtypes(), st.sampled_from(LAYOUTS))
def test_writable_memory_is_that_of_out_or_none(
    data: st.DataObject, dtype: DType, layout: str
) -> None:
    tensor, raw = data.draw(tensors(dtype, (2, 3)))
    seen = view(tensor)
    out = as_tensor(np.zeros((2, 3), f"<u{dtype.size}"), dtype, layout)
    memory = writable(out, seen.spec)
    assert (memory is not None) == (layout in ("contiguous", "offset"))
    if memory is not None:
        memory[:] = seen.data
        assert view(out).data.tobytes() == raw


def test_contiguous_memory_is_not_copied() -> None:
    tensor = torch.arange(6, dtype=torch.bfloat16)
    seen = view(tensor)
    tensor[0] = 5
    assert seen.data[:2].tobytes() == view(tensor[:1]).data.tobytes() != b"\0\0"


def test_out_may_be_the_base_itself() -> None:
    base = torch.arange(6, dtype=torch.float32)
    copy_into(base, view(base).spec, view(base).data)
    assert base.tolist() == [0, 1, 2, 3, 4, 5]
    square = torch.arange(9, dtype=torch.int16).reshape(3, 3)
    expected = square.T.tolist()
    turned = view(square.T.contiguous())
    copy_into(square, turned.spec, turned.data)
    assert square.tolist() == expected
    # The bytes of a square, written into its own transpose: every read is of memory
    # that is also written.
    before = square.tolist()
    copy_into(square.T, view(square).spec, view(square).data)
    assert square.T.tolist() == before


def test_a_parameter_is_detached_and_comes_back_plain() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    seen = view(parameter)
    found = restore(seen, seen.data)
    assert type(found) is torch.Tensor
    assert not found.requires_grad
    assert torch.equal(found, parameter)


def test_a_lazy_negation_is_resolved_and_refused_as_out() -> None:
    complexes = torch.tensor([1 + 2j, 3 - 4j])
    lazy = complexes.conj().imag
    assert lazy.is_neg()
    assert view(lazy).data.view("<f4").tolist() == [-2.0, 4.0]
    with pytest.raises(errors.InputError, match="resolve_neg"):
        copy_into(lazy, view(lazy).spec, view(lazy).data)
    assert complexes.imag.tolist() == [2.0, -4.0]


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("way", ["copied", "copied by PyTorch", "written directly"])
def test_autograd_notices_that_out_was_written(way: str, inference: bool) -> None:
    """Otherwise it would compute gradients from values that are gone."""
    weight = torch.ones(3, requires_grad=True)
    loss = (weight * weight).sum()
    with torch.inference_mode(inference):
        if way == "written directly":
            memory = writable(weight, view(weight).spec)
            assert memory is not None
            memory[:] = 0
        elif way == "copied by PyTorch":
            torch_memory.copy_words(weight, np.zeros(12, np.uint8))
        else:
            copy_into(weight, view(weight).spec, np.zeros(12, np.uint8))
    assert weight.requires_grad
    assert weight.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(loss)


def test_inference_tensors_are_viewed_and_written() -> None:
    with torch.inference_mode():
        tensor = torch.zeros(3)
    source = view(torch.arange(3, dtype=torch.float32))
    copy_into(tensor, source.spec, source.data)
    assert tensor.tolist() == [0, 1, 2]
    torch_memory.copy_words(tensor, np.zeros(12, np.uint8))
    assert tensor.tolist() == [0, 0, 0]
    copy_into(tensor, source.spec, source.data)
    memory = writable(tensor, source.spec)
    assert memory is not None
    assert memory.tobytes() == view(tensor).data.tobytes() == source.data.tobytes()


REFUSED_OUTS: dict[str, tuple[torch.Tensor, type[Exception], str]] = {
    "another dtype": (torch.zeros(4, dtype=torch.bfloat16), errors.DtypeMismatch, "f32"),
    "another shape": (torch.zeros(2, 2), errors.ShapeMismatch, r"\(4,\)"),
    "expanded": (torch.zeros(1).expand(4), errors.InputError, "share memory"),
    "overlapping": (torch.zeros(8).as_strided((4,), (0,)), errors.InputError, "share memory"),
}


@pytest.mark.parametrize("name", REFUSED_OUTS)
def test_an_out_that_does_not_fit_is_refused_and_untouched(name: str) -> None:
    out, error, words = REFUSED_OUTS[name]
    source = view(torch.arange(1, 5, dtype=torch.float32))
    with pytest.raises(error, match=words):
        check_out(out, source.spec)
    with pytest.raises(error, match=words):
        copy_into(out, source.spec, source.data)
    with pytest.raises(error, match=words):
        writable(out, source.spec)
    assert not out.any()


def test_an_array_is_written_from_a_tensor_and_back() -> None:
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    array = np.zeros((2, 3), ">f4")
    copy_into(array, view(tensor).spec, view(tensor).data)
    assert array.tolist() == tensor.tolist()
    tensor.zero_()
    copy_into(tensor, view(array).spec, view(array).data)
    assert tensor.tolist() == array.tolist()


def quantized() -> torch.Tensor:
    with pytest.warns(UserWarning, match="quantized"):  # PyTorch is giving them up
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


def fake() -> torch.Tensor:
    """A tensor as a compiler traces it: on the CPU by its own word, but without elements."""
    with FakeTensorMode():
        return torch.zeros(2)


UNSUPPORTED: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "complex": (lambda: torch.zeros(2, dtype=torch.complex64), "view_as_real"),
    "sparse": (lambda: torch.eye(2).to_sparse(), "to_dense"),
    "sparse rows": (lambda: torch.eye(2).to_sparse_csr(), "to_dense"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "parts"),
    "quantized": (quantized, "int_repr"),
    "meta": (lambda: torch.zeros(2, device="meta"), "meta"),
    "fake": (fake, "memory of its own"),
    "other fp8": (lambda: torch.zeros(2, dtype=torch.float8_e4m3fnuz), "uint8"),
}


@pytest.mark.filterwarnings("ignore")  # PyTorch calls several of these experimental
@pytest.mark.parametrize("name", UNSUPPORTED)
def test_an_unsupported_tensor_is_refused_with_a_remedy(name: str) -> None:
    make, remedy = UNSUPPORTED[name]
    with pytest.raises(errors.UnsupportedType, match=remedy):
        view(make())
