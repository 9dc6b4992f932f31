"""Every example, run as it is: what its page claims is so, and its picture is drawn.

`CLAIMS` has, for each example, the bounds of the figures that its `main` returns; the figure of a
text is the share of its words that the text for training has. An example without claims fails, so
a new file in the folder needs its entry here and its line in the README. Bounds of what is trained
hold for other random starts too, since another processor's rounding may lead elsewhere.
"""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "examples"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))
PNG = b"\x89PNG\r\n\x1a\n"

Bounds = tuple[float, float]


def at_least(low: float) -> Bounds:
    return low, math.inf


def at_most(high: float) -> Bounds:
    return 0.0, high


CLAIMS: dict[str, dict[str, Bounds]] = {
    "char_rnn": {
        "bits for each held-out character": (1.5, 2.3),
        "text": at_least(0.6),
    },
    "conv_digits": {
        "accuracy on held-out digits": at_least(0.97),
        "loss on training digits": at_most(0.02),
    },
    "edge_detection": {
        "difference from scipy's Sobel": at_most(1e-14),
        "difference of the learned filter from lstsq": at_most(1e-8),
        "error on the other photograph over Sobel's": at_most(0.6),
    },
    "fit_ode": {
        "largest relative error of a parameter": at_most(0.03),
        "largest error in standard errors": at_most(2.0),
        "squared misfit over its expectation": (0.7, 1.3),
    },
    "linear_regression": {
        "share of the variance explained": (0.517, 0.519),
        "largest difference from lstsq": at_most(1e-6),
    },
    "linearisation": {
        "error of the eigenvalues": at_most(1e-12),
        "slowest eigenvalue with feedback": (-1.0, -0.5),
        "degrees from upright at the end": at_most(0.1),
        "growth of the linear system's error": (7.9, 8.1),
    },
    "logistic_regression": {
        "accuracy on patients held out": at_least(0.95),
        "largest difference from scikit-learn's weights": at_most(1e-8),
    },
    "many_processes": {
        "loss at the end": at_most(0.4),
        "largest relative difference of a loss": at_most(1e-11),
        "largest difference of a parameter": at_most(1e-11),
    },
    "mlp_digits": {
        "accuracy on held-out digits": at_least(0.96),
        "accuracy on training digits": at_least(0.999),
    },
    "monte_carlo": {
        "largest error of a cost, in standard errors": at_most(3.0),
        "largest error of a derivative": at_most(0.006),
        "best order": (113.4, 113.6),
        "error of the best order": at_most(0.03),
    },
    "online_learning": {
        "accuracy on the last 300 upright digits": at_least(0.91),
        "accuracy on the first 50 turned digits": at_most(0.5),
        "accuracy on the last 300 turned digits": at_least(0.91),
    },
    "pca": {
        "share of the variance in ten components": (0.738, 0.739),
        "difference of eigenvectors from numpy's SVD": at_most(1e-12),
        "difference of the randomised SVD": at_most(1e-4),
        "difference of its variances": at_most(1e-7),
    },
    "sensitivity": {
        "temperature / K": (308.2, 308.3),
        "relative error against differences": at_most(1e-6),
        "its uncertainty by derivatives / K": (1.45, 1.46),
        "the true one over it": (0.98, 1.02),
    },
    "transformer": {
        "bits for each held-out character": (1.5, 2.35),
        "text": at_least(0.6),
    },
}


def share_of_words(text: str) -> float:
    """How many of the words are in the text that the net was trained on."""
    topics = importlib.import_module("pydoc_data.topics").topics
    known = set(re.findall("[a-z]+", " ".join(topics.values()).lower()))
    words = re.findall("[a-z]+", text)
    return sum(word in known for word in words) / len(words)


def example(name: str) -> ModuleType:
    """The example, or a skip that names the package it needs."""
    try:
        return importlib.import_module(f"examples.{name}")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] in ("examples", "wengert"):
            raise
        return pytest.skip(f"examples need {missing.name}: pip install 'wengert[demo]'")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_example(name: str, tmp_path: Path) -> None:
    figures = example(name).main(tmp_path)
    assert set(figures) == set(CLAIMS[name])
    for what, (low, high) in CLAIMS[name].items():
        found = figures[what]
        number = share_of_words(found) if isinstance(found, str) else found
        assert low <= number <= high, f"{what}: {number}, not in [{low}, {high}]"
    assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)


def test_every_example_has_claims_and_a_line_in_the_readme() -> None:
    assert set(CLAIMS) == set(NAMES)
    text = (FOLDER / "README.md").read_text()
    assert not [name for name in NAMES if f"[{name}]({name}.py)" not in text]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_a_page(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= 125
