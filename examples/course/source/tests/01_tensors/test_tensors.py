"""Module 01: memory, broadcasting, operations, and tensors that remember how they were made."""

import re

import numpy as np
import pytest

try:
    from phloem.tensors import (
        Tensor,
        add,
        apply,
        broadcast_shape,
        flat_index,
        matmul,
        matmul_by_hand,
        multiply,
        row_major_strides,
    )
except ImportError as error:
    message = f"export module 01 first: phloem module export 01 ({error})"
    raise ImportError(message) from error

SHAPES = [(), (1,), (5,), (2, 3), (3, 1, 4), (2, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_strides_are_those_of_numpy(shape):
    array = np.zeros(shape)
    assert row_major_strides(shape) == tuple(s // array.itemsize for s in array.strides)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_flat_index_counts_elements_in_order(shape):
    places = [flat_index(index, shape) for index in np.ndindex(shape)]
    assert places == list(range(int(np.prod(shape))))


@pytest.mark.parametrize("index", [(2, 0), (0, 3), (-1, 0), (0,), (0, 0, 0)])
def test_an_index_outside_is_an_error(index):
    with pytest.raises(IndexError):
        flat_index(index, (2, 3))


@pytest.mark.parametrize("first", SHAPES)
@pytest.mark.parametrize("second", [*SHAPES, (4, 1), (3, 1), (4, 5), (0, 1)])
def test_shapes_broadcast_as_in_numpy(first, second):
    try:
        expected = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(ValueError, match=re.escape(str(first))):
            broadcast_shape(first, second)
    else:
        assert broadcast_shape(first, second) == expected


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 4), (5, 1, 2), (3, 4, 1)])
def test_both_products_of_matrices_agree_with_numpy(sizes):
    rows, inner, columns = sizes
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(rows, inner)), generator.normal(size=(inner, columns))
    np.testing.assert_allclose(matmul(a, b), a @ b)
    np.testing.assert_allclose(matmul_by_hand(a, b), a @ b)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (3, 2, 1), (4, 2)])
def test_matrices_that_do_not_fit_are_named(shape):
    with pytest.raises(ValueError, match=r"\(2, 3\)") as caught:
        matmul(np.zeros((2, 3)), np.zeros(shape))
    assert str(shape) in str(caught.value)


def test_operators_compute_what_numpy_computes():
    generator = np.random.default_rng(1)
    a, b = generator.uniform(1, 2, (3, 4)), generator.uniform(1, 2, 4)
    x, y = Tensor(a), Tensor(b)
    cases = {
        "x + y": (x + y, a + b),
        "x - y": (x - y, a - b),
        "x * y": (x * y, a * b),
        "x / y": (x / y, a / b),
        "-x": (-x, -a),
        "x ** 3": (x**3, a**3),
        "2 - x": (2 - x, 2 - a),
        "2 / x": (2 / x, 2 / a),
        "b + x": (b + x, a + b),
        "b - x": (b - x, b - a),
        "x @ x.T": (x @ x.T, a @ a.T),
        "x.exp()": (x.exp(), np.exp(a)),
        "x.sum()": (x.sum(), a.sum()),
        "x.sum(axis=0)": (x.sum(axis=0), a.sum(axis=0)),
        "x.mean()": (x.mean(), a.mean()),
        "x.mean(axis=1)": (x.mean(axis=1), a.mean(axis=1)),
        "x.reshape(2, 6)": (x.reshape(2, 6), a.reshape(2, 6)),
    }
    for name, (found, expected) in cases.items():
        assert isinstance(found, Tensor), f"{name}: expected a Tensor, found {type(found)}"
        np.testing.assert_allclose(found.data, expected, err_msg=name)


def test_numbers_become_floating_point_and_floats_keep_their_size():
    assert Tensor([1, 2]).dtype == np.float64
    small = Tensor(np.ones(2, dtype=np.float32))
    for result in (small + 1, 1 / small, small * [2, 3], small.mean(), small**2):
        assert result.dtype == np.float32


def test_a_result_knows_its_operation_and_its_inputs():
    x, w = Tensor([1.0]), Tensor([2.0], requires_grad=True)
    y = x * w
    assert y.requires_grad
    assert y.origin.operation is multiply
    assert y.origin.inputs == (x, w)
    assert y.parents() == (x, w)
    assert w.parents() == ()


def test_nothing_is_noted_when_no_gradient_is_required():
    result = apply(add, Tensor([1.0]), 2.0)
    assert not result.requires_grad
    assert result.origin is None


def test_options_are_noted_beside_the_inputs():
    total = Tensor(np.ones((2, 3)), requires_grad=True).sum(axis=1, keepdims=True)
    assert total.shape == (2, 1)
    assert total.origin.options == {"axis": 1, "keepdims": True}
