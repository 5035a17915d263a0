"""The demo's cast to bf16, which stands in for PyTorch's: held against ml_dtypes."""

from __future__ import annotations

import runpy
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as nps
from safetensors.torch import save

from support.places import EXAMPLES

CASTING = runpy.run_path(str(EXAMPLES / "demo" / "casting.py"))

# Where rounding is decided: the lower half at, just under and just over its middle, below even
# and odd upper halves of every kind.
LOWER_HALVES = [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
UPPER_HALVES = [
    *(0x0000, 0x0001, 0x007F),  # zero and denormals; the next up is the least normal
    *(0x0080, 0x3F80, 0x3F81, 0x7F7E),
    0x7F7F,  # the largest: rounds to infinity
    *(0x7F80, 0x7FC0, 0x7FFF),  # infinity and NaN
]
NASTY = [
    sign << 31 | upper << 16 | lower
    for sign in (0, 1)
    for upper in UPPER_HALVES
    for lower in LOWER_HALVES
]


def cast(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    found: npt.NDArray[np.uint16] = CASTING["to_bf16"](bits.view("<f4"))
    return found


def expected(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    with np.errstate(over="ignore", invalid="ignore"):
        return bits.view("<f4").astype(ml_dtypes.bfloat16).view("<u2")


def test_nasty_values_are_rounded_as_ml_dtypes_rounds_them() -> None:
    bits = np.array(NASTY, "<u4")
    np.testing.assert_array_equal(cast(bits), expected(bits))


@given(
    nps.arrays("<u4", nps.array_shapes(min_dims=0, min_side=0), elements=st.integers(0, 2**32 - 1))
)
def test_any_bits_of_any_shape_are_rounded_so(bits: npt.NDArray[np.uint32]) -> None:
    found = cast(bits)
    assert found.shape == bits.shape
    np.testing.assert_array_equal(found, expected(bits))


def test_every_bf16_value_stays_what_it_is() -> None:
    words = np.arange(2**16, dtype="<u2")
    values = words[~np.isnan(words.view(ml_dtypes.bfloat16).astype("f4"))]
    np.testing.assert_array_equal(cast(values.astype("<u4") << 16), values)


def test_a_cast_file_is_the_one_that_safetensors_writes() -> None:
    generator = torch.Generator().manual_seed(0)
    published: dict[str, Any] = {
        "position_ids": torch.arange(5).reshape(1, 5),
        "naïve.weight": torch.randn(3, 7, generator=generator),
        "b.bias": torch.randn(7, generator=generator),
        "empty": torch.zeros(0, 4),
    }
    wanted = {k: v.bfloat16() if v.is_floating_point() else v for k, v in published.items()}
    metadata = {"format": "pt"}
    found: bytes = CASTING["safetensors_in_bf16"](save(published, metadata))
    assert found == save(wanted, metadata)
