"""NumPy's order of complex numbers: by the real parts, and where those are equal by the others.

There are two orders of numbers that are NaN in a part. Comparisons with them are false as far as
NumPy looks (CGE and its kin in numpy/_core/src/umath/loops.c.src), and extremes are the first of
them. Sorting puts them last: numbers whose imaginary part is NaN, then those whose real part is,
then those with both (CFLOAT_LT in numpy/_core/src/npysort/npysort_common.h).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.parts import Parts, choose
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import Dim

Comparison = Callable[[Parts, Parts], Value]


def missing(z: Parts) -> Value:
    """Where a part is NaN."""
    return z.re.ne(z.re).bitor(z.im.ne(z.im))


def compares(name: str) -> Comparison:
    """The `parts` rule of `lt`, `le`, `gt` or `ge`."""
    strict = {"le": "lt", "ge": "gt"}.get(name, name)

    def compare(x: Parts, y: Parts) -> Value:
        known = x.im.eq(x.im).bitand(y.im.eq(y.im))
        apart = getattr(x.re, strict)(y.re).bitand(known)
        return apart.bitor(x.re.eq(y.re).bitand(getattr(x.im, name)(y.im)))

    return compare


def extreme(name: str, skips_nan: bool = False) -> Callable[[Parts, Parts], Parts]:
    """The `parts` rule of `max` and `min`; of `fmax` and `fmin` if NaN gives way to the other."""
    not_beaten = compares("ge" if name.endswith("max") else "le")

    def rule(x: Parts, y: Parts) -> Parts:
        odd = missing(y if skips_nan else x)
        return choose(not_beaten(x, y).bitor(odd), x, y)

    return rule


def identity(name: str) -> complex:
    """What `max` or `min` of it and another number is the other."""
    bound = -math.inf if name.endswith("max") else math.inf
    return complex(bound, bound)


# along an axis


def place_of_extreme(name: str) -> Callable[..., list[Value]]:
    """The `parts` rule of `argmax` and `argmin`: three reductions that vectors know."""
    reduction = "reduce_max" if name == "argmax" else "reduce_min"
    worst = identity(name).real

    def rule(operands: Sequence[Parts], *, axis: int) -> list[Value]:
        z, axes = operands[0], (axis,)

        def winning(x: Value) -> Value:
            best = getattr(x, reduction)(axes=axes)
            kept = tuple(a for a in range(x.ndim) if a != axis)
            return x.eq(best.broadcast(shape=x.shape, dims=kept))

        odd = missing(z)
        tied = winning(odd.select(worst, z.re)).bitand(odd.bitnot())
        found = winning(tied.select(z.im, worst)).bitand(tied)
        kept = tuple(a for a in range(odd.ndim) if a != axis)
        wrong = odd.reduce_or(axes=axes).broadcast(shape=odd.shape, dims=kept)
        return [_first(wrong.select(odd, found), axis)]

    return rule


def _first(marks: Value, axis: int) -> Value:
    """The least place along an axis that is marked; one is."""
    length = marks.shape[axis]
    if isinstance(length, Dim):
        return marks.argmax(axis=axis)
    place = iota(marks.builder, marks.shape, axis)
    return marks.select(place, length - 1).reduce_min(axes=(axis,))


def extreme_of_rows(name: str, merged: Callable[[Value], Value]) -> Callable[[Parts], Parts]:
    """The first extreme element of each row, or its first NaN; `merged` makes rows of an array."""
    find = place_of_extreme(name)

    def rule(z: Parts) -> Parts:
        rows = z.map(merged)
        (place,) = find([rows], axis=rows.re.ndim - 1)
        leading = [iota(place.builder, place.shape, a) for a in range(place.ndim)]
        return rows.map(lambda part: part.gather(*leading, place))

    return rule


# sorted


def comes_before(x: Parts, y: Parts) -> Value:
    """Whether x is sorted before y."""
    of_x, of_y = (_bits(z.re, 2).add(_bits(z.im, 1)) for z in (x, y))
    later = x.re.eq(y.re).bitor(x.re.ne(x.re)).bitand(x.im.lt(y.im))
    return of_x.lt(of_y).bitor(of_x.eq(of_y).bitand(x.re.lt(y.re).bitor(later)))


def sorted_rows(operands: Sequence[Parts], *, routine: str) -> list[Parts | Value]:
    """The `parts` rule of `sort`: three stable sorts, by the key that counts least first.

    These keys are the imaginary part, the real part, and which parts are NaN.
    """
    z = operands[0]
    order = z.im.sort(routine="order")
    leading = [iota(order.builder, order.shape, axis) for axis in range(order.ndim - 1)]

    def then_by(order: Value, key: Value) -> Value:
        return order.gather(*leading, key.gather(*leading, order).sort(routine="order"))

    order = then_by(order, z.re)
    order = then_by(order, _bits(z.re, 2).add(_bits(z.im, 1)))
    if routine == "order":
        return [order]
    return [z.map(lambda part: part.gather(*leading, order))]


def _bits(part: Value, weight: int) -> Value:
    """The weight where a part is NaN, and 0 elsewhere."""
    set_, clear = (part.builder.literal(x, np.dtype(np.uint8)) for x in (weight, 0))
    return part.ne(part).select(set_, clear)
