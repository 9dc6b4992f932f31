"""Densities of several variables of `scipy.stats` on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import special
from wengert.errors import ArgumentError, ShapeError
from wengert.standins.distributions import LOG_ROOT
from wengert.standins.tables import METHODS, in_doubles


def _covariance(cov: Any, n: int) -> Any:
    found = in_doubles(cov)
    if found.ndim < 2:
        found = np.eye(n) * (found if found.ndim == 0 else found.reshape((-1, 1)))
    if found.shape != (n, n):
        raise ShapeError(f"multivariate_normal of {n} variables has no covariance of {found.shape}")
    return found


def _normal(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    """The log density of several variables, by Cholesky's factor of their covariance."""
    if allow_singular:
        raise ArgumentError("multivariate_normal of traced values takes no allow_singular")
    x, cov = in_doubles(x), in_doubles(cov)
    mean = np.zeros(cov.shape[-1:] or (1,)) if mean is None else in_doubles(mean).reshape((-1,))
    n = mean.shape[0]
    if x.ndim == 0:
        x = x.reshape((1,))
    elif x.ndim == 1 and n == 1:
        x = x[:, None]
    if x.shape[-1] != n:
        raise ShapeError(f"multivariate_normal of {n} variables has no density at {x.shape}")
    root = np.linalg.cholesky(_covariance(cov, n))
    apart = (x - mean)[..., None]
    scaled = np.linalg.solve(root, apart)[..., 0]
    size = np.sum(np.log(np.diagonal(root)))
    return -0.5 * np.sum(scaled * scaled, axis=-1) - size - n * LOG_ROOT


def _dirichlet(x: Any, alpha: Any) -> Any:
    """The log density, of x along the first axis; the last element may be left out."""
    x, alpha = in_doubles(x), in_doubles(alpha)
    if x.shape[0] == alpha.shape[0] - 1:
        x = np.concatenate([x, (1.0 - np.sum(x, axis=0))[None]])
    if alpha.ndim != 1 or x.shape[0] != alpha.shape[0]:
        raise ShapeError(f"dirichlet of parameters {alpha.shape} has no density at {x.shape}")
    size = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    return size + np.sum(special.xlogy((alpha - 1.0).reshape((-1,) + (1,) * (x.ndim - 1)), x), 0)


class Frozen:
    """Several variables with their parameters, some of them traced."""

    def __init__(self, log: Callable[..., Any], args: Any, options: Any) -> None:
        self._log = log
        self._args = args
        self._options = options

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density."""
        return self._log(x, *self._args, **self._options)

    def pdf(self, x: Any) -> Any:
        """The density."""
        return np.exp(self.logpdf(x))


def _densities(log: Callable[..., Any]) -> Callable[[Any, str], Callable[..., Any] | None]:
    def of(dist: Any, name: str) -> Callable[..., Any] | None:
        if name == "__call__":
            return lambda *args, **options: Frozen(log, args, options)
        if name == "pdf":
            return lambda *args, **options: np.exp(log(*args, **options))
        return log if name == "logpdf" else None

    return of


def _frozen(
    log: Callable[..., Any], parameters: Callable[[Any], Any]
) -> Callable[[Any, str], Callable[..., Any] | None]:
    """SciPy's objects of known parameters."""

    def of(owner: Any, name: str) -> Callable[..., Any] | None:
        return getattr(Frozen(log, parameters(owner), {}), name, None)

    return of


def _parameters_of_normal(owner: Any) -> Any:
    return owner.mean, owner.cov_object.covariance, owner.allow_singular


METHODS["scipy.stats", "multivariate_normal_gen"] = _densities(_normal)
METHODS["scipy.stats", "dirichlet_gen"] = _densities(_dirichlet)
METHODS["scipy.stats", "multivariate_normal_frozen"] = _frozen(_normal, _parameters_of_normal)
METHODS["scipy.stats", "dirichlet_frozen"] = _frozen(_dirichlet, lambda owner: (owner.alpha,))
