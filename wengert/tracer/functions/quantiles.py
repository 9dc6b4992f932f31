"""Quantiles of traced values: places in the sorted elements, between which one interpolates.

The methods are those of R. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The
American Statistician 50 (1996), numbered as there, and NumPy's four simple ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.tracer.functions.operands import (
    floating,
    full,
    materialise,
    normal_axes,
    operand,
    refuse,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.sorting import of_ranks
from wengert.tracer.tables import function

# method -> the place of quantile q among n elements, counted from 0
_CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased": lambda n, q: (n + 1 / 4) * q - 5 / 8,
}
_SIMPLE: dict[str, Callable[[Any], Any]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
    "midpoint": lambda place: (np.floor(place) + np.ceil(place)) / 2,
}


def _places(n: Any, q: Any, method: str) -> Any:
    """The place of each quantile, within those that there are."""
    if method in _SIMPLE:
        return _SIMPLE[method](_CONTINUOUS["linear"](n, q))
    if method not in _CONTINUOUS:
        raise ArgumentError(
            f"{method!r} is not among the methods that traced values have: "
            f"{', '.join((*_CONTINUOUS, *_SIMPLE))}"
        )
    return np.clip(_CONTINUOUS[method](n, q), 0, np.maximum(n - 1, 0))


def _fractions(q: Any, scale: float) -> Any:
    """The quantiles wanted, between 0 and 1."""
    given = operand(q)
    if given.known and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= scale)):
        what = "Quantiles must be in the range [0, 1]"
        raise ArgumentError(what if scale == 1 else "Percentiles must be in the range [0, 100]")
    return (np.asarray(q) if given.known else q) / scale


def _lines(x: Any, axis: Any) -> tuple[Value, tuple[int, ...], tuple[int, ...]]:
    """The elements as rows, the shape of what is kept, and that with kept axes of 1."""
    value = floating(x)
    axes = tuple(range(value.ndim)) if axis is None else normal_axes(axis, value.ndim)
    kept = [d for d in range(value.ndim) if d not in axes]
    shape = tuple(value.shape[d] for d in kept)
    wide = tuple(1 if d in axes else n for d, n in enumerate(value.shape))
    turned = transpose(value, (*kept, *axes))
    return reshape(turned, (size_of(shape), size_of([value.shape[d] for d in axes]))), shape, wide


def _quantiles(
    x: Any, fractions: Any, axis: Any, method: str, keepdims: bool, ignore_nan: bool
) -> Any:
    """Quantiles along axes, with those of `fractions` in front."""
    rows, shape, wide = _lines(x, axis)
    length = rows.shape[1]
    if not length:
        return wrapped(full(wide if keepdims else shape, np.nan, rows.dtype))
    wanted = np.asarray(fractions) if operand(fractions).known else fractions
    flat = np.ravel(wanted)[:, None]
    known = np.sum(~np.isnan(wrapped(rows)), axis=1)
    count = known if ignore_nan else length
    place = _places(count * 1.0, flat, method) + np.zeros((1, rows.shape[0]))
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    share = (place - low).astype(rows.dtype)
    ranks = np.transpose(np.stack([low, high]))  # neighbours behind each other
    chosen = wrapped(of_ranks(rows, materialise(np.reshape(ranks, (rows.shape[0], -1)))))
    below, above = np.transpose(np.reshape(chosen, ranks.shape))
    # weights of 0 must not meet infinities, or the NaNs that come last
    between = np.where(
        share > 0, below + (np.where(share > 0, above, below) - below) * share, below
    )
    missing = known == 0 if ignore_nan else known < length
    found = np.where(missing, np.asarray(np.nan, rows.dtype), between)
    return np.reshape(found, (*np.shape(wanted), *(wide if keepdims else shape)))


def _named(name: str, scale: float, ignore_nan: bool) -> Callable[..., Any]:
    def quantile(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        refuse(name, out=out, weights=weights)
        return _quantiles(a, _fractions(q, scale), axis, method, bool(keepdims), ignore_nan)

    quantile.__name__ = name
    quantile.__doc__ = f"As `numpy.{name}`; derivatives follow the elements that are chosen."
    return quantile


quantile = function(np.quantile)(_named("quantile", 1, False))
percentile = function(np.percentile)(_named("percentile", 100, False))
nanquantile = function(np.nanquantile)(_named("nanquantile", 1, True))
nanpercentile = function(np.nanpercentile)(_named("nanpercentile", 100, True))


@function(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The median of the elements that are numbers; NaN where there are none."""
    refuse("nanmedian", out=out)
    return _quantiles(a, 0.5, axis, "linear", bool(keepdims), ignore_nan=True)


def _nan_position(name: str, least: float, choose: Callable[..., Any]) -> Callable[..., Any]:
    def position(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        refuse(name, out=out)
        value = wrapped(materialise(a))
        if kind_of(value.dtype) != "f":
            return choose(value, axis, keepdims=keepdims)
        return choose(np.where(np.isnan(value), least, value), axis, keepdims=keepdims)

    position.__name__ = name
    position.__doc__ = (
        f"As `numpy.{name}`, but for lines of NaN alone, which give 0 instead of an error."
    )
    return position


nanargmax = function(np.nanargmax)(_nan_position("nanargmax", -np.inf, np.argmax))
nanargmin = function(np.nanargmin)(_nan_position("nanargmin", np.inf, np.argmin))
