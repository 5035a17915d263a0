"""Milestone 2: a network reads handwritten digits.

Two hidden layers, trained with your own autograd and optimizer, on the digits that come with
scikit-learn: 1797 pictures of 8 by 8 pixels. It uses all of your modules, 01 to 06:

    python milestones/02_digits.py
    python milestones/02_digits.py --epochs 10 --seed 3
"""

import argparse
import importlib
import sys
import traceback
from pathlib import Path

import numpy as np

WORKSPACE = Path(__file__).resolve().parents[1]
NEEDS = {
    "01": "tensors",
    "02": "activations",
    "03": "layers",
    "04": "losses",
    "05": "autograd",
    "06": "optimizers",
}


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


def load_pictures(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Pictures and labels: 1437 to learn from, 360 to be tested on.

    Returns:
        Training pictures (1437, 64) from 0 to 1 and labels (1437,), then the same for the test.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        sys.exit("The data come with scikit-learn, which is missing: pip install scikit-learn")
    pictures, labels = load_digits(return_X_y=True)
    order = generator.permutation(len(pictures))
    pictures, labels = pictures[order] / 16, labels[order]
    split = len(pictures) * 4 // 5
    return pictures[:split], labels[:split], pictures[split:], labels[split:]


def train(epochs: int, seed: int) -> None:
    """Train a network, and tell how it goes."""
    from phloem.activations import ReLU
    from phloem.layers import Dropout, Linear, Sequential
    from phloem.losses import CrossEntropyLoss, accuracy
    from phloem.optimizers import AdamW, cosine_schedule, train_epoch
    from phloem.tensors import Tensor

    generator = np.random.default_rng(seed)
    pictures, labels, test_pictures, test_labels = load_pictures(generator)
    network = Sequential(
        Linear(64, 64, generator),
        ReLU(),
        Dropout(0.1, generator),
        Linear(64, 32, generator),
        ReLU(),
        Linear(32, 10, generator),
    )
    optimizer = AdamW(network.parameters())
    loss = CrossEntropyLoss()

    weights = sum(parameter.size for parameter in network.parameters())
    print(f"A network of {weights} weights: {len(pictures)} pictures to learn from,", end=" ")
    print(f"{len(test_pictures)} for the test\n\nepoch    loss")
    for epoch in range(1, epochs + 1):
        optimizer.learning_rate = cosine_schedule(epoch - 1, epochs, peak=0.005)
        value = train_epoch(network, loss, optimizer, pictures, labels, 32, generator)
        print(f"{epoch:5}  {value:6.4f}  {'#' * round(30 * value)}")

    network.eval()
    logits = network(Tensor(test_pictures))
    guesses = logits.data.argmax(axis=1)
    print(f"\ntest accuracy: {accuracy(logits, test_labels):.1%}", end=" ")
    print(f"({(guesses == test_labels).sum()} of {len(test_labels)})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=20, help="rounds of training (20)")
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
