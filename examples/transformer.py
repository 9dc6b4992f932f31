"""A small transformer learns to write the Python reference, one character after the other.

Two blocks of attention and dense layers over a window of 48 characters (A. Vaswani et al.,
"Attention is all you need", NeurIPS 2017). The text is what `help("for")` and its like print.
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
Params = dict[str, Any]
ALPHABET = " abcdefghijklmnopqrstuvwxyz.,"
WIDTH, HEADS, BLOCKS, WINDOW, BATCH, STEPS = 64, 2, 2, 48, 24, 700


def load() -> Codes:
    """The text in small letters without signs, as numbers of characters in the alphabet."""
    text = " ".join(topics[name] for name in sorted(topics)).lower()
    plain = re.sub("[^a-z.,]+", " ", text)
    return np.array([ALPHABET.index(character) for character in plain])


def initial(rng: np.random.Generator) -> Params:
    """Random weights with variance 1 / inputs; what the blocks add is zero at first."""
    w, letters = WIDTH, len(ALPHABET)

    def dense(n: int, m: int) -> Array:
        return (rng.standard_normal((n, m)) / np.sqrt(n)).astype(np.float32)

    def block() -> Params:
        ends = {"join": np.zeros((w, w), np.float32), "narrow": np.zeros((4 * w, w), np.float32)}
        return {"attend": dense(w, 3 * w), "wide": dense(w, 4 * w), **ends}

    outer = {"places": dense(WINDOW, w), "read": dense(letters, w), "write": dense(w, letters)}
    return {"blocks": [block() for _ in range(BLOCKS)], **outer}


def attention(block: Params, x: Array) -> Array:
    """What each place of x (batch, places, width) takes from the places up to itself."""
    batch, places, _ = x.shape
    joint = (x @ block["attend"]).reshape(batch, places, 3, HEADS, WIDTH // HEADS)
    query, key, value = joint.transpose(2, 0, 3, 1, 4)
    seen = wg.nn.dot_product_attention(query, key, value, causal=True)
    return seen.transpose(0, 2, 1, 3).reshape(batch, places, WIDTH) @ block["join"]


def scores(params: Params, texts: Codes) -> Array:
    """Scores of what follows each character of `texts` (batch, places)."""
    x = params["read"][texts] + params["places"][: texts.shape[1]]
    for block in params["blocks"]:
        x = x + attention(block, wg.nn.rms_norm(x))
        x = x + wg.nn.gelu(wg.nn.rms_norm(x) @ block["wide"], approximate=True) @ block["narrow"]
    return wg.nn.rms_norm(x) @ params["write"]


def loss(params: Params, texts: Codes) -> Array:
    """The mean bits for each next character; `texts` is (batch, places + 1)."""
    nats = wg.nn.cross_entropy(scores(params, texts[:, :-1]), texts[:, 1:])
    return np.mean(nats) / np.log(np.float32(2))


@wg.jit
def write(params: Params, key: Any, start: Codes) -> Codes:
    """500 characters that follow on a window, each drawn from what the net expects."""
    text = np.zeros(WINDOW + 500, np.int64)
    text[:WINDOW] = start
    for t in range(500):
        expected = scores(params, text[None, t : t + WINDOW])[0, -1] / 0.7
        text[t + WINDOW] = wg.random.categorical(wg.random.fold_in(key, t), expected)
    return text[WINDOW:]


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
    """Trains on random pieces of the text, writes, draws `transformer.png`."""
    text, rng = load(), np.random.default_rng(0)
    train, held_out = text[:-19600], text[-19600:].reshape(400, WINDOW + 1)

    def batches() -> Any:
        while True:
            starts = rng.integers(0, len(train) - WINDOW, (BATCH, 1))
            yield train[starts + np.arange(WINDOW + 1)]

    rate = wg.optim.warmup_cosine_decay_schedule(0.0, 1e-2, 50, STEPS)
    optimizer = wg.optim.chain(wg.optim.clip_by_global_norm(1.0), wg.optim.adamw(rate))
    found = wg.fit(loss, initial(rng), batches(), optimizer, steps=STEPS)
    sample = "".join(ALPHABET[k] for k in write(found.params, wg.random.key(0), text[:WINDOW]))
    plot(found.history.loss, sample, out / "transformer.png")
    return {
        "bits for each held-out character": float(wg.jit(loss)(found.params, held_out)),
        "text": sample,
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure}")
