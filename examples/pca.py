"""Principal components of handwritten digits, twice: by eigenvectors and by a randomised SVD.

The first takes the eigenvectors of the covariance. The second never forms it: it multiplies the
data with a few random vectors, which soon span the directions of the largest variance (N. Halko,
P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 2011).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import wengert as wg

Array = NDArray[np.float64]
COUNT = 10  # components
EXTRA = 10  # more random vectors than components: the last ones are not yet exact
ROUNDS = 8  # of powers, each of which makes the large variances stand out more


@wg.jit
def by_eigenvectors(x: Array) -> tuple[Array, Array]:
    """The variances and components of rows x with mean zero, largest first."""
    variances, vectors = np.linalg.eigh(x.T @ x / (len(x) - 1))
    return variances[::-1][:COUNT], vectors.T[::-1][:COUNT]


@wg.jit
def by_random_vectors(key: Any, x: Array) -> tuple[Array, Array]:
    """The same from an SVD of a matrix with COUNT + EXTRA rows."""
    rows, columns = x.shape
    basis, _ = np.linalg.qr(x @ wg.random.normal(key, (columns, COUNT + EXTRA)))
    for _ in range(ROUNDS):
        basis, _ = np.linalg.qr(x @ (x.T @ basis))
    _, values, components = np.linalg.svd(basis.T @ x, full_matrices=False)
    return values[:COUNT] ** 2 / (rows - 1), components[:COUNT]


def difference(components: Array, others: Array) -> float:
    """The largest difference between components; a component's sign means nothing."""
    signs = np.sign(np.sum(components * others, axis=1, keepdims=True))
    return float(np.max(np.abs(components - signs * others)))


def plot(x: Array, labels: Array, variances: Array, components: Array, path: Path) -> None:
    """The digits in the plane of the first two components, and the components as images."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    first, second = components[:2] @ x.T
    dots = axes.scatter(first, second, c=labels, cmap="tab10", s=8, vmin=-0.5, vmax=9.5)
    left.colorbar(dots, ax=axes, ticks=range(10), label="digit")
    axes.set(title="1,797 digits along two components")
    axes.set(xlabel="first component / grey levels", ylabel="second component / grey levels")
    shares = variances / np.sum(np.var(x, axis=0, ddof=1))
    right.suptitle("Components, and their shares of the variance")
    for place, image, share in zip(right.subplots(2, 5).flat, components, shares, strict=True):
        place.imshow(image.reshape(8, 8), cmap="coolwarm", vmin=-0.4, vmax=0.4)
        place.set_title(f"{share:.1%}", fontsize=10)
        place.axis("off")
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Compares both with NumPy's SVD of all the data, draws `pca.png`."""
    data = load_digits()
    x = data.data - data.data.mean(axis=0)
    variances, components = by_eigenvectors(x)
    random_variances, random_components = by_random_vectors(wg.random.key(0), x)
    exact = np.linalg.svd(x, full_matrices=False)[2][:COUNT]
    plot(x, data.target, variances, components, out / "pca.png")
    return {
        "share of the variance in ten components": variances.sum() / x.var(axis=0, ddof=1).sum(),
        "difference of eigenvectors from numpy's SVD": difference(components, exact),
        "difference of the randomised SVD": difference(random_components, exact),
        "difference of its variances": float(np.max(np.abs(random_variances / variances - 1))),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
