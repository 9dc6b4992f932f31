"""SciPy's special functions that are a few elementary ones, on traced values."""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering
from wengert.tracer.functions.special import enter_ufuncs
from wengert.tracer.functions.zeta import zeta_of_one

DEGREE = math.pi / 180
FULL = 360.0
MOST = 1e14
"""SciPy has no functions of more degrees: they have lost all places behind the point."""


def _quadrant(x: Value) -> tuple[Value, Value]:
    """x = 90 q + r, |r| <= 45, as q mod 4 and r in radians."""
    turned = x.sub(x.mul(1 / FULL).rint().mul(FULL))
    quarter = turned.mul(1 / 90).rint()
    rest = turned.sub(quarter.mul(90.0)).mul(DEGREE)
    return quarter.lt(0.0).select(quarter.add(4.0), quarter), rest


def _turned(quarter: Value, rest: Value) -> Value:
    """sin(90 q + r)"""
    odd = quarter.eq(1.0).bitor(quarter.eq(3.0)).bitor(quarter.eq(5.0))
    size = odd.select(rest.cos(), rest.sin())
    down = quarter.eq(2.0).bitor(quarter.eq(3.0))
    return down.select(-size, size)


@lowering("sindg")
def sindg(x: Value) -> Value:
    """The sine of degrees."""
    return x.abs().gt(MOST).select(0.0, _turned(*_quadrant(x)))


@lowering("cosdg")
def cosdg(x: Value) -> Value:
    """The cosine of degrees."""
    quarter, rest = _quadrant(x)
    return x.abs().gt(MOST).select(0.0, _turned(quarter.add(1.0), rest))


def _tangent(x: Value, shifted: bool) -> Value:
    """The tangent of r, or minus its inverse in odd quadrants, which is infinite at the poles."""
    quarter, rest = _quadrant(x)
    odd = quarter.eq(1.0).bitor(quarter.eq(3.0))
    turned = odd.bitnot() if shifted else odd
    pole = rest.eq(0.0)
    tangent = rest.tan()
    inverse = pole.select(math.inf, 1.0 / pole.select(1.0, tangent))
    if shifted:
        return turned.select(inverse, -tangent)
    return turned.select(pole.select(math.inf, -inverse), tangent)


@lowering("tandg")
def tandg(x: Value) -> Value:
    """The tangent of degrees."""
    return x.abs().gt(MOST).select(0.0, _tangent(x, shifted=False))


@lowering("cotdg")
def cotdg(x: Value) -> Value:
    """The cotangent of degrees."""
    return x.abs().gt(MOST).select(0.0, _tangent(x, shifted=True))


@lowering("radian")
def radian(degrees: Value, minutes: Value, seconds: Value) -> Value:
    """Degrees, minutes and seconds in radians."""
    return seconds.mul(1 / 3600).add(minutes.mul(1 / 60)).add(degrees).mul(DEGREE)


@lowering("round")
def round_(x: Value) -> Value:
    """The nearest whole number, the even one of two."""
    return x.rint()


@lowering("zetac")
def zetac(x: Value) -> Value:
    """Riemann's zeta less 1: Hurwitz' of 2 right of 1, where that does not cancel."""
    right = x.gt(1.0)
    two = x.full_like(2.0)
    far = right.select(x.min(1e4), 2.0).zeta(two, order=0)
    return right.select(far, zeta_of_one(right.select(0.0, x)).sub(1.0))


@lowering("agm")
def agm(a: Value, b: Value) -> Value:
    """The arithmetic-geometric mean, pi/2 a over K(1 - (b/a)^2), |a| >= |b| (DLMF 19.8.5)."""
    swapped = a.abs().lt(b.abs())
    large, small = swapped.select(b, a), swapped.select(a, b)
    empty = large.eq(0.0)
    ratio = small.div(empty.select(1.0, large))
    opposite = ratio.lt(0.0)
    inside = ratio.gt(0.0).bitand(large.abs().lt(math.inf))
    shared = inside.select(ratio, 1.0)
    found = large.mul(math.pi / 2).div(shared.mul(shared).ellipkm1())
    edge = opposite.bitor(a.isnan()).bitor(b.isnan()).select(math.nan, small.mul(0.0))
    return inside.select(found, edge)


NAMES = ("sindg", "cosdg", "tandg", "cotdg", "radian", "round", "zetac", "agm")
enter_ufuncs(NAMES)
