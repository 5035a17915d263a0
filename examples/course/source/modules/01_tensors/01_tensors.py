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
# # Module 01: Tensors
#
# Everything in deep learning is stored in one kind of thing: a **tensor**, a block of numbers
# with a shape. A grey picture is a tensor of shape (height, width), a batch of pictures one of
# shape (count, height, width), the weights of a layer one of shape (inputs, outputs).
#
# In this course you build a small library for deep learning, `phloem`, one module at a time.
# This notebook makes its first part. You will write
#
# 1. how a block of numbers lies in memory (row-major order),
# 2. how shapes that differ are brought together (broadcasting),
# 3. the operations on arrays, matrix multiplication above all,
# 4. the class `Tensor`, which remembers *how* it was computed. Module 05 needs that memory to
#    find gradients.
#
# **How to work.** Cells in which you write have a place marked `YOUR CODE HERE`. The cell after
# it tests what you wrote and says what it expected. Cells that begin with `#| export` are the
# library: when all tests pass, run `phloem module export 01` in a terminal, and the cells become
# `phloem/tensors.py`, which the later modules import.

# %% nbgrader={"grade": false, "grade_id": "tensors-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Tensors: blocks of numbers that remember how they were computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# %% [markdown]
# ## 1. Memory is a line
#
# Memory has one dimension. A tensor of shape $(2, 3)$ is six numbers in a row, and the shape says
# how to count through them. In **row-major order** the last index moves fastest:
#
# ```
# t = [[a, b, c],        in memory:  a b c d e f
#      [d, e, f]]
# ```
#
# To step one row down, skip 3 numbers; to step one column right, skip 1. These skips are the
# **strides**. For a shape $(n_0, n_1, \dots, n_{k-1})$ they are
#
# $$ s_{k-1} = 1, \qquad s_i = s_{i+1} \cdot n_{i+1} $$
#
# and the element $(i_0, \dots, i_{k-1})$ lies at the place $\sum_j i_j s_j$.
#
# For example, in a tensor of shape $(2, 3, 4)$ the strides are $(12, 4, 1)$, and the element
# $(1, 2, 3)$ lies at $1 \cdot 12 + 2 \cdot 4 + 3 \cdot 1 = 23$: the last of its 24 numbers.

# %%
example = np.arange(24).reshape(2, 3, 4)
print("NumPy counts strides in bytes:", example.strides)
print("in elements of 8 bytes:       ", tuple(s // example.itemsize for s in example.strides))
print("the element (1, 2, 3):        ", example[1, 2, 3])


# %% nbgrader={"grade": false, "grade_id": "tensors-memory", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def row_major_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart neighbours along each axis are, in elements.

    Args:
        shape: (n_0, ..., n_k-1).

    Returns:
        As many strides as there are axes: (12, 4, 1) for the shape (2, 3, 4), () for ().
    """
    ### BEGIN SOLUTION
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))
    ### END SOLUTION


def flat_index(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Where the element at an index lies in row-major order, counted from 0.

    Args:
        index: As many numbers as `shape` has; each at least 0 and less than its length.
        shape: The shape of the tensor.

    Raises:
        IndexError: An index is outside of its axis, or there are too many or too few.
    """
    ### BEGIN SOLUTION
    if len(index) != len(shape):
        raise IndexError(f"{len(index)} indices for a tensor with {len(shape)} axes")
    for axis, (i, length) in enumerate(zip(index, shape, strict=True)):
        if not 0 <= i < length:
            raise IndexError(f"index {i} on axis {axis}, which has {length} elements")
    return sum(i * s for i, s in zip(index, row_major_strides(shape), strict=True))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tensors-memory-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
for shape in [(5,), (2, 3), (2, 3, 4), (4, 1, 2, 3)]:
    expected = tuple(s // 8 for s in np.zeros(shape).strides)
    found = row_major_strides(shape)
    assert found == expected, f"strides of {shape}: expected {expected}, found {found}"
assert row_major_strides(()) == (), "a single number has no axes and no strides: expected ()"

numbers = np.arange(24).reshape(2, 3, 4)
for index in [(0, 0, 0), (0, 1, 2), (1, 0, 3), (1, 2, 3)]:
    found = flat_index(index, (2, 3, 4))
    assert found == numbers[index], f"place of {index}: expected {numbers[index]}, found {found}"
for index in [(2, 0, 0), (0, 0, 4), (0, -1, 0), (0, 0)]:
    try:
        flat_index(index, (2, 3, 4))
    except IndexError:
        continue
    raise AssertionError(f"{index} is no index of a (2, 3, 4) tensor: expected an IndexError")
print("Memory: all tests passed.")

# %% [markdown]
# **Views.** Because the shape is only a way of counting, `reshape` needs to copy nothing: the new
# array looks at the same memory. That is fast, and a trap: writing through one changes the other.

# %%
line = np.arange(6)
table = line.reshape(2, 3)
table[0, 0] = 100
print("line after a change of table:", line)
print("same memory:", np.shares_memory(line, table))
print("the transpose swaps strides and copies nothing:", table.strides, table.T.strides)

# %% [markdown]
# ## 2. Broadcasting
#
# Adding a bias of shape $(3)$ to a batch of shape $(2, 3)$ should add it to every row. The rule
# that allows this is **broadcasting**:
#
# 1. Write both shapes one above the other, aligned at their *right* ends. Missing lengths are 1.
# 2. On each axis the lengths have to be equal, or one of them 1.
# 3. The result takes the larger: an axis of length 1 is repeated.
#
# ```
#   (2, 3)          (4, 1, 3)         (2, 3)
#      (3)             (5, 1)         (4, 3)
#   ------          ---------         ------
#   (2, 3)          (4, 5, 3)         error: 2 is not 4
# ```
#
# Nothing is copied: an axis of length 1 is walked with stride 0.


# %% nbgrader={"grade": false, "grade_id": "tensors-broadcast", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def broadcast_shape(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the result when tensors of two shapes are combined element by element.

    Raises:
        ValueError: The shapes do not fit; the message has both of them.
    """
    ### BEGIN SOLUTION
    axes = max(len(first), len(second))
    padded = zip(
        (1,) * (axes - len(first)) + tuple(first),
        (1,) * (axes - len(second)) + tuple(second),
        strict=True,
    )
    shape = []
    for a, b in padded:
        if a != b and 1 not in (a, b):
            raise ValueError(f"shapes {first} and {second} do not fit: {a} is not {b}")
        shape.append(b if a == 1 else a)
    return tuple(shape)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tensors-broadcast-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
cases = [
    ((2, 3), (3,), (2, 3)),
    ((4, 1, 3), (5, 1), (4, 5, 3)),
    ((), (2, 2), (2, 2)),
    ((1,), (7,), (7,)),
    ((0, 3), (1, 3), (0, 3)),
]
for first, second, expected in cases:
    for a, b in [(first, second), (second, first)]:
        found = broadcast_shape(a, b)
        assert found == expected, f"{a} with {b}: expected {expected}, found {found}"
for first, second in [((2, 3), (4, 3)), ((3,), (2,)), ((2, 3), (2,))]:
    try:
        broadcast_shape(first, second)
    except ValueError as error:
        assert str(first) in str(error), f"the message should name the shape {first}: {error}"
        assert str(second) in str(error), f"the message should name the shape {second}: {error}"
        continue
    raise AssertionError(f"{first} and {second} do not fit: expected a ValueError")
print("Broadcasting: all tests passed.")

# %% [markdown]
# ## 3. Operations on arrays
#
# An **operation** here is a plain function: NumPy arrays in, one NumPy array out. Keeping them
# plain has a reason. In module 05 each operation gets a partner that computes its gradient, and
# the partner is found by the function itself: `add` here, the rule for `add` there.
#
# The operations that work element by element are given. NumPy broadcasts for us, by the rule that
# you have just written.


# %% nbgrader={"grade": false, "grade_id": "tensors-elementwise", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a + b, broadcast."""
    return a + b


def subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a - b, broadcast."""
    return a - b


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a * b, element by element, broadcast."""
    return a * b


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, element by element, broadcast."""
    return a / b


def power(a: np.ndarray, exponent: float) -> np.ndarray:
    """Every element of `a` to the power of one fixed number."""
    return a**exponent


def exponential(a: np.ndarray) -> np.ndarray:
    """Return e to the power of every element."""
    return np.exp(a)


def total(a: np.ndarray, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The sum of all elements, or along one axis."""
    return a.sum(axis=axis, keepdims=keepdims)


def reshape(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same elements in row-major order under another shape."""
    return a.reshape(shape)


def transpose(a: np.ndarray) -> np.ndarray:
    """The axes in reverse order: rows become columns."""
    return a.T


# %% [markdown]
# ### Matrix multiplication
#
# For $A$ of shape $(n, k)$ and $B$ of shape $(k, m)$,
#
# $$ (AB)_{ij} = \sum_{l=1}^{k} A_{il} B_{lj} $$
#
# which is $n \cdot m$ dot products of length $k$: a row of $A$ with a column of $B$. The inner
# lengths have to agree, and they vanish: $(n, k)(k, m) \to (n, m)$. Nearly all the time that a
# neural network takes is spent in this formula.
#
# Write it twice: once with loops, straight from the formula, to see what happens; then for the
# library, with NumPy's `@` and a check of the shapes that helps whoever gets them wrong.


# %% nbgrader={"grade": false, "grade_id": "tensors-matmul", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def matmul_by_hand(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two matrices, computed with loops over Python numbers.

    Args:
        a: Shape (n, k).
        b: Shape (k, m).

    Returns:
        Shape (n, m).
    """
    ### BEGIN SOLUTION
    rows, inner = a.shape
    columns = b.shape[1]
    product = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for k in range(inner):
                product[i, j] += a[i, k] * b[k, j]
    return product
    ### END SOLUTION


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two matrices.

    Args:
        a: Shape (n, k).
        b: Shape (k, m).

    Returns:
        Shape (n, m).

    Raises:
        ValueError: One is no matrix (it has not two axes), or the inner lengths differ; the
            message has both shapes.
    """
    ### BEGIN SOLUTION
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"expected two matrices, found shapes {a.shape} and {b.shape}")
    if a.shape[1] != b.shape[0]:
        raise ValueError(
            f"inner lengths differ: {a.shape} and {b.shape} ({a.shape[1]} is not {b.shape[0]})"
        )
    return a @ b
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tensors-matmul-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
b = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
expected = np.array([[7.0, -1.0], [16.0, -1.0]])
for function in (matmul_by_hand, matmul):
    found = function(a, b)
    assert found.shape == (2, 2), f"{function.__name__}: expected shape (2, 2), found {found.shape}"
    np.testing.assert_allclose(found, expected, err_msg=f"{function.__name__}(a, b)")
for wrong in (np.zeros((2, 3)), np.zeros(3), np.zeros((1, 3, 2))):
    try:
        matmul(a, wrong)
    except ValueError as error:
        assert str(wrong.shape) in str(error), f"the message should have {wrong.shape}: {error}"
        continue
    raise AssertionError(f"shapes {a.shape} and {wrong.shape}: expected a ValueError")
print("Matrix multiplication: all tests passed.")

# %% [markdown]
# How much do the loops cost? The same multiplications, in Python and in the machine code that
# NumPy calls:

# %%
import time

generator = np.random.default_rng(0)
left, right = generator.normal(size=(2, 60, 60))
for function in (matmul_by_hand, matmul):
    start = time.perf_counter()
    function(left, right)
    elapsed = time.perf_counter() - start
    print(f"{function.__name__:>15}: {1000 * elapsed:8.3f} ms for {60**3} multiplications")

# %% [markdown]
# ## 4. The class Tensor
#
# A `Tensor` wraps an array and adds three things:
#
# - `requires_grad`: shall a gradient be found for it? True for weights, false for data.
# - `grad`: that gradient, an array of the same shape, once it has been found.
# - `origin`: the operation that made it and the tensors that went in. A tensor that you made
#   yourself has none.
#
# With `origin` every result knows its inputs, they know theirs, and so on: a graph of the whole
# computation, which module 05 walks backwards.
#
# ```
#   y = (x @ w + b).sum()
#
#   x --+
#       matmul --+
#   w --+        add -- total --> y
#   b -----------+
# ```
#
# Every operator does the same: hand a function and its inputs to `apply`. Two methods are left to
# you. `mean` needs no operation of its own: a mean is a sum, divided by how many there are.
# `parents` is what a walk through the graph asks for.
#
# One thing about numbers: floating-point arrays keep their dtype, anything else becomes float64.
# float32 is half as large and precise to about 7 digits, float64 to about 16. Training does well
# with 7; checking gradients, as in module 05, wants 16.


# %% nbgrader={"grade": false, "grade_id": "tensors-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@dataclass(frozen=True)
class Origin:
    """How a tensor was computed: an operation, the tensors that went in, its settings."""

    operation: Callable[..., np.ndarray]
    inputs: tuple["Tensor", ...]
    options: dict[str, Any]


class Tensor:
    """A block of numbers that remembers how it was computed.

    Attributes:
        data: The numbers, a NumPy array of float32 or float64.
        requires_grad: Whether `backward` finds a gradient for it.
        grad: The gradient, an array of the shape of `data`, or None.
        origin: What computed it, or None if nobody did.
    """

    # NumPy must not take `array + tensor` apart element by element: it is our __radd__'s work.
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False):
        array = np.asarray(data)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        self.data = array
        self.requires_grad = requires_grad
        self.grad: np.ndarray | None = None
        self.origin: Origin | None = None

    def __repr__(self) -> str:
        made_by = f", made by {self.origin.operation.__name__}" if self.origin else ""
        return f"Tensor(shape {self.shape}, {self.dtype}{made_by})\n{self.data}"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.data.size

    def item(self) -> float:
        """The only number of a tensor that has one."""
        return self.data.item()

    def __add__(self, other: Any) -> "Tensor":
        return apply(add, self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return apply(add, other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return apply(subtract, self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return apply(subtract, other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return apply(multiply, self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return apply(multiply, other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return apply(divide, self, other)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return apply(divide, other, self)

    def __neg__(self) -> "Tensor":
        return apply(multiply, self, -1.0)

    def __pow__(self, exponent: float) -> "Tensor":
        return apply(power, self, exponent=exponent)

    def __matmul__(self, other: Any) -> "Tensor":
        return apply(matmul, self, other)

    def exp(self) -> "Tensor":
        return apply(exponential, self)

    def sum(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        return apply(total, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        """The mean of all elements, or along one axis.

        Returns:
            Shape () for all elements; otherwise the shape without that axis, or with length 1
            there if `keepdims`.
        """
        ### BEGIN SOLUTION
        count = self.size if axis is None else self.shape[axis]
        return self.sum(axis=axis, keepdims=keepdims) / count
        ### END SOLUTION

    def reshape(self, *shape: int) -> "Tensor":
        return apply(reshape, self, shape=shape)

    @property
    def T(self) -> "Tensor":  # noqa: N802 (the name that everybody knows)
        return apply(transpose, self)

    def parents(self) -> tuple["Tensor", ...]:
        """The tensors that this one was computed from: none if nobody computed it."""
        ### BEGIN SOLUTION
        return () if self.origin is None else self.origin.inputs
        ### END SOLUTION

    def backward(self) -> None:
        """Find the gradient of this number by everything that went in (module 05 tells how)."""
        from phloem.autograd import backward

        backward(self)


# %% [markdown]
# ### apply
#
# Now the heart of the library: the one place where tensors are computed. `apply` gets an operation,
# its inputs and its options. It has to
#
# 1. turn inputs that are no tensors (numbers, arrays, lists) into tensors; they take the dtype of
#    the first input that is one, so that `2 * x` stays float32 for a float32 `x`;
# 2. call the operation with the *arrays* and the options;
# 3. wrap what comes out in a tensor, which requires a gradient if any of its inputs does;
# 4. and if it does, note its `Origin`. If it does not, nobody will ever ask, and without a note the
#    inputs' memory is free to go.


# %% nbgrader={"grade": false, "grade_id": "tensors-apply", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def apply(operation: Callable[..., np.ndarray], *inputs: Any, **options: Any) -> Tensor:
    """Compute an operation on tensors and note where its result came from.

    Args:
        operation: A function of as many arrays as there are inputs, and of the options.
        inputs: Tensors, or what can become one; at least one is a tensor.
        options: Settings of the operation, which get no gradient: an axis, an exponent.

    Returns:
        The result. It requires a gradient, and has an origin, if one of its inputs requires one.
    """
    ### BEGIN SOLUTION
    dtype = next(x.dtype for x in inputs if isinstance(x, Tensor))
    tensors = tuple(
        x if isinstance(x, Tensor) else Tensor(np.asarray(x, dtype=dtype)) for x in inputs
    )
    data = operation(*(tensor.data for tensor in tensors), **options)
    result = Tensor(data, requires_grad=any(tensor.requires_grad for tensor in tensors))
    if result.requires_grad:
        result.origin = Origin(operation, tensors, options)
    return result
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tensors-apply-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
x = Tensor([[1.0, 2.0], [3.0, 4.0]])
w = Tensor([[1.0], [-1.0]], requires_grad=True)
np.testing.assert_allclose((x + 1).data, [[2, 3], [4, 5]], err_msg="x + 1")
np.testing.assert_allclose((1 - x).data, [[0, -1], [-2, -3]], err_msg="1 - x")
np.testing.assert_allclose((np.array([10, 20]) * x).data, [[10, 40], [30, 80]], err_msg="array * x")
np.testing.assert_allclose((x @ w).data, [[-1], [-1]], err_msg="x @ w")
assert not (x + 1).requires_grad, "x + 1: no input requires a gradient, so the sum should not"
assert (x + 1).origin is None, "x + 1 requires no gradient: expected no origin"

y = x @ w
assert y.requires_grad, "x @ w: w requires a gradient, so the product should"
assert y.origin is not None, "x @ w requires a gradient: expected an origin"
assert y.origin.operation is matmul, f"expected the operation matmul, found {y.origin.operation}"
assert y.origin.inputs[0] is x, "the first input of x @ w should be x itself, not a copy"
assert y.origin.inputs[1] is w, "the second input of x @ w should be w itself, not a copy"
options = (w**3).origin.options
assert options == {"exponent": 3}, f"options of w ** 3: expected exponent 3, found {options}"

small = Tensor(np.ones(3, dtype=np.float32))
assert (2 * small).dtype == np.float32, f"2 * float32: expected float32, found {(2 * small).dtype}"
print("apply: all tests passed.")

# %% nbgrader={"grade": true, "grade_id": "tensors-class-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
t = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
np.testing.assert_allclose(t.mean().data, 2.5, err_msg="mean of 0..5")
np.testing.assert_allclose(t.mean(axis=0).data, [1.5, 2.5, 3.5], err_msg="mean of each column")
np.testing.assert_allclose(t.mean(axis=-1).data, [1.0, 4.0], err_msg="mean of each row")
shape = t.mean(axis=1, keepdims=True).shape
assert shape == (2, 1), f"mean(axis=1, keepdims=True): expected shape (2, 1), found {shape}"
assert t.parents() == (), f"nobody computed t: expected no parents, found {t.parents()}"
doubled = t * 2
assert len(doubled.parents()) == 2, "t * 2 has two parents: t, and a tensor that holds 2"
assert doubled.parents()[0] is t, "the first parent of t * 2 should be t"
assert t.mean().requires_grad, "the mean should be made of tensor operations, to get a gradient"
print("Tensor: all tests passed.")

# %% [markdown]
# ## What you have built
#
# Operators, broadcasting and a memory of the computation. Here is the graph of a small
# computation, as each tensor tells it, and a picture that is drawn by broadcasting alone: a column
# of heights and a row of widths become a whole plane.
#
# **Next:** run `phloem module export 01`, then open module 02.


# %%
def describe(tensor: Tensor, depth: int = 0) -> None:
    name = tensor.origin.operation.__name__ if tensor.origin else "given"
    print("    " * depth + f"{name} {tensor.shape}")
    for parent in tensor.parents():
        describe(parent, depth + 1)


batch = Tensor(np.ones((4, 3)))
weight = Tensor(np.ones((3, 2)), requires_grad=True)
bias = Tensor(np.zeros(2), requires_grad=True)
describe((batch @ weight + bias).sum())

height = Tensor(np.linspace(-1.1, 1.1, 17)).reshape(17, 1)
width = Tensor(np.linspace(-1.1, 1.1, 41)).reshape(1, 41)
distance = (height**2 + width**2) ** 0.5
rings = np.floor(distance.data * 6).astype(int)
print()
for row in rings:
    print("".join(" .:-=+*#%@"[9 - min(ring, 9)] for ring in row))
