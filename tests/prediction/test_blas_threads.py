"""The search keeps BLAS from starting threads, and gives them back."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sapwood.prediction.blas import one_thread

pytestmark = pytest.mark.quick


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))  # loads the library
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_block_has_one_thread_and_the_next_as_many_as_before() -> None:
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_an_error_restores_them_too() -> None:
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert blas_threads() == before
