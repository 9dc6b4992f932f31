"""Sequences: convolve, correlate, polyval, searchsorted, insert, delete."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64
from wengert.tracer.array import Tracer
from wengert.tracer.functions.cutting import cut
from wengert.tracer.functions.indexing import pick
from wengert.tracer.functions.joining import concatenate
from wengert.tracer.functions.operands import (
    broadcast,
    cut_to,
    expand,
    flat_or_axis,
    holds_tracers,
    integer,
    iota,
    materialise,
    operand,
    reshape,
    result_type,
    transpose,
    values,
    wrapped,
)
from wengert.tracer.functions.products import contracted_axes
from wengert.tracer.functions.searching import count_before
from wengert.tracer.functions.spans import demand
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.mutation import known
from wengert.tracer.tables import function, method

FEW_TAPS = 16
"""Kernels up to this length become sums of shifted slices, which fuse."""


def correlated(a: Value, v: Value, mode: str) -> Value:
    """sum_k a[n + k] v[k] for len(a) >= len(v), with zeros outside."""
    n, m = a.shape[0], v.shape[0]
    margins = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}
    if mode not in margins:
        raise ArgumentError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    low, high = margins[mode]
    zero = a.builder.literal(0, a.dtype)
    padded = a.pad(zero, low=(low,), high=(high,), interior=(0,)) if low or high else a
    length = n + low + high - m + 1
    if m > FEW_TAPS:
        position = iota((length, m), 0).add(iota((length, m), 1))
        return contracted_axes(padded.gather(position), v, (1,), (0,), "convolve")
    total: Value | None = None
    for k in range(m):
        tap = broadcast(reshape(cut(v, 0, k, k + 1), ()), (length,))
        term = call(np.multiply, cut(padded, 0, k, k + length), tap)
        total = term if total is None else call(np.add, total, term)
    assert total is not None
    return total


def _vectors(a: Any, v: Any, name: str) -> tuple[Value, Value]:
    x, y = (reshape(i, (1,)) if i.ndim == 0 else i for i in values(a, v))
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(f"{name}: object too deep for desired array, shapes {x.shape}, {y.shape}")
    for value, which in ((x, "a"), (y, "v")):
        if value.shape[0] == 0:
            raise ArgumentError(f"{which} cannot be empty")
    return x, y


@function(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The convolution of two vectors."""
    x, y = _vectors(a, v, "convolve")
    if y.shape[0] > x.shape[0]:
        x, y = y, x
    return wrapped(correlated(x, y.rev(axes=(0,)), mode))


@function(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two vectors, the second being conjugated."""
    x, y = _vectors(a, v, "correlate")
    y = y.conj() if y.type.is_complex else y
    if y.shape[0] > x.shape[0]:
        return wrapped(correlated(y, x, mode).rev(axes=(0,)))
    return wrapped(correlated(x, y, mode))


@function(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """A polynomial's value, highest coefficient first, by Horner's rule."""
    whole = operand(p)
    if not whole.shape:
        raise InputTypeError(
            "the coefficients of np.polyval have an axis, and are no single number"
        )
    points = operand(x)
    result: Any = materialise(points).full_like(0)
    for i in range(whole.shape[0]):
        if whole.known:
            coefficient = operand(np.asarray(whole.value)[i])
        else:
            line = cut(materialise(whole), 0, i, i + 1)
            coefficient = operand(reshape(line, whole.shape[1:]))
        result = call(np.add, call(np.multiply, result, points), coefficient)
    return wrapped(result)


@function(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where elements belong in a sorted vector: how many of its elements stand before them."""
    if sorter is not None:
        a = np.take(wrapped(materialise(a)), sorter)
    if side not in ("left", "right"):
        raise ArgumentError(f"side must be 'left' or 'right' (got {side!r})")
    line, points = values(a, v)
    if line.ndim != 1:
        raise ShapeError("object of too small depth for desired array")
    return wrapped(count_before(line, points, side))


@method("searchsorted")
def searchsorted_method(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """As `ndarray.searchsorted`."""
    return searchsorted(a, v, side, sorter)


@function(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The bin of each element, for increasing or decreasing bins."""
    if operand(x).dtype.kind == "c":
        raise InputTypeError("np.digitize: x may not be complex; take np.real(x) or np.abs(x)")
    side = "left" if right else "right"
    found = known(bins) if isinstance(bins, Tracer) else None
    edges = operand(bins if found is None else found)
    if edges.ndim != 1:
        raise ShapeError("object of too small depth for desired array")
    if not edges.known:
        return _digitized(x, materialise(edges), side)
    places = np.asarray(edges.value)
    steps = np.diff(places)
    if (steps >= 0).all():
        return searchsorted(places, x, side)
    if (steps <= 0).all():
        return len(places) - searchsorted(places[::-1], x, side)
    raise ArgumentError(_UNORDERED)


_UNORDERED = "bins must be monotonically increasing or decreasing"


def _digitized(x: Any, edges: Value, side: str) -> Any:
    """With bins whose order is known only at run time, and checked there."""
    count = edges.shape[0]
    if count < 2:
        return searchsorted(wrapped(edges), x, side)
    first, second = cut(edges, 0, 0, count - 1), cut(edges, 0, 1, count)
    rising = first.le(second).reduce_and(axes=(0,))
    falling = first.ge(second).reduce_and(axes=(0,))
    rising.bitor(falling).require(message=_UNORDERED, error=ArgumentError.__name__)
    line = wrapped(rising.select(edges, edges.rev(axes=(0,))))
    found = materialise(searchsorted(line, x, side))
    return wrapped(rising.select(found, found.neg().add(count)))


@function(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    """Whether each element is among the test elements."""
    x, tests = operand(element), operand(test_elements)
    flat = operand(reshape(materialise(tests), (materialise(tests).type.size,)))
    wide = operand(expand(materialise(x), x.ndim))
    found = call(np.equal, wide, flat).reduce_or(axes=(x.ndim,))
    return wrapped(found.bitnot() if invert else found)


# known positions taken out or filled in


@function(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """The array without the elements (or slices) at known positions."""
    value, position = flat_or_axis(materialise(arr), axis)
    if holds_tracers(obj):
        integer(obj, "the positions to delete")
    left = np.delete(np.arange(value.shape[position]), obj)
    return wrapped(pick(value, left, position))


@function(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """The array with values put before known positions."""
    value, position = flat_or_axis(materialise(arr), axis)
    if holds_tracers(obj):
        integer(obj, "the positions to insert at")
    n = value.shape[position]
    item = materialise(values, value.dtype)
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        item = _leading_moved(item, value.ndim, position)
        count = item.shape[position]
    else:
        places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
        count = int(places.sum()) if places.dtype == BOOL else places.size
        if count == 1 and item.ndim:
            count = max(count, _aligned(item, value.ndim).shape[position])
    item = broadcast(item, (*value.shape[:position], count, *value.shape[position + 1 :]))
    marks = np.insert(np.arange(n), obj, -1 - np.arange(count))
    whole = materialise(concatenate((value, item), axis=position))
    return wrapped(pick(whole, np.where(marks < 0, n - 1 - marks, marks), position))


def _aligned(item: Value, ndim: int) -> Value:
    return reshape(item, (1,) * (ndim - item.ndim) + item.shape)


def _leading_moved(item: Value, ndim: int, axis: int) -> Value:
    """NumPy's rule for one position: the first axis of the values is the inserted one."""
    item = _aligned(item, ndim)
    order = list(range(1, ndim))
    order.insert(axis, 0)
    return transpose(item, order)


@function(np.choose)
@method("choose")
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For each element, the choice of that number.

    One out of range is clipped, wrapped, or an error, as `mode` says.
    """
    if out is not None or mode not in ("clip", "wrap", "raise"):
        raise ArgumentError("choose takes mode='raise', 'wrap' or 'clip', and no out= here")
    index = operand(a)
    if mode == "wrap":
        index = operand(np.mod(wrapped(materialise(index, INT64)), len(choices)))
    if index.dtype.kind not in "biu":
        raise DTypeError(f"choose takes integers, got {index.dtype}")
    given = [operand(c) for c in choices]
    options = [cut_to(c, result_type(*given)) for c in given]
    if mode == "raise" and index.dtype.kind == "i":
        negative = wrapped(materialise(index)) >= 0
        demand(np.all(negative), "invalid entry in choice array", ArgumentError)
    if mode == "raise" and index.dtype != BOOL:
        whole = np.stack(np.broadcast_arrays(*map(wrapped, options)))
        first, *rest = np.broadcast_arrays(wrapped(materialise(index)), *whole)
        return np.take_along_axis(np.stack(rest), first[None], axis=0)[0]
    result: Any = options[-1]
    for number in reversed(range(len(options) - 1)):
        from_here = call(np.less_equal, index, number)
        parts = [materialise(v) for v in (from_here, options[number], result)]
        shape = np.broadcast_shapes(*(p.shape for p in parts))
        mask, x, y = (broadcast(p, shape) for p in parts)
        result = mask.select(x, y)
    return wrapped(result)
