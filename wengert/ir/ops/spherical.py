"""Spherical Bessel functions of a known whole order n, DLMF 10.47 to 10.53.

j_n and i_n are the power series x^n / (2n+1)!! sum (-+x^2/2)^k / (k! (2n+3)(2n+5)...), where its
terms fall from the first one on. Beyond, j_n is sqrt(pi / 2x) J_(n+1/2), and i_n the same of I;
those of order 0 are sin(x)/x and sinh(x)/x. y_n and k_n are made upwards by their recurrences,
which is stable (DLMF 10.51.1, 10.51.4). Parities are DLMF 10.47.14.

Slopes are f' = (n f_(n-1) -+ (n+1) f_(n+1)) / (2n+1) (DLMF 10.51.2, 10.51.5), in which nothing
cancels near 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.expanded import expanded
from wengert.ir.ops.families import scipy_special
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp

S = ScalarBuilder
TERMS = 12


def _series(s: S, x: Expr, order: int, sign: float) -> Expr:
    """The power series of j (sign -1) and i (+1), for x^2 < 2n + 3."""
    square = s.mul(s.mul(x, x), 0.5 * sign)
    total = s.like(1, x)
    for k in range(TERMS, 0, -1):
        total = s.add(s.mul(s.mul(total, square), 1 / (k * (2 * order + 2 * k + 1))), 1.0)
    for k in range(1, order + 1):
        total = s.mul(total, s.mul(x, 1 / (2 * k + 1)))
    return total


def _closed(s: S, x: Expr, order: int, sign: float) -> Expr:
    """Of x > 0."""
    if order == 0 and sign < 0:
        return s.div(s.maths(ScalarOp.SIN, x), x)
    if order == 0:
        return s.div(s.maths(ScalarOp.SINH, x), x)
    half = s.like(order + 0.5, x)
    bessel = s.call("jv" if sign < 0 else "iv", half, x)
    return s.mul(bessel, s.unary(ScalarOp.SQRT, s.div(s.like(math.pi / 2, x), x)))


def _first_kind(s: S, x: Expr, order: int, sign: float) -> Expr:
    size = s.abs(x)
    near = s.lt(s.mul(x, x), float(min(2 * order + 3, 9)))
    inner = _series(s, s.select(near, size, s.like(1, x)), order, sign)
    infinite = s.eq(size, math.inf)
    outside = s.or_(near, infinite)
    outer = _closed(s, s.select(outside, s.like(3, x), size), order, sign)
    found = s.select(near, inner, outer)
    found = s.select(infinite, s.like(0 if sign < 0 else math.inf, x), found)
    return s.select(s.lt(x, 0), s.neg(found), found) if order % 2 else found


def _upwards(s: S, x: Expr, order: int, first: tuple[Expr, Expr], sign: float) -> Expr:
    """f_(n+1) = (2n + 1) / x f_n + sign f_(n-1), from f_0 and f_1; overflow ends it."""
    before, now = first
    if order == 0:
        return before
    for n in range(1, order):
        step = s.mul(s.div(s.like(2 * n + 1, x), x), now)
        following = s.add(step, before) if sign > 0 else s.sub(step, before)
        # infinity minus infinity
        stuck = s.eq(s.abs(now), math.inf)
        before, now = now, s.select(stuck, now, following)
    return now


def _second_kind(s: S, x: Expr, order: int) -> Expr:
    """y_n; infinite at 0."""
    size = s.abs(x)
    infinite, zero = s.eq(size, math.inf), s.eq(size, 0)
    at = s.select(s.or_(infinite, zero), s.like(1, x), size)
    sin, cos = s.maths(ScalarOp.SIN, at), s.maths(ScalarOp.COS, at)
    first = s.neg(s.div(cos, at))
    found = _upwards(s, at, order, (first, s.div(s.sub(first, sin), at)), -1.0)
    found = s.select(zero, s.like(-math.inf, x), found)
    found = s.select(infinite, s.like(0, x), found)
    # of negative x: (-1)^(n+1)
    return found if order % 2 else s.select(s.lt(x, 0), s.neg(found), found)


def _modified_second_kind(s: S, x: Expr, order: int) -> Expr:
    """k_n; its sign at negative x is by its formula."""
    infinite, zero = s.eq(s.abs(x), math.inf), s.eq(x, 0)
    at = s.select(s.or_(infinite, zero), s.like(1, x), x)
    first = s.div(s.mul(s.maths(ScalarOp.EXP, s.neg(at)), math.pi / 2), at)
    second = s.mul(first, s.add(s.div(s.like(1, at), at), 1.0))
    found = _upwards(s, at, order, (first, second), 1.0)
    found = s.select(zero, s.like(math.inf, x), found)
    end = s.select(s.lt(x, 0), s.like(-math.inf, x), s.like(0, x))
    return s.select(infinite, end, found)


def _slope(name: str, below: float, above: float) -> Callable[..., Value]:
    """(below n f_(n-1) + above (n+1) f_(n+1)) / (2n + 1)"""

    def slope(x: Value, out: Value, order: int) -> Value:
        at = getattr(x, name)
        upper = at(order=order + 1) * (above * (order + 1) / (2 * order + 1))
        if not order:
            return upper
        return upper + at(order=order - 1) * (below * order / (2 * order + 1))

    return slope


def _register(
    name: str,
    scalar: Callable[..., Expr],
    signs: tuple[float, float],
    domains: tuple[tuple[float, float], ...],
    doc: str,
) -> None:
    def evaluate(x: Any, order: int) -> Any:
        return scipy_special(name)(np.int64(order), x.astype(np.float64))

    expanded(
        name,
        evaluate,
        scalar,
        _slope(name, *signs),
        *domains,
        params=("order",),
        cases=[{"order": 0}, {"order": 1}, {"order": 4}],
        special=False,
        tolerance=256,
        doc=f"the {doc} of this whole order",
    )


_register(
    "spherical_jn",
    lambda s, x, order: _first_kind(s, x, order, -1.0),
    *((1.0, -1.0), ((-2, 2), (4, 9))),
    "spherical Bessel function of the first kind",
)
_register(
    "spherical_in",
    lambda s, x, order: _first_kind(s, x, order, 1.0),
    *((1.0, 1.0), ((-2, 2), (4, 9))),
    "modified spherical Bessel function of the first kind",
)
_register(
    *("spherical_yn", _second_kind, (1.0, -1.0), ((0.5, 9),)),
    "spherical Bessel function of the second kind",
)
_register(
    *("spherical_kn", _modified_second_kind, (-1.0, -1.0), ((0.5, 9),)),
    "modified spherical Bessel function of the second kind",
)
