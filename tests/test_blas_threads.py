"""The search keeps BLAS from starting threads, and gives them back."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sapwood.prediction.blas import one_thread


def blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_a_block_has_one_thread_and_the_next_as_many_as_before() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))  # loads the library
    with threadpool_limits(3, "blas"):
        before = blas_threads()
        with one_thread():
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_blocks_in_several_threads_restore_what_was_before_the_first() -> None:
    with threadpool_limits(3, "blas"):
        before = blas_threads()
        inside, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with one_thread():
                inside.set()
                leave.wait()

        other = threading.Thread(target=hold)
        with one_thread():
            other.start()
            inside.wait()
        assert set(blas_threads()) == {1}
        leave.set()
        other.join()
        assert blas_threads() == before


def test_an_error_restores_them_too() -> None:
    with threadpool_limits(3, "blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert blas_threads() == before
