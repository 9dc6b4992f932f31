"""Incomplete elliptic integrals on traced values: Carlson's symmetric ones, and Legendre's by them.

B. C. Carlson, "Numerical computation of real or complex elliptic integrals", Numerical Algorithms
10 (1995): theorems of duplication bring the arguments together, by squares of roots while they are
far apart and by a quarter each time then, and the rest is a series in what is between them (DLMF
19.36.1, 19.36.2). The steps are so many that any float64 arguments have met.
"""

from __future__ import annotations

import math

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering
from wengert.tracer.functions.special import enter_ufuncs

STEPS = 13


def _real(name: str, *given: Value) -> None:
    if any(x.type.is_complex for x in given):
        raise DTypeError(f"scipy.special.{name} of traced values takes real numbers")


def _together(x: Value, y: Value, z: Value) -> tuple[Value, Value]:
    """The root of z and the sum of products of roots."""
    a, b, c = x.sqrt(), y.sqrt(), z.sqrt()
    return c, a * b + c * (a + b)


def _first(x: Value, y: Value, z: Value) -> Value:
    """R_F of arguments that are not negative."""
    for _ in range(STEPS):
        _, step = _together(x, y, z)
        x, y, z = ((v + step) * 0.25 for v in (x, y, z))
    mean = (x + y + z) * (1 / 3)
    a, b = (mean - x) / mean, (mean - y) / mean
    c = -(a + b)
    e2, e3 = a * b - c * c, a * b * c
    low = 1.0 - e2 * (1 / 10) + e3 * (1 / 14) + e2 * e2 * (1 / 24) - e2 * e3 * (3 / 44)
    high = e3 * e3 * (3 / 104) - e2 * e2 * e2 * (5 / 208) + e2 * e2 * e3 * (1 / 16)
    return (low + high) / mean.sqrt()


def _second(x: Value, y: Value, z: Value) -> Value:
    """R_D of arguments that are not negative."""
    total, scale = z.full_like(0.0), 1.0
    for _ in range(STEPS):
        root, step = _together(x, y, z)
        total = total + scale / (root * (z + step))
        scale *= 0.25
        x, y, z = ((v + step) * 0.25 for v in (x, y, z))
    mean = (x + y + z * 3.0) * (1 / 5)
    a, b = (mean - x) / mean, (mean - y) / mean
    c = (a + b) * (-1 / 3)
    ab, cc = a * b, c * c
    e2, e3, e4, e5 = ab - cc * 6.0, (ab * 3.0 - cc * 8.0) * c, (ab - cc) * cc * 3.0, ab * cc * c
    low = 1.0 - e2 * (3 / 14) + e3 * (1 / 6) + e2 * e2 * (9 / 88) - e4 * (3 / 22)
    middle = e5 * (3 / 26) - e2 * e3 * (9 / 52) - e2 * e2 * e2 * (1 / 16) + e3 * e3 * (3 / 40)
    high = e2 * e4 * (3 / 20) + e2 * e2 * e3 * (45 / 272) - (e3 * e4 + e2 * e5) * (9 / 68)
    return (low + middle + high) * scale / (mean * mean.sqrt()) + total * 3.0


@lowering("elliprf")
def elliprf(x: Value, y: Value, z: Value) -> Value:
    """Carlson's R_F, infinite where two arguments are 0."""
    _real("elliprf", x, y, z)
    least = x.min(y).min(z)
    infinite = x.max(y).max(z).eq(math.inf)
    zeros = x.min(y).max(z.min(x.max(y))).eq(0.0).bitand(infinite.bitnot())
    inside = least.ge(0.0).bitand(zeros.bitnot()).bitand(infinite.bitnot())
    found = _first(*(inside.select(v, 1.0) for v in (x, y, z)))
    edge = least.ge(0.0).select(zeros.select(math.inf, x.full_like(0.0)), math.nan)
    return inside.select(found, edge)


@lowering("elliprd")
def elliprd(x: Value, y: Value, z: Value) -> Value:
    """Carlson's R_D, infinite where z is 0 or both others are."""
    _real("elliprd", x, y, z)
    least = x.min(y).min(z)
    infinite = x.max(y).max(z).eq(math.inf)
    zeros = x.max(y).eq(0.0).bitand(infinite.bitnot()).bitor(z.eq(0.0))
    inside = least.ge(0.0).bitand(zeros.bitnot()).bitand(infinite.bitnot())
    found = _second(*(inside.select(v, 1.0) for v in (x, y, z)))
    edge = least.ge(0.0).select(zeros.select(math.inf, x.full_like(0.0)), math.nan)
    return inside.select(found, edge)


def _turned(phi: Value, m: Value) -> tuple[Value, Value, Value, Value, Value]:
    """Half turns k, sin of the rest, its cos^2, 1 - m sin^2; and where there are finite ones."""
    inside = phi.abs().lt(math.inf).bitand(m.le(1.0)).bitand(m.gt(-math.inf))
    phi = inside.select(phi, 0.5)
    m = inside.select(m, 0.5)
    turns = (phi * (1 / math.pi)).rint()
    half = turns * 0.5
    sine = half.eq(half.rint()).select(phi.sin(), -phi.sin())
    cosine = phi.cos()
    rest = cosine * cosine
    # 1 - m sin^2, exact for m near 1
    return turns, sine, rest, rest + (1.0 - m) * sine * sine, inside


def _of_edges(phi: Value, m: Value, sunk: Value) -> Value:
    """Infinite with phi; `sunk` for m = -inf; NaN for m > 1."""
    deep = m.eq(-math.inf)
    missing = m.gt(1.0).bitor(m.isnan()).bitor(phi.isnan())
    return missing.select(math.nan, deep.select(sunk, phi))


@lowering("ellipkinc")
def ellipkinc(phi: Value, m: Value) -> Value:
    """F(phi | m) = 2k K(m) + sin R_F(cos^2, 1 - m sin^2, 1), DLMF 19.25.5."""
    turns, sine, x, y, inside = _turned(phi, m)
    found = sine * _first(x, y, x.full_like(1.0))
    whole = turns.eq(0.0)
    periods = turns * (whole.bitor(inside.bitnot()).select(0.0, m)).ellipk() * 2.0
    found = found + whole.select(0.0, periods)
    pole = m.eq(1.0).bitand(phi.abs().ge(math.pi / 2))
    found = pole.select(phi.full_like(math.inf).copysign(phi), found)
    return inside.select(found, _of_edges(phi, m, phi * 0.0))


@lowering("ellipeinc")
def ellipeinc(phi: Value, m: Value) -> Value:
    """E(phi | m) = 2k E(m) + sin R_F - m/3 sin^3 R_D, DLMF 19.25.9."""
    turns, sine, x, y, inside = _turned(phi, m)
    one, kept = x.full_like(1.0), inside.select(m, 0.5)
    found = sine * (_first(x, y, one) - kept * sine * sine * _second(x, y, one) * (1 / 3))
    found = found + turns * kept.ellipe() * 2.0
    return inside.select(found, _of_edges(phi, m, phi.eq(-math.inf).select(phi, math.inf)))


NAMES = ("elliprf", "elliprd", "ellipkinc", "ellipeinc")
enter_ufuncs(NAMES)
