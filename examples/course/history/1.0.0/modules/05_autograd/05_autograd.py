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
# # Module 05: Autograd
#
# To train a network one must know, for each of its weights: if it grows a little, how much does the
# loss grow? That is the **gradient**. For one layer, module 04 found it on paper. This module finds it
# for *any* computation, in about the time that the computation itself takes.
#
# Two facts are enough.
#
# **Each operation knows its own slope.** $ab$ changes by $b$ for each unit of $a$; $e^x$ by $e^x$.
#
# **Slopes multiply along a path and add up over paths** (the chain rule). If $x$ acts on $L$ through
# $u$ and $v$,
#
# $$ \frac{\partial L}{\partial x} = \frac{\partial L}{\partial u} \frac{\partial u}{\partial x}
#    + \frac{\partial L}{\partial v} \frac{\partial v}{\partial x} $$
#
# Since module 01 every tensor knows its `origin`: the operation and the inputs. So we walk from the
# loss backwards, and at every step turn the gradient by the *output* into gradients by the *inputs*.
#
# ```
#   x --+             forward: values            x <--+
#       matmul --> loss                               rule of matmul <-- dL = 1
#   w --+             backward: gradients        w <--+
# ```
#
# You will write
#
# 1. a check by measurement, so that you can trust what follows,
# 2. how gradients go back through broadcasting,
# 3. a **rule** for each operation of modules 01, 02 and 04,
# 4. the walk through the graph: `backward`.
#
# Nothing in the earlier modules has to change. A dictionary says which rule belongs to which
# operation: `GRADIENTS[matmul]` is the rule for `matmul`. There is no other magic.

# %% nbgrader={"grade": false, "grade_id": "autograd-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your library is the folder phloem/ of the workspace, which is above this notebook.
import sys
from pathlib import Path

for folder in Path.cwd().resolve().parents:
    if (folder / "phloem" / "tensors.py").is_file():
        sys.path.insert(0, str(folder))
        break

try:
    from phloem.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
    from phloem.layers import Linear, Sequential, xavier_uniform
    from phloem.losses import BinaryCrossEntropyLoss, CrossEntropyLoss, MSELoss
except ImportError as error:
    message = f"export module 04 first: phloem module export 04 ({error})"
    raise ImportError(message) from error

# %% nbgrader={"grade": false, "grade_id": "autograd-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Autograd: gradients of anything that was computed with tensors."""

from collections.abc import Callable

import numpy as np

from phloem.activations import gelu, relu, sigmoid, softmax, tanh
from phloem.losses import binary_cross_entropy, cross_entropy
from phloem.tensors import (
    Tensor,
    add,
    divide,
    exponential,
    matmul,
    multiply,
    power,
    reshape,
    subtract,
    total,
    transpose,
)

# %% [markdown]
# ## 1. Measure first
#
# A slope can be measured: move one number a little to both sides and see what the result does.
#
# $$ \frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h} $$
#
# Going both ways (**central differences**) makes the error shrink with $h^2$ instead of $h$. It needs
# two evaluations for each number, so that a network with a million weights would need two million: no
# way to train, but the perfect judge of whether a rule is right.
#
# How small should $h$ be? Here is the error of both ways for $f(x) = e^x$ at 1. Too large, and the
# curve bends in between; too small, and the two values agree in nearly all of their 16 digits, so that
# their difference is noise.

# %%
for h in [1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11]:
    one_sided = abs((np.exp(1 + h) - np.exp(1)) / h - np.e)
    central = abs((np.exp(1 + h) - np.exp(1 - h)) / (2 * h) - np.e)
    print(f"h = {h:.0e}   one side: {one_sided:.1e}   central: {central:.1e}")


# %% nbgrader={"grade": false, "grade_id": "autograd-numerical", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def numerical_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """Measure a gradient by central differences.

    Args:
        function: Takes an array of the shape of `x`, gives one number.
        x: Where to measure: float64, any shape. It is not changed.
        step: How far to go to each side.

    Returns:
        The shape of `x`: for each of its numbers, the slope of `function`.
    """
    ### BEGIN SOLUTION
    gradient = np.zeros_like(x)
    moved = x.copy()
    for index in np.ndindex(x.shape):
        moved[index] = x[index] + step
        above = function(moved)
        moved[index] = x[index] - step
        below = function(moved)
        moved[index] = x[index]
        gradient[index] = (above - below) / (2 * step)
    return gradient
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-numerical-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
x = np.array([[1.0, -2.0], [0.5, 3.0]])
before = x.copy()
found = numerical_gradient(lambda a: float((a**2).sum()), x)
np.testing.assert_allclose(found, 2 * before, atol=1e-8, err_msg="gradient of the sum of squares")
np.testing.assert_array_equal(x, before, err_msg="x should be as it was")
found = numerical_gradient(lambda a: float(a[0, 0] * a[1, 1]), x)
np.testing.assert_allclose(found, [[3, 0], [0, 1]], atol=1e-8, err_msg="gradient of x00 * x11")
found = numerical_gradient(lambda a: float(np.exp(a)), np.array(1.0))
np.testing.assert_allclose(found, np.e, atol=1e-8, err_msg="slope of e^x at 1: x of shape ()")
print("Measuring: all tests passed.")

# %% [markdown]
# ## 2. Backwards through broadcasting
#
# `x + b` with shapes $(n, k)$ and $(k)$ uses each number of $b$ in $n$ places. There are $n$ paths from
# it to the loss, and slopes add up over paths: what was repeated on the way forward is **summed** on
# the way back. So the gradient that arrives has the shape $(n, k)$ and must leave with the shape of
# $b$:
#
# - axes that broadcasting put in front are summed away,
# - axes of length 1 that were stretched are summed, and stay with length 1.
#
# For example, $(2, 3)$ back to $(3)$ sums the rows; back to $(2, 1)$ sums each row by itself; back to
# $()$ sums everything.


# %% nbgrader={"grade": false, "grade_id": "autograd-unbroadcast", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over what broadcasting had repeated.

    Args:
        gradient: A shape that `shape` broadcasts to.
        shape: The shape of the input that was broadcast.

    Returns:
        Exactly the shape `shape`.
    """
    ### BEGIN SOLUTION
    added = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(added)))
    stretched = tuple(
        axis for axis, length in enumerate(shape) if length == 1 and summed.shape[axis] != 1
    )
    return summed.sum(axis=stretched, keepdims=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-unbroadcast-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
gradient = np.arange(6.0).reshape(2, 3)
cases = [
    ((2, 3), gradient),
    ((3,), [3, 5, 7]),
    ((1, 3), [[3, 5, 7]]),
    ((2, 1), [[3], [12]]),
    ((1,), [15]),
    ((), 15),
]
for shape, expected in cases:
    found = unbroadcast(gradient, shape)
    assert found.shape == shape, f"(2, 3) to {shape}: expected that shape, found {found.shape}"
    np.testing.assert_allclose(found, expected, err_msg=f"(2, 3) back to {shape}")
found = unbroadcast(np.ones((4, 5, 3)), (5, 1))
np.testing.assert_allclose(found, np.full((5, 1), 12), err_msg="(4, 5, 3) back to (5, 1)")
print("Broadcasting, backwards: all tests passed.")

# %% [markdown]
# ## 3. The rules
#
# A rule is a function
#
# ```
# rule(gradient, output, *inputs, **options) -> one gradient for each input
# ```
#
# where `gradient` is that of the loss by the output (it has the output's shape), and the others are what
# the operation got and gave, as arrays. The result is a tuple: the gradient of the loss by each input,
# in that input's shape.
#
# Three rules are given. `add` passes the gradient on to both sides. `subtract` turns one side's sign.
# The derivative of $e^x$ is $e^x$, which is just the output.

# %% nbgrader={"grade": false, "grade_id": "autograd-rules", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
Rule = Callable[..., tuple[np.ndarray, ...]]

# Which rule belongs to which operation.
GRADIENTS: dict[Callable[..., np.ndarray], Rule] = {}


def gradient_of(operation: Callable[..., np.ndarray]) -> Callable[[Rule], Rule]:
    """Write `@gradient_of(add)` above a function to make it the rule for `add`."""

    def note(rule: Rule) -> Rule:
        GRADIENTS[operation] = rule
        return rule

    return note


@gradient_of(add)
def add_rule(gradient, output, a, b):
    return unbroadcast(gradient, a.shape), unbroadcast(gradient, b.shape)


@gradient_of(subtract)
def subtract_rule(gradient, output, a, b):
    return unbroadcast(gradient, a.shape), unbroadcast(-gradient, b.shape)


@gradient_of(exponential)
def exponential_rule(gradient, output, a):
    return (gradient * output,)


# %% [markdown]
# This cell compares the rule of an operation with a measurement. To get from many outputs to one number
# it multiplies them by random numbers and adds up: then those random numbers *are* the gradient that
# arrives.


# %% nbgrader={"grade": false, "grade_id": "autograd-compare", "locked": true, "schema_version": 3, "solution": false, "task": false}
def compare(operation, *inputs, **options) -> None:
    """Fail unless the rule for an operation agrees with what is measured."""
    name = operation.__name__
    assert operation in GRADIENTS, f"no rule for {name}: is there a @gradient_of({name})?"
    output = operation(*inputs, **options)
    arriving = np.random.default_rng(0).normal(size=output.shape)
    found = GRADIENTS[operation](arriving, output, *inputs, **options)
    assert isinstance(found, tuple), f"{name}: expected a tuple, found {type(found).__name__}"
    assert len(found) == len(inputs), (
        f"{name}: expected {len(inputs)} gradients, one for each input, found {len(found)}"
    )
    for position, x in enumerate(inputs):

        def number(moved, position=position):
            changed = [*inputs[:position], moved, *inputs[position + 1 :]]
            return float((arriving * operation(*changed, **options)).sum())

        what = f"{name}: gradient by input {position}"
        shape = np.shape(found[position])
        assert shape == x.shape, f"{what}: expected shape {x.shape}, found {shape}"
        expected = numerical_gradient(number, x)
        np.testing.assert_allclose(
            found[position], expected, rtol=1e-5, atol=1e-7, err_msg=f"{what} (DESIRED: measured)"
        )


# %% [markdown]
# ### Arithmetic
#
# In what follows $G$ is the gradient that arrives.
#
# - **multiply**, $ab$: by $a$ it is $Gb$, by $b$ it is $Ga$.
# - **divide**, $a/b$: by $a$ it is $G/b$, by $b$ it is $-Ga/b^2$.
# - **power**, $a^p$: $G \, p \, a^{p-1}$.
# - **matmul**, $C = AB$. Write out $C_{ij} = \sum_l A_{il} B_{lj}$: the entry $A_{il}$ acts on $C_{ij}$
#   for every $j$, with the slope $B_{lj}$. So
#   $$ \frac{\partial L}{\partial A_{il}} = \sum_j G_{ij} B_{lj}, \qquad \text{that is} \quad
#      \frac{\partial L}{\partial A} = G B^T, \qquad \frac{\partial L}{\partial B} = A^T G $$
#   The shapes leave no other choice: $(n, m)(m, k) \to (n, k)$ and $(k, n)(n, m) \to (k, m)$.
#
# The operations that broadcast need `unbroadcast`.


# %% nbgrader={"grade": false, "grade_id": "autograd-arithmetic", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@gradient_of(multiply)
def multiply_rule(gradient, output, a, b):
    """Two gradients, of the shapes of a and b, which may have been broadcast."""
    ### BEGIN SOLUTION
    return unbroadcast(gradient * b, a.shape), unbroadcast(gradient * a, b.shape)
    ### END SOLUTION


@gradient_of(divide)
def divide_rule(gradient, output, a, b):
    """Two gradients, of the shapes of a and b, which may have been broadcast."""
    ### BEGIN SOLUTION
    by_a = unbroadcast(gradient / b, a.shape)
    by_b = unbroadcast(-gradient * output / b, b.shape)
    return by_a, by_b
    ### END SOLUTION


@gradient_of(power)
def power_rule(gradient, output, a, exponent):
    """One gradient, of the shape of a. (The exponent is an option, it gets none.)"""
    ### BEGIN SOLUTION
    return (gradient * exponent * a ** (exponent - 1),)
    ### END SOLUTION


@gradient_of(matmul)
def matmul_rule(gradient, output, a, b):
    """Two gradients: for a (n, k), b (k, m) and a gradient (n, m), of the shapes (n, k), (k, m)."""
    ### BEGIN SOLUTION
    return gradient @ b.T, a.T @ gradient
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-arithmetic-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
generator = np.random.default_rng(1)
a, b = generator.uniform(0.5, 2, (2, 3)), generator.uniform(0.5, 2, (2, 3))
for operation in (add, subtract, multiply, divide):
    compare(operation, a, b)
    compare(operation, a, b[0])
    compare(operation, a[:, :1], b)
    compare(operation, np.array(1.5), b)
for exponent in (2, 3, -1, 0.5):
    compare(power, a, exponent=exponent)
compare(exponential, a)
compare(matmul, a, b.T)
compare(matmul, a, generator.normal(size=(3, 4)))
print("Rules of arithmetic: all tests passed.")

# %% [markdown]
# ### Shape
#
# - **total**: each number goes into its sum with slope 1, so each gets the gradient of its sum:
#   $G$, repeated along the axis that was summed. If that axis is gone (`keepdims` is false), put it
#   back with `np.expand_dims` first, then use `np.broadcast_to`.
# - **reshape** and **transpose** only move numbers: the gradient moves back.


# %% nbgrader={"grade": false, "grade_id": "autograd-shape", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@gradient_of(total)
def total_rule(gradient, output, a, axis=None, keepdims=False):
    """One gradient, of the shape of a."""
    ### BEGIN SOLUTION
    if axis is not None and not keepdims:
        gradient = np.expand_dims(gradient, axis)
    return (np.broadcast_to(gradient, a.shape),)
    ### END SOLUTION


@gradient_of(reshape)
def reshape_rule(gradient, output, a, shape):
    """One gradient, of the shape of a."""
    ### BEGIN SOLUTION
    return (gradient.reshape(a.shape),)
    ### END SOLUTION


@gradient_of(transpose)
def transpose_rule(gradient, output, a):
    """One gradient, of the shape of a."""
    ### BEGIN SOLUTION
    return (gradient.T,)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-shape-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
a = np.random.default_rng(2).normal(size=(2, 3))
for axis in (None, 0, 1, -1):
    for keepdims in (False, True):
        compare(total, a, axis=axis, keepdims=keepdims)
compare(reshape, a, shape=(3, 2))
compare(reshape, a, shape=(-1,))
compare(transpose, a)
compare(transpose, np.random.default_rng(2).normal(size=(2, 3, 4)))
print("Rules of shape: all tests passed.")

# %% [markdown]
# ### Activations and losses
#
# For activations the *output* often says it best:
#
# - **relu**: $G$ where the input was positive, else 0. (At exactly 0 there is no slope; everyone takes
#   0.)
# - **sigmoid**: with $s$ the output, $G \, s (1 - s)$. **tanh**: $G (1 - y^2)$.
# - **softmax**: all outputs depend on all inputs. With $s$ the output, along the axis,
#   $\partial s_i / \partial x_j = s_i (\delta_{ij} - s_j)$, and summed over $i$:
#   $$ \frac{\partial L}{\partial x_j} = s_j \left( G_j - \sum_i G_j s_i \right) $$
# - **binary_cross_entropy**: $\sigma(z) - t$, as in module 04, divided by how many numbers were
#   averaged, times $G$ (a single number here).
# - **cross_entropy**: the loss of a row is $\log \sum_j e^{z_j} - z_t$. The slope of the first part is
#   softmax, of the second $-1$ at the true class:
#   $$ \frac{\partial L}{\partial z} = \frac{G}{n} \left( \mathrm{softmax}(z) - \text{onehot}(t) \right) $$
#   Again: what was stated less what was true.
#
# `gelu` is given: it is the product rule, and long.


# %% nbgrader={"grade": false, "grade_id": "autograd-gelu", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
@gradient_of(gelu)
def gelu_rule(gradient, output, x):
    scale = np.sqrt(2 / np.pi)
    bend = tanh(scale * (x + 0.044715 * x**3))
    slope = scale * (1 + 3 * 0.044715 * x**2)
    return (gradient * ((1 + bend) / 2 + x / 2 * (1 - bend**2) * slope),)


# %% nbgrader={"grade": false, "grade_id": "autograd-activations", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@gradient_of(relu)
def relu_rule(gradient, output, x):
    """One gradient, of the shape of x."""
    ### BEGIN SOLUTION
    return (gradient * (x > 0),)
    ### END SOLUTION


@gradient_of(sigmoid)
def sigmoid_rule(gradient, output, x):
    """One gradient, of the shape of x."""
    ### BEGIN SOLUTION
    return (gradient * output * (1 - output),)
    ### END SOLUTION


@gradient_of(tanh)
def tanh_rule(gradient, output, x):
    """One gradient, of the shape of x."""
    ### BEGIN SOLUTION
    return (gradient * (1 - output**2),)
    ### END SOLUTION


@gradient_of(softmax)
def softmax_rule(gradient, output, x, axis=-1):
    """One gradient, of the shape of x."""
    ### BEGIN SOLUTION
    average = (gradient * output).sum(axis=axis, keepdims=True)
    return (output * (gradient - average),)
    ### END SOLUTION


@gradient_of(binary_cross_entropy)
def binary_cross_entropy_rule(gradient, output, logits, targets):
    """One gradient, of the shape of logits; `gradient` and `output` have the shape ()."""
    ### BEGIN SOLUTION
    return (gradient * (sigmoid(logits) - targets) / logits.size,)
    ### END SOLUTION


@gradient_of(cross_entropy)
def cross_entropy_rule(gradient, output, logits, targets):
    """One gradient, of the shape (n, classes) of logits; the targets are n classes."""
    ### BEGIN SOLUTION
    count = len(targets)
    difference = softmax(logits)
    difference[np.arange(count), targets] -= 1
    return (gradient * difference / count,)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-activations-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
x = np.random.default_rng(3).normal(size=(4, 3))
for operation in (relu, sigmoid, tanh, gelu, softmax):
    compare(operation, x)
compare(softmax, x, axis=0)
compare(binary_cross_entropy, x, targets=(x > 0.3).astype(float))
compare(cross_entropy, x, targets=np.array([0, 2, 1, 2]))
print("Rules of activations and losses: all tests passed.")

# %% [markdown]
# ## 4. The order of the walk
#
# The gradient by a tensor is complete only when *all* that was made from it has passed its share back.
# In $y = x \cdot x + x$, the tensor $x$ has three paths to $y$:
#
# ```
#       +--> multiply --+
#   x --+--> (again)    add --> y
#       +---------------+
# ```
#
# So the walk needs an order in which every tensor comes after its parents: a **topological order**.
# Backwards, every tensor then comes before its parents, when its own gradient is complete.
#
# A depth-first search finds it: to add a tensor, first add its parents, then the tensor itself; skip
# what has been seen. Written with recursion, Python gives up at about 1000 steps, and a graph may be
# deeper. So keep a list of what is still to do, as pairs `(tensor, parents_done)`:
#
# 1. begin with `(result, False)`;
# 2. take the last pair off. If its parents are done, append the tensor to the order;
# 3. otherwise, if it has not been seen: note that it has, put back `(tensor, True)`, and on top
#    `(parent, False)` for each parent that requires a gradient.
#
# Tensors can be put in a `set` or used as keys of a dictionary: each is equal to itself alone.
#
# ## 5. backward
#
# Now everything comes together. Keep a dictionary from tensors to the gradients that have arrived
# for them. It begins with the result itself, whose gradient by itself is 1. Then for every tensor of
# the order, last first:
#
# - take its gradient out of the dictionary;
# - if it has no origin it is a **leaf**, a weight for example: *add* the gradient to its `grad` (None at
#   first: then add it to zeros). It is added and not replaced, so that several losses can share a
#   weight; and the sum is a new array, because a rule may hand the same one to two inputs;
# - otherwise call the rule of its operation, and add what comes out to the gradients of those parents
#   that require one.


# %% nbgrader={"grade": false, "grade_id": "autograd-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def topological_order(result: Tensor) -> list[Tensor]:
    """All tensors that `result` was computed from and that require a gradient.

    Returns:
        Each once, after its parents; `result` is the last.
    """
    ### BEGIN SOLUTION
    order: list[Tensor] = []
    seen: set[Tensor] = set()
    to_do = [(result, False)]
    while to_do:
        tensor, parents_done = to_do.pop()
        if parents_done:
            order.append(tensor)
        elif tensor not in seen:
            seen.add(tensor)
            to_do.append((tensor, True))
            to_do.extend((parent, False) for parent in tensor.parents() if parent.requires_grad)
    return order
    ### END SOLUTION


def backward(result: Tensor) -> None:
    """Add the gradient of a single number to the `grad` of every leaf that it depends on.

    Args:
        result: A tensor with one element that requires a gradient: a loss.

    Raises:
        ValueError: It has more than one element, or nothing in it requires a gradient.
    """
    if result.size != 1:
        raise ValueError(f"expected a single number, found a tensor of shape {result.shape}")
    if not result.requires_grad:
        raise ValueError("nothing that this was computed from requires a gradient")
    ### BEGIN SOLUTION
    arrived = {result: np.ones_like(result.data)}
    for tensor in reversed(topological_order(result)):
        gradient = arrived.pop(tensor)
        if tensor.origin is None:
            known = np.zeros_like(tensor.data) if tensor.grad is None else tensor.grad
            tensor.grad = known + gradient
            continue
        inputs = tensor.origin.inputs
        rule = GRADIENTS[tensor.origin.operation]
        shares = rule(gradient, tensor.data, *(x.data for x in inputs), **tensor.origin.options)
        for parent, share in zip(inputs, shares, strict=True):
            if parent.requires_grad:
                arrived[parent] = arrived[parent] + share if parent in arrived else share
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autograd-order-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
x = Tensor(3.0, requires_grad=True)
square = x * x
y = square + x
order = topological_order(y)
assert len(order) == 3, f"x, x * x and their sum: expected 3 tensors, found {len(order)}"
assert order[0] is x, "x comes first: everything is made from it"
assert order[1] is square, "x * x comes before the sum"
assert order[2] is y, "the result comes last"
order = topological_order(x * 2.0)
assert len(order) == 2, f"2.0 requires no gradient: expected 2 tensors, found {len(order)}"
deep = x
for _ in range(3000):
    deep = deep + 1.0
assert len(topological_order(deep)) == 3001, "a chain of 3000 sums has 3001 tensors"
print("Order: all tests passed.")

# %% nbgrader={"grade": true, "grade_id": "autograd-backward-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
x = Tensor(3.0, requires_grad=True)
backward(x * x + x)
np.testing.assert_allclose(x.grad, 7, err_msg="slope of x * x + x at 3, which is 2 * 3 + 1")
backward(x * 10.0)
np.testing.assert_allclose(x.grad, 17, err_msg="a second backward adds its 10")

u = Tensor([1.0, 2.0], requires_grad=True)
fixed = Tensor([3.0, 4.0])
doubled = u * 2.0
backward((doubled * doubled * fixed).sum())
np.testing.assert_allclose(u.grad, [24, 64], err_msg="slope of 4 u^2 (3, 4) at (1, 2): 8 u (3, 4)")
assert fixed.grad is None, "what requires no gradient should get none"
left, right = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
backward((left + right).sum())
shared = np.shares_memory(left.grad, right.grad)
assert not shared, "two leaves should not share one array as gradient: add it to zeros"
try:
    backward(u * 2.0)
except ValueError:
    pass
else:
    raise AssertionError("two numbers have no gradient: expected a ValueError")
print("backward: all tests passed.")

# %% [markdown]
# ## 6. The whole library on trial
#
# Networks with every activation and every loss. For each parameter: is the gradient that `backward`
# finds the one that is measured? (In this notebook we call `backward(loss)`. Once the module is
# exported, `loss.backward()` does the same: the method has been waiting for it since module 01.)

# %% nbgrader={"grade": true, "grade_id": "autograd-network-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
generator = np.random.default_rng(4)
x = Tensor(generator.normal(size=(6, 4)))
trials = [
    (ReLU(), CrossEntropyLoss(), np.array([0, 2, 1, 1, 0, 2])),
    (Tanh(), MSELoss(), generator.normal(size=(6, 3))),
    (Sigmoid(), BinaryCrossEntropyLoss(), generator.integers(0, 2, (6, 3))),
    (GELU(), CrossEntropyLoss(), np.array([2, 2, 0, 1, 0, 1])),
    (Softmax(), MSELoss(), generator.normal(size=(6, 3))),
]
for activation, loss, targets in trials:
    network = Sequential(Linear(4, 5, generator), activation, Linear(5, 3, generator))
    backward(loss(network(x), targets))
    for number, parameter in enumerate(network.parameters()):
        original = parameter.data

        def measured(data, parameter=parameter, network=network, loss=loss, targets=targets):
            parameter.data = data
            return loss(network(x), targets).item()

        expected = numerical_gradient(measured, original)
        parameter.data = original
        what = f"{activation}, {type(loss).__name__}, parameter {number}"
        assert parameter.grad is not None, f"{what}: expected a gradient, found None"
        np.testing.assert_allclose(
            parameter.grad, expected, rtol=1e-4, atol=1e-7, err_msg=f"{what} (DESIRED: measured)"
        )
print("Networks: all gradients agree with measurement.")

# %% [markdown]
# ## What no straight line can do
#
# Points in a disc, and points in a ring around it. A network with one hidden layer, and nothing but
# steps against the gradient, finds a closed border between them.
#
# **Next:** run `phloem module export 05`, then open module 06, where steps get better than this.

# %%
generator = np.random.default_rng(0)
angle = generator.uniform(0, 2 * np.pi, 120)
radius = np.concatenate([generator.uniform(0, 0.8, 60), generator.uniform(1.3, 2, 60)])
points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
inside = (radius < 1).astype(float).reshape(-1, 1)

network = Sequential(
    Linear(2, 12, generator, initial=xavier_uniform),
    Tanh(),
    Linear(12, 1, generator, initial=xavier_uniform),
)
for step in range(301):
    loss = BinaryCrossEntropyLoss()(network(Tensor(points)), inside)
    backward(loss)
    for parameter in network.parameters():
        parameter.data = parameter.data - 1.0 * parameter.grad
        parameter.grad = None
    if step % 50 == 0:
        print(f"step {step:3}  loss {loss.item():.4f}  {'#' * round(50 * loss.item())}")

columns, rows = np.linspace(-2.6, 2.6, 53), np.linspace(2.2, -2.2, 23)
picture = []
for y in rows:
    line = network(Tensor([[x, y] for x in columns])).data[:, 0] > 0
    picture.append([":" if yes else " " for yes in line])
for (x, y), answer in zip(points, inside[:, 0], strict=True):
    column, row = np.abs(columns - x).argmin(), np.abs(rows - y).argmin()
    picture[row][column] = "+" if answer else "o"
print("\n".join("".join(line) for line in picture))
