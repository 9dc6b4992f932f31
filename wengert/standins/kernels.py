"""Densities by kernels: `scipy.stats.gaussian_kde` on traced values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import special
from wengert.errors import ArgumentError, ShapeError
from wengert.standins.tables import METHODS, in_doubles, stands_in


def _factor(method: Any, d: int, n: Any) -> Any:
    """The width of kernels in units of the data's, of n points in d dimensions."""
    if method is None or method == "scott":
        return n ** (-1.0 / (d + 4))
    if method == "silverman":
        return (n * (d + 2.0) / 4.0) ** (-1.0 / (d + 4))
    if isinstance(method, str):
        raise ArgumentError("`bw_method` should be 'scott', 'silverman', a scalar or a callable.")
    return method


@stands_in("stats", "gaussian_kde")
class Kernels:
    """The sum of normal densities around points, all of the same covariance."""

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        self.dataset = np.atleast_2d(in_doubles(dataset))
        self.d, self.n = self.dataset.shape
        if self.n < 2:
            raise ArgumentError("`dataset` input should have multiple elements.")
        given = np.ones(self.n) if weights is None else in_doubles(weights)
        if given.shape != (self.n,):
            raise ShapeError("`weights` input should be of length n")
        self.weights = given / np.sum(given)
        squares = np.sum(self.weights**2)
        self.neff = 1.0 / squares
        method = bw_method(self) if callable(bw_method) else bw_method
        self.factor = _factor(method, self.d, self.neff)
        # unbiased, of weights that are not counts: as numpy.cov's aweights
        apart = self.dataset - np.sum(self.dataset * self.weights, axis=1, keepdims=True)
        found = (apart * self.weights) @ apart.T / (1.0 - squares)
        self.covariance = found * self.factor**2

    def scotts_factor(self) -> Any:
        """Scott's width."""
        return _factor("scott", self.d, self.neff)

    def silverman_factor(self) -> Any:
        """Silverman's width."""
        return _factor("silverman", self.d, self.neff)

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density at points, the columns of a matrix."""
        points = np.atleast_2d(in_doubles(x))
        if points.shape[0] != self.d:
            if points.shape[0] != 1 or points.shape[1] != self.d:
                raise ShapeError(f"points have dimension {points.shape[0]}, the data {self.d}")
            points = points.T
        root = np.linalg.cholesky(self.covariance)
        places, points = (np.linalg.solve(root, v) for v in (self.dataset, points))
        squares = np.sum((points[:, :, None] - places[:, None, :]) ** 2, axis=0)
        size = np.sum(np.log(np.diagonal(root))) + 0.5 * self.d * math.log(2 * math.pi)
        return special.logsumexp(-0.5 * squares, axis=1, b=self.weights) - size

    def evaluate(self, points: Any) -> Any:
        """The density at points, the columns of a matrix."""
        return np.exp(self.logpdf(points))

    __call__ = pdf = evaluate

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The share between two places on a line."""
        if self.d != 1:
            raise ArgumentError("integrate_box_1d() only handles 1D pdfs")
        width = np.sqrt(self.covariance[0, 0])
        ends = (special.ndtr((in_doubles(x) - self.dataset[0]) / width) for x in (high, low))
        return np.sum(self.weights * (next(ends) - next(ends)))


def _of_known(kde: Any, name: str) -> Callable[..., Any] | None:
    """A method of SciPy's own object, whose data are known."""
    return getattr(Kernels(kde.dataset, kde.factor, kde.weights), name, None)


METHODS["scipy.stats", "gaussian_kde"] = _of_known
