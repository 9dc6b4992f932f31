"""Logistic regression: is a breast tumour malignant, from thirty measurements of its cells.

Weights are penalised a little, so that there is one best answer: scikit-learn's own solver finds
the same weights. A quarter of the 569 patients is held out to judge them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import wengert as wg

Array = NDArray[np.float64]
Params = dict[str, Array]
PENALTY = 1.0


def scores(params: Params, x: Array) -> Array:
    """The logarithm of the odds that a tumour is malignant."""
    return x @ params["weights"] + params["bias"]


def loss(params: Params, x: Array, y: Array) -> Array:
    """The negative logarithm of the likelihood, and the penalty; y is 1 for malignant."""
    misfit = np.sum(wg.nn.binary_cross_entropy(scores(params, x), y))
    return misfit + 0.5 * PENALTY * np.sum(params["weights"] ** 2)


def train(x: Array, y: Array) -> Params:
    """The weights and bias of the smallest loss, from zeros, by Newton's method."""
    start = {"weights": np.zeros(x.shape[1]), "bias": np.zeros(())}
    found = wg.minimize(loss, start, args=(x, y), method="newton-cg", tol=1e-8)
    if not found.success:
        raise RuntimeError(found.message)
    return found.x


def plot(params: Params, x: Array, y: Array, names: list[str], path: Path) -> None:
    """The scores of the patients held out, and the heaviest weights."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    found = scores(params, x)
    edges = np.linspace(found.min(), found.max(), 30).tolist()
    for kind, color, label in ((0, "#2a6f97", "benign"), (1, "#d08c60", "malignant")):
        left.hist(found[y == kind], edges, alpha=0.7, color=color, label=label)
    left.axvline(0, color="black", linewidth=0.8, label="decision")
    left.set(title="Patients held out", xlabel="score (logarithm of the odds)", ylabel="patients")
    left.legend()
    heavy = np.argsort(np.abs(params["weights"]))[-10:]
    right.barh(np.array(names)[heavy], params["weights"][heavy], color="#2a6f97")
    right.axvline(0, color="black", linewidth=0.8)
    right.set(title="The ten heaviest weights", xlabel="weight, for each standard deviation")
    right.set_ylabel("measurement")
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Trains, compares with scikit-learn, draws `logistic_regression.png`."""
    data = load_breast_cancer()
    malignant = 1.0 - data.target
    x, x_test, y, y_test = train_test_split(data.data, malignant, test_size=0.25, random_state=0)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    params = train(x, y)
    peer = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-10).fit(x, y)
    difference = np.max(np.abs(params["weights"] - peer.coef_[0]))
    plot(params, x_test, y_test, data.feature_names, out / "logistic_regression.png")
    return {
        "accuracy on patients held out": float(np.mean((scores(params, x_test) > 0) == y_test)),
        "largest difference from scikit-learn's weights": float(difference),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
