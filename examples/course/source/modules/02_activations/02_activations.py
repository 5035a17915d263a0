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
# # Module 02: Activations
#
# Two matrix multiplications in a row are one: $(xA)B = x(AB)$. A network of nothing but matrices
# could be replaced by a single one, and draws nothing but straight lines. What gives depth a
# meaning is a bend between them: an **activation function**, applied to every number.
#
# You will write five of them. Each is two things:
#
# - a plain function on arrays, an *operation* like `add` in module 01,
# - a small class, so that an activation can stand in a list of layers: `ReLU()(x)`.
#
# | function | formula | gives |
# |---|---|---|
# | ReLU | $\max(0, x)$ | $[0, \infty)$ |
# | Sigmoid | $1 / (1 + e^{-x})$ | $(0, 1)$ |
# | Tanh | $2\sigma(2x) - 1$ | $(-1, 1)$ |
# | GELU | $x \, \Phi(x)$ | about $[-0.17, \infty)$ |
# | Softmax | $e^{x_i} / \sum_j e^{x_j}$ | probabilities |

# %% nbgrader={"grade": false, "grade_id": "activations-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your library is the folder phloem/ of the workspace, which is above this notebook.
import sys
from pathlib import Path

for folder in Path.cwd().resolve().parents:
    if (folder / "phloem" / "tensors.py").is_file():
        sys.path.insert(0, str(folder))
        break

try:
    from phloem.tensors import Tensor, apply
except ImportError as error:
    message = f"export module 01 first: phloem module export 01 ({error})"
    raise ImportError(message) from error

# %% nbgrader={"grade": false, "grade_id": "activations-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Activations: the bends between the layers of a network."""

import numpy as np

from phloem.tensors import Tensor, apply

# %% [markdown]
# ## 1. ReLU
#
# The simplest bend there is: negative numbers become zero, the others stay.
#
# $$ \mathrm{relu}(x) = \max(0, x) $$
#
# It costs next to nothing, and where it is not flat its slope is exactly 1, so that gradients pass
# through many layers without shrinking. Its danger: a unit whose input is always negative gets no
# gradient at all, and never changes again.


# %% nbgrader={"grade": false, "grade_id": "activations-relu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def relu(x: np.ndarray) -> np.ndarray:
    """Replace every negative number by 0.

    Args:
        x: Any shape.

    Returns:
        The shape and dtype of `x`, in new memory: `x` itself is not changed.
    """
    ### BEGIN SOLUTION
    return np.maximum(x, 0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "activations-relu-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
x = np.array([[-2.0, -0.5, 0.0], [0.5, 3.0, -1e-9]])
before = x.copy()
np.testing.assert_array_equal(relu(x), [[0, 0, 0], [0.5, 3, 0]], err_msg="relu(x)")
np.testing.assert_array_equal(x, before, err_msg="relu must not change its input")
dtype = relu(np.ones(2, dtype=np.float32)).dtype
assert dtype == np.float32, f"relu of float32: expected float32, found {dtype}"
print("ReLU: all tests passed.")

# %% [markdown]
# ## 2. Sigmoid, and the limits of floating point
#
# $$ \sigma(x) = \frac{1}{1 + e^{-x}} $$
#
# turns any number into something between 0 and 1: a probability. Written just so, it breaks:

# %%
for x in [-10.0, -100.0, -1000.0]:
    with np.errstate(over="ignore"):
        print(f"x = {x:7}: e^-x = {np.exp(-x)}, 1 / (1 + e^-x) = {1 / (1 + np.exp(-x))}")

# %% [markdown]
# $e^{710}$ is larger than any float64. The result 0 happens to be the best answer here, but NumPy
# warns of an overflow, and in other formulas $\infty - \infty$ or $\infty / \infty$ makes NaN, which
# then spreads through all weights. The remedy is to choose, of two equal formulas, the one whose
# exponent is not positive:
#
# $$ \sigma(x) = \frac{1}{1 + e^{-x}} \quad (x \ge 0), \qquad
#    \sigma(x) = \frac{e^{x}}{1 + e^{x}} \quad (x < 0) $$
#
# A neat way: compute $z = e^{-|x|}$, which is always at most 1. The first formula is
# $1 / (1 + z)$, the second $z / (1 + z)$; `np.where` picks.
#
# The hyperbolic tangent is a sigmoid, stretched to $(-1, 1)$: $\tanh(x) = 2\sigma(2x) - 1$. NumPy has
# it, carefully done, so you may use `np.tanh`.


# %% nbgrader={"grade": false, "grade_id": "activations-sigmoid", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x) for every number, without overflow.

    Args:
        x: Any shape, numbers of any size.

    Returns:
        The shape of `x`, every number from 0 to 1.
    """
    ### BEGIN SOLUTION
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)
    ### END SOLUTION


def tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent of every number, from -1 to 1, without overflow."""
    ### BEGIN SOLUTION
    return np.tanh(x)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "activations-sigmoid-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
with np.errstate(over="raise", invalid="raise"):
    try:
        found = sigmoid(np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0]))
    except FloatingPointError as error:
        raise AssertionError(f"sigmoid should work for -1000 and 1000, found: {error}") from error
expected = [0, 0.11920292, 0.5, 0.88079708, 1]
np.testing.assert_allclose(found, expected, atol=1e-8, err_msg="sigmoid of -1000, -2, 0, 2, 1000")
tiny = sigmoid(np.array([-50.0]))[0]
np.testing.assert_allclose(tiny, np.exp(-50.0), rtol=1e-12, err_msg="sigmoid(-50), about e^-50")
x = np.linspace(-5, 5, 11)
np.testing.assert_allclose(
    sigmoid(x) + sigmoid(-x), np.ones(11), err_msg="sigmoid(x) + sigmoid(-x), which is 1"
)
np.testing.assert_allclose(tanh(x), 2 * sigmoid(2 * x) - 1, atol=1e-12, err_msg="tanh(x)")
print("Sigmoid and tanh: all tests passed.")

# %% [markdown]
# ## 3. GELU
#
# ReLU decides hard: pass or not. GELU passes a number with the probability that a normally
# distributed one is smaller: $x \, \Phi(x)$, smooth everywhere, and a little negative left of zero.
# Transformers use it. $\Phi$ has no simple formula; this approximation is within 0.001 of it:
#
# $$ \mathrm{gelu}(x) \approx \frac{x}{2} \left( 1 + \tanh\left( \sqrt{2 / \pi} \,
#    (x + 0.044715 \, x^3) \right) \right) $$
#
# A trap: `np.sqrt(2)` is a float64 of NumPy's, and one of these makes a whole float32 array float64,
# twice as large. A plain Python number, as `2**0.5` is, adapts to the array.


# %% nbgrader={"grade": false, "grade_id": "activations-gelu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def gelu(x: np.ndarray) -> np.ndarray:
    """The Gaussian error linear unit of every number, by its approximation with tanh.

    Args:
        x: Any shape.

    Returns:
        The shape and dtype of `x`.
    """
    ### BEGIN SOLUTION
    return x / 2 * (1 + tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "activations-gelu-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
found = gelu(np.array([-10.0, -1.0, 0.0, 1.0, 2.0, 10.0]))
expected = [0, -0.158808, 0, 0.841192, 1.954598, 10]
np.testing.assert_allclose(found, expected, atol=1e-6, err_msg="gelu of -10, -1, 0, 1, 2, 10")
x = np.linspace(-3, 3, 13)
np.testing.assert_allclose(
    gelu(x) - gelu(-x), x, atol=1e-12, err_msg="gelu(x) - gelu(-x), which is x"
)
dtype = gelu(np.ones(2, dtype=np.float32)).dtype
assert dtype == np.float32, f"gelu of float32: expected float32, found {dtype} (see the trap above)"
print("GELU: all tests passed.")

# %% [markdown]
# ## 4. Softmax
#
# A network that tells ten digits apart ends in ten numbers, the **logits**. Softmax makes
# probabilities of them: all positive, with the sum 1, the largest logit with the largest share.
#
# $$ \mathrm{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}} $$
#
# Again $e^{1000}$ is too large. But softmax does not change when the same number is subtracted from
# all logits, because $e^{x_i - c} = e^{x_i} e^{-c}$ and $e^{-c}$ cancels. With $c = \max_j x_j$ the
# largest exponent is 0 and nothing can overflow.
#
# For example, $\mathrm{softmax}(1, 2, 3)$: subtract 3, take $e^{-2}, e^{-1}, e^0 = 0.135, 0.368, 1$,
# and divide by their sum 1.503: $0.090, 0.245, 0.665$. For $(1001, 1002, 1003)$ it is the same.


# %% nbgrader={"grade": false, "grade_id": "activations-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Turn logits into probabilities along one axis, without overflow.

    Args:
        x: Logits; for a batch, of shape (count, classes).
        axis: The axis along which the results have the sum 1.

    Returns:
        The shape of `x`.
    """
    ### BEGIN SOLUTION
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "activations-softmax-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
expected = [0.09003057, 0.24472847, 0.66524096]
found = softmax(np.array([1.0, 2.0, 3.0]))
np.testing.assert_allclose(found, expected, atol=1e-8, err_msg="softmax of 1, 2, 3")
with np.errstate(all="ignore"):
    found = softmax(np.array([1001.0, 1002.0, 1003.0]))
np.testing.assert_allclose(found, expected, atol=1e-8, err_msg="softmax of 1001, 1002, 1003")
batch = np.random.default_rng(0).normal(size=(4, 3))
np.testing.assert_allclose(softmax(batch).sum(axis=1), np.ones(4), err_msg="sums of the rows")
np.testing.assert_allclose(softmax(batch, axis=0).sum(axis=0), np.ones(3), err_msg="sums, axis=0")
for row, probabilities in zip(batch, softmax(batch), strict=True):
    np.testing.assert_allclose(probabilities, softmax(row), err_msg="each row is on its own")
with np.errstate(all="ignore"):
    far = softmax(np.array([[1000.0, 1000.0], [0.0, 0.0]]))
np.testing.assert_allclose(far, np.full((2, 2), 0.5), err_msg="rows (1000, 1000) and (0, 0)")
print("Softmax: all tests passed.")

# %% [markdown]
# ## 5. Activations as objects
#
# In module 03 a network is a list of layers, called one after another. For an activation to stand
# in that list it has to be an object that can be called with a tensor. Each hands its operation to
# `apply`, which computes it and notes it in the graph. `ReLU` shows how; the other four are yours.


# %% nbgrader={"grade": false, "grade_id": "activations-classes", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Activation:
    """A function between layers. It has nothing that could be learned."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ReLU(Activation):
    def forward(self, x: Tensor) -> Tensor:
        return apply(relu, x)


class Sigmoid(Activation):
    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        return apply(sigmoid, x)
        ### END SOLUTION


class Tanh(Activation):
    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        return apply(tanh, x)
        ### END SOLUTION


class GELU(Activation):
    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        return apply(gelu, x)
        ### END SOLUTION


class Softmax(Activation):
    """Probabilities along one axis, the last if nothing else is said."""

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        return apply(softmax, x, axis=self.axis)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "activations-classes-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
values = np.array([[-1.0, 0.5], [2.0, -3.0]])
pairs = [(ReLU(), relu), (Sigmoid(), sigmoid), (Tanh(), tanh), (GELU(), gelu), (Softmax(), softmax)]
for activation, operation in pairs:
    result = activation(Tensor(values, requires_grad=True))
    assert isinstance(result, Tensor), f"{activation}: expected a Tensor, found {type(result)}"
    np.testing.assert_allclose(result.data, operation(values), err_msg=f"{activation}(x)")
    assert result.origin is not None, f"{activation}: expected an origin: use apply"
    found = result.origin.operation
    assert found is operation, f"{activation}: expected the operation {operation}, found {found}"
columns = Softmax(axis=0)(Tensor(values)).data.sum(axis=0)
np.testing.assert_allclose(columns, [1, 1], err_msg="Softmax(axis=0): sums of the columns")
print("Activations: all tests passed.")

# %% [markdown]
# ## What they look like
#
# Each curve from $x = -4$ to $4$, between -1 and 2. Which are flat, and where? Where a curve is
# flat, its slope is zero and nothing can be learned there: sigmoid and tanh on both sides, ReLU on
# the left.
#
# **Next:** run `phloem module export 02`, then open module 03.


# %%
def draw(operation, lowest: float = -1.0, highest: float = 2.0, rows: int = 13) -> None:
    x = np.linspace(-4, 4, 49)
    y = operation(x)
    levels = np.linspace(highest, lowest, rows)
    spacing = levels[0] - levels[1]
    print(operation.__name__)
    for level in levels:
        marks = np.where(np.abs(y - level) <= spacing / 2, "*", "-" if abs(level) < 0.01 else " ")
        print(f"{level:6.2f} |" + "".join(marks))
    print()


for operation in (relu, sigmoid, tanh, gelu):
    draw(operation)

print("softmax of 0, 1, 2, 4, and the same logits twice as large and half as large")
for scale in (1, 2, 0.5):
    shares = softmax(scale * np.array([0.0, 1.0, 2.0, 4.0]))
    print(f"  times {scale:3}: " + "  ".join(f"{'#' * round(20 * s):20} {s:.3f}" for s in shares))
