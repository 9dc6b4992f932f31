"""A multilayer perceptron reads handwritten digits: 1,797 images of 8 by 8 pixels.

`wg.fit` compiles the loss, its gradient, the accuracy and Adam's update into one native function,
and calls it for each batch; a fifth of the digits is held out.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import wengert as wg

Array = NDArray[np.float32]
Labels = NDArray[np.int64]
Params = list[dict[str, Array]]
WIDTHS = (64, 128, 64, 10)


def initial(rng: np.random.Generator) -> Params:
    """Random weights with variance 2 / inputs, and no biases yet."""
    return [
        {
            "weights": (rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32),
            "bias": np.zeros(m, np.float32),
        }
        for n, m in pairwise(WIDTHS)
    ]


def scores(params: Params, images: Array) -> Array:
    """A score for each digit: dense layers, with relu between them."""
    *hidden, last = params
    for layer in hidden:
        images = wg.nn.relu(images @ layer["weights"] + layer["bias"])
    return images @ last["weights"] + last["bias"]


def loss(params: Params, images: Array, labels: Labels) -> Array:
    """The mean cross-entropy."""
    return np.mean(wg.nn.cross_entropy(scores(params, images), labels))


def accuracy(params: Params, images: Array, labels: Labels) -> Array:
    """The share of the images that are read right."""
    return np.mean(np.argmax(scores(params, images), axis=1) == labels)


def plot(history: Any, params: Params, images: Array, labels: Labels, path: Path) -> None:
    """Accuracy over the epochs, and the held-out digits that are read wrong."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    for name, label in (("accuracy", "training digits"), ("val_accuracy", "held-out digits")):
        found = history.column(name)
        axes.plot(range(1, len(found) + 1), found, label=label)
    axes.set(title="Accuracy", xlabel="epoch", ylabel="share of digits read right")
    axes.set(ylim=(0.85, 1.005))
    axes.legend(loc="lower right")
    read = np.argmax(scores(params, images), axis=1)
    right.suptitle("Held-out digits that are read wrong")
    for place, k in zip(right.subplots(3, 5).flat, np.flatnonzero(read != labels), strict=False):
        place.imshow(images[k].reshape(8, 8), cmap="gray_r")
        place.set_title(f"{labels[k]}, read {read[k]}", fontsize=9)
    for place in right.axes:
        place.axis("off")
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Trains for 40 epochs, draws `mlp_digits.png`."""
    data = load_digits()
    images, labels = (data.data / 16).astype(np.float32), data.target
    x, x_test, y, y_test = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    epochs, batch = 40, 32
    rate = wg.optim.cosine_decay_schedule(2e-3, epochs * (len(x) // batch + 1))
    found = wg.fit(
        loss,
        initial(np.random.default_rng(0)),
        (x, y),
        wg.optim.adamw(rate, weight_decay=0.01),
        epochs=epochs,
        batch_size=batch,
        metrics={"accuracy": accuracy},
        validation=(x_test, y_test),
    )
    plot(found.history, found.params, x_test, y_test, out / "mlp_digits.png")
    return {
        "accuracy on held-out digits": found.history.column("val_accuracy")[-1],
        "accuracy on training digits": found.history.column("accuracy")[-1],
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
