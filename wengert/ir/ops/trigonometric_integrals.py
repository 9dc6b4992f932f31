"""Sine and cosine integrals, circular and hyperbolic, and Fresnel's.

Near 0 they are series. Further out the circular ones are made of amplitudes (DLMF 6.2.17 to 6.2.20
and 7.5.3, 7.5.4), with x the angle of Si and Ci and pi x^2 / 2 that of Fresnel's:

    Si = pi/2 - f cos - g sin     Ci = f sin - g cos
    S  =  1/2 - f cos - g sin     C  = 1/2 + f sin - g cos,

and the hyperbolic ones of e^x / (2x). Series are Chebyshev's (`integral_series`). Errors of Ci and
Chi near their zeros are absolute ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wengert.ir.builder import Value
from wengert.ir.ops import integral_series as series
from wengert.ir.ops.expanded import expanded, output, series_between
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp

S = ScalarBuilder
EULER = 0.5772156649015329
FIRST, SECOND = 4.0, 8.0
"""Where amplitudes of Si and Ci begin, and where those for large x do."""


def _amplitudes(s: S, size: Expr) -> tuple[Expr, Expr]:
    """f and g for x >= FIRST, DLMF 6.2.17."""
    inverse = s.div(s.like(1, size), size)
    square = s.mul(inverse, inverse)
    far = s.ge(size, SECOND)
    ends = (SECOND**-2, FIRST**-2), (0.0, SECOND**-2)
    pairs = (series.SINE_F_MIDDLE, series.SINE_F_FAR), (series.SINE_G_MIDDLE, series.SINE_G_FAR)
    f, g = (
        s.select(far, *(series_between(s, square, *ends[k], pair[k]) for k in (1, 0)))
        for pair in pairs
    )
    return s.mul(f, inverse), s.mul(g, square)


def _circular(s: S, x: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """|x|, f, g and whether x is near 0; amplitudes are finite everywhere."""
    size = s.abs(x)
    return size, *_amplitudes(s, s.max(size, s.like(FIRST, size))), s.lt(size, FIRST)


def _finite(s: S, size: Expr) -> Expr:
    return s.select(s.eq(size, math.inf), s.like(0, size), size)


def sine_integral(s: S, x: Expr) -> Expr:
    """Si(x)"""
    size, f, g, near = _circular(s, x)
    angle = _finite(s, size)
    small = s.mul(series_between(s, s.mul(x, x), 0.0, FIRST**2, series.SI_NEAR), x)
    wave = s.add(s.mul(f, s.maths(ScalarOp.COS, angle)), s.mul(g, s.maths(ScalarOp.SIN, angle)))
    return s.select(near, s.add(small, 0.0), s.copysign(s.sub(s.like(math.pi / 2, x), wave), x))


def _logarithmic(s: S, size: Expr, top: float, coefficients: tuple[float, ...]) -> Expr:
    """log |x| + gamma + x^2 times a series in x^2."""
    square = s.mul(size, size)
    grown = s.mul(series_between(s, square, 0.0, top * top, coefficients), square)
    return s.add(s.add(s.maths(ScalarOp.LOG, size), EULER), grown)


def cosine_integral(s: S, x: Expr) -> Expr:
    """Ci(|x|), which is SciPy's real part; NaN at minus infinity."""
    size, f, g, near = _circular(s, x)
    angle = _finite(s, size)
    small = _logarithmic(s, s.min(size, s.like(FIRST, x)), FIRST, series.CI_NEAR)
    wave = s.sub(s.mul(f, s.maths(ScalarOp.SIN, angle)), s.mul(g, s.maths(ScalarOp.COS, angle)))
    wave = s.select(s.eq(size, math.inf), s.like(0, x), wave)
    wave = s.select(s.eq(x, -math.inf), s.like(math.nan, x), wave)
    return s.select(near, small, wave)


HYPERBOLIC = (3.0, 8.0, 20.0)


def _grown(s: S, size: Expr, middle: tuple[float, ...], far: tuple[float, ...]) -> Expr:
    """e^x / (2x) times a series in 1 / x, for x >= 3; e^x in two factors, as it overflows first."""
    low, high, last = HYPERBOLIC
    inverse = s.div(s.like(1, size), size)
    factor = s.select(
        s.lt(size, high),
        series_between(s, inverse, 1 / high, 1 / low, middle),
        s.select(
            s.lt(size, last),
            series_between(s, inverse, 1 / last, 1 / high, far),
            series_between(s, inverse, 0.0, 1 / last, series.EXPONENTIAL_LAST),
        ),
    )
    half = s.maths(ScalarOp.EXP, s.mul(size, 0.5))
    found = s.mul(s.mul(s.mul(s.mul(factor, inverse), 0.5), half), half)
    return s.select(s.gt(size, 1000.0), s.like(math.inf, size), found)


def hyperbolic_sine_integral(s: S, x: Expr) -> Expr:
    """Shi(x)"""
    size, low = s.abs(x), HYPERBOLIC[0]
    small = s.mul(series_between(s, s.mul(x, x), 0.0, low * low, series.SHI_NEAR), x)
    large = _grown(s, s.max(size, s.like(low, x)), series.SHI_MIDDLE, series.SHI_FAR)
    return s.select(s.lt(size, low), s.add(small, 0.0), s.copysign(large, x))


def hyperbolic_cosine_integral(s: S, x: Expr) -> Expr:
    """Chi(|x|), which is SciPy's real part."""
    size, low = s.abs(x), HYPERBOLIC[0]
    small = _logarithmic(s, s.min(size, s.like(low, x)), low, series.CHI_NEAR)
    large = _grown(s, s.max(size, s.like(low, x)), series.CHI_MIDDLE, series.CHI_FAR)
    return s.select(s.lt(size, low), small, large)


# Fresnel's integrals. The square of x is kept with its rounding error, so that the angle
# pi/2 (x^2 mod 4) is exact; from 2^60 on both are 1/2.

NEAR, FAR = 1.6, 2.4


def _quarter_turns(s: S, size: Expr) -> Expr:
    """pi/2 times x^2 mod 4."""
    square = s.mul(size, size)
    rest = s.fma(size, size, s.neg(square))
    whole = s.mul(s.unary(ScalarOp.RINT, s.mul(square, 0.25)), 4.0)
    return s.mul(s.add(s.sub(square, whole), rest), math.pi / 2)


def _fresnel(s: S, x: Expr, sine: bool) -> Expr:
    size = s.abs(x)
    bounded = s.min(s.max(size, s.like(NEAR, x)), s.like(2.0**60, x))
    inverse = s.div(s.like(1, x), bounded)
    square = s.mul(inverse, inverse)
    fourth, far = s.mul(square, square), s.ge(bounded, FAR)
    ends = (FAR**-4, NEAR**-4), (0.0, FAR**-4)
    pairs = (
        (series.FRESNEL_F_MIDDLE, series.FRESNEL_F_FAR),
        (series.FRESNEL_G_MIDDLE, series.FRESNEL_G_FAR),
    )
    f, g = (
        s.select(far, *(series_between(s, fourth, *ends[k], pair[k]) for k in (1, 0)))
        for pair in pairs
    )
    f = s.mul(f, s.mul(inverse, 1 / math.pi))
    g = s.mul(g, s.mul(s.mul(square, inverse), 1 / math.pi**2))
    angle = _quarter_turns(s, bounded)
    sin, cos = s.maths(ScalarOp.SIN, angle), s.maths(ScalarOp.COS, angle)
    wave = s.add(s.mul(f, cos), s.mul(g, sin)) if sine else s.sub(s.mul(g, cos), s.mul(f, sin))
    outer = s.copysign(s.sub(s.like(0.5, x), wave), x)
    turned = s.mul(x, x)
    top = s.min(s.mul(turned, turned), s.like(NEAR**4, x))
    if sine:
        small = s.mul(s.mul(series_between(s, top, 0.0, NEAR**4, series.FRESNEL_S_NEAR), turned), x)
    else:
        small = s.mul(series_between(s, top, 0.0, NEAR**4, series.FRESNEL_C_NEAR), x)
    return s.select(s.lt(size, NEAR), s.add(small, 0.0), s.select(s.isnan(x), x, outer))


def _angle_slope(name: str) -> Callable[[Value, Value], Value]:
    """sin or cos of pi x^2 / 2."""
    return lambda x, out: getattr(x * x * (math.pi / 2), name)()


expanded(
    "sine_integral",
    output("sici", 0),
    sine_integral,
    lambda x, out: x.spherical_jn(order=0),
    *((-3, 3), (4, 12)),
    doc="the integral of sin(t) / t from 0 to x",
)
expanded(
    "cosine_integral",
    output("sici", 1),
    cosine_integral,
    lambda x, out: x.cos() / x,
    *((0.5, 3), (4, 12)),
    doc="the integral of cos(t) / t from infinity to |x|",
)
expanded(
    "hyperbolic_sine_integral",
    output("shichi", 0),
    hyperbolic_sine_integral,
    lambda x, out: x.spherical_in(order=0),
    *((-2, 2), (4, 30)),
    doc="the integral of sinh(t) / t from 0 to x",
)
expanded(
    "hyperbolic_cosine_integral",
    output("shichi", 1),
    hyperbolic_cosine_integral,
    lambda x, out: x.cosh() / x,
    *((0.5, 2), (4, 30)),
    doc="the hyperbolic cosine integral of |x|",
)
expanded(
    "fresnel_sine",
    output("fresnel", 0),
    lambda s, x: _fresnel(s, x, True),
    _angle_slope("sin"),
    *((-1.5, 1.5), (1.7, 4)),
    special=False,
    doc="Fresnel's integral of sin(pi t^2 / 2) from 0 to x",
)
expanded(
    "fresnel_cosine",
    output("fresnel", 1),
    lambda s, x: _fresnel(s, x, False),
    _angle_slope("cos"),
    *((-1.5, 1.5), (1.7, 4)),
    special=False,
    doc="Fresnel's integral of cos(pi t^2 / 2) from 0 to x",
)
