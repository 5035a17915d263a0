"""Module 04: losses, checked against their definitions and with enormous logits."""

import numpy as np
import pytest

try:
    from phloem.activations import sigmoid, softmax
    from phloem.losses import (
        BinaryCrossEntropyLoss,
        CrossEntropyLoss,
        MSELoss,
        accuracy,
        binary_cross_entropy,
        cross_entropy,
        log_sum_exp,
    )
    from phloem.tensors import Tensor
except ImportError as error:
    message = f"export module 04 first: phloem module export 04 ({error})"
    raise ImportError(message) from error


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(scale=3, size=(8, 5))


CLASSES = np.array([0, 1, 2, 3, 4, 0, 1, 2])


def test_mean_squared_error_is_a_mean_of_squares():
    predictions, targets = np.random.default_rng(1).normal(size=(2, 6, 3))
    found = MSELoss()(Tensor(predictions), targets)
    assert found.shape == ()
    np.testing.assert_allclose(found.data, ((predictions - targets) ** 2).mean())


def test_mean_squared_error_does_not_broadcast():
    with pytest.raises(ValueError, match=r"\(3, 1\)"):
        MSELoss()(Tensor(np.zeros((3, 1))), np.zeros(3))


def test_log_sum_exp_is_what_it_says(logits):
    np.testing.assert_allclose(log_sum_exp(logits), np.log(np.exp(logits).sum(axis=1)))


@pytest.mark.parametrize("shift", [-1e5, 1e5])
def test_log_sum_exp_moves_with_its_logits(logits, shift):
    np.testing.assert_allclose(log_sum_exp(logits + shift), log_sum_exp(logits) + shift)


def test_log_sum_exp_of_rows_that_are_far_apart():
    rows = np.array([[1e4, 1e4], [0.0, 0.0], [-1e4, -1e4]])
    np.testing.assert_allclose(log_sum_exp(rows), np.array([1e4, 0, -1e4]) + np.log(2))


def test_cross_entropy_is_the_surprise_about_the_true_class(logits):
    expected = -np.log(softmax(logits)[np.arange(8), CLASSES]).mean()
    np.testing.assert_allclose(cross_entropy(logits, CLASSES), expected)


def test_cross_entropy_of_enormous_logits_is_exact():
    logits = np.array([[1e4, 0.0, 0.0], [0.0, 1e4, 0.0]])
    assert cross_entropy(logits, np.array([0, 1])) == 0
    assert cross_entropy(logits, np.array([1, 0])) == 1e4


@pytest.mark.parametrize("targets", [[0, 5], [0, -1], [0], [[0, 1]]])
def test_targets_that_are_no_classes_are_refused(logits, targets):
    with pytest.raises(ValueError, match=r"\d"):
        cross_entropy(logits[:2], np.array(targets))


def test_binary_cross_entropy_is_the_surprise_about_yes_and_no(logits):
    answers = (np.arange(40).reshape(8, 5) % 3 == 0).astype(float)
    probability = np.where(answers == 1, sigmoid(logits), 1 - sigmoid(logits))
    expected = -np.log(probability).mean()
    np.testing.assert_allclose(binary_cross_entropy(logits, answers), expected)


def test_binary_cross_entropy_of_enormous_logits_is_exact():
    with np.errstate(over="raise", invalid="raise"):
        found = binary_cross_entropy(np.array([1e5, -1e5]), np.array([1.0, 1.0]))
    assert found == 5e4


def test_the_surprise_of_someone_sure_and_right_is_tiny_and_not_zero():
    found = binary_cross_entropy(np.array([40.0]), np.array([1.0]))
    np.testing.assert_allclose(found, np.exp(-40.0), rtol=1e-9)


def test_the_binary_loss_is_that_of_two_classes():
    z = np.array([-3.0, 0.2, 4.0])
    two = np.stack([np.zeros(3), z], axis=1)
    answers = np.array([0, 1, 0])
    np.testing.assert_allclose(binary_cross_entropy(z, answers), cross_entropy(two, answers))


def test_losses_are_single_tensors_that_know_their_origin(logits):
    x = Tensor(logits, requires_grad=True)
    for loss in (
        CrossEntropyLoss()(x, CLASSES),
        BinaryCrossEntropyLoss()(x, np.zeros((8, 5))),
        MSELoss()(x, np.zeros((8, 5))),
    ):
        assert loss.shape == ()
        assert loss.origin is not None


def test_accuracy_counts_the_rows_that_are_right():
    logits = Tensor([[2.0, 1.0], [0.0, 1.0], [5.0, 0.0], [0.0, 9.0]])
    assert accuracy(logits, np.array([0, 1, 1, 1])) == 0.75
