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
# # Module 06: Optimizers
#
# The gradient says in which direction the loss grows fastest. Going the other way makes it smaller;
# how far, and whether to trust the last gradient alone, is what **optimizers** differ in.
#
# You will write
#
# 1. SGD, the plain step, and momentum,
# 2. Adam, which finds a pace of its own for every weight,
# 3. AdamW, which also lets weights decay,
# 4. a schedule for the learning rate,
# 5. the training loop, in which all six modules work together.

# %% nbgrader={"grade": false, "grade_id": "optimizers-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your library is the folder phloem/ of the workspace, which is above this notebook.
import sys
from pathlib import Path

for folder in Path.cwd().resolve().parents:
    if (folder / "phloem" / "tensors.py").is_file():
        sys.path.insert(0, str(folder))
        break

try:
    import phloem.autograd  # noqa: F401 (loss.backward() asks for it)
    from phloem.activations import Tanh
    from phloem.layers import Dropout, Linear, Sequential
    from phloem.losses import CrossEntropyLoss, MSELoss, accuracy
except ImportError as error:
    message = f"export module 05 first: phloem module export 05 ({error})"
    raise ImportError(message) from error

# %% nbgrader={"grade": false, "grade_id": "optimizers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
"""Optimizers: how weights follow their gradients, and the training loop."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from phloem.layers import Layer
from phloem.tensors import Tensor

# %% [markdown]
# ## 1. SGD and momentum
#
# With a learning rate $\eta$, **gradient descent** is $w \leftarrow w - \eta g$. It is called
# stochastic (SGD) when $g$ comes from a small random batch instead of all data: less exact, much
# cheaper, and the noise even helps.
#
# Imagine a long narrow valley. The slope points across it, from wall to wall, hardly along it. Small
# steps get nowhere, large ones bounce. **Momentum** lets the step remember: it keeps a velocity
#
# $$ v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta v $$
#
# in which the bounces cancel and the small steady part adds up. For a constant $g$, the velocity
# grows to $g(1 + \mu + \mu^2 + \dots) = g / (1 - \mu)$: ten times the step with $\mu = 0.9$.
#
# For example $\mu = 0.9$, $\eta = 0.1$, gradients $1, 1, 1$: velocities $1, 1.9, 2.71$, steps
# $0.1, 0.19, 0.271$.
#
# What all optimizers share is given. Each has to answer one question, `change`: how much is to be
# subtracted from this parameter? What it wants to remember about a parameter it keeps in a dictionary
# with the parameter as key, `self.velocity.get(parameter, 0.0)`.


# %% nbgrader={"grade": false, "grade_id": "optimizers-sgd", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Optimizer:
    """Moves parameters against their gradients.

    Attributes:
        parameters: What is moved.
        learning_rate: The size of the steps. It may be changed between steps.
        count: Which step this is: 0 before the first, 1 in the first.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float):
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("expected at least one parameter, found none")
        self.learning_rate = learning_rate
        self.count = 0

    def zero_grad(self) -> None:
        """Forget all gradients: `backward` adds to what is there."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self.count += 1
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.data = parameter.data - self.change(parameter, parameter.grad)

    def change(self, parameter: Tensor, gradient: np.ndarray) -> np.ndarray:
        """What to subtract from `parameter.data`: an array of its shape."""
        raise NotImplementedError(f"{type(self).__name__} has no change")


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if that is not 0.

    Attributes:
        momentum: What share of the velocity stays from one step to the next.
        velocity: For each parameter that has been moved an array of its shape.
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float = 0.1, momentum: float = 0.0
    ):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum
        self.velocity: dict[Tensor, np.ndarray] = {}

    def change(self, parameter: Tensor, gradient: np.ndarray) -> np.ndarray:
        ### BEGIN SOLUTION
        velocity = self.momentum * self.velocity.get(parameter, 0.0) + gradient
        self.velocity[parameter] = velocity
        return self.learning_rate * velocity
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "optimizers-sgd-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
w, unused = Tensor([1.0, -2.0], requires_grad=True), Tensor(5.0, requires_grad=True)
sgd = SGD([w, unused], learning_rate=0.1)
w.grad = np.array([0.5, -1.0])
sgd.step()
np.testing.assert_allclose(w.data, [0.95, -1.9], err_msg="one step of SGD")
np.testing.assert_allclose(unused.data, 5, err_msg="no gradient, no step")
sgd.step()
np.testing.assert_allclose(w.data, [0.9, -1.8], err_msg="SGD without momentum: the same step again")
sgd.zero_grad()
assert w.grad is None, f"zero_grad(): expected no gradient, found {w.grad}"

first, second = Tensor(0.0, requires_grad=True), Tensor([0.0, 0.0], requires_grad=True)
sgd = SGD([first, second], learning_rate=0.1, momentum=0.9)
for expected in (-0.1, -0.29, -0.561):
    first.grad, second.grad = np.array(1.0), np.array([1.0, -1.0])
    sgd.step()
    np.testing.assert_allclose(first.data, expected, err_msg="momentum 0.9, gradient 1")
    both = [expected, -expected]
    np.testing.assert_allclose(second.data, both, err_msg="each parameter has its own velocity")
print("SGD: all tests passed.")

# %% [markdown]
# ## 2. Adam
#
# One learning rate for all weights is a compromise: some have gradients a thousand times as large as
# others. **Adam** (Kingma and Ba, 2014) divides each gradient by its own usual size. It keeps two
# running means, of the gradient and of its square:
#
# $$ m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 $$
#
# Both begin at 0, so that the first means are far too small: after one step $m = 0.1 g$. After $t$
# steps with a constant $g$ it is $m = (1 - \beta_1^t) g$, and dividing by that factor puts it right:
#
# $$ \hat m = \frac{m}{1 - \beta_1^t}, \qquad \hat v = \frac{v}{1 - \beta_2^t}, \qquad
#    w \leftarrow w - \eta \frac{\hat m}{\sqrt{\hat v} + \epsilon} $$
#
# In the very first step $\hat m = g$ and $\hat v = g^2$: the step is $\eta$ times the *sign* of the
# gradient, whatever its size. The small $\epsilon$ keeps from dividing by zero. $t$ is `self.count`.


# %% nbgrader={"grade": false, "grade_id": "optimizers-adam", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Adam(Optimizer):
    """Steps that are scaled, for each weight, by how large its gradients usually are.

    Attributes:
        betas: What share of the two running means stays from one step to the next.
        epsilon: Keeps from dividing by zero.
        means: For each parameter that has been moved, the running mean of the gradient.
        squares: The same of the gradient's square.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon
        self.means: dict[Tensor, np.ndarray] = {}
        self.squares: dict[Tensor, np.ndarray] = {}

    def change(self, parameter: Tensor, gradient: np.ndarray) -> np.ndarray:
        ### BEGIN SOLUTION
        first, second = self.betas
        mean = first * self.means.get(parameter, 0.0) + (1 - first) * gradient
        square = second * self.squares.get(parameter, 0.0) + (1 - second) * gradient**2
        self.means[parameter], self.squares[parameter] = mean, square
        mean = mean / (1 - first**self.count)
        square = square / (1 - second**self.count)
        return self.learning_rate * mean / (np.sqrt(square) + self.epsilon)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "optimizers-adam-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
w = Tensor([0.0, 0.0, 0.0], requires_grad=True)
adam = Adam([w], learning_rate=0.1)
w.grad = np.array([1000.0, -0.001, 0.0])
adam.step()
found = w.data
np.testing.assert_allclose(found, [-0.1, 0.1, 0], atol=1e-5, err_msg="first step: rate times sign")

w = Tensor(0.0, requires_grad=True)
adam = Adam([w], learning_rate=0.1)
for gradient, expected in [(1.0, -0.1), (-1.0, -0.09473684), (3.0, -0.15079386)]:
    w.grad = np.array(gradient)
    adam.step()
    what = f"step {adam.count} of the gradients 1, -1, 3"
    np.testing.assert_allclose(w.data, expected, rtol=1e-6, err_msg=what)
print("Adam: all tests passed.")

# %% [markdown]
# ## 3. AdamW
#
# Large weights make a network steep and sure of itself. **Weight decay** pulls all of them towards zero
# a little in each step. With plain SGD one can add $\lambda w$ to the gradient. With Adam that goes
# wrong: it would be divided by the usual size of the gradient, and weights with large gradients would
# hardly decay. **AdamW** (Loshchilov and Hutter, 2017) takes the decay out of that division:
#
# $$ w \leftarrow w - \eta \left( \frac{\hat m}{\sqrt{\hat v} + \epsilon} + \lambda w \right) $$
#
# Use what you have: `super().change(parameter, gradient)` is Adam's part.


# %% nbgrader={"grade": false, "grade_id": "optimizers-adamw", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class AdamW(Adam):
    """Adam, with weights that decay.

    Attributes:
        decay: What share of a weight, times the learning rate, is lost in each step.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        decay: float = 0.01,
    ):
        super().__init__(parameters, learning_rate, betas, epsilon)
        self.decay = decay

    def change(self, parameter: Tensor, gradient: np.ndarray) -> np.ndarray:
        ### BEGIN SOLUTION
        step = super().change(parameter, gradient)
        return step + self.learning_rate * self.decay * parameter.data
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "optimizers-adamw-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
w = Tensor([4.0, -2.0], requires_grad=True)
adamw = AdamW([w], learning_rate=0.1, decay=0.5)
w.grad = np.zeros(2)
adamw.step()
np.testing.assert_allclose(w.data, [3.8, -1.9], err_msg="no gradient: a share of 0.1 * 0.5 is lost")
w.grad = np.array([1e6, 1e6])
before = w.data
adamw.step()
plain = Tensor(before, requires_grad=True)
adam = Adam([plain], learning_rate=0.1)
for gradient in (0.0, 1e6):
    plain.data, plain.grad = before, np.full(2, gradient)
    adam.step()
expected = plain.data - 0.05 * before
np.testing.assert_allclose(w.data, expected, err_msg="Adam's step, and the decay beside it")
print("AdamW: all tests passed.")

# %% [markdown]
# ## 4. A schedule
#
# Large steps get far, small steps settle. So begin large and end small. The **cosine schedule** goes
# down half a wave, from the peak to zero: slow at first, slow at last. Before it comes a short **warmup**
# from zero upwards, because the very first gradients, with random weights, deserve little trust.
#
# With $T$ steps in all, $W$ of them warmup, and the peak $\eta$, for step $t = 0, 1, \dots, T$:
#
# $$ \eta_t = \eta \frac{t}{W} \quad (t < W), \qquad
#    \eta_t = \frac{\eta}{2} \left( 1 + \cos \left( \pi \frac{t - W}{T - W} \right) \right)
#    \quad (t \ge W) $$
#
# For example $T = 100$, $W = 0$: all of $\eta$ at step 0, half of it at 50, nothing at 100.


# %% nbgrader={"grade": false, "grade_id": "optimizers-cosine", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def cosine_schedule(step: int, steps: int, peak: float, warmup: int = 0) -> float:
    """The learning rate of a step: up in a line, then down half a cosine.

    Args:
        step: From 0 to `steps`.
        steps: How many there are in all; more than `warmup`.
        peak: The largest learning rate, reached when the warmup ends.
        warmup: For how many steps it grows.
    """
    ### BEGIN SOLUTION
    if step < warmup:
        return peak * step / warmup
    return peak / 2 * (1 + float(np.cos(np.pi * (step - warmup) / (steps - warmup))))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "optimizers-cosine-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
cases = [(0, 0, 0.2), (50, 0, 0.1), (25, 0, 0.17071068), (100, 0, 0.0)]
cases += [(0, 20, 0.0), (5, 20, 0.05), (20, 20, 0.2), (60, 20, 0.1), (100, 20, 0.0)]
for step, warmup, expected in cases:
    found = cosine_schedule(step, 100, 0.2, warmup=warmup)
    what = f"step {step} of 100, peak 0.2, warmup {warmup}"
    np.testing.assert_allclose(found, expected, atol=1e-8, err_msg=what)
print("Schedule: all tests passed.")

# %% [markdown]
# ## 5. The training loop
#
# One **epoch** goes through all examples once, in random order, in batches. For each batch:
#
# 1. forget the old gradients (`optimizer.zero_grad()`),
# 2. forward: the network, then the loss,
# 3. backward: `loss.backward()`,
# 4. `optimizer.step()`.
#
# Forgetting step 1 is the classic mistake: nothing fails, gradients just pile up. `batches`, which
# shuffles, is given. Return the mean loss over all *examples*: the last batch may be smaller than the
# others, so weigh each batch's loss by its length.


# %% nbgrader={"grade": false, "grade_id": "optimizers-training", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def batches(count: int, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """The numbers from 0 to count - 1 in random order, `size` at a time; the last may be fewer."""
    order = generator.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def train_epoch(
    network: Layer,
    loss: Callable[[Tensor, np.ndarray], Tensor],
    optimizer: Optimizer,
    inputs: np.ndarray,
    targets: np.ndarray,
    batch_size: int,
    generator: np.random.Generator,
) -> float:
    """Train on every example once. The network is told that training begins: `network.train()`.

    Args:
        network: What is trained.
        loss: Takes what the network gives, and targets.
        optimizer: Moves the network's parameters.
        inputs: Shape (count, ...).
        targets: Shape (count, ...).
        batch_size: How many examples go through the network at once.
        generator: Where the order comes from.

    Returns:
        The mean loss over all examples, each as it was when its batch was trained.
    """
    ### BEGIN SOLUTION
    network.train()
    surprise = 0.0
    for chosen in batches(len(inputs), batch_size, generator):
        optimizer.zero_grad()
        value = loss(network(Tensor(inputs[chosen])), targets[chosen])
        value.backward()
        optimizer.step()
        surprise += value.item() * len(chosen)
    return surprise / len(inputs)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "optimizers-training-test", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
generator = np.random.default_rng(0)
inputs = generator.normal(size=(10, 3))
targets = inputs @ np.array([[1.0], [-2.0], [0.5]])
layer = Linear(3, 1, generator, bias=False)
weight = layer.weight.data
sgd = SGD(layer.parameters(), learning_rate=0.1)
for epoch in (1, 2):
    difference = inputs @ weight - targets
    found = train_epoch(layer, MSELoss(), sgd, inputs, targets, 10, generator)
    np.testing.assert_allclose(found, (difference**2).mean(), err_msg=f"loss of epoch {epoch}")
    weight = weight - 0.1 * 2 * inputs.T @ difference / 10
    what = f"weights after epoch {epoch} (are gradients forgotten between steps?)"
    np.testing.assert_allclose(layer.weight.data, weight, err_msg=what)

sgd = SGD(layer.parameters(), learning_rate=0.0)
found = train_epoch(layer, MSELoss(), sgd, inputs, targets, 4, generator)
assert sgd.count == 3, f"10 examples, 4 at a time: expected 3 steps, found {sgd.count}"
expected = ((inputs @ weight - targets) ** 2).mean()
np.testing.assert_allclose(found, expected, err_msg="mean over examples, batches of 4, 4 and 2")

network = Sequential(Linear(3, 1, generator), Dropout(0.5, generator))
network.eval()
sgd = SGD(network.parameters(), learning_rate=0.01)
train_epoch(network, MSELoss(), sgd, inputs, targets, 5, generator)
assert network.layers[1].training, "the network should be told: network.train()"
print("Training: all tests passed.")

# %% [markdown]
# ## A race in a narrow valley
#
# $f(x, y) = (x^2 + 100 y^2) / 2$ is a hundred times as steep across as along. All begin at the same
# place, each with a learning rate that suits it. The bars show how much of the height is left, each
# `#` a factor of about 2.


# %%
def race(name: str, make: Callable[[list[Tensor]], Optimizer]) -> None:
    place = Tensor([8.0, 1.0], requires_grad=True)
    optimizer = make([place])
    print(name)
    for step in range(201):
        height = (place * place * np.array([1.0, 100.0])).sum() / 2
        if step % 50 == 0:
            bar = "#" * max(0, round(np.log2(height.item() + 1e-12) + 28))
            print(f"  step {step:3}  height {height.item():8.1e}  {bar}")
        optimizer.zero_grad()
        height.backward()
        optimizer.step()


race("SGD", lambda tensors: SGD(tensors, learning_rate=0.015))
race("SGD with momentum 0.9", lambda tensors: SGD(tensors, learning_rate=0.015, momentum=0.9))
race("Adam", lambda tensors: Adam(tensors, learning_rate=0.3))

# %% [markdown]
# ## All six modules
#
# Three spirals, wound around each other. A network that you have written, from the matrix
# multiplication to the optimizer, tells them apart. The schedule's learning rate is shown beside the
# loss.
#
# **Next:** run `phloem module export 06`, and then `python milestones/02_digits.py`: handwritten
# digits.

# %%
generator = np.random.default_rng(1)
arm = np.repeat([0, 1, 2], 60)
along = np.tile(np.linspace(0.15, 1, 60), 3)
turn = 4 * along + arm * 2 * np.pi / 3 + generator.normal(0, 0.08, 180)
points = np.stack([along * np.cos(turn), along * np.sin(turn)], axis=1)

network = Sequential(
    Linear(2, 32, generator), Tanh(), Linear(32, 32, generator), Tanh(), Linear(32, 3, generator)
)
optimizer = AdamW(network.parameters(), learning_rate=0.02)
for epoch in range(81):
    optimizer.learning_rate = cosine_schedule(epoch, 81, 0.02, warmup=5)
    value = train_epoch(network, CrossEntropyLoss(), optimizer, points, arm, 30, generator)
    if epoch % 10 == 0:
        bar = "#" * round(30 * value)
        print(f"epoch {epoch:2}  rate {optimizer.learning_rate:.4f}  loss {value:.4f}  {bar}")
print(f"right: {accuracy(network(Tensor(points)), arm):.1%}")

columns, rows = np.linspace(-1.1, 1.1, 61), np.linspace(1.1, -1.1, 25)
for y in rows:
    winners = network(Tensor([[x, y] for x in columns])).data.argmax(axis=1)
    print("".join(".o#"[winner] for winner in winners))
