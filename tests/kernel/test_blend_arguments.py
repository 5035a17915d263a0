"""What the kernel refuses of factors and predictions before any element is touched."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sapwood import _kernel
from sapwood.tensors import DType

BF16 = DType.BF16.code
LEFT = np.ones((2, 4, 3), np.int32)
RIGHT = np.ones((2, 3, 5), np.int32)
FACTORS = _kernel.Factors(LEFT, RIGHT, 0)
TERM = np.zeros(20, np.uint8)

Array = npt.NDArray[Any]


def predict(
    terms: list[Array],
    coefficients: list[float],
    out: Array,
    *,
    code: int = BF16,
    factors: _kernel.Factors | None = None,
    first: int = 0,
    edges: Array | None = None,
    path: int = 0,
) -> None:
    _kernel.predict(code, terms, coefficients, factors, first, False, out, edges, path)


def test_what_fits_is_taken() -> None:
    predict([TERM], [1.0], TERM.copy(), factors=FACTORS, first=30, edges=np.empty(10, np.uint8))
    predict([], [], np.empty(0, np.uint8), factors=FACTORS, first=40)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, 4, 3), (2, 3, 5)),
        ((2, 4, 3), (2, 4, 5)),
        ((0, 4, 3), (0, 3, 5)),
        ((2, 4, 0), (2, 0, 5)),
        ((2, 2, 3), (2, 3, 5)),
        ((2, 4, 3), (2, 3, 2)),
        ((2, 0, 3), (2, 3, 5)),
        ((2, 4, 3), (2, 3, 0)),
    ],
)
def test_shapes_of_factors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="factors"):
        _kernel.Factors(np.ones(left, np.int32), np.ones(right, np.int32), 0)


def test_factors_are_never_copied_to_fit() -> None:
    for left in (LEFT.astype(np.int64), LEFT[0], np.ones((2, 4, 6), np.int32)[:, :, ::2]):
        with pytest.raises(TypeError):
            _kernel.Factors(left, RIGHT, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("exponent", [-127, 65, -(2**31), 2**31 - 1])
def test_exponents_out_of_range(exponent: int) -> None:
    with pytest.raises(ValueError, match="exponent"):
        _kernel.Factors(LEFT, RIGHT, exponent)
    _kernel.Factors(LEFT, RIGHT, -126)
    _kernel.Factors(LEFT, RIGHT, 64)


@pytest.mark.parametrize("matrix", [0, 1])
def test_sums_stay_below_2_to_the_53(matrix: int) -> None:
    """The largest of each column and row count, wherever they are, not the sums themselves."""
    left, right = LEFT * 0, RIGHT * 0
    left[matrix, 3] = [1 << 27, 0, (1 << 27) - 1]
    right[matrix, 0, 4] = -((1 << 26) - 1)
    right[matrix, 2, 1] = 1
    _kernel.Factors(left, right, 0)  # 2^53 - 1
    left[matrix, 0, 2] = -(1 << 27)
    with pytest.raises(ValueError, match=r"2\^53"):
        _kernel.Factors(left, right, 0)
    left[matrix], right[matrix] = (1 << 31) - 1, -(1 << 31) + 1
    with pytest.raises(ValueError, match=r"2\^53"):
        _kernel.Factors(left, right, 0)


def test_the_least_integer() -> None:
    for left, right in ((LEFT * -(1 << 31), RIGHT), (LEFT, RIGHT * -(1 << 31))):
        with pytest.raises(ValueError, match=r"2\^31"):
            _kernel.Factors(left, right, 0)


@pytest.mark.parametrize("code", [-1, *sorted({t.code for t in DType} - {0, 1, 2}), 16])
def test_types_without_predictions(code: int) -> None:
    with pytest.raises(ValueError, match=r"type|predictions"):
        predict([TERM[:16]], [1.0], TERM[:16].copy(), code=code)


def test_nothing_to_predict_from() -> None:
    with pytest.raises(ValueError, match="neither"):
        predict([], [], TERM.copy())


def test_lengths_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="length"):
        predict([TERM[:18]], [1.0], TERM.copy())
    with pytest.raises(ValueError, match="length"):
        predict([TERM, TERM[:0]], [1.0, 1.0], TERM.copy())
    with pytest.raises(ValueError, match="length"):
        predict([TERM[:19]], [1.0], TERM[:19].copy())
    with pytest.raises(ValueError, match="length"):
        predict([TERM], [1.0], TERM.copy(), edges=np.empty(20, np.uint8))


@pytest.mark.parametrize("coefficients", [[], [1.0, 1.0]])
def test_as_many_coefficients_as_terms(coefficients: list[float]) -> None:
    with pytest.raises(ValueError, match="coefficient"):
        predict([TERM], coefficients, TERM.copy())


@pytest.mark.parametrize(
    ("code", "value"),
    [
        *((code, value) for code in (0, 1, 2) for value in (math.inf, -math.inf, math.nan)),
        *((code, value) for code in (0, 1) for value in (0.1, 1e39, 2.0**-150, 1 + 2.0**-24)),
    ],
)
def test_coefficients_that_are_no_numbers_of_the_working_type(code: int, value: float) -> None:
    with pytest.raises(ValueError, match="coefficient"):
        predict([TERM], [value], TERM.copy(), code=code)


@pytest.mark.parametrize("first", [31, 41, 2**63, 2**64 - 1])
def test_elements_past_the_factors(first: int) -> None:
    with pytest.raises(ValueError, match="past"):
        predict([TERM], [1.0], TERM.copy(), factors=FACTORS, first=first)


def test_memory_that_overlaps() -> None:
    memory = np.zeros(64, np.uint8)
    with pytest.raises(ValueError, match="overlaps"):
        predict([memory[2:22]], [1.0], memory[:20])
    with pytest.raises(ValueError, match="edges"):
        predict([memory[:20]], [1.0], TERM.copy(), edges=memory[19:29])
    with pytest.raises(ValueError, match="edges"):
        predict([TERM], [1.0], memory[:20], edges=memory[:10])
    predict([memory[20:40], memory[:20]], [1.0, 1.0], memory[:20], edges=memory[40:50])


def test_none_in_place_of_a_term() -> None:
    with pytest.raises((TypeError, ValueError)):
        predict([None], [1.0], TERM.copy())  # type: ignore[list-item]


def test_unknown_paths() -> None:
    with pytest.raises(ValueError, match="path"):
        predict([TERM], [1.0], TERM.copy(), path=3)
