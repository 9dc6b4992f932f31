"""Correlations, lines, ranks and spreads of samples: `scipy.stats` on traced values.

Ranks are constants for derivatives, as they are where no two elements are the same.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from wengert import special
from wengert.api.mapping import vmap
from wengert.errors import ArgumentError, ShapeError
from wengert.ir.floats import kind_of
from wengert.numpy import asarray
from wengert.standins.tables import in_doubles, in_floats, required, stands_in

TINY = 1e-20
"""So far from 1 are correlations taken to be by linregress, as by SciPy."""
NORMAL = 0.6744897501960817
"""The third quartile of the normal distribution."""


class Tested(NamedTuple):
    """A statistic, and how probable one as extreme is."""

    statistic: Any
    pvalue: Any

    @property
    def correlation(self) -> Any:
        """SciPy's older name of the statistic."""
        return self.statistic


class Line(NamedTuple):
    """What linregress finds; SciPy's is a tuple of the first five."""

    slope: Any
    intercept: Any
    rvalue: Any
    pvalue: Any
    stderr: Any


class LineWithErrors(Line):
    """A line with the standard error of its intercept."""

    intercept_stderr: Any


def _tail(statistic: Any, upper: Any, alternative: str) -> Any:
    """A p-value of a symmetric distribution, of which `upper` gives the share above a place."""
    if alternative == "two-sided":
        return 2.0 * upper(np.abs(statistic))
    if alternative not in ("less", "greater"):
        raise ArgumentError("alternative must be one of {'two-sided', 'less', 'greater'}")
    return upper(statistic if alternative == "greater" else -statistic)


def _correlation(x: Any, y: Any) -> Any:
    """Pearson's coefficient along the last axis."""
    x = x - np.mean(x, axis=-1, keepdims=True)
    y = y - np.mean(y, axis=-1, keepdims=True)
    x = x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    y = y / np.sqrt(np.sum(y * y, axis=-1, keepdims=True))
    return np.clip(np.sum(x * y, axis=-1), -1.0, 1.0)


@stands_in("stats")
def pearsonr(
    x: Any, y: Any, *, alternative: str = "two-sided", method: Any = None, axis: Any = 0
) -> Any:
    """Pearson's coefficient, with the p-value of normal samples."""
    if method is not None:
        raise ArgumentError("pearsonr of traced values takes no method: it draws no samples")
    x, y = in_floats(x), in_floats(y)
    if axis is None:
        x, y, axis = x.reshape(-1), y.reshape(-1), 0
    n = x.shape[axis]
    if y.shape[axis] != n:
        raise ShapeError("`x` and `y` must have the same length along `axis`.")
    if n < 2:
        raise ShapeError("`x` and `y` must have length at least 2.")
    r = _correlation(np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1))
    if n == 2:
        return Tested(np.round(r), np.where(r == r, np.ones_like(r), r))
    half = n / 2 - 1
    return Tested(r, _tail(r, lambda v: special.betainc(half, half, 0.5 * (1.0 - v)), alternative))


def _ranks(x: Any, method: str) -> Any:
    """Of one vector."""
    ordered = np.sort(x)
    if method == "ordinal":
        order = np.argsort(x, stable=True)
        return np.argsort(order, stable=True) + 1
    first = np.searchsorted(ordered, x)
    if method == "min":
        return first + 1
    if method == "dense":
        apart = ordered[1:] != ordered[:-1]
        return np.concatenate([np.ones(1, int), 1 + np.cumsum(apart)])[first]
    last = np.searchsorted(ordered, x, side="right")
    return last if method == "max" else 0.5 * (first + last + 1.0)


@stands_in("stats")
def rankdata(
    a: Any, method: str = "average", *, axis: Any = None, nan_policy: str = "propagate"
) -> Any:
    """The places of elements in their order, counted from 1."""
    if method not in ("average", "min", "max", "dense", "ordinal"):
        raise ArgumentError(f'unknown method "{method}"')
    if nan_policy != "propagate":
        raise ArgumentError('rankdata of traced values has nan_policy="propagate" alone')
    x = asarray(a)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    if not x.size:
        return np.zeros(x.shape)
    found = vmap(lambda v: _ranks(v, method))(x.reshape((-1, x.shape[-1])))
    found = found.reshape(x.shape)
    if kind_of(x.dtype) == "f":
        found = np.where(np.any(x != x, axis=-1, keepdims=True), np.nan, found)
    return found if axis is None else np.moveaxis(found, -1, axis)


@stands_in("stats")
def spearmanr(
    a: Any,
    b: Any = None,
    axis: Any = 0,
    nan_policy: str = "propagate",
    alternative: str = "two-sided",
) -> Any:
    """Pearson's coefficient of ranks: of two variables, or a matrix of those of several."""
    parts = [in_doubles(x) for x in (a, b) if x is not None]
    if axis is None:
        parts, axis = [x.reshape(-1) for x in parts], 0
    rows = np.concatenate([np.atleast_2d(x if axis == 1 else x.T) for x in parts])
    if len(rows) < 2:
        raise ArgumentError("`spearmanr` needs at least 2 variables to compare")
    n = rows.shape[1]
    ranks = rankdata(rows, axis=1, nan_policy=nan_policy)
    r = _correlation(ranks[:, None], ranks[None])
    r = r[0, 1] if len(rows) == 2 else r
    t = r * np.sqrt(np.maximum((n - 2) / ((r + 1.0) * (1.0 - r)), 0.0))
    return Tested(r, _tail(t, lambda v: special.stdtr(n - 2, -v), alternative))


@stands_in("stats")
def linregress(x: Any, y: Any, alternative: str = "two-sided") -> Any:
    """The line through points by least squares, with its errors."""
    x, y = in_doubles(x).reshape(-1), in_doubles(y).reshape(-1)
    n = x.shape[0]
    if n == 0 or y.shape != x.shape:
        raise ShapeError(f"linregress needs as many x as y, got {x.shape} and {y.shape}")
    if n > 1:
        message = "Cannot calculate a linear regression if all x values are identical"
        required(np.any(x != x[0]), message)
    across, along = np.mean(x), np.mean(y)
    xx, xy = np.mean((x - across) ** 2), np.mean((x - across) * (y - along))
    yy = np.mean((y - along) ** 2)
    slope = xy / xx
    flat = yy == 0
    r = np.where(flat, 0.0, np.clip(xy / np.sqrt(xx * np.where(flat, 1.0, yy)), -1.0, 1.0))
    if n == 2:
        p, error = np.where(y[0] == y[1], 1.0, 0.0), np.zeros(())
    else:
        t = r * np.sqrt((n - 2) / ((1.0 - r + TINY) * (1.0 + r + TINY)))
        p = _tail(t, lambda v: special.stdtr(n - 2, -v), alternative)
        error = np.sqrt((1.0 - r * r) * yy / xx / (n - 2))
    found = LineWithErrors(slope, along - slope * across, r, p, error)
    found.intercept_stderr = error * np.sqrt(xx + across * across)
    return found


@stands_in("stats")
def f_oneway(*samples: Any, axis: int = 0, equal_var: bool = True) -> Any:
    """The analysis of variance: how much more groups differ than their elements do."""
    if not equal_var:
        raise ArgumentError("f_oneway of traced values has equal_var=True alone")
    groups = [np.moveaxis(in_doubles(x), axis, -1) for x in samples]
    if len(groups) < 2:
        raise ArgumentError(f"at least two inputs are required; got {len(groups)}.")
    whole = np.concatenate(groups, axis=-1)
    n, many = whole.shape[-1], len(groups)
    middle = np.mean(whole, axis=-1)
    means = [np.mean(g, axis=-1) for g in groups]
    between = sum(g.shape[-1] * (m - middle) ** 2 for g, m in zip(groups, means, strict=True)) / (
        many - 1
    )
    within = sum(
        np.sum((g - m[..., None]) ** 2, axis=-1) for g, m in zip(groups, means, strict=True)
    ) / (n - many)
    found = between / within
    return Tested(found, special.fdtrc(many - 1, n - many, found))


@stands_in("stats")
def iqr(
    x: Any,
    axis: Any = None,
    rng: Any = (25, 75),
    scale: Any = 1.0,
    nan_policy: str = "propagate",
    interpolation: Any = "linear",
    keepdims: bool = False,
) -> Any:
    """The range between two percentiles."""
    _propagating("iqr", nan_policy)
    size = _scale(scale, 2.0 * NORMAL)
    low, high = np.percentile(
        asarray(x), sorted(rng), axis=axis, method=interpolation, keepdims=keepdims
    )
    return (high - low) / size


@stands_in("stats")
def median_abs_deviation(
    x: Any,
    axis: Any = 0,
    center: Any = np.median,
    scale: Any = 1.0,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Any:
    """The median distance to the median."""
    _propagating("median_abs_deviation", nan_policy)
    x = asarray(x)
    if axis is None:
        middle = center(x.reshape(-1), axis=0)
    else:
        middle = np.expand_dims(center(x, axis=axis), axis)
    apart = np.abs(x - middle)
    return np.median(apart, axis=axis, keepdims=keepdims) / _scale(scale, NORMAL)


def _propagating(name: str, nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise ArgumentError(f'{name} of traced values has nan_policy="propagate" alone')


def _scale(scale: Any, normal: float) -> Any:
    if not isinstance(scale, str):
        return scale
    if scale.lower() != "normal":
        raise ArgumentError(f"{scale} is not a valid scale; give a number or 'normal'")
    return normal


@stands_in("stats")
def hmean(
    a: Any, axis: Any = 0, dtype: Any = None, *, weights: Any = None, keepdims: bool = False
) -> Any:
    """The inverse of the mean of inverses; NaN where there are negative elements."""
    x = in_floats(a) if dtype is None else in_floats(a).astype(dtype)
    negative = np.any(x < 0, axis=axis, keepdims=keepdims)
    mean = np.average(1.0 / x, axis=axis, weights=weights, keepdims=keepdims)
    return np.where(negative, math.nan, 1.0 / mean)
