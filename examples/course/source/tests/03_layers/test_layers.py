"""Module 03: layers, what they hold, and how they begin."""

import numpy as np
import pytest

try:
    from phloem.activations import ReLU
    from phloem.layers import (
        Dropout,
        Layer,
        Linear,
        Sequential,
        kaiming_normal,
        xavier_uniform,
    )
    from phloem.tensors import Tensor
except ImportError as error:
    message = f"export module 03 first: phloem module export 03 ({error})"
    raise ImportError(message) from error


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_parameters_of_a_network_are_found_in_order(generator):
    first, second = Linear(4, 3, generator), Linear(3, 2, generator)
    network = Sequential(Sequential(first, ReLU()), Dropout(0.1, generator), second)
    expected = [first.weight, first.bias, second.weight, second.bias]
    found = network.parameters()
    assert len(found) == len(expected)
    assert all(a is b for a, b in zip(found, expected, strict=True))


def test_a_layer_that_stands_twice_is_counted_once(generator):
    shared = Linear(3, 3, generator)
    assert len(Sequential(shared, ReLU(), shared).parameters()) == 2


def test_tensors_without_gradient_are_no_parameters():
    class Shift(Layer):
        def __init__(self):
            self.amount = Tensor(1.0)

    assert Shift().parameters() == []


def test_modes_reach_every_layer(generator):
    dropout = Dropout(0.5, generator)
    network = Sequential(Sequential(dropout))
    network.eval()
    assert not dropout.training
    network.train()
    assert dropout.training


@pytest.mark.parametrize(
    ("initial", "variance"), [(xavier_uniform, 2 / (400 + 200)), (kaiming_normal, 2 / 400)]
)
def test_initial_weights_have_their_variance(generator, initial, variance):
    weights = initial(400, 200, generator)
    assert weights.shape == (400, 200)
    np.testing.assert_allclose(weights.var(), variance, rtol=0.03)
    assert abs(weights.mean()) < 3 * np.sqrt(variance / weights.size)


def test_the_same_seed_gives_the_same_network():
    first, second = (Linear(5, 4, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first.weight.data, second.weight.data)


def test_linear_is_a_product_and_a_sum(generator):
    layer = Linear(4, 3, generator)
    layer.bias.data = np.array([1.0, 2.0, 3.0])
    x = generator.normal(size=(6, 4))
    np.testing.assert_allclose(layer(Tensor(x)).data, x @ layer.weight.data + [1, 2, 3])


def test_linear_without_bias_has_one_parameter(generator):
    layer = Linear(4, 3, generator, bias=False)
    assert layer.bias is None
    assert layer.parameters() == [layer.weight]


def test_dropout_keeps_the_mean(generator):
    y = Dropout(0.4, generator)(Tensor(np.ones((300, 300))))
    assert set(np.round(np.unique(y.data), 9)) == {0, round(1 / 0.6, 9)}
    np.testing.assert_allclose(y.data.mean(), 1, atol=0.01)


def test_dropout_does_nothing_in_use(generator):
    dropout = Dropout(0.9, generator)
    dropout.eval()
    x = Tensor(np.ones(50))
    np.testing.assert_array_equal(dropout(x).data, x.data)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0])
def test_a_rate_that_is_no_probability_is_refused(generator, rate):
    with pytest.raises(ValueError, match="rate"):
        Dropout(rate, generator)


def test_sequential_calls_its_layers_in_order(generator):
    network = Sequential(lambda x: x + 1, lambda x: x * 10)
    assert network(Tensor(2.0)).item() == 30
    assert Sequential(Linear(2, 7, generator))(Tensor(np.zeros((3, 2)))).shape == (3, 7)
