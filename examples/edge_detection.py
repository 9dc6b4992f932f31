"""Edges in photographs: image gradients by Sobel's filter, and a filter that is learned.

In noise, differences of neighbours see edges everywhere. So a wider filter is learned that, given
a noisy image, finds the gradients of the clean one. It learns on one photograph and is judged on
another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_sample_image

import wengert as wg

Array = NDArray[np.float64]
SOBEL = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
GRADIENT = np.stack([SOBEL, SOBEL.T])[:, None]  # along x and along y, as (outputs, 1, 3, 3)
SIZE = 7  # of the learned filters
MARGIN = (SIZE - 3) // 2  # what they see beyond Sobel's
NOISE = 0.1


def load(name: str) -> Array:
    """A photograph of scikit-learn's in grey, from 0 to 1, every other pixel."""
    return load_sample_image(name).mean(axis=2)[::2, ::2] / 255


def gradients(filters: Array, image: Array) -> Array:
    """The two components of an image's gradient, (2, rows, columns)."""
    return wg.nn.conv(image[None, None], filters)[0]


def strength(filters: Array, image: Array) -> Array:
    """How strong the edge is at each pixel: the length of the gradient."""
    across, down = gradients(filters, image)
    return np.hypot(across, down)


def loss(filters: Array, noisy: Array, image: Array) -> Array:
    """The mean squared error of the gradients found in a noisy image."""
    inner = image[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.mean((gradients(filters, noisy) - gradients(GRADIENT, inner)) ** 2)


def train(noisy: Array, image: Array) -> Array:
    """The filters of the smallest loss, from zeros: (2, 1, SIZE, SIZE)."""
    start = np.zeros((2, 1, SIZE, SIZE))
    found = wg.minimize(loss, start, (noisy, image), method="newton-cg", tol=1e-9)
    if not found.success:
        raise RuntimeError(found.message)
    return found.x


def plot(image: Array, noisy: Array, filters: Array, path: Path) -> None:
    """The photograph without and with noise, their edges, and a learned filter."""
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    grey, edges = ("gray", 0, 1, "grey"), ("magma", 0, 0.15, "grey/pixel")
    panels = [
        ("Photograph", image, *grey),
        ("Its edges by Sobel's filters", strength(GRADIENT, image), *edges),
        ("Learned filter, along x", filters[0, 0], "coolwarm", -0.15, 0.15, "weight"),
        ("Photograph with noise", noisy, *grey),
        ("Its edges by Sobel's filters", strength(GRADIENT, noisy), *edges),
        ("Its edges by the learned filters", strength(filters, noisy), *edges),
    ]
    for axes, panel in zip(figure.subplots(2, 3).flat, panels, strict=True):
        title, pixels, colors, low, high, unit = panel
        drawn = axes.imshow(pixels, cmap=colors, vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
        figure.colorbar(drawn, ax=axes, label=unit, shrink=0.8)
    figure.savefig(path, dpi=120)


def by_least_squares(noisy: Array, image: Array) -> Array:
    """The learned filter for differences along x, from a system of equations instead."""
    windows = np.lib.stride_tricks.sliding_window_view(noisy, (SIZE, SIZE))
    wanted = gradients(GRADIENT, image[MARGIN:-MARGIN, MARGIN:-MARGIN])[0]
    flat = np.linalg.lstsq(windows.reshape(-1, SIZE * SIZE), wanted.ravel())[0]
    return flat.reshape(SIZE, SIZE)


def main(out: Path) -> dict[str, float]:
    """Learns on one photograph, judges on the other, draws `edge_detection.png`."""
    rng = np.random.default_rng(0)
    china, flower = load("china.jpg"), load("flower.jpg")
    noisy_china = china + NOISE * rng.standard_normal(china.shape)
    noisy_flower = flower + NOISE * rng.standard_normal(flower.shape)
    filters = train(noisy_china, china)
    plot(flower, noisy_flower, filters, out / "edge_detection.png")
    sobel = np.pad(GRADIENT, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    error, error_of_sobel = (np.sqrt(loss(f, noisy_flower, flower)) for f in (filters, sobel))
    scipy = ndimage.sobel(china, axis=1)[1:-1, 1:-1] / 8 - gradients(GRADIENT, china)[0]
    exact = by_least_squares(noisy_china, china)
    return {
        "difference from scipy's Sobel": float(np.max(np.abs(scipy))),
        "difference of the learned filter from lstsq": float(np.max(np.abs(filters[0, 0] - exact))),
        "error on the other photograph over Sobel's": float(error / error_of_sobel),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
