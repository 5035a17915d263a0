"""Module 05: every gradient against measurement, and the walk through the graph."""

import numpy as np
import pytest

try:
    from phloem.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
    from phloem.autograd import backward, numerical_gradient, topological_order, unbroadcast
    from phloem.layers import Dropout, Linear, Sequential
    from phloem.losses import BinaryCrossEntropyLoss, CrossEntropyLoss, MSELoss
    from phloem.tensors import Tensor
except ImportError as error:
    message = f"export module 05 first: phloem module export 05 ({error})"
    raise ImportError(message) from error

FORMULAS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "a ** 3 - b ** -2": lambda a, b: a**3 - b**-2,
    "3 - 2 / a * b": lambda a, b: 3 - 2 / a * b,
    "exp(a) * b": lambda a, b: a.exp() * b,
    "a @ b.T": lambda a, b: a @ b.T,
    "sums": lambda a, b: a.sum(axis=0) * b.sum(axis=1, keepdims=True),
    "means": lambda a, b: a.mean(axis=1) + b.mean(),
    "reshape": lambda a, b: a.reshape(3, 2) @ b,
    "shared": lambda a, b: a * a * b + a * b,
    "relu": lambda a, b: ReLU()(a - 1.1) * b,
    "sigmoid": lambda a, b: Sigmoid()(a * b),
    "tanh": lambda a, b: Tanh()(a - b),
    "gelu": lambda a, b: GELU()(a - b),
    "softmax": lambda a, b: Softmax()(a) * b,
    "softmax over columns": lambda a, b: Softmax(axis=0)(a) * b,
}
INPUTS = np.random.default_rng(0).uniform(0.6, 2, (2, 2, 3))


def weighted(result):
    """A sum in which every number counts differently, so that no gradient can hide."""
    return (result * np.linspace(1, 2, result.size).reshape(result.shape)).sum()


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_are_those_that_are_measured(name):
    formula = FORMULAS[name]
    a, b = (Tensor(data, requires_grad=True) for data in INPUTS)
    backward(weighted(formula(a, b)))
    by_a = numerical_gradient(lambda x: weighted(formula(Tensor(x), b)).item(), INPUTS[0])
    by_b = numerical_gradient(lambda x: weighted(formula(a, Tensor(x))).item(), INPUTS[1])
    np.testing.assert_allclose(a.grad, by_a, rtol=1e-6, atol=1e-8, err_msg="by a")
    np.testing.assert_allclose(b.grad, by_b, rtol=1e-6, atol=1e-8, err_msg="by b")


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3)])
@pytest.mark.parametrize("name", ["a + b", "a - b", "a * b", "a / b"])
def test_broadcast_inputs_get_gradients_of_their_own_shape(name, shape):
    data = np.random.default_rng(1).uniform(1, 2, shape)
    formula = FORMULAS[name]
    for swap in (False, True):

        def number(x, swap=swap):
            pair = (x, Tensor(INPUTS[0])) if swap else (Tensor(INPUTS[0]), x)
            return weighted(formula(*pair))

        x = Tensor(data, requires_grad=True)
        backward(number(x))
        assert x.grad.shape == shape
        expected = numerical_gradient(lambda moved: number(Tensor(moved)).item(), data)
        np.testing.assert_allclose(x.grad, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (CrossEntropyLoss(), np.array([0, 3, 1, 1, 2])),
        (BinaryCrossEntropyLoss(), np.arange(20).reshape(5, 4) % 2),
        (MSELoss(), np.ones((5, 4))),
    ],
)
def test_losses_of_a_deep_network(loss, targets):
    share = 0.25  # The loss may be one part of a larger one.
    generator = np.random.default_rng(2)
    network = Sequential(
        Linear(3, 6, generator), Tanh(), Linear(6, 6, generator), GELU(), Linear(6, 4, generator)
    )
    x = Tensor(generator.normal(size=(5, 3)))
    (share * loss(network(x), targets)).backward()
    for parameter in network.parameters():
        original = parameter.data

        def measured(data, parameter=parameter):
            parameter.data = data
            return share * loss(network(x), targets).item()

        expected = numerical_gradient(measured, original)
        parameter.data = original
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-4, atol=1e-8)


def test_what_broadcasting_repeated_is_summed():
    assert unbroadcast(np.ones((4, 2, 3)), (2, 1)).tolist() == [[12.0], [12.0]]
    assert unbroadcast(np.ones((2, 3)), ()) == 6


def test_every_tensor_comes_after_its_parents():
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    z = (y + x) * (y - x)
    order = topological_order(z)
    assert len(order) == len(set(order)) == 5
    for place, tensor in enumerate(order):
        assert all(order.index(parent) < place for parent in tensor.parents())


def test_a_second_loss_replaces_the_gradient():
    x = Tensor(3.0, requires_grad=True)
    for expected in (6, 6, 6):
        (x * x).backward()
        assert x.grad == expected


def test_going_back_twice_through_one_graph_counts_twice():
    x = Tensor(3.0, requires_grad=True)
    loss = (x * x) * 2.0
    loss.backward()
    loss.backward()
    assert x.grad == 24


def test_graphs_may_be_deep():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(2500):
        y = y + x
    y.backward()
    assert x.grad == 2501


def test_leaves_do_not_share_their_gradients_memory():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad, b.grad)


def test_dropped_numbers_get_no_gradient():
    x = Tensor(np.ones(200), requires_grad=True)
    y = Dropout(0.5, np.random.default_rng(0))(x)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, y.data)


def test_a_gradient_has_the_dtype_of_its_tensor():
    x = Tensor(np.ones(3, dtype=np.float32), requires_grad=True)
    Sigmoid()(x * 2).mean().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("tensor", [Tensor([1.0, 2.0], requires_grad=True), Tensor(1.0)])
def test_only_one_number_that_requires_a_gradient_has_one(tensor):
    with pytest.raises(ValueError, match=r"expected|nothing"):
        backward(tensor)
