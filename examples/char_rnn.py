"""A recurrent net learns to write the Python reference, one character after the other.

The text is what `help("for")` and its like print; every installation of Python has it. The net is
a gated recurrent unit (K. Cho et al., EMNLP 2014). Its loop over the text is a plain `for`:
`wg.jit` compiles it and the one that runs back for the gradient.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import wengert as wg

Array = NDArray[np.float32]
Codes = NDArray[np.int64]
Params = dict[str, Array]
ALPHABET = " abcdefghijklmnopqrstuvwxyz.,"
WIDTH, LENGTH, BATCH, STEPS = 128, 48, 32, 400


def load() -> Codes:
    """The text in small letters without signs, as numbers of characters in the alphabet."""
    text = " ".join(topics[name] for name in sorted(topics)).lower()
    plain = re.sub("[^a-z.,]+", " ", text)
    return np.array([ALPHABET.index(character) for character in plain])


def initial(rng: np.random.Generator) -> Params:
    """Random weights with variance 1 / inputs; rows of `read` belong to characters."""
    shapes = {
        "read": (len(ALPHABET), 3 * WIDTH),
        "gates": (WIDTH, 2 * WIDTH),
        "proposal": (WIDTH, WIDTH),
        "write": (WIDTH, len(ALPHABET)),
    }
    return {
        name: (rng.standard_normal(shape) / np.sqrt(WIDTH)).astype(np.float32)
        for name, shape in shapes.items()
    }


def cell(params: Params, state: Array, character: Codes) -> Array:
    """The state after one more character, a row for each text of a batch."""
    read = params["read"][character]
    gates = wg.nn.sigmoid(read[:, : 2 * WIDTH] + state @ params["gates"])
    keep, reset = gates[:, :WIDTH], gates[:, WIDTH:]
    proposal = np.tanh(read[:, 2 * WIDTH :] + (reset * state) @ params["proposal"])
    return keep * state + (1 - keep) * proposal


def loss(params: Params, texts: Codes) -> Array:
    """The mean bits for each next character; `texts` is (time, batch)."""
    state = np.zeros((texts.shape[1], WIDTH), np.float32)
    states = []
    for character in texts[:-1]:
        state = cell(params, state, character)
        states.append(state)
    scores = np.stack(states) @ params["write"]
    return np.mean(wg.nn.cross_entropy(scores, texts[1:])) / np.log(np.float32(2))


@wg.jit
def write(params: Params, key: Any, start: Codes) -> Codes:
    """500 characters that follow on `start`, each drawn from what the net expects."""
    state = np.zeros((1, WIDTH), np.float32)
    for character in start:
        state = cell(params, state, character[None])
    written = np.zeros(500, np.int64)
    for t in range(len(written)):
        scores = (state @ params["write"])[0] / 0.7
        written[t] = wg.random.categorical(wg.random.fold_in(key, t), scores)
        state = cell(params, state, written[t : t + 1])
    return written


def plot(losses: list[float], text: str, path: Path) -> None:
    """The loss over the steps, and a text that the net has written."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 4))
    left.plot(losses)
    left.axhline(np.log2(len(ALPHABET)), color="black", linestyle=":", label="no knowledge")
    left.set(title="Loss", xlabel="step", ylabel="bits for each character")
    left.legend()
    right.set_title("Written by the net")
    lines = "\n".join(textwrap.wrap(text, 50))
    right.text(0.02, 0.96, lines, family="monospace", fontsize=11, va="top", linespacing=1.7)
    right.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float | str]:
    """Trains on random pieces of the text, writes, draws `char_rnn.png`."""
    text, rng = load(), np.random.default_rng(0)
    train, held_out = text[:-20000], text[-20000:].reshape(100, 200).T

    def batches() -> Any:
        while True:
            starts = rng.integers(0, len(train) - LENGTH, BATCH)
            yield train[starts + np.arange(LENGTH + 1)[:, None]]

    rate = wg.optim.warmup_cosine_decay_schedule(0.0, 1e-2, 20, STEPS)
    optimizer = wg.optim.chain(wg.optim.clip_by_global_norm(1.0), wg.optim.adam(rate))
    found = wg.fit(loss, initial(rng), batches(), optimizer, steps=STEPS)
    written = write(found.params, wg.random.key(0), text[:100])
    sample = "".join(ALPHABET[k] for k in written)
    plot(found.history.loss, sample, out / "char_rnn.png")
    return {
        "bits for each held-out character": float(wg.jit(loss)(found.params, held_out)),
        "text": sample,
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure}")
