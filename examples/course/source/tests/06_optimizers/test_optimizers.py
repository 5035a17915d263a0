"""Module 06: optimizers against their formulas, the schedule, and the training loop."""

import numpy as np
import pytest

try:
    from phloem.activations import ReLU
    from phloem.layers import Dropout, Linear, Sequential
    from phloem.losses import CrossEntropyLoss, MSELoss, accuracy
    from phloem.optimizers import SGD, Adam, AdamW, batches, cosine_schedule, train_epoch
    from phloem.tensors import Tensor
except ImportError as error:
    message = f"export module 06 first: phloem module export 06 ({error})"
    raise ImportError(message) from error

STEPS = [[1.0, -3.0], [2.0, 0.5], [-1.0, 0.0]]


def follow(make):
    """Where [1, -2] is after each of three gradients."""
    w = Tensor([1.0, -2.0], requires_grad=True)
    optimizer = make([w])
    places = []
    for gradient in STEPS:
        w.grad = np.array(gradient)
        optimizer.step()
        places.append(w.data.copy())
    return places


def test_sgd_goes_against_the_gradient():
    expected = np.array([1.0, -2.0]) - 0.1 * np.cumsum(STEPS, axis=0)
    np.testing.assert_allclose(follow(lambda p: SGD(p, learning_rate=0.1)), expected)


def test_momentum_remembers():
    found = follow(lambda p: SGD(p, learning_rate=0.1, momentum=0.5))
    np.testing.assert_allclose(found, [[0.9, -1.7], [0.65, -1.6], [0.625, -1.55]])


def test_adam_is_the_published_one():
    w, mean, square = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    expected = []
    for t, gradient in enumerate(np.array(STEPS), start=1):
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        w = w - 0.1 * (mean / (1 - 0.8**t)) / (np.sqrt(square / (1 - 0.99**t)) + 1e-6)
        expected.append(w)
    found = follow(lambda p: Adam(p, learning_rate=0.1, betas=(0.8, 0.99), epsilon=1e-6))
    np.testing.assert_allclose(found, expected)


def test_adamw_decays_beside_adams_step():
    # As PyTorch's AdamW has it, to 9 digits.
    expected = [
        [0.850000001, -1.8000000003],
        [0.710981799, -1.6561462454],
        [0.633423779, -1.5317098245],
    ]
    found = follow(lambda p: AdamW(p, learning_rate=0.1, decay=0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_parameters_without_gradient_stay(make):
    moved, still = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    optimizer = make([moved, still], learning_rate=0.1)
    moved.grad = np.array(1.0)
    optimizer.step()
    assert moved.item() != 1
    assert still.item() == 1
    optimizer.zero_grad()
    assert moved.grad is None


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_every_optimizer_finds_the_bottom_of_a_bowl(make):
    w = Tensor([3.0, -4.0], requires_grad=True)
    optimizer = make([w], learning_rate=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, 0, atol=0.05)


def test_an_optimizer_of_nothing_is_a_mistake():
    with pytest.raises(ValueError, match="parameter"):
        SGD([], learning_rate=0.1)


def test_the_schedule_rises_in_a_line_and_falls_in_a_cosine():
    rates = [cosine_schedule(step, 110, 2.0, warmup=10) for step in range(111)]
    np.testing.assert_allclose(rates[:11], np.linspace(0, 2, 11))
    np.testing.assert_allclose(rates[10:], 1 + np.cos(np.linspace(0, np.pi, 101)), atol=1e-12)


def test_batches_hold_every_example_once():
    found = list(batches(10, 4, np.random.default_rng(0)))
    assert [len(batch) for batch in found] == [4, 4, 2]
    assert sorted(np.concatenate(found)) == list(range(10))


def test_an_epoch_is_a_step_for_each_batch_with_a_gradient_of_its_own():
    generator = np.random.default_rng(2)
    inputs, targets = generator.normal(size=(9, 3)), generator.normal(size=(9, 1))
    layer = Linear(3, 1, generator, bias=False)
    network = Sequential(layer, Dropout(0.0, generator))
    network.eval()
    weight = layer.weight.data
    found = train_epoch(
        network,
        MSELoss(),
        SGD(network.parameters(), learning_rate=0.1),
        inputs,
        targets,
        batch_size=4,
        generator=np.random.default_rng(5),
    )
    squares = []
    for chosen in batches(9, 4, np.random.default_rng(5)):
        difference = inputs[chosen] @ weight - targets[chosen]
        squares.extend(difference**2)
        weight = weight - 0.1 * 2 * inputs[chosen].T @ difference / len(chosen)
    np.testing.assert_allclose(layer.weight.data, weight)
    np.testing.assert_allclose(found, np.mean(squares))
    assert network.training, "training should tell the network: network.train()"


def train(seed):
    """Tell apart three clouds of points; gives the losses and the share that is right."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], 40)
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    points = centres[labels] + generator.normal(scale=0.5, size=(120, 2))
    network = Sequential(Linear(2, 16, generator), ReLU(), Linear(16, 3, generator))
    optimizer = Adam(network.parameters(), learning_rate=0.02)
    losses = [
        train_epoch(network, CrossEntropyLoss(), optimizer, points, labels, 16, generator)
        for _ in range(20)
    ]
    return losses, accuracy(network(Tensor(points)), labels)


def test_training_makes_the_loss_small():
    losses, right = train(seed=0)
    assert losses[-1] < losses[0] / 5
    assert right >= 0.97


def test_training_with_one_seed_is_the_same_every_time():
    assert train(seed=1) == train(seed=1)
