"""Milestone 1: a perceptron tells benign from malignant tumours.

One linear layer, trained with gradients found on paper (module 04), on the breast cancer data
that come with scikit-learn: 569 patients, 30 measurements of each one's cells. It uses your modules
01 to 04:

    python milestones/01_perceptron.py
    python milestones/01_perceptron.py --epochs 50 --seed 3
"""

import argparse
import importlib
import sys
import traceback
from pathlib import Path

import numpy as np

WORKSPACE = Path(__file__).resolve().parents[1]
NEEDS = {"01": "tensors", "02": "activations", "03": "layers", "04": "losses"}


def check_library() -> None:
    """Stop with a remedy if a module that is needed has not been exported."""
    sys.path.insert(0, str(WORKSPACE))
    for number, name in NEEDS.items():
        try:
            importlib.import_module(f"phloem.{name}")
        except ImportError as error:
            sys.exit(
                f"This milestone needs your modules {', '.join(NEEDS)}; phloem.{name} cannot be "
                f"imported ({error}).\nFinish module {number}, then run: "
                f"phloem module export {number}"
            )


def load_patients(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Measurements and answers of 455 patients to learn from and of 114 to be tested on.

    Returns:
        Training inputs (455, 30) and answers (455, 1), then the same for the test. An answer is 1
        for a benign tumour, 0 for a malignant one.
    """
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError:
        sys.exit("The data come with scikit-learn, which is missing: pip install scikit-learn")
    inputs, answers = load_breast_cancer(return_X_y=True)
    order = generator.permutation(len(inputs))
    inputs, answers = inputs[order], answers[order].reshape(-1, 1).astype(float)
    split = len(inputs) * 4 // 5
    # Measurements differ in size a thousandfold. Each is brought to mean 0 and deviation 1, as seen
    # in the training data: nobody may look at the test.
    mean, deviation = inputs[:split].mean(axis=0), inputs[:split].std(axis=0)
    inputs = (inputs - mean) / deviation
    return inputs[:split], answers[:split], inputs[split:], answers[split:]


def train(epochs: int, seed: int) -> None:
    """Train on all patients at once, and tell how it goes."""
    from phloem.activations import sigmoid
    from phloem.layers import Linear, xavier_uniform
    from phloem.losses import BinaryCrossEntropyLoss
    from phloem.tensors import Tensor

    generator = np.random.default_rng(seed)
    inputs, answers, test_inputs, test_answers = load_patients(generator)
    layer = Linear(inputs.shape[1], 1, generator, initial=xavier_uniform)
    loss = BinaryCrossEntropyLoss()
    learning_rate = 0.5

    print(f"A perceptron: {len(inputs)} patients to learn from, {len(test_inputs)} for the test\n")
    print("epoch    loss")
    shown = {round(epoch) for epoch in np.linspace(0, epochs, 11)}
    for epoch in range(epochs + 1):
        logits = layer(Tensor(inputs))
        if epoch in shown:
            value = loss(logits, answers).item()
            print(f"{epoch:5}  {value:6.4f}  {'#' * round(50 * value)}")
        # What was stated less what is true, and how much each measurement had to do with it.
        slope = (sigmoid(logits.data) - answers) / len(inputs)
        layer.weight.data = layer.weight.data - learning_rate * (inputs.T @ slope)
        layer.bias.data = layer.bias.data - learning_rate * slope.sum(axis=0)

    guesses = layer(Tensor(test_inputs)).data > 0
    right = guesses == test_answers
    missed = int((guesses & (test_answers == 0)).sum())
    print(f"\ntest accuracy: {right.mean():.1%} ({right.sum()} of {len(right)})")
    print(f"malignant, but called benign: {missed} of {int((test_answers == 0).sum())}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a perceptron on the breast cancer data.")
    parser.add_argument("--epochs", type=int, default=100, help="steps of training (100)")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins (0)")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"expected at least 1 epoch, found {options.epochs}")
    check_library()
    try:
        train(options.epochs, options.seed)
    except NotImplementedError as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        name, file = frame.f_code.co_qualname, Path(frame.f_code.co_filename)
        sys.exit(f"{name} in {file.parent.name}/{file.name} is not written yet, or not exported.")


if __name__ == "__main__":
    main()
