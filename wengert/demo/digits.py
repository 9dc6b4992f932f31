"""Trains the classifier of `model.py` on the 1,797 digits of scikit-learn and reports on it."""

from __future__ import annotations

import argparse
import importlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import wengert as wg
from wengert.demo import model

WIDTHS = (64, 256, 128, 10)
BATCH = 32
PEAK_RATE = 2e-3


class Split(NamedTuple):
    """Images, one row each with numbers from 0 to 1, and which digit each shows."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass
class History:
    """What is known after every epoch, and the seconds spent."""

    losses: list[float] = field(default_factory=list[float])
    train_accuracy: list[float] = field(default_factory=list[float])
    test_accuracy: list[float] = field(default_factory=list[float])
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    steps: int = 0


def needed(module: str) -> Any:
    """A package of the extra `demo`; if it is missing, the program ends and says what to do."""
    try:
        return importlib.import_module(module)
    except ImportError as fault:
        raise SystemExit(
            f"the demo needs the package of '{module}' ({fault}): pip install 'wengert[demo]'"
        ) from fault


def load(seed: int) -> tuple[Split, Split]:
    """The digits for training and the fifth that is held out, with equal shares of each digit."""
    digits = needed("sklearn.datasets").load_digits()
    train_images, test_images, train_labels, test_labels = needed(
        "sklearn.model_selection"
    ).train_test_split(
        (digits.data / 16.0).astype(np.float32),
        digits.target.astype(np.int64),
        test_size=0.2,
        stratify=digits.target,
        random_state=seed,
    )
    return Split(train_images, train_labels), Split(test_images, test_labels)


def learning_rate(step: int, total: int) -> np.float32:
    """Adam's rate for a step: half a cosine down to zero, times the correction for its means.

    The means start at zero, so after n steps they are too small by 1 - decay^n; both corrections
    are one number, which leaves the compiled step free of a step count.
    """
    cosine = 0.5 * (1.0 + math.cos(math.pi * step / total))
    correction = math.sqrt(1.0 - 0.999 ** (step + 1)) / (1.0 - 0.9 ** (step + 1))
    return np.float32(PEAK_RATE * cosine * correction)


def batches(data: Split, rng: np.random.Generator) -> Iterator[Split]:
    """One epoch in random order; the last, incomplete batch is left out."""
    order = rng.permutation(len(data.labels))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        yield Split(data.images[chosen], data.labels[chosen])


class Compiled(NamedTuple):
    """Native code: one training step, and the accuracy on the training and the test part."""

    step: Callable[..., Any]
    train_accuracy: Callable[[model.Parameters], float]
    test_accuracy: Callable[[model.Parameters], float]


def compile_all(state: model.State, training: Split, test: Split) -> Compiled:
    """Compiles everything ahead, so that its time is not in the first epoch's."""
    first = Split(training.images[:BATCH], training.labels[:BATCH])
    step = wg.jit(model.train_step).lower(state, np.float32(0), *first).compile()

    def accuracy(part: Split) -> Callable[[model.Parameters], float]:
        scores = wg.jit(model.scores).lower(state.parameters, part.images).compile()

        def of(parameters: model.Parameters) -> float:
            best = np.argmax(scores(parameters, part.images), axis=1)
            return float(np.mean(best == part.labels))

        return of

    return Compiled(step, accuracy(training), accuracy(test))


def train(training: Split, test: Split, epochs: int, seed: int) -> History:
    """Trains from random weights; prints a line for every epoch."""
    history = History()
    rng = np.random.default_rng(seed)
    state = model.initial_state(WIDTHS, rng)
    start = time.perf_counter()
    compiled = compile_all(state, training, test)
    history.compile_seconds = time.perf_counter() - start
    print(f"compiled: {history.compile_seconds:.2f} s (training step, scores of both parts)")
    total = epochs * (len(training.labels) // BATCH)
    # a bar only on a terminal: disable=None asks tqdm to look
    bar = needed("tqdm").tqdm(range(epochs), disable=None, unit="epoch", leave=False)
    for epoch in bar:
        start = time.perf_counter()
        losses = []
        for images, labels in batches(training, rng):
            rate = learning_rate(history.steps, total)
            value, state = compiled.step(state, rate, images, labels)
            losses.append(float(value))
            history.steps += 1
        history.run_seconds += time.perf_counter() - start
        history.losses.append(float(np.mean(losses)))
        history.train_accuracy.append(compiled.train_accuracy(state.parameters))
        history.test_accuracy.append(compiled.test_accuracy(state.parameters))
        bar.write(
            f"epoch {epoch + 1:3d}/{epochs}  loss {history.losses[-1]:.4f}"
            f"  accuracy: train {history.train_accuracy[-1]:.3f}"
            f"  test {history.test_accuracy[-1]:.3f}"
        )
    return history


def plot(history: History, path: Path) -> None:
    """The loss and both accuracies over the epochs, as a PNG."""
    figure = needed("matplotlib.figure").Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(history.losses) + 1)
    left.plot(epochs, history.losses, color="#2a6f97")
    left.set(title="loss on the training digits", xlabel="epoch", yscale="log")
    right.plot(epochs, history.train_accuracy, color="#2a6f97", label="training digits")
    right.plot(epochs, history.test_accuracy, color="#d08c60", label="held-out digits")
    right.set(title="accuracy", xlabel="epoch", ylim=(0.85, 1.005))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def demo(argv: Sequence[str]) -> int:
    """The subcommand: loads, trains, plots; the last line is the accuracy on held-out digits."""
    options = parser().parse_args(argv)
    training, test = load(options.seed)
    print(
        f"data: {len(training.labels)} handwritten digits to train on, {len(test.labels)} held out"
    )
    widths = "-".join(map(str, WIDTHS))
    print(f"model: {widths}, relu, softmax cross-entropy, Adam; batches of {BATCH}, float32")
    history = train(training, test, options.epochs, options.seed)
    print(
        f"ran: {history.run_seconds:.2f} s, {history.steps} steps of "
        f"{1e3 * history.run_seconds / history.steps:.2f} ms"
    )
    path = options.out / "demo-loss.png"
    plot(history, path)
    print(f"loss curve: {path}")
    print(f"test accuracy: {history.test_accuracy[-1]:.3f}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The demo's options."""
    options = argparse.ArgumentParser(
        prog="python -m wengert demo",
        description="Trains a classifier on the 1,797 handwritten digits of scikit-learn.",
    )
    options.add_argument("--epochs", type=positive, default=40)
    options.add_argument("--seed", type=int, default=0, help="of the split, weights and order")
    options.add_argument("--out", type=Path, default=Path("out"), help="folder for the plot")
    return options


def positive(text: str) -> int:
    """A command-line argument that is a positive integer."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value
