"""Linear regression: how far diabetes went in a year, from ten measurements of 442 patients.

The loss is plain NumPy. `wg.minimize` compiles it with its gradient and its products with the
Hessian, and finds the weights; least squares by `np.linalg.lstsq` gives the same ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

import wengert as wg

Array = NDArray[np.float64]
Params = dict[str, Array]
NAMES = (
    *("age", "sex", "body mass index", "blood pressure", "cholesterol", "LDL", "HDL"),
    *("cholesterol / HDL", "log triglycerides", "blood sugar"),
)


def predict(params: Params, x: Array) -> Array:
    """The progression that the weights and the bias give for each row of x."""
    return x @ params["weights"] + params["bias"]


def loss(params: Params, x: Array, y: Array) -> Array:
    """The mean squared error."""
    return np.mean((predict(params, x) - y) ** 2)


def train(x: Array, y: Array) -> Params:
    """The weights and bias of the smallest loss, from zeros."""
    start = {"weights": np.zeros(x.shape[1]), "bias": np.zeros(())}
    found = wg.minimize(loss, start, args=(x, y), method="newton-cg", tol=1e-7)
    if not found.success:
        raise RuntimeError(found.message)
    return found.x


def plot(params: Params, x: Array, y: Array, path: Path) -> None:
    """The weights, and predictions beside what was measured."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(params["weights"])
    left.barh(np.array(NAMES)[order], params["weights"][order], color="#2a6f97")
    left.axvline(0, color="black", linewidth=0.8)
    left.set(title="Weights", xlabel="progression for each standard deviation of the measurement")
    left.set_ylabel("measurement")
    right.plot(y, predict(params, x), ".", alpha=0.5, color="#2a6f97", label="a patient")
    right.axline((150, 150), slope=1, color="#d08c60", label="prediction = measurement")
    right.set(title="Diabetes after a year", xlabel="measured progression")
    right.set_ylabel("predicted progression")
    right.legend()
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Trains, compares with least squares, draws `linear_regression.png`."""
    data = load_diabetes(scaled=False)
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    params = train(x, data.target)
    exact = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), data.target)[0]
    found = np.append(params["weights"], params["bias"])
    explained = 1 - loss(params, x, data.target) / np.var(data.target)
    plot(params, x, data.target, out / "linear_regression.png")
    return {
        "share of the variance explained": float(explained),
        "largest difference from lstsq": float(np.max(np.abs(found - exact))),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
