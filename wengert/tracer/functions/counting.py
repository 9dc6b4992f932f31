"""Counting: bincount and histograms, with numbers of bins that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError, TracerConversionError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.types import FLOAT64, INT64
from wengert.tracer.functions.operands import (
    floating,
    full,
    holds_tracers,
    integer,
    materialise,
    operand,
    result_type,
    values,
    wrapped,
)
from wengert.tracer.functions.spans import demand
from wengert.tracer.tables import function


@function(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, ..., minlength - 1 occurs, or the sum of its weights.

    The length cannot depend on traced numbers: it is `minlength`, and larger ones raise IndexError.
    """
    given = operand(x)
    value = materialise(given)
    if value.dtype.kind not in "iub":
        raise DTypeError(f"bincount counts non-negative integers, got {value.type}")
    if value.ndim != 1:
        raise ShapeError(f"bincount takes a vector, got {value.type}")
    length = integer(minlength, "minlength")
    if given.known:
        length = max(length, int(np.max(given.value, initial=-1)) + 1)
    elif not length:
        raise TracerConversionError(
            "the length of np.bincount of traced numbers is known only when the compiled program "
            "runs; pass minlength=, which is taken as the length"
        )
    if value.dtype.kind == "i":
        what = "'list' argument must have no negative elements"
        demand(np.all(wrapped(value) >= 0), what, ArgumentError)
    places = value.to(INT64).check_index(size=length, axis=0)
    if weights is None:
        return wrapped(_summed(places, places.full_like(1), length))
    amounts = floating(weights).to(FLOAT64)
    if amounts.shape != places.shape:
        raise ArgumentError("The weights and list don't have the same length.")
    return wrapped(_summed(places, amounts, length))


def _summed(places: Value, amounts: Value, length: int) -> Value:
    """The sum of the amounts at each place."""
    return full((length,), 0, amounts.dtype).scatter_add(amounts, places)


def _edges(x: Any, bins: Any, limits: Any, own: bool = True) -> Any:
    """The edges of a histogram's bins, as `np.linspace` has them; limits may be traced.

    Their dtype is that of the limits, and of the elements if `own`.
    """
    if isinstance(bins, str):
        raise ArgumentError(
            f"bins={bins!r} makes the number of bins depend on traced numbers; pass a number"
        )
    given = operand(bins)
    if given.ndim > 1:
        raise ArgumentError("`bins` must be 1d, when an array")
    if given.ndim == 1:
        edges = np.asarray(bins) if given.known else bins
        if given.known and np.any(edges[:-1] > edges[1:]):
            raise ArgumentError("`bins` must increase monotonically, when an array")
        return edges
    count = integer(bins, "bins")
    if count < 1:
        raise ArgumentError("`bins` must be positive, when an integer")
    low, high = _limits(x, limits)
    found = result_type(operand(low), operand(high), *([operand(x)] if own else []))
    dtype = found if kind_of(found) == "f" else FLOAT64
    flat = low == high
    low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
    return np.linspace(low, high, count + 1, dtype=dtype)


def _limits(x: Any, limits: Any) -> tuple[Any, Any]:
    """The least and the largest number that a histogram counts."""
    if limits is None and x.size == 0:
        return 0.0, 1.0
    if limits is None:
        numbers = x if kind_of(x.dtype) == "f" else x.astype(FLOAT64)
        low, high = np.min(numbers), np.max(numbers)
        demand(
            np.isfinite(low) & np.isfinite(high),
            "the range of the histogram's data is not finite; pass range=",
            ArgumentError,
        )
        return low, high
    low, high = limits
    if not holds_tracers(list(limits)):
        if low > high:
            raise ArgumentError(f"max must be larger than min in range parameter, got {limits}")
        if not np.isfinite(low) or not np.isfinite(high):
            raise ArgumentError(f"supplied range of {limits} is not finite")
    return low, high


@function(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:  # noqa: A002
    """The edges that `histogram` uses."""
    return _edges(np.ravel(a), bins, range)


def _bin_of(x: Any, edges: Any) -> Any:
    """The bin of each element, the last one with its upper edge; -1 for none."""
    count = len(edges) - 1
    place = np.searchsorted(edges, x, side="right") - 1
    place = np.where(x == edges[-1], count - 1, place)
    return np.where((x >= edges[0]) & (x <= edges[-1]), place, -1)


@function(np.histogram)
def histogram(
    a: Any,
    bins: Any = 10,
    range: Any = None,  # noqa: A002 - NumPy's name
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Counts, or sums of weights, in bins, and the bins' edges."""
    x = np.ravel(wrapped(materialise(a)))
    edges = _edges(x, bins, range)
    found = _collected([_bin_of(x, edges)], [len(edges) - 1], weights)
    return (found / (np.diff(edges) * np.sum(found)) if density else found), edges


@function(np.histogram2d)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,  # noqa: A002 - NumPy's name
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Counts of pairs in a table of bins, and the edges of both axes."""
    first, second = (np.ravel(wrapped(v)) for v in values(x, y))
    both = list(bins) if isinstance(bins, Sequence) and len(bins) == 2 else [bins, bins]
    limits = range if range is not None else (None, None)
    edges = [_edges(v, b, r, False) for v, b, r in zip((first, second), both, limits, strict=True)]
    places = [_bin_of(v, e) for v, e in zip((first, second), edges, strict=True)]
    found = _collected(places, [len(e) - 1 for e in edges], weights).astype(FLOAT64)
    if density:
        found = found / (np.outer(*(np.diff(e) for e in edges)) * np.sum(found))
    return found, edges[0], edges[1]


@function(np.histogramdd)
def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,  # noqa: A002 - NumPy's name
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Counts of points, the rows of a matrix, in a table of bins, and the edges of each axis."""
    columns = sample if isinstance(sample, Sequence) else np.transpose(np.atleast_2d(sample))
    points = [np.ravel(wrapped(v)) for v in values(*columns)]
    count = len(points)
    each = list(bins) if isinstance(bins, Sequence) else [bins] * count
    limits = range if range is not None else (None,) * count
    if len(each) != count or len(limits) != count:
        raise ArgumentError(f"histogramdd: bins and range are for {count} axes each")
    edges = [_edges(v, b, r, False) for v, b, r in zip(points, each, limits, strict=True)]
    places = [_bin_of(v, e) for v, e in zip(points, edges, strict=True)]
    found = _collected(places, [len(e) - 1 for e in edges], weights).astype(FLOAT64)
    if density:
        total = np.sum(found)
        for axis, e in enumerate(edges):
            shape = [1] * count
            shape[axis] = -1
            found = found / np.reshape(np.diff(e), shape)
        found = found / total
    return found, edges


def _collected(places: Sequence[Any], sizes: Sequence[int], weights: Any) -> Any:
    """What falls into each cell of a table; elements with a place of -1 fall nowhere."""
    total = int(np.prod(sizes))
    cell: Any = 0
    inside: Any = True
    for place, size in zip(places, sizes, strict=True):
        cell, inside = cell * size + place, inside & (place >= 0)
    amount = inside * 1 if weights is None else np.where(inside, np.ravel(weights), 0)
    where = materialise(np.where(inside, cell, 0))
    return np.reshape(wrapped(_summed(where, materialise(amount), total)), tuple(sizes))
