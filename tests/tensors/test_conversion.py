"""What `converted` makes of values, when a caller asks for another element type."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given

from sapwood import errors
from sapwood.tensors import DType, converted, view
from support.strategies import any_arrays, dtypes, numpy_type

pytestmark = pytest.mark.quick

BF16_STEP = 2.0**-7  # between 1 and the next bf16

EVERY_FLOAT = (DType.BF16, DType.F16, DType.F32, DType.F64, DType.F8_E5M2)


def make(kind: str, values: list[float]) -> Any:
    return np.array(values, ">f4") if kind == "numpy" else torch.tensor(values)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@given(dtype=dtypes())
def test_every_type_is_reached_and_the_kind_stays(kind: str, dtype: DType) -> None:
    source = make(kind, [0.0, 1.0])
    found = converted(source, dtype)
    assert view(found).spec.dtype is dtype
    assert isinstance(found, np.ndarray if kind == "numpy" else torch.Tensor)
    assert view(found).data.tobytes() == np.array([0, 1]).astype(numpy_type(dtype)).tobytes()


@given(any_arrays())
def test_an_object_that_has_the_type_is_returned_itself(tensor: np.ndarray[Any, Any]) -> None:
    assert converted(tensor, view(tensor).spec.dtype) is tensor


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_floats_are_rounded_to_nearest_and_ties_to_even(kind: str) -> None:
    half = BF16_STEP / 2
    source = make(kind, [1 + half, 1 + BF16_STEP + half, 1 + half * 0.99, 1 + half * 1.01])
    rounded = converted(converted(source, DType.BF16), DType.F32)
    assert rounded.tolist() == [1, 1 + 2 * BF16_STEP, 1, 1 + BF16_STEP]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", [DType.F16, DType.F8_E5M2])
def test_what_is_too_large_becomes_an_infinity(kind: str, dtype: DType) -> None:
    widened = converted(converted(make(kind, [1e6, -1e6]), dtype), DType.F32)
    assert widened.tolist() == [np.inf, -np.inf]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", EVERY_FLOAT)
def test_nan_stays_nan_and_a_zero_keeps_its_sign(kind: str, dtype: DType) -> None:
    found = converted(converted(make(kind, [np.nan, -0.0]), dtype), DType.F64).tolist()
    assert np.isnan(found[0])
    assert np.signbit(found[1])


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_integers_wrap_and_fractions_are_dropped(kind: str) -> None:
    assert converted(make(kind, [-2.9, 2.9]), DType.I32).tolist() == [-2, 2]
    wide = converted(make(kind, [257.0, -1.0]), DType.I32)
    assert converted(wide, DType.U8).tolist() == [1, 255]
    assert converted(wide, DType.BOOL).tolist() == [True, True]


def test_the_result_is_in_the_byte_order_of_the_host_and_new() -> None:
    source = np.ones(3, ">f8")
    found = converted(source, DType.F32)
    assert found.dtype.isnative
    assert not np.shares_memory(found, source)


def test_a_parameter_is_detached() -> None:
    assert not converted(torch.nn.Parameter(torch.ones(2)), DType.BF16).requires_grad


@pytest.mark.parametrize("obj", [b"ab", np.ones(2), torch.ones(2)])
def test_opaque_bytes_have_no_values(obj: Any) -> None:
    wanted = DType.F32 if isinstance(obj, bytes) else DType.BYTES
    with pytest.raises(errors.UnsupportedType, match="opaque"):
        converted(obj, wanted)


def test_bf16_arrays_need_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)  # as if it were not installed
    with pytest.raises(errors.UnsupportedType, match="install ml_dtypes"):
        converted(np.ones(2, np.float32), DType.BF16)
    assert converted(torch.ones(2), DType.BF16).dtype is torch.bfloat16
