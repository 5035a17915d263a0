"""Module 02: activations, for ordinary numbers and for enormous ones."""

import math

import numpy as np
import pytest

try:
    from phloem.activations import (
        GELU,
        ReLU,
        Sigmoid,
        Softmax,
        Tanh,
        gelu,
        relu,
        sigmoid,
        softmax,
        tanh,
    )
    from phloem.tensors import Tensor
except ImportError as error:
    message = f"export module 02 first: phloem module export 02 ({error})"
    raise ImportError(message) from error

OPERATIONS = [relu, sigmoid, tanh, gelu, softmax]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_shape_and_dtype_stay_and_the_input_is_not_changed(operation):
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    before = x.copy()
    result = operation(x)
    assert result.shape == x.shape
    assert result.dtype == np.float32
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_enormous_numbers_do_not_overflow(operation):
    x = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        result = operation(x)
    assert np.isfinite(result).all()


def test_relu_passes_what_is_positive():
    np.testing.assert_array_equal(relu(np.array([-2.0, 0.0, 3.0])), [0, 0, 3])


def test_sigmoid_is_exact_in_both_tails():
    for x in (-600.0, -30.0, -1.0, 0.0, 1.0, 30.0):
        expected = math.exp(x) / (1 + math.exp(x))
        np.testing.assert_allclose(sigmoid(np.array(x)), expected, rtol=1e-12)


def test_tanh_is_a_stretched_sigmoid():
    x = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(tanh(x), 2 * sigmoid(2 * x) - 1, atol=1e-12)


def test_gelu_is_near_its_definition():
    x = np.linspace(-4, 4, 81)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x]
    np.testing.assert_allclose(gelu(x), exact, atol=1e-3)


def test_softmax_gives_probabilities_along_its_axis():
    x = np.random.default_rng(1).normal(scale=5, size=(2, 3, 4))
    for axis in (0, 1, 2, -1):
        shares = softmax(x, axis=axis)
        assert (shares > 0).all()
        np.testing.assert_allclose(shares.sum(axis=axis), 1)


def test_softmax_does_not_change_when_all_logits_move():
    x = np.random.default_rng(2).normal(size=(4, 6))
    np.testing.assert_allclose(softmax(x + 1000), softmax(x))


def test_rows_that_are_far_apart_do_not_disturb_each_other():
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4], [0.0, 0.0]])), 0.5)


def test_the_object_keeps_its_axis():
    x = Tensor(np.random.default_rng(4).normal(size=(3, 2)))
    np.testing.assert_allclose(Softmax(axis=0)(x).data.sum(axis=0), 1)


@pytest.mark.parametrize(
    ("activation", "operation"),
    [(ReLU(), relu), (Sigmoid(), sigmoid), (Tanh(), tanh), (GELU(), gelu), (Softmax(), softmax)],
)
def test_objects_compute_their_operation_and_note_it(activation, operation):
    x = Tensor(np.random.default_rng(3).normal(size=(2, 3)), requires_grad=True)
    result = activation(x)
    np.testing.assert_allclose(result.data, operation(x.data))
    assert result.origin.operation is operation
    assert result.parents() == (x,)
