# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Module 04: Losses
#
# A **loss** turns "how wrong is the network?" into one number that can be made smaller. Which
# number is a choice, and not an arbitrary one: the losses below all are **negative log-likelihoods**.
# The network states a probability for what was observed, and the loss is how surprised it is:
# $-\log p$. Nothing if it was certain and right, more and more the surer it was of something wrong.
#
# You will write
#
# 1. the mean squared error, for numbers,
# 2. log-sum-exp, the tool that keeps logarithms of sums from overflowing,
# 3. the cross-entropy, for one of several classes,
# 4. the binary cross-entropy, for yes or no.
#
# In each, the probability of a whole batch is a product, its logarithm a sum, and we take the mean
# over the batch, so that the loss does not depend on how large the batch is.

# %% nbgrader={"grade": false, "grade_id": "losses-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your library is the folder phloem/ of the workspace, which is above this notebook.
import sys
from pathlib import Path

for folder in Path.cwd().resolve().parents:
    if (folder / "phloem" / "tensors.py").is_file():
        sys.path.insert(0, str(folder))
        break

try:
    from phloem.activations import sigmoid, softmax
    from phloem.layers import Linear
except ImportError as error:
    message = f"export module 03 first: phloem module export 03 ({error})"
    raise ImportError(message) from error

# %% nbgrader={"grade": false, "grade_id": "losses-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Losses: how wrong a network is, as one number."""

import numpy as np

from phloem.tensors import Tensor, apply

# %% [markdown]
# ## 1. Mean squared error
#
# For predictions $\hat y$ and targets $y$, with $n$ numbers in all,
#
# $$ L = \frac{1}{n} \sum_{i=1}^{n} (\hat y_i - y_i)^2 $$
#
# It is the surprise of someone who believes that the errors are normally distributed: the logarithm
# of $e^{-(\hat y - y)^2 / 2}$ is a square. An error twice as large counts four times, so that single
# outliers count much.
#
# For example, predictions $(2, 5)$ for targets $(1, 7)$: $(1^2 + (-2)^2) / 2 = 2.5$.
#
# A shape that is wrong is dangerous here: $(n, 1)$ minus $(n)$ is no error, it broadcasts to
# $(n, n)$, and the network learns something else. So shapes are checked, not broadcast.


# %% nbgrader={"grade": false, "grade_id": "losses-mse", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class MSELoss:
    """The mean of the squared differences."""

    def __call__(self, predictions: Tensor, targets: Tensor | np.ndarray) -> Tensor:
        """Compute the loss with tensor operations, so that it is in the graph.

        Args:
            predictions: Any shape.
            targets: The same shape.

        Returns:
            Shape ().

        Raises:
            ValueError: The shapes differ; the message has both.
        """
        ### BEGIN SOLUTION
        if predictions.shape != targets.shape:
            raise ValueError(
                f"predictions have the shape {predictions.shape}, targets {targets.shape}"
            )
        return ((predictions - targets) ** 2).mean()
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "losses-mse-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
loss = MSELoss()(Tensor([2.0, 5.0], requires_grad=True), np.array([1.0, 7.0]))
assert isinstance(loss, Tensor), f"expected a Tensor, found {type(loss)}"
assert loss.shape == (), f"expected a single number of shape (), found shape {loss.shape}"
np.testing.assert_allclose(loss.data, 2.5, err_msg="loss of 2, 5 for the targets 1, 7")
assert loss.requires_grad, "the loss depends on predictions that require a gradient"
try:
    MSELoss()(Tensor(np.zeros((4, 1))), np.zeros(4))
except ValueError as error:
    assert "(4, 1)" in str(error), f"the message should have the shape (4, 1): {error}"
else:
    raise AssertionError("shapes (4, 1) and (4,) differ: expected a ValueError")
print("Mean squared error: all tests passed.")

# %% [markdown]
# ## 2. log-sum-exp
#
# The next loss needs $\log \sum_j e^{x_j}$. As with softmax, $e^{1000}$ overflows; and
# $e^{-1000}$ becomes 0, whose logarithm is $-\infty$. The way out is the same: take out the largest,
# $c = \max_j x_j$:
#
# $$ \log \sum_j e^{x_j} = \log \left( e^c \sum_j e^{x_j - c} \right) = c + \log \sum_j e^{x_j - c} $$
#
# Now the largest exponent is 0: the sum is at least 1 and at most the number of classes, and its
# logarithm is harmless. It is a soft maximum: never less than $c$, and never more than
# $c + \log(\text{classes})$.

# %%
logits = np.array([1000.0, 1001.0])
with np.errstate(all="ignore"):
    print("log(sum(exp(x))) of 1000, 1001, as it stands:", np.log(np.exp(logits).sum()))


# %% nbgrader={"grade": false, "grade_id": "losses-log-sum-exp", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def log_sum_exp(x: np.ndarray) -> np.ndarray:
    """log(sum(exp(x))) along the last axis, without overflow.

    Args:
        x: Shape (..., classes).

    Returns:
        Shape (...): one number for each row.
    """
    ### BEGIN SOLUTION
    largest = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - largest).sum(axis=-1)) + largest.squeeze(-1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "losses-log-sum-exp-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
found = log_sum_exp(np.array([[0.0, 0.0], [1.0, 2.0]]))
assert found.shape == (2,), f"one number for each row: expected shape (2,), found {found.shape}"
np.testing.assert_allclose(found, [np.log(2), 2.31326169], err_msg="log-sum-exp of (0, 0), (1, 2)")
with np.errstate(all="ignore"):
    found = log_sum_exp(np.array([[1000.0, 1001.0], [-1000.0, -1001.0]]))
expected = [1001.31326169, -999.68673831]
np.testing.assert_allclose(found, expected, err_msg="of (1000, 1001), (-1000, -1001)")
print("log-sum-exp: all tests passed.")

# %% [markdown]
# ## 3. Cross-entropy
#
# The network gives logits $z$, one for each class; softmax makes probabilities of them; the surprise
# about the true class $t$ is
#
# $$ -\log \mathrm{softmax}(z)_t = -\log \frac{e^{z_t}}{\sum_j e^{z_j}}
#    = \log \sum_j e^{z_j} - z_t $$
#
# The right side never computes a probability. That is why the loss takes *logits*, and a network for
# classes ends without a softmax: a probability that was rounded to 0 has no logarithm, while the
# right side stays exact.
#
# For example, logits $(2, 0, 0)$: log-sum-exp is $\log(7.389 + 1 + 1) = 2.240$. If the class was 0,
# the loss is $0.240$; if it was 1, $2.240$. A network that knows nothing gives equal logits, and the
# loss $\log(\text{classes})$: with ten classes, 2.303. Remember that number: it is where training
# begins.
#
# Targets are whole numbers, the classes. They need no gradient, so the operation takes them as an
# option of `apply`. To pick $z_t$ from each row use `logits[np.arange(n), targets]`.


# %% nbgrader={"grade": false, "grade_id": "losses-cross-entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How surprised a network is by the true classes: the mean over a batch.

    Args:
        logits: Shape (n, classes).
        targets: The true classes: whole numbers from 0 to classes - 1, of shape (n,).

    Returns:
        Shape ().

    Raises:
        ValueError: Shapes do not fit, or a target is no class.
    """
    ### BEGIN SOLUTION
    if logits.ndim != 2 or targets.shape != logits.shape[:1]:
        raise ValueError(
            "expected logits (n, classes) and targets (n,), "
            f"found {logits.shape} and {targets.shape}"
        )
    if targets.min() < 0 or targets.max() >= logits.shape[1]:
        raise ValueError(
            f"expected classes from 0 to {logits.shape[1] - 1}, "
            f"found {targets.min()} to {targets.max()}"
        )
    chosen = logits[np.arange(len(targets)), targets]
    return (log_sum_exp(logits) - chosen).mean()
    ### END SOLUTION


class CrossEntropyLoss:
    """Cross-entropy of logits (n, classes) and true classes (n,)."""

    def __call__(self, logits: Tensor, targets: np.ndarray) -> Tensor:
        return apply(cross_entropy, logits, targets=np.asarray(targets))


# %% nbgrader={"grade": true, "grade_id": "losses-cross-entropy-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
logits = np.array([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
found = cross_entropy(logits, np.array([0, 1]))
np.testing.assert_allclose(found, (0.23954 + 2.23954) / 2, atol=1e-5, err_msg="the example above")
found = cross_entropy(np.zeros((4, 10)), np.array([0, 3, 5, 9]))
np.testing.assert_allclose(found, np.log(10), err_msg="ten equal logits: log(10)")
random = np.random.default_rng(0).normal(size=(6, 4))
classes = np.array([0, 1, 2, 3, 0, 1])
expected = -np.log(softmax(random)[np.arange(6), classes]).mean()
np.testing.assert_allclose(cross_entropy(random, classes), expected, err_msg="-log of softmax")
with np.errstate(all="ignore"):
    found = cross_entropy(np.array([[1000.0, 0.0]]), np.array([1]))
np.testing.assert_allclose(found, 1000, err_msg="certain and wrong, by 1000")
for wrong in (np.array([0, 4, 0, 0, 0, 0]), np.array([0, -1, 0, 0, 0, 0]), np.array([0, 1])):
    try:
        cross_entropy(random, wrong)
    except ValueError:
        continue
    raise AssertionError(f"targets {wrong} for 6 rows of 4 classes: expected a ValueError")
loss = CrossEntropyLoss()(Tensor(random, requires_grad=True), classes)
assert loss.origin is not None, "the loss should have an origin"
print("Cross-entropy: all tests passed.")

# %% [markdown]
# ## 4. Binary cross-entropy
#
# Yes or no is one logit $z$ and the probability $\sigma(z)$ of yes. The surprise is
# $-\log \sigma(z)$ if the target $t$ is 1, and $-\log(1 - \sigma(z))$ if it is 0. With
# $1 - \sigma(z) = \sigma(-z)$ and $-\log \sigma(z) = \log(1 + e^{-z})$, both together are
#
# $$ L = \log(1 + e^{z}) - t z $$
#
# (for $t = 1$: $\log(1 + e^z) - z = \log(1 + e^{-z})$.) And once more the exponential may not grow:
#
# $$ \log(1 + e^{z}) = \max(z, 0) + \log(1 + e^{-|z|}) $$
#
# `np.log1p(y)` is $\log(1 + y)$, exact for tiny $y$ where `np.log(1 + y)` is just 0. For the same
# reason add that small term last: $40 + e^{-40} - 40$ is 0 to a computer, $40 - 40 + e^{-40}$ is not.


# %% nbgrader={"grade": false, "grade_id": "losses-binary", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def binary_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How surprised a network is by answers yes (1) or no (0): the mean over a batch.

    Args:
        logits: Any shape.
        targets: The same shape, numbers from 0 to 1.

    Returns:
        Shape ().

    Raises:
        ValueError: The shapes differ.
    """
    ### BEGIN SOLUTION
    if logits.shape != targets.shape:
        raise ValueError(f"logits have the shape {logits.shape}, targets {targets.shape}")
    certain = np.maximum(logits, 0) - targets * logits
    return (certain + np.log1p(np.exp(-np.abs(logits)))).mean()
    ### END SOLUTION


class BinaryCrossEntropyLoss:
    """Binary cross-entropy of logits and targets of one shape."""

    def __call__(self, logits: Tensor, targets: np.ndarray) -> Tensor:
        return apply(binary_cross_entropy, logits, targets=np.asarray(targets))


# %% nbgrader={"grade": true, "grade_id": "losses-binary-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
found = binary_cross_entropy(np.zeros(5), np.array([0, 1, 0, 1, 1]))
np.testing.assert_allclose(found, np.log(2), err_msg="knowing nothing: log(2)")
z = np.array([[-2.0], [0.5], [3.0]])
t = np.array([[0.0], [1.0], [0.0]])
expected = -(t * np.log(sigmoid(z)) + (1 - t) * np.log(1 - sigmoid(z))).mean()
np.testing.assert_allclose(binary_cross_entropy(z, t), expected, err_msg="logits -2, 0.5, 3")
with np.errstate(over="raise", invalid="raise", divide="raise"):
    try:
        found = binary_cross_entropy(np.array([1000.0, -1000.0]), np.array([0.0, 0.0]))
    except FloatingPointError as error:
        raise AssertionError(f"logits of 1000 should do no harm, found: {error}") from error
np.testing.assert_allclose(found, 500, err_msg="logits 1000 and -1000, both no")
sure = binary_cross_entropy(np.array([40.0]), np.array([1.0]))
np.testing.assert_allclose(
    sure, np.exp(-40.0), rtol=1e-9, err_msg="sure and right: e^-40 (is it added last?)"
)
try:
    binary_cross_entropy(np.zeros((3, 1)), np.zeros(3))
except ValueError:
    pass
else:
    raise AssertionError("shapes (3, 1) and (3,) differ: expected a ValueError")
print("Binary cross-entropy: all tests passed.")

# %% [markdown]
# ## 5. Right or wrong
#
# A loss is for the machine; people want to know how often it is right. The answer of a network is
# the class with the largest logit. **Accuracy** cannot be trained on: it does not change with a small
# step of the weights, until it jumps.


# %% nbgrader={"grade": false, "grade_id": "losses-accuracy", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
def accuracy(logits: Tensor, targets: np.ndarray) -> float:
    """The share of rows whose largest logit (n, classes) stands at the true class (n,)."""
    return float((logits.data.argmax(axis=1) == targets).mean())


# %% [markdown]
# ## A gradient by hand
#
# Everything is there to learn something, but the gradients. For one layer they can be found on
# paper. For $L = \log(1 + e^z) - t z$ the slope is
#
# $$ \frac{dL}{dz} = \frac{e^z}{1 + e^z} - t = \sigma(z) - t $$
#
# the probability that was stated less what was true: nothing could be simpler. And as
# $z = xw + b$, the slope by $w_i$ is that times $x_i$. Summed over a batch: $X^T (\sigma(z) - t) / n$.
#
# Here two clouds of points are told apart by descending that slope: `o` and `+` are the points, and
# the shaded side is where the answer is yes. For more than one layer, paper does not do:
# module 05 lets the computer find the gradient of anything. Before it, run `phloem module export 04`
# and train a classifier on real data: `python milestones/01_perceptron.py`.

# %%
generator = np.random.default_rng(3)
points = np.concatenate(
    [generator.normal([-1, -0.5], 0.6, (40, 2)), generator.normal([1, 0.6], 0.6, (40, 2))]
)
answers = np.repeat([[0.0], [1.0]], 40, axis=0)
layer = Linear(2, 1, generator)
loss = BinaryCrossEntropyLoss()

for step in range(101):
    logits = layer(Tensor(points))
    if step % 20 == 0:
        value = loss(logits, answers).item()
        print(f"step {step:3}  loss {value:.4f}  {'#' * round(40 * value)}")
    slope = (sigmoid(logits.data) - answers) / len(points)
    layer.weight.data = layer.weight.data - 1.0 * (points.T @ slope)
    layer.bias.data = layer.bias.data - 1.0 * slope.sum(axis=0)

columns, rows = np.linspace(-3, 3, 61), np.linspace(2.5, -2.5, 21)
picture = []
for y in rows:
    line = layer(Tensor([[x, y] for x in columns])).data[:, 0] > 0
    picture.append([":" if yes else " " for yes in line])
for (x, y), answer in zip(points, answers[:, 0], strict=True):
    column, row = np.abs(columns - x).argmin(), np.abs(rows - y).argmin()
    picture[row][column] = "+" if answer else "o"
print("\n".join("".join(line) for line in picture))
