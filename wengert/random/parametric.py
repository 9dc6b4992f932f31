"""Real random numbers of families without a formula in their parameters: gamma, beta, Dirichlet.

They are quantiles of uniform numbers, so they are smooth in their parameters, and derivatives by
these are exact: dx/da = -(dF/da) / F' of the distribution function F (implicit reparameterisation,
M. Figurnov, S. Mohamed, A. Mnih, 2018). Multivariate normal numbers go by Cholesky's factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import numpy as wnp
from wengert import special
from wengert.random.continuous import kinds, normal, positive
from wengert.random.keys import split

Shape = Sequence[int]


def gamma(key: Any, a: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Gamma numbers of shape parameter a > 0 and scale 1; `shape` is that of `a` if not given."""
    kind, drawn = kinds(dtype)
    parameter = wnp.asarray(a, drawn)
    u = positive(key, parameter.shape if shape is None else shape, drawn)
    return special.gammaincinv(parameter, u).astype(kind)


def beta(key: Any, a: Any, b: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Beta numbers of parameters a, b > 0, in [0, 1]; `shape` is theirs together if not given."""
    kind, drawn = kinds(dtype)
    first, second = wnp.asarray(a, drawn), wnp.asarray(b, drawn)
    together = np.broadcast_shapes(first.shape, second.shape)
    u = positive(key, together if shape is None else shape, drawn)
    return special.betaincinv(first, second, u).astype(kind)


def dirichlet(key: Any, alpha: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Dirichlet numbers: rows with the sum 1, of parameters `alpha` (..., k) > 0.

    The result has the shape (*shape, k). A gamma number of parameter a is one of a + 1 times
    u^(1/a), whose logarithm is there where the number itself is too small for a float.
    """
    kind, drawn = kinds(dtype)
    parameter = wnp.asarray(alpha, drawn)
    rows = parameter.shape[:-1] if shape is None else tuple(shape)
    first, second = split(key)
    u = positive(second, (*rows, parameter.shape[-1]), drawn)
    logs = np.log(gamma(first, parameter + 1, u.shape, drawn)) + np.log(u) / parameter
    return special.softmax(logs, axis=-1).astype(kind)


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Shape | None = None, dtype: Any = np.float64
) -> Any:
    """Normal vectors of `mean` (..., k) and covariance `cov` (..., k, k): (*shape, k).

    Raises SingularMatrixError, a `numpy.linalg.LinAlgError`, if `cov` is not positive definite.
    """
    kind, drawn = kinds(dtype)
    centre, spread = wnp.asarray(mean, drawn), wnp.asarray(cov, drawn)
    together = np.broadcast_shapes(centre.shape[:-1], spread.shape[:-2])
    rows = together if shape is None else tuple(shape)
    z = normal(key, (*rows, centre.shape[-1], 1), drawn)
    return (centre + (np.linalg.cholesky(spread) @ z)[..., 0]).astype(kind)
