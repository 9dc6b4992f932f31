"""Sorting: sort, argsort, median, partition. All are stable, and NaNs come last.

What is computed is the order, a permutation; the elements follow it, and so do derivatives. Short
axes count, for each element, those that come before it. Longer ones are merged, run by run: an
element's place in the merged run is its own rank plus the number of elements of the neighbouring
run that come before it, which a binary search finds. All elements do that at once, so a pass is a
few elementwise equations, and there are log2(n) passes of log2(n) steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.types import INT64, Shape
from wengert.tracer.functions.assignment import overwrite, target
from wengert.tracer.functions.operands import (
    assemble,
    flat_or_axis,
    integer,
    iota,
    materialise,
    operand,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.statistics import mean
from wengert.tracer.lift import dimension, lift
from wengert.tracer.loops import for_loop
from wengert.tracer.tables import changing, function, method

SHORT = 32
"""Up to so many elements are sorted by counting."""


def order_of(keys: Value) -> Value:
    """The permutation [b, n] that sorts each row of keys [b, n]."""
    n = keys.shape[1]
    keys = keys.stop_gradient()
    if keys.dtype.kind == "b":
        keys = keys.to(np.dtype(np.uint8))
    if n < 2:
        return _iota(keys.builder, keys.shape, 1)
    return _counted(keys) if n <= SHORT else _merged(keys)


def _iota(builder: Builder, shape: Shape, axis: int) -> Value:
    return builder.emit(REGISTRY["iota"], (), {"shape": shape, "dtype": INT64, "axis": axis})[0]


def _less(x: Value, y: Value) -> Value:
    """Whether x comes before y; NaNs come last."""
    found = x.lt(y)
    return found.bitor(y.isnan().bitand(x.isnan().bitnot())) if x.dtype.kind == "f" else found


def _counted(keys: Value) -> Value:
    rows, n = keys.shape
    cube = (rows, n, n)
    own = keys.broadcast(shape=cube, dims=(0, 1))
    other = keys.broadcast(shape=cube, dims=(0, 2))
    earlier = iota(cube, 2).lt(iota(cube, 1))
    tied = _less(own, other).bitnot().bitand(earlier)
    rank = _less(other, own).bitor(tied).to(INT64).reduce_sum(axes=(2,))
    return _placed(iota(keys.shape, 1), rank)


def _placed(x: Value, places: Value) -> Value:
    """x with the elements of each row brought to their places."""
    zeros = x.full_like(0)
    return zeros.scatter_set(x, _iota(x.builder, x.shape, 0), places)


def _merged(keys: Value) -> Value:
    builder, shape = keys.builder, keys.shape
    passes = (int(shape[1]) - 1).bit_length()
    size = lift(shape[1])

    def merge(level: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        runs, order = carry
        places = _merged_places(runs, level, passes, consts[0])
        return [_placed(runs, places), _placed(order, places)]

    return for_loop(0, passes, [size], [keys, _iota(builder, shape, 1)], merge)[1]


def _merged_places(keys: Value, level: Value, steps: int, size: Value) -> Value:
    """Where each element goes when neighbouring runs of 2**level elements are merged."""
    builder, shape = keys.builder, keys.shape
    n = size.broadcast(shape=shape, dims=())
    one = builder.literal(1, INT64)
    width = one.shl(level).broadcast(shape=shape, dims=())
    i = _iota(builder, shape, 1)
    start = i.sub(i.mod(width.mul(2)))
    middle = start.add(width).min(n)
    end = middle.add(width).min(n)
    left = i.lt(middle)
    low, high = left.select(middle, start), left.select(end, middle)
    found = _search(keys, left, low, high, steps, n)
    rank = i.sub(left.select(start, middle))
    return start.add(rank).add(found.sub(low))


def _search(keys: Value, left: Value, low: Value, high: Value, steps: int, n: Value) -> Value:
    """For each element the end of those of its neighbouring run that come before it."""

    def step(i: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        x, from_left, length = consts
        first, last = carry
        middle = first.add(last).floordiv(2)
        other = x.gather(_iota(x.builder, x.shape, 0), middle.min(length.sub(1)))
        # of equal elements those of the left run come first
        before = from_left.select(_less(other, x), _less(x, other).bitnot())
        before = before.bitand(first.lt(last))
        searching = first.lt(last).bitand(before.bitnot())
        return [before.select(middle.add(1), first), searching.select(middle, last)]

    return for_loop(0, steps, [keys, left, n], [low, high], step)[0]


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
    value, position = flat_or_axis(materialise(a), axis)
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
    for k in np.ravel(kth).tolist() if isinstance(kth, list | tuple | np.ndarray) else [kth]:
        n = operand(a).shape[axis if axis is not None else 0]
        if not -n <= integer(k, "kth") < n:
            raise ArgumentError(f"kth(={k}) out of bounds ({n})")
    return sort(a, axis)


@function(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The middle element in order, or the mean of the two in the middle; NaN if one is."""
    if isinstance(axis, tuple):
        raise ArgumentError("np.median of traced values goes along one axis, or all")
    full = operand(a)
    value, position = flat_or_axis(materialise(a), axis)
    n = value.shape[position]
    if n == 0:
        raise ArgumentError("np.median of no elements")
    ordered = sorted_along(value, position)
    count = dimension(n)
    places = [(count - 1) // 2, count // 2]
    middle = mean(np.take(wrapped(ordered), wrapped(assemble(places)), position), position)
    if value.dtype.kind == "f":
        last = np.take(wrapped(ordered), -1, position)
        middle = np.where(np.isnan(last), last, middle)
    if not keepdims:
        return middle
    shape = (
        [1] * full.ndim
        if axis is None
        else [1 if d == position else m for d, m in enumerate(full.shape)]
    )
    return wrapped(reshape(materialise(middle), tuple(shape)))
