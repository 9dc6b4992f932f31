"""A convolutional net reads handwritten digits: 1,797 images of 8 by 8 pixels.

Two convolutions with pooling after the first, written with `wg.nn`, and one dense layer. The loop
over the batches is written out: `wg.jit` makes loss, gradient and update one native function.
"""

from __future__ import annotations

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
Params = dict[str, Array]
EPOCHS, BATCH = 30, 32
SHAPES = {"first": (16, 1, 3, 3), "second": (32, 16, 3, 3), "out": (32 * 4 * 4, 10)}


def initial(rng: np.random.Generator) -> Params:
    """Random filters and weights with variance 2 / inputs."""
    fans = {"first": 9, "second": 16 * 9, "out": 32 * 4 * 4}
    return {
        name: (rng.standard_normal(shape) * np.sqrt(2 / fans[name])).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def scores(params: Params, images: Array) -> Array:
    """A score for each digit; images are (batch, 1, 8, 8)."""
    x = wg.nn.relu(wg.nn.conv(images, params["first"], padding="same"))
    x = wg.nn.max_pool(x, 2)
    x = wg.nn.relu(wg.nn.conv(x, params["second"], padding="same"))
    return x.reshape(len(x), -1) @ params["out"]


def loss(params: Params, images: Array, labels: Labels) -> Array:
    """The mean cross-entropy."""
    return np.mean(wg.nn.cross_entropy(scores(params, images), labels))


def train(x: Array, y: Labels) -> tuple[Params, list[float]]:
    """The parameters after some epochs of Adam's steps, and the mean loss of each epoch."""
    count = EPOCHS * (len(x) // BATCH)
    optimizer = wg.optim.adam(wg.optim.cosine_decay_schedule(3e-3, count))

    @wg.jit
    def step(params: Params, state: Any, images: Array, labels: Labels) -> Any:
        value, gradients = wg.value_and_grad(loss)(params, images, labels)
        updates, state = optimizer.update(gradients, state, params)
        return value, wg.optim.apply_updates(params, updates), state

    rng = np.random.default_rng(0)
    params = initial(rng)
    state = optimizer.init(params)
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for chosen in rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            value, params, state = step(params, state, x[chosen], y[chosen])
            total += float(value)
        losses.append(total / (len(x) // BATCH))
    return params, losses


def plot(losses: list[float], filters: Array, path: Path) -> None:
    """The loss over the epochs, and the filters of the first layer."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.semilogy(range(1, len(losses) + 1), losses, marker=".")
    axes.set(title="Loss on the training digits", xlabel="epoch", ylabel="cross-entropy / nats")
    right.suptitle("Filters of the first layer: red is positive, blue negative")
    size = float(np.max(np.abs(filters)))
    for place, values in zip(right.subplots(4, 4).flat, filters[:, 0], strict=True):
        place.imshow(values, cmap="coolwarm", vmin=-size, vmax=size)
        place.axis("off")
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Trains on four fifths of the digits, draws `conv_digits.png`."""
    data = load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        images, data.target, test_size=0.2, stratify=data.target, random_state=0
    )
    params, losses = train(x, y)
    read = np.argmax(wg.jit(scores)(params, x_test), axis=1)
    plot(losses, params["first"], out / "conv_digits.png")
    return {
        "accuracy on held-out digits": float(np.mean(read == y_test)),
        "loss on training digits": losses[-1],
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
