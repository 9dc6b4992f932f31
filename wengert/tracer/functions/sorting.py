"""Sorting: sort, argsort, median, partition. All are stable, and NaNs come last.

What is computed is the order, a permutation; the elements follow it, and so do derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.ops.merging import SHORT, order_of_rows
from wengert.ir.types import INT64, Shape
from wengert.tracer.functions.assignment import overwrite, target
from wengert.tracer.functions.operands import (
    assemble,
    expand,
    flat_or_axis,
    integer,
    iota,
    materialise,
    normal_axes,
    normal_axis,
    operand,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.statistics import mean
from wengert.tracer.lift import dimension, lift
from wengert.tracer.tables import changing, function, method


def order_of(keys: Value) -> Value:
    """The permutation [b, n] that sorts each row of keys [b, n]."""
    n = keys.shape[1]
    keys = keys.stop_gradient()
    if keys.dtype.kind == "b":
        keys = keys.to(np.dtype(np.uint8))
    if not keys.type.is_static:
        return order_of_rows(keys, lift(n) if n > SHORT else None)
    return keys.sort(routine="order") if n > SHORT else order_of_rows(keys)


FEW_RANKS = 8
"""So many elements of a row are found without sorting it."""


def of_ranks(rows: Value, ranks: Value) -> Value:
    """The elements [b, m] that have the ranks [b, m] in rows [b, n]."""
    n = rows.shape[1]
    keys = rows.stop_gradient()
    static = rows.type.is_static and ranks.type.is_static and not rows.type.is_complex
    if static and n > SHORT and ranks.shape[1] <= FEW_RANKS:
        keys = keys.to(np.dtype(np.uint8)) if keys.dtype.kind == "b" else keys
        places = keys.selection(ranks)
    else:
        places = order_of(rows).gather(iota(ranks.shape, 0), ranks)
    return rows.gather(iota(ranks.shape, 0), places)


# along an axis


def _rows(value: Value, axis: int) -> tuple[Value, list[int], Shape]:
    """The value as rows along an axis, the order of the axes, and the shape in that order."""
    order = [*(d for d in range(value.ndim) if d != axis), axis]
    turned = transpose(value, order)
    n = turned.shape[-1]
    return reshape(turned, (size_of(turned.shape[:-1]), n)), order, turned.shape


def _back(rows: Value, order: list[int], shape: Shape) -> Value:
    inverse = [order.index(d) for d in range(len(order))]
    return transpose(reshape(rows, shape), inverse)


def sorted_along(value: Value, axis: int) -> Value:
    """The elements in order along an axis."""
    rows, order, shape = _rows(value, axis)
    found = rows.gather(iota(rows.shape, 0), order_of(rows))
    return _back(found, order, shape)


@function(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The elements in order along an axis; NaNs come last."""
    _no_fields(order)
    value = materialise(a)
    if axis is not None:
        normal_axis(axis, value.ndim)
    value, position = flat_or_axis(value, axis)
    return wrapped(sorted_along(value, position))


@changing("sort")
@method("sort")
def sort_method(
    x: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    """As `ndarray.sort`: in place."""
    overwrite(target(x, "x.sort"), np.sort(x, axis, stable=True))


@function(np.argsort)
@method("argsort")
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """The indices that sort the elements along an axis."""
    _no_fields(order)
    value, position = flat_or_axis(materialise(a), axis)
    rows, turned, shape = _rows(value, position)
    return wrapped(_back(order_of(rows), turned, shape))


def _no_fields(order: Any) -> None:
    if order is not None:
        raise ArgumentError("Cannot specify order when the array has no fields.")


@function(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The elements in order: each is where a sorted array has it, which is more than is asked."""
    line, position = flat_or_axis(materialise(a), axis)
    n = line.shape[position]
    for k in np.ravel(kth).tolist() if isinstance(kth, list | tuple | np.ndarray) else [kth]:
        if not -n <= integer(k, "kth") < n:
            raise ArgumentError(f"kth(={k}) out of bounds ({n})")
    return sort(a, axis)


@changing("partition")
@method("partition")
def partition_method(
    x: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> None:
    """As `ndarray.partition`: in place."""
    overwrite(target(x, "x.partition"), np.partition(x, kth, axis))


def _median_over(value: Value, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The median along several axes, which are joined to the last one."""
    kept = [d for d in range(value.ndim) if d not in axes]
    lines = transpose(value, (*kept, *axes))
    count = size_of(lines.shape[len(kept) :])
    found = median(wrapped(reshape(lines, (*lines.shape[: len(kept)], count))), -1)
    return wrapped(expand(materialise(found), *axes)) if keepdims else found


@function(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The middle element in order, or the mean of the two in the middle; NaN if one is."""
    full = operand(a)
    if isinstance(axis, tuple):
        return _median_over(materialise(full), normal_axes(axis, full.ndim), keepdims)
    value, position = flat_or_axis(materialise(a), axis)
    n = value.shape[position]
    if type(n) is int and n == 0:
        return mean(a, axis, keepdims=keepdims)
    rows, _, turned = _rows(value, position)
    count = dimension(n)
    places = [(count - 1) // 2, count // 2]
    if value.type.is_static:
        places = sorted(set(places))
    ranks = materialise(wrapped(assemble(places)), INT64)
    ranks = ranks.broadcast(shape=(rows.shape[0], ranks.shape[0]), dims=(1,))
    middle = mean(wrapped(of_ranks(rows, ranks)), 1)
    if kind_of(value.dtype) in "fc":
        missing = np.any(np.isnan(wrapped(rows)), axis=1)
        middle = np.where(missing, np.asarray(np.nan, middle.dtype), middle)
    middle = wrapped(reshape(materialise(middle), turned[:-1]))
    if not keepdims:
        return middle
    shape = (
        [1] * full.ndim
        if axis is None
        else [1 if d == position else m for d, m in enumerate(full.shape)]
    )
    return wrapped(reshape(materialise(middle), tuple(shape)))
