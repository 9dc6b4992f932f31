"""Online learning: digits come one by one, are read, and only then learned from.

Nothing is kept of a digit that has been seen. Half-way the camera is turned by a quarter, which the
learner is not told. Because each digit is read before it is learned, the share that is read right
is an honest measure at every moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import wengert as wg

Array = NDArray[np.float32]
Params = dict[str, Array]
WINDOW = 300  # digits over which the accuracy is measured


def stream(rng: np.random.Generator) -> Iterator[tuple[Array, np.int64]]:
    """Each of 1,797 digits upright, in random order; then each turned by a quarter."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)
    for turned in (images, np.rot90(images, axes=(1, 2))):
        for k in rng.permutation(len(images)):
            yield turned[k], data.target[k]


def scores(params: Params, image: Array) -> Array:
    """A score for each digit, by one hidden layer."""
    hidden = np.tanh(image.reshape(-1) @ params["hidden"] + params["bias"])
    return hidden @ params["out"]


def loss(params: Params, image: Array, label: np.int64) -> tuple[Array, Array]:
    """The cross-entropy of one digit, and which one it was read as."""
    found = scores(params, image)
    return wg.nn.cross_entropy(found, label), np.argmax(found)


OPTIMIZER = wg.optim.sgd(0.03)


@wg.jit
def learn(params: Params, state: Any, image: Array, label: np.int64) -> Any:
    """What the digit is read as; and parameters and state that have learned from it."""
    (_, read), gradients = wg.value_and_grad(loss, has_aux=True)(params, image, label)
    updates, state = OPTIMIZER.update(gradients, state, params)
    return read, wg.optim.apply_updates(params, updates), state


def run(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of the digits of the stream were read right."""
    params = {
        "hidden": rng.normal(0, 1 / 8, (64, 64)).astype(np.float32),
        "bias": np.zeros(64, np.float32),
        "out": np.zeros((64, 10), np.float32),
    }
    state = OPTIMIZER.init(params)
    right = []
    for image, label in stream(rng):
        read, params, state = learn(params, state, image, label)
        right.append(read == label)
    return np.array(right)


def plot(right: NDArray[np.bool_], path: Path) -> None:
    """The accuracy over the last digits, at each moment."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    moving = np.convolve(right, np.ones(WINDOW) / WINDOW, mode="valid")
    axes.plot(np.arange(len(moving)) + WINDOW, moving, color="#2a6f97")
    axes.axvline(len(right) // 2, color="black", linestyle=":", label="the camera is turned")
    axes.axhline(0.1, color="#d08c60", linestyle="--", label="guessing")
    axes.set(title="Digits read before they are learned from", xlabel="digits seen")
    axes.set(ylabel=f"share read right of the last {WINDOW}", ylim=(0, 1))
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Reads and learns the whole stream, draws `online_learning.png`."""
    right = run(np.random.default_rng(0))
    upright, turned = np.split(right, 2)
    plot(right, out / "online_learning.png")
    return {
        f"accuracy on the last {WINDOW} upright digits": float(np.mean(upright[-WINDOW:])),
        "accuracy on the first 50 turned digits": float(np.mean(turned[:50])),
        f"accuracy on the last {WINDOW} turned digits": float(np.mean(turned[-WINDOW:])),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
