"""Differences, sums and interpolation along an axis: diff, gradient, trapezoid, interp."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, COMPLEX128, FLOAT64
from wengert.tracer.functions.cutting import cut, joined
from wengert.tracer.functions.joining import concatenate
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    fit,
    floating,
    holds_tracers,
    integer,
    materialise,
    normal_axes,
    normal_axis,
    operand,
    reshape,
    wrapped,
)
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.functions.searching import count_before
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import function

NO_VALUE: Any = np._NoValue


@function(np.diff)
def diff(
    a: Any, n: int = 1, axis: int = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE
) -> Any:
    """Differences of neighbours, n times."""
    order = integer(n, "n")
    if order < 0:
        raise ArgumentError(f"order must be non-negative but got {order}")
    value = materialise(a)
    if value.ndim == 0:
        raise ShapeError("diff requires input that is at least one dimensional")
    position = normal_axis(axis, value.ndim)
    if order == 0:
        return wrapped(value)
    ends = [None if end is NO_VALUE else _end(end, value, position) for end in (prepend, append)]
    if any(e is not None for e in ends):
        parts = [p for p in (ends[0], value, ends[1]) if p is not None]
        value = materialise(concatenate(parts, axis=position))
    return wrapped(differences(value, order, position))


def _end(end: Any, value: Value, axis: int) -> Value:
    item = materialise(end)
    if item.ndim:
        return item
    return broadcast(item, (*value.shape[:axis], 1, *value.shape[axis + 1 :]))


def differences(value: Value, order: int, axis: int) -> Value:
    """x[1:] - x[:-1] along an axis, `order` times; of bools, whether neighbours differ."""
    for _ in range(order):
        n = value.shape[axis]
        later, earlier = cut(value, axis, min(1, n), n), cut(value, axis, 0, max(n - 1, 0))
        value = later.ne(earlier) if value.dtype == BOOL else later.sub(earlier)
    return value


@function(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array."""
    value = materialise(ary)
    steps = differences(_flat(value), 1, 0)
    ends = [None if e is None else _flat(materialise(e, steps.dtype)) for e in (to_begin, to_end)]
    return wrapped(joined([p for p in (ends[0], steps, ends[1]) if p is not None], 0))


def _flat(value: Value) -> Value:
    return reshape(value, (value.type.size,))


@function(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule."""
    value = materialise(y)
    position = normal_axis(axis, value.ndim)
    n = value.shape[position]
    if x is None:
        width: Any = dx
    else:
        points = materialise(x)
        if points.ndim == 1:
            steps = differences(points, 1, 0)
            width = _along(steps, position, value.ndim)
        else:
            width = differences(points, 1, position)
    right = cut(value, position, min(1, n), n)
    left = cut(value, position, 0, max(n - 1, 0))
    areas = call(np.divide, call(np.multiply, width, call(np.add, right, left)), 2.0)
    return wrapped(reduce(np.add, areas, position))


def _along(vector: Value, axis: int, ndim: int) -> Value:
    shape = [1] * ndim
    shape[axis] = vector.shape[0]
    return reshape(vector, tuple(shape))


@function(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided ones of order 1 or 2 at the ends."""
    value = floating(f)
    axes = normal_axes(axis, value.ndim)
    if edge_order not in (1, 2):
        raise ArgumentError("'edge_order' greater than 2 not supported")
    if len(varargs) not in (0, 1, len(axes)):
        raise InputTypeError("invalid number of arguments")
    same = [varargs[0] if varargs else 1.0] * len(axes)
    spacings = list(varargs) if len(varargs) == len(axes) else same
    results = [
        wrapped(_slope(value, operand(h), a, edge_order))
        for a, h in zip(axes, spacings, strict=True)
    ]
    return results[0] if len(axes) == 1 else tuple(results)


def _slope(value: Value, spacing: Operand, axis: int, edge_order: int) -> Value:
    n = value.shape[axis]
    if n < edge_order + 1:
        raise ShapeError(
            "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) "
            "elements are required."
        )

    def part(start: int, stop: int) -> Value:
        return cut(value, axis, start, stop)

    if spacing.ndim == 0:
        h = fit(materialise(spacing, value.dtype), ())
        inner = _over(part(2, n).sub(part(0, n - 2)), h, 2.0)
        if edge_order == 1:
            first, last = part(1, 2).sub(part(0, 1)), part(n - 1, n).sub(part(n - 2, n - 1))
            return joined([_over(first, h, 1.0), inner, _over(last, h, 1.0)], axis)
        first = part(0, 1).mul(-1.5).add(part(1, 2).mul(2.0)).sub(part(2, 3).mul(0.5))
        last = (
            part(n - 3, n - 2)
            .mul(0.5)
            .sub(part(n - 2, n - 1).mul(2.0))
            .add(part(n - 1, n).mul(1.5))
        )
        return joined([_over(first, h, 1.0), inner, _over(last, h, 1.0)], axis)
    if spacing.shape != (n,):
        raise ShapeError("when 1d, distances must match the length of the corresponding dimension")
    return _uneven(value, materialise(spacing, value.dtype), axis, edge_order)


def _over(difference: Value, h: Value, factor: float) -> Value:
    divisor = h if factor == 1.0 else h.mul(factor)
    return difference.div(fit(divisor, difference.shape))


def _uneven(value: Value, x: Value, axis: int, edge_order: int) -> Value:
    """Second-order differences on uneven points (Fornberg 1988, three points)."""
    n = value.shape[axis]
    steps = differences(x, 1, 0)

    def part(start: int, stop: int) -> Value:
        return cut(value, axis, start, stop)

    def weighted(points: list[Value], weights: list[Value]) -> Value:
        terms = [
            p.mul(broadcast(_along(w, axis, value.ndim), p.shape))
            for p, w in zip(points, weights, strict=True)
        ]
        return terms[0].add(terms[1]).add(terms[2])

    a, b = cut(steps, 0, 0, n - 2), cut(steps, 0, 1, n - 1)
    inner = weighted(
        [part(0, n - 2), part(1, n - 1), part(2, n)],
        [-(b.div(a.mul(a.add(b)))), b.sub(a).div(a.mul(b)), a.div(b.mul(a.add(b)))],
    )
    if edge_order == 1:
        ends = []
        for i in (0, n - 2):
            h = _along(cut(steps, 0, i, i + 1), axis, value.ndim)
            rise = part(i + 1, i + 2).sub(part(i, i + 1))
            ends.append(rise.div(broadcast(h, rise.shape)))
        return joined([ends[0], inner, ends[1]], axis)
    a, b = cut(steps, 0, 0, 1), cut(steps, 0, 1, 2)
    whole = a.add(b)
    first = weighted(
        [part(0, 1), part(1, 2), part(2, 3)],
        [-(a.mul(2.0).add(b).div(a.mul(whole))), whole.div(a.mul(b)), -(a.div(b.mul(whole)))],
    )
    a, b = cut(steps, 0, n - 3, n - 2), cut(steps, 0, n - 2, n - 1)
    whole = a.add(b)
    last = weighted(
        [part(n - 3, n - 2), part(n - 2, n - 1), part(n - 1, n)],
        [b.div(a.mul(whole)), -(whole.div(a.mul(b))), b.mul(2.0).add(a).div(b.mul(whole))],
    )
    return joined([first, inner, last], axis)


@function(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear interpolation; intervals are found by counting the points passed."""
    at, points = materialise(x, FLOAT64), materialise(xp, FLOAT64)
    complex_ones = operand(fp).dtype.kind == "c"
    heights = materialise(fp, COMPLEX128 if complex_ones else FLOAT64)
    if points.ndim != 1 or points.shape != heights.shape or points.shape[0] == 0:
        raise ArgumentError("fp and xp are not of the same length.")
    if period is not None:
        at, points, heights = _periodic(at, points, heights, period)
        left = right = None
    if not complex_ones:
        return wrapped(_interpolated(at, points, heights, left, right))
    parts = [
        _interpolated(
            at,
            points,
            part(heights),
            *(None if e is None else part(_number(e)) for e in (left, right)),
        )
        for part in (lambda z: z.real(), lambda z: z.imag())
    ]
    return wrapped(parts[0].complex(parts[1]))


def _number(end: Any) -> Value:
    return materialise(end, COMPLEX128)


def _periodic(at: Value, points: Value, heights: Value, period: Any) -> tuple[Value, Value, Value]:
    """Places within one period, and points in order with one more on each side."""
    if not holds_tracers(period) and period == 0:
        raise ArgumentError("period must be a non-zero value")
    span = np.abs(wrapped(materialise(period, FLOAT64)))
    x, xp, fp = wrapped(at) % span, wrapped(points) % span, wrapped(heights)
    order = np.argsort(xp, stable=True)
    xp, fp = xp[order], fp[order]
    xp = np.concatenate([xp[-1:] - span, xp, xp[:1] + span])
    fp = np.concatenate([fp[-1:], fp, fp[:1]])
    return materialise(x), materialise(xp), materialise(fp)


def _interpolated(at: Value, points: Value, heights: Value, left: Any, right: Any) -> Value:
    """np.interp of real numbers."""
    n = points.shape[0]
    low_end = cut(heights, 0, 0, 1)
    below = reshape(low_end, ()) if left is None else materialise(left, FLOAT64)
    above = reshape(cut(heights, 0, n - 1, n), ()) if right is None else materialise(right, FLOAT64)
    result = broadcast(reshape(low_end, ()), at.shape)
    if n > 1:
        before = count_before(points, at, "right").sub(1).max(0).min(n - 2)
        x0, y0 = points.gather(before), heights.gather(before)
        steps, rises = (differences(v, 1, 0).gather(before) for v in (points, heights))
        result = y0.add(rises.div(steps).mul(at.sub(x0)))
    edge = [broadcast(reshape(cut(points, 0, i, i + 1), ()), at.shape) for i in (0, n - 1)]
    result = at.eq(edge[1]).select(
        broadcast(reshape(cut(heights, 0, n - 1, n), ()), at.shape), result
    )
    result = at.lt(edge[0]).select(fit(below, at.shape), result)
    return at.gt(edge[1]).select(fit(above, at.shape), result)
