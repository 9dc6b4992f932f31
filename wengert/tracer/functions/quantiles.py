"""Quantiles of traced values: places in the sorted elements, between which one interpolates.

The methods are those of R. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The
American Statistician 50 (1996), numbered as there, and NumPy's four simple ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.types import DType
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import (
    broadcast,
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
from wengert.tracer.functions.spans import demand
from wengert.tracer.functions.statistics import aligned_weights
from wengert.tracer.tables import function

# method -> the place of quantile q among n elements, counted from 0: between two of them the line
# through both is followed
_BETWEEN: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased": lambda n, q: (n + 1 / 4) * q - 5 / 8,
    "midpoint": lambda n, q: (np.floor((n - 1) * q) + np.ceil((n - 1) * q)) / 2,
}
# method -> the element that is the quantile
_WHOLE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": lambda n, q: np.ceil(n * q - 1),
    "closest_observation": lambda n, q: _next_but_odd(n * q - 1.5),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
}


def _next_but_odd(place: Any) -> Any:
    """The next whole number, but an odd number itself."""
    below = np.floor(place)
    return np.where((place == below) & (below % 2 == 1), below, below + 1)


def _wanted(q: Any, scale: int) -> tuple[Any, bool]:
    """The quantiles between 0 and 1, and whether they are one Python number."""
    given = operand(q)
    numbers = np.asarray(q) if given.known else q
    fits = np.all((numbers >= 0) & (numbers <= scale))
    message = f"{'Quantiles' if scale == 1 else 'Percentiles'} must be in the range [0, {scale}]"
    if not given.known:
        demand(fits, message, ArgumentError)
    elif not fits:
        raise ArgumentError(message)
    return (numbers if scale == 1 else numbers / scale), given.weak


def _lines(value: Value, axes: tuple[int, ...]) -> Value:
    """The elements as rows, which go along the axes."""
    kept = [d for d in range(value.ndim) if d not in axes]
    turned = transpose(value, (*kept, *axes))
    return reshape(turned, tuple(size_of([value.shape[d] for d in ds]) for ds in (kept, axes)))


def _quantiles(
    x: Any, q: Any, scale: int, axis: Any, method: str, keepdims: bool, ignore_nan: bool, w: Any
) -> Any:
    """Quantiles along axes, with those of `q` in front."""
    wanted, weak = _wanted(q, scale)
    if method not in _BETWEEN and method not in _WHOLE:
        raise ArgumentError(
            f"{method!r} is not a valid method. Use one of: {', '.join((*_BETWEEN, *_WHOLE))}"
        )
    value = materialise(x)
    axes = normal_axes(axis, value.ndim)
    shape = tuple(
        1 if d in axes else n for d, n in enumerate(value.shape) if keepdims or d not in axes
    )
    rows = _lines(value, axes)
    exact = method in _WHOLE or (method == "linear" and wanted.dtype.kind in "iu")
    dtype = rows.dtype if exact else promotion.result_type(rows.dtype, 0.5 if weak else wanted)
    if not rows.type.size:
        dtype = dtype if kind_of(dtype) == "f" else np.dtype(np.float64)
        return wrapped(full((*np.shape(wanted), *shape), np.nan, dtype))
    number = np.sum(~np.isnan(wrapped(rows)), axis=1)
    flat = np.ravel(wanted)[:, None]
    if w is None:
        count: Any = number if ignore_nan else rows.shape[1]
        found = _at(rows, _places(flat, count, method), count, dtype, exact, method)
    else:
        weights = broadcast(aligned_weights(materialise(w), value.shape, axis, axes), value.shape)
        found = _weighted(wrapped(rows), wrapped(_lines(weights, axes)), flat, ignore_nan)
    if kind_of(rows.dtype) in "fc":
        missing = number == 0 if ignore_nan else number < rows.shape[1]
        found = np.where(missing, np.asarray(np.nan, found.dtype), found)
    return np.reshape(found, (*np.shape(wanted), *shape))


def _places(q: Any, count: Any, method: str) -> Any:
    """The place of each quantile [m, 1] in rows with this number of elements, or these [b]."""
    if isinstance(count, Tracer) and kind_of(q.dtype) == "f":
        count = count.astype(q.dtype)
    return (_WHOLE.get(method) or _BETWEEN[method])(count, q)


def _at(rows: Value, place: Any, count: Any, dtype: DType, exact: bool, method: str) -> Any:
    """What stands at places [m, b] or [m, 1] of rows [b, n] in order, as [m, b]."""
    below, last = np.floor(place), np.maximum(count - 1, 0)
    ends = [below] if exact else [below, below + 1]
    shape = (place.shape[0], rows.shape[0])
    ranks = np.stack(
        [np.broadcast_to(np.clip(e, 0, last).astype(np.int64), shape) for e in ends], axis=-1
    )
    turned = materialise(np.reshape(np.swapaxes(ranks, 0, 1), (rows.shape[0], -1)))
    chosen = np.reshape(wrapped(of_ranks(rows, turned)), (rows.shape[0], shape[0], len(ends)))
    values = np.moveaxis(chosen, 1, 0).astype(dtype)
    if exact:
        return values[..., 0]
    share = np.broadcast_to((place - below).astype(dtype), shape)
    if method == "averaged_inverted_cdf":
        share = np.where(share == 0, np.asarray(0.5, dtype), np.asarray(1, dtype))
    low, high = values[..., 0], values[..., 1]
    # weights of 0 must not meet infinities, or the NaNs that come last, and no difference to an
    # infinite end is taken from it
    apart = np.where(share > 0, high, low) - low
    between = np.where(np.isinf(low), high - apart * (1 - share), low + apart * share)
    return np.where(share > 0, between, low)


def _weighted(rows: Any, weights: Any, q: Any, ignore_nan: bool) -> Any:
    """The inverse of the weights' cumulative distribution at q [m, 1], for rows [b, n]: [m, b]."""
    demand(np.all(weights >= 0), "Weights must be non-negative.", ArgumentError)
    if ignore_nan:
        weights = np.where(np.isnan(rows), 0, weights)
    order = np.argsort(rows, axis=1, stable=True)
    below = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1, dtype=np.float64)
    total = below[:, -1:]
    demand(
        np.all(np.isfinite(total) & (total != 0)),
        "Weights included NaN, inf or were all zero.",
        ArgumentError,
    )
    reached = (below / total).astype(q.dtype if kind_of(q.dtype) == "f" else np.float64)
    reached = np.where(reached == 0, np.asarray(-1, reached.dtype), reached)
    place = np.sum(reached < q[:, :, None], axis=-1)
    places = np.take_along_axis(order, np.minimum(place, rows.shape[1] - 1).T, axis=1)
    return np.take_along_axis(rows, places, axis=1).T


def _named(name: str, scale: int, ignore_nan: bool) -> Callable[..., Any]:
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
        refuse(name, out=out)
        if operand(a).dtype.kind == "c":
            raise InputTypeError("a must be an array of real numbers")
        if weights is not None and method != "inverted_cdf":
            raise ArgumentError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        return _quantiles(a, q, scale, axis, method, bool(keepdims), ignore_nan, weights)

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
    return _quantiles(a, 0.5, 1, axis, "linear", bool(keepdims), True, None)


def _nan_position(name: str, least: float, choose: Callable[..., Any]) -> Callable[..., Any]:
    def position(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        refuse(name, out=out)
        value = wrapped(materialise(a))
        if kind_of(value.dtype) not in "fc":
            return choose(value, axis, keepdims=keepdims)
        absent = np.isnan(value)
        if value.size:
            empty = np.any(np.all(absent, axis))
            demand(~empty, "All-NaN slice encountered", ArgumentError)
        return choose(np.where(absent, least, value), axis, keepdims=keepdims)

    position.__name__ = name
    position.__doc__ = f"As `numpy.{name}`; lines of NaN alone raise ArgumentError at run time."
    return position


nanargmax = function(np.nanargmax)(_nan_position("nanargmax", -np.inf, np.argmax))
nanargmin = function(np.nanargmin)(_nan_position("nanargmin", np.inf, np.argmin))
