"""Places in sorted vectors: how many of their elements stand before given numbers."""

from __future__ import annotations

from collections.abc import Callable

from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.ops.merging import less
from wengert.ir.types import INT64

FEW = 8
"""In vectors up to this length every element is compared: that is a loop of plain loads, where each
step of a search has to collect elements from as many places as a vector has lanes."""


def count_before(line: Value, points: Value, side: str = "left") -> Value:
    """How many elements of a sorted vector stand before each point, as int64 of the points' shape.

    With side "left" these are the smaller ones, with "right" the equal ones too; NaN is the
    largest number. Both have one dtype.
    """
    before = _standing_before(points, side)
    n = line.shape[0]
    if line.type.is_static and points.type.is_static and n > FEW:
        return _searched(line, points, before)
    wide = (*points.shape, n)
    left = line.broadcast(shape=wide, dims=(points.ndim,))
    found = before(left, lambda x: x.broadcast(shape=wide, dims=tuple(range(points.ndim))))
    return found.to(INT64).reduce_sum(axes=(points.ndim,))


_Before = Callable[[Value, Callable[[Value], Value]], Value]
"""Whether elements stand before their points, which a function brings into the elements' shape."""


def _standing_before(points: Value, side: str) -> _Before:
    def before(x: Value, fitted: Callable[[Value], Value]) -> Value:
        if points.type.is_complex:
            y = fitted(points)
            return less(x, y) if side == "left" else less(y, x).bitnot()
        found = x.lt(fitted(points)) if side == "left" else x.le(fitted(points))
        if kind_of(points.dtype) != "f":
            return found
        last = fitted(points.isnan())
        return found.bitor(last.bitand(x.isnan().bitnot()) if side == "left" else last)

    return before


def _searched(line: Value, points: Value, before: _Before) -> Value:
    """By halving. All points take the same steps, so that they take them together, in vectors.

    Of `length` elements from `start` on it is open whether they stand before the point, all before
    `start` do, and none after them. If the last one of the first half does, then all of that half.
    """
    start = line.builder.literal(0, INT64).broadcast(shape=points.shape, dims=())
    length = line.shape[0]
    while length:
        half = (length + 1) // 2
        probe = line.gather(start.add(half - 1))
        start = before(probe, lambda x: x).select(start.add(half), start)
        length -= half
    return start
