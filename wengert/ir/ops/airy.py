"""Airy's functions Ai and Bi and their slopes, DLMF 9.7.

Around 0 they are series in x. To the right they are series times exp(-+zeta), zeta = 2/3 x^(3/2),
and a power of x; to the left amplitudes P and Q with the angle a = zeta - pi/4:

    Ai(-x) = (P cos a + Q sin a) x^(-1/4) / sqrt(pi)
    Bi(-x) = (Q cos a - P sin a) x^(-1/4) / sqrt(pi)
    Bi'(-x) = (R cos a + T sin a) x^(1/4) / sqrt(pi)
    Ai'(-x) = (R sin a - T cos a) x^(1/4) / sqrt(pi).

Series are Chebyshev's (`airy_series`). A slope's slope is x times the function (DLMF 9.2.1).
"""

from __future__ import annotations

import math
from typing import Any

from wengert.ir.builder import Value
from wengert.ir.ops import airy_series as series
from wengert.ir.ops.expanded import expanded, output, series_between
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp

S = ScalarBuilder
LEFT, RIGHT, FAR = -3.0, 1.0, 4.0
INVERSE_ROOT_PI = 1 / math.sqrt(math.pi)
LARGEST = 2.0**60


def _powers(s: S, size: Expr) -> tuple[Expr, Expr]:
    """2/3 x^(3/2) and x^(1/4)."""
    root = s.unary(ScalarOp.SQRT, size)
    return s.mul(s.mul(size, root), 2 / 3), s.unary(ScalarOp.SQRT, root)


def _oscillating(s: S, size: Expr, second: bool, order: int) -> Expr:
    """Of -x, for x >= 3."""
    zeta, power = _powers(s, size)
    inverse = s.div(s.like(1, zeta), zeta)
    square = s.mul(inverse, inverse)
    slope = "_SLOPE" if order else ""
    end = (2 / 3 * (-LEFT) ** 1.5) ** -2
    p, q = (
        series_between(s, square, 0.0, end, getattr(series, f"AIRY_{letter}{slope}"))
        for letter in "PQ"
    )
    q = s.mul(q, inverse)
    # (sin - cos and cos + sin of zeta) / sqrt(2) are sine and cosine of zeta - pi/4
    sin, cos = s.maths(ScalarOp.SIN, zeta), s.maths(ScalarOp.COS, zeta)
    turned_sin = s.mul(s.sub(sin, cos), math.sqrt(0.5))
    turned_cos = s.mul(s.add(sin, cos), math.sqrt(0.5))
    if second == bool(order):
        wave = s.add(s.mul(p, turned_cos), s.mul(q, turned_sin))
    else:
        wave = s.sub(s.mul(q, turned_cos), s.mul(p, turned_sin))
    if order and not second:
        wave = s.neg(wave)
    wave = s.mul(wave, INVERSE_ROOT_PI)
    return s.mul(wave, power) if order else s.div(wave, power)


def _exponential(s: S, x: Expr, second: bool, order: int) -> Expr:
    """Of x >= 1; the exponential is in two factors, as it leaves the range before the result."""
    zeta, power = _powers(s, x)
    name = ("BI" if second else "AI") + ("_SLOPE" if order else "")
    middle = series_between(s, x, RIGHT, FAR, getattr(series, f"{name}_MIDDLE"))
    inverse = s.div(s.like(1, zeta), zeta)
    far = series_between(s, s.mul(inverse, 2 / 3), 0.0, FAR**-1.5, getattr(series, f"{name}_FAR"))
    factor = s.mul(s.select(s.lt(x, FAR), middle, far), INVERSE_ROOT_PI)
    factor = s.mul(factor, power) if order else s.div(factor, power)
    half = s.maths(ScalarOp.EXP, s.mul(zeta, 0.5 if second else -0.5))
    found = s.mul(s.mul(factor, half), half)
    return s.neg(found) if order and not second else found


def airy(s: S, x: Expr, second: bool, order: int) -> Expr:
    """Ai, Ai', Bi or Bi'."""
    name = ("BI" if second else "AI") + ("_SLOPE" if order else "")
    near = series_between(
        s,
        s.min(s.max(x, s.like(LEFT, x)), s.like(RIGHT, x)),
        LEFT,
        RIGHT,
        getattr(series, f"{name}_NEAR"),
    )
    left = _oscillating(
        s, s.min(s.max(s.neg(x), s.like(-LEFT, x)), s.like(LARGEST, x)), second, order
    )
    right = _exponential(s, s.min(s.max(x, s.like(RIGHT, x)), s.like(LARGEST, x)), second, order)
    found = s.select(s.gt(x, RIGHT), right, s.select(s.lt(x, LEFT), left, near))
    # what it tends to on the left: 0, and waves without an end of the slopes
    if order:
        return s.select(s.eq(x, -math.inf), s.like(math.nan, x), found)
    return s.select(s.eq(x, -math.inf), s.like(0, x), found)


def _register(name: str, second: bool, doc: str) -> None:
    def evaluate(x: Any, order: int) -> Any:
        return output("airy", order + 2 * second)(x)

    def slope(x: Value, out: Value, order: int) -> Value:
        if order:
            return x * getattr(x, name)(order=0)
        return getattr(x, name)(order=1)

    expanded(
        name,
        evaluate,
        lambda s, x, order: airy(s, x, second, order),
        slope,
        *((-2.9, 0.9), (1.1, 6), (-12, -3.1)),
        params=("order",),
        cases=[{"order": 0}, {"order": 1}],
        special=False,
        tolerance=64,
        doc=doc,
    )


_register("airy_ai", False, "Airy's function Ai, or its slope (order 1)")
_register("airy_bi", True, "Airy's function Bi, or its slope (order 1)")
