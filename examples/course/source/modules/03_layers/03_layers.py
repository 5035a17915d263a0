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
# # Module 03: Layers
#
# A **layer** is a function with memory: it holds **parameters**, numbers that training changes.
# A linear layer holds a matrix $W$ and a row $b$, and computes $xW + b$.
#
# You will write
#
# 1. `Layer`, which finds all parameters in a network of any depth,
# 2. the initial weights, on which depends whether a deep network learns at all,
# 3. `Linear`,
# 4. `Dropout`, which behaves differently in training and in use,
# 5. `Sequential`, a chain of layers: your first whole network.

# %% nbgrader={"grade": false, "grade_id": "layers-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your library is the folder phloem/ of the workspace, which is above this notebook.
import sys
from pathlib import Path

for folder in Path.cwd().resolve().parents:
    if (folder / "phloem" / "tensors.py").is_file():
        sys.path.insert(0, str(folder))
        break

try:
    from phloem.activations import ReLU, Sigmoid
except ImportError as error:
    message = f"export module 02 first: phloem module export 02 ({error})"
    raise ImportError(message) from error

# %% nbgrader={"grade": false, "grade_id": "layers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Layers: functions that hold parameters."""

from collections.abc import Callable

import numpy as np

from phloem.tensors import Tensor

# %% [markdown]
# ## 1. Who holds what
#
# An optimizer (module 06) asks a network one thing: which are your parameters? A network is a tree:
# layers hold layers, and at the leaves are tensors that require a gradient.
#
# ```
# Sequential
#   layers[0]  Linear    weight (64, 32), bias (32)
#   layers[1]  ReLU      (no layer: nothing to learn)
#   layers[2]  Linear    weight (32, 10), bias (10)
# ```
#
# In Python, `vars(layer)` is the dictionary of what an object has as attributes. A layer's own
# parameters are those attributes that are tensors and require a gradient; the rest comes from its
# `children`, which are given. Take care of one thing: a layer may stand in a network twice, to share
# its weights. Its parameters must be listed once, or the optimizer would move them twice.


# %% nbgrader={"grade": false, "grade_id": "layers-layer", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Layer:
    """A function that may hold parameters and other layers.

    Attributes:
        training: Whether the network is being trained; some layers behave differently then.
    """

    training: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def children(self) -> list["Layer"]:
        """The layers that are attributes of this one, or stand in lists that are."""
        values = vars(self).values()
        groups = [value if isinstance(value, list) else [value] for value in values]
        return [item for group in groups for item in group if isinstance(item, Layer)]

    def parameters(self) -> list[Tensor]:
        """All tensors that training changes: first its own, then those of its children.

        Returns:
            Each parameter once, in the order in which they are met.
        """
        ### BEGIN SOLUTION
        found = [
            value
            for value in vars(self).values()
            if isinstance(value, Tensor) and value.requires_grad
        ]
        for child in self.children():
            found.extend(child.parameters())
        # Tensors are equal only to themselves, and a dictionary keeps the order.
        return list(dict.fromkeys(found))
        ### END SOLUTION

    def train(self, training: bool = True) -> None:
        """Tell this layer and all below it that training begins, or ends."""
        self.training = training
        for child in self.children():
            child.train(training)

    def eval(self) -> None:
        """Tell this layer and all below it that the network is now used, not trained."""
        self.train(False)


# %% nbgrader={"grade": true, "grade_id": "layers-layer-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
class Scale(Layer):
    def __init__(self, factor: float):
        self.factor = Tensor(factor, requires_grad=True)
        self.offset = Tensor(1.0)


class Tower(Layer):
    def __init__(self):
        self.top = Tensor([1.0, 2.0], requires_grad=True)
        self.rooms = [Scale(1.0), ReLU(), Scale(2.0)]
        self.cellar = Scale(3.0)
        self.again = self.cellar


scale, tower = Scale(5.0), Tower()
found = scale.parameters()
assert len(found) == 1, f"one of two tensors requires a gradient: expected 1, found {len(found)}"
assert found[0] is scale.factor, "expected the tensor itself, no copy"
found = [np.ravel(p.data).tolist() for p in tower.parameters()]
expected = [[1, 2], [1], [2], [3]]
assert found == expected, f"parameters of the tower: expected {expected}, found {found}"
tower.eval()
modes = [tower.training, tower.rooms[0].training, tower.cellar.training]
assert modes == [False] * 3, f"eval() reaches every layer: expected False, found {modes}"
print("Layer: all tests passed.")

# %% [markdown]
# ## 2. Where to begin
#
# With all weights zero, every unit of a layer computes the same, gets the same gradient, and stays
# the same: weights have to be random. How large? Let $x$ have $n$ independent entries of mean 0 and
# variance $v$, and the weights mean 0 and variance $s^2$. Then one output is a sum of $n$ products,
#
# $$ \mathrm{Var}\left(\sum_{i=1}^{n} x_i w_i\right) = n \, v \, s^2 $$
#
# The signal keeps its size only if $n s^2 = 1$. With $n s^2 = 0.5$ and twenty layers it shrinks to a
# millionth; with 2, it grows a million times.
#
# - **Xavier** (Glorot and Bengio, 2010): going backwards, gradients are summed over the outputs, so
#   that both numbers count: $s^2 = 2 / (\text{inputs} + \text{outputs})$. Taken from a uniform
#   distribution on $[-a, a]$, whose variance is $a^2 / 3$, that is
#   $a = \sqrt{6 / (\text{inputs} + \text{outputs})}$. Good for tanh and sigmoid.
# - **Kaiming** (He and others, 2015): ReLU throws away half of the signal, so that twice the variance
#   is needed: a normal distribution with $s^2 = 2 / \text{inputs}$.
#
# For example, 64 inputs and 32 outputs: Xavier has $a = \sqrt{6/96} = 0.25$, Kaiming
# $s = \sqrt{2/64} = 0.177$.
#
# Random numbers come from a **generator** that the caller hands in. With the same seed it gives the
# same numbers, so that an experiment can be repeated: `np.random.default_rng(0)`. Its methods
# `uniform(low, high, size)` and `normal(mean, deviation, size)` are what you need.


# %% nbgrader={"grade": false, "grade_id": "layers-initial", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def xavier_uniform(inputs: int, outputs: int, generator: np.random.Generator) -> np.ndarray:
    """Initial weights for layers that are followed by tanh or sigmoid.

    Returns:
        Shape (inputs, outputs), uniform between -a and a with a = sqrt(6 / (inputs + outputs)).
    """
    ### BEGIN SOLUTION
    limit = np.sqrt(6 / (inputs + outputs))
    return generator.uniform(-limit, limit, (inputs, outputs))
    ### END SOLUTION


def kaiming_normal(inputs: int, outputs: int, generator: np.random.Generator) -> np.ndarray:
    """Initial weights for layers that are followed by ReLU.

    Returns:
        Shape (inputs, outputs), normal with mean 0 and deviation sqrt(2 / inputs).
    """
    ### BEGIN SOLUTION
    return generator.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "layers-initial-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
drawn = xavier_uniform(300, 100, np.random.default_rng(1))
assert drawn.shape == (300, 100), f"Xavier: expected shape (300, 100), found {drawn.shape}"
limit = np.sqrt(6 / 400)
largest = np.abs(drawn).max()
assert largest <= limit, f"Xavier: expected nothing above {limit:.4f}, found {largest:.4f}"
assert largest > 0.99 * limit, f"Xavier: expected numbers up to {limit:.4f}, found {largest:.4f}"
assert abs(drawn.mean()) < 0.003, f"Xavier: expected a mean near 0, found {drawn.mean():.4f}"

drawn = kaiming_normal(300, 100, np.random.default_rng(1))
assert drawn.shape == (300, 100), f"Kaiming: expected shape (300, 100), found {drawn.shape}"
expected = np.sqrt(2 / 300)
found = drawn.std()
assert abs(found / expected - 1) < 0.03, (
    f"Kaiming: expected deviation {expected:.4f}, found {found:.4f}"
)
for function in (xavier_uniform, kaiming_normal):
    first, second = (function(4, 3, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(
        first, second, err_msg=f"{function.__name__}: same seed, same weights"
    )
print("Initial weights: all tests passed.")

# %% [markdown]
# ## 3. Linear
#
# $$ y = xW + b, \qquad x: (n, \text{inputs}), \quad W: (\text{inputs}, \text{outputs}), \quad
#    b: (\text{outputs}) $$
#
# A batch of $n$ examples goes through in one multiplication; $b$ is broadcast to every row. Biases
# begin at zero: the random weights already make the units differ.
#
# Because `Linear` is written with tensor operations, it is in the graph without further work.


# %% nbgrader={"grade": false, "grade_id": "layers-linear", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Linear(Layer):
    """y = x W + b.

    Args:
        inputs: How many numbers an example has.
        outputs: How many numbers come out for each.
        generator: Where the random weights come from.
        initial: Makes the weights: `kaiming_normal` before a ReLU, else `xavier_uniform`.
        bias: Whether there is a b; without it, `self.bias` is None.

    Attributes:
        weight: A parameter of shape (inputs, outputs).
        bias: A parameter of shape (outputs,), zero at first, or None.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: np.random.Generator,
        initial: Callable[..., np.ndarray] = kaiming_normal,
        bias: bool = True,
    ):
        ### BEGIN SOLUTION
        self.weight = Tensor(initial(inputs, outputs, generator), requires_grad=True)
        self.bias = Tensor(np.zeros(outputs), requires_grad=True) if bias else None
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Compute x W + b for a batch.

        Args:
            x: Shape (n, inputs).

        Returns:
            Shape (n, outputs).
        """
        ### BEGIN SOLUTION
        y = x @ self.weight
        return y if self.bias is None else y + self.bias
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "layers-linear-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
layer = Linear(3, 2, np.random.default_rng(0))
shapes = [p.shape for p in layer.parameters()]
assert shapes == [(3, 2), (2,)], f"parameters: expected shapes [(3, 2), (2,)], found {shapes}"
np.testing.assert_array_equal(layer.bias.data, [0, 0], err_msg="biases begin at zero")
expected = kaiming_normal(3, 2, np.random.default_rng(0))
np.testing.assert_array_equal(layer.weight.data, expected, err_msg="weights, from the generator")

layer.weight.data = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
layer.bias.data = np.array([10.0, -10.0])
y = layer(Tensor([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0]]))
np.testing.assert_allclose(y.data, [[16, -2], [16, -2]], err_msg="x W + b")
assert y.requires_grad, "the output depends on parameters: expected requires_grad"

bare = Linear(3, 2, np.random.default_rng(0), initial=xavier_uniform, bias=False)
assert bare.bias is None, f"bias=False: expected None, found {bare.bias}"
assert len(bare.parameters()) == 1, "bias=False: expected one parameter"
zero = bare(Tensor(np.zeros((1, 3)))).data
np.testing.assert_array_equal(zero, [[0, 0]], err_msg="without bias zero stays zero")
print("Linear: all tests passed.")

# %% [markdown]
# ## 4. Dropout
#
# A network that can remember its training data will. **Dropout** makes that harder: in training
# each number is set to zero with probability $p$, so that no unit can rely on another one being there.
# In use nothing is dropped.
#
# On average a number then keeps only $1 - p$ of its size, and the next layer would see different sizes
# in training and in use. So the survivors are divided by $1 - p$: then
# $E[y] = (1 - p) \cdot \frac{x}{1 - p} = x$.
#
# Draw a **mask** of the shape of $x$, holding 0 with probability $p$ and $1 / (1 - p)$ otherwise, and
# multiply. `generator.random(shape)` gives numbers uniform between 0 and 1: those at least $p$
# survive.


# %% nbgrader={"grade": false, "grade_id": "layers-dropout", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Dropout(Layer):
    """In training sets numbers to zero at random, and enlarges the rest; else does nothing.

    Args:
        rate: The probability of being dropped, at least 0 and less than 1.
        generator: Where chance comes from.

    Raises:
        ValueError: The rate is no such probability.
    """

    def __init__(self, rate: float, generator: np.random.Generator):
        if not 0 <= rate < 1:
            raise ValueError(f"expected a rate of at least 0 and less than 1, found {rate}")
        self.rate = rate
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Drop numbers of a tensor of any shape, if `self.training`."""
        ### BEGIN SOLUTION
        if not self.training or self.rate == 0:
            return x
        survives = self.generator.random(x.shape) >= self.rate
        return x * (survives / (1 - self.rate))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "layers-dropout-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
dropout = Dropout(0.25, np.random.default_rng(0))
x = Tensor(np.full((100, 100), 3.0), requires_grad=True)
y = dropout(x)
values = np.unique(y.data)
np.testing.assert_allclose(values, [0, 4], err_msg="3 becomes 0 or 3 / (1 - 0.25) = 4")
dropped = (y.data == 0).mean()
assert abs(dropped - 0.25) < 0.02, f"expected about a quarter dropped, found {dropped:.3f}"
assert (y.data != dropout(x).data).any(), "each call should draw a new mask"
assert y.requires_grad, "the mask should be multiplied as a tensor operation, to get a gradient"
dropout.eval()
np.testing.assert_array_equal(dropout(x).data, x.data, err_msg="in use nothing is dropped")
print("Dropout: all tests passed.")

# %% [markdown]
# ## 5. Sequential
#
# The simplest network: what comes out of one layer goes into the next.


# %% nbgrader={"grade": false, "grade_id": "layers-sequential", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Sequential(Layer):
    """Layers and activations, one after the other.

    Attributes:
        layers: What it was made of, in order.
    """

    def __init__(self, *layers: Callable[[Tensor], Tensor]):
        self.layers = list(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Send a batch through all layers; with no layers it comes out as it went in."""
        ### BEGIN SOLUTION
        for layer in self.layers:
            x = layer(x)
        return x
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "layers-sequential-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
generator = np.random.default_rng(0)
first, second = Linear(4, 8, generator), Linear(8, 2, generator)
network = Sequential(first, ReLU(), Dropout(0.5, generator), second, Sigmoid())
x = Tensor(generator.normal(size=(5, 4)))
network.eval()
hidden = np.maximum(x.data @ first.weight.data, 0)
expected = 1 / (1 + np.exp(-(hidden @ second.weight.data)))
np.testing.assert_allclose(network(x).data, expected, err_msg="Linear, ReLU, Linear, Sigmoid")
count = sum(p.size for p in network.parameters())
assert count == 58, f"4 * 8 + 8 + 8 * 2 + 2 numbers: expected 58 in all, found {count}"
assert Sequential()(x) is x, "a network without layers should return its input"
print("Sequential: all tests passed.")

# %% [markdown]
# ## Does the signal survive?
#
# Twenty layers of 100 units with ReLU, and three ways to begin. Each line shows the size of the
# numbers (their root mean square) after some layers, as a bar from $10^{-12}$ to $10^{4}$; normal would
# be about 1.
#
# **Next:** run `phloem module export 03`, then open module 04.


# %%
def small_normal(inputs: int, outputs: int, generator: np.random.Generator) -> np.ndarray:
    return generator.normal(0, 0.05, (inputs, outputs))


for initial in (small_normal, xavier_uniform, kaiming_normal):
    generator = np.random.default_rng(0)
    signal = Tensor(generator.normal(size=(50, 100)))
    print(initial.__name__)
    for depth in range(1, 21):
        signal = ReLU()(Linear(100, 100, generator, initial=initial)(signal))
        if depth % 4 == 0:
            root_mean_square = float(np.sqrt((signal.data**2).mean()))
            bar = "#" * max(1, round(3 * (np.log10(root_mean_square) + 12)))
            print(f"  after {depth:2} layers {root_mean_square:10.1e} {bar}")
