"""Special functions in arithmetic of float64 that vectorises: Chebyshev series on a few intervals.

Where the function is, up to a factor that is known, smooth in a variable that maps the interval to
[-1, 1], its series is cut at the rounding of float64 (`series.py` has the coefficients).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wengert.ir.ops import series
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp

S = ScalarBuilder
ROOT_HALF = math.sqrt(0.5)
# Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc(x) in
# 0 <= x < infinity", Mathematics of Computation 36 (1981): the variable (x - K) / (x + K).
K = 3.75


def clenshaw(s: S, t: Expr, coefficients: Sequence[float]) -> Expr:
    """The sum of coefficients times Chebyshev polynomials of t (Clenshaw 1955)."""
    double = s.add(t, t)
    one, two = s.like(0, t), s.like(0, t)
    for coefficient in reversed(coefficients[1:]):
        one, two = s.add(s.sub(s.mul(double, one), two), coefficient), one
    return s.add(s.sub(s.mul(t, one), two), coefficients[0])


# Modified Bessel functions. Up to 8: a series in x / 4 - 1. Beyond: 1 / sqrt(x) times one in
# 16 / x - 1.


def _scaled_bessel(s: S, x: Expr, small: Sequence[float], large: Sequence[float]) -> Expr:
    near = clenshaw(s, s.sub(s.mul(x, 0.25), 1), small)
    far = clenshaw(s, s.sub(s.div(s.like(16, x), x), 1), large)
    return s.select(s.le(x, 8), near, s.div(far, s.unary(ScalarOp.SQRT, x)))


def i0e(s: S, x: Expr) -> Expr:
    """exp(-|x|) I0(x)."""
    return _scaled_bessel(s, s.abs(x), series.I0_SMALL, series.I0_LARGE)


def i1e(s: S, x: Expr) -> Expr:
    """exp(-|x|) I1(x); near 0 it is x times a series."""
    size = s.abs(x)
    # SciPy's value at -0 is +0
    near = s.add(s.mul(clenshaw(s, s.sub(s.mul(size, 0.25), 1), series.I1_SMALL), x), 0.0)
    far = clenshaw(s, s.sub(s.div(s.like(16, x), size), 1), series.I1_LARGE)
    beyond = s.copysign(s.div(far, s.unary(ScalarOp.SQRT, size)), x)
    return s.select(s.le(size, 8), near, beyond)


def i0(s: S, x: Expr) -> Expr:
    """I0(x)."""
    return _grown(s, x, i0e(s, x))


def i1(s: S, x: Expr) -> Expr:
    """I1(x)."""
    return _grown(s, x, i1e(s, x))


def _grown(s: S, x: Expr, scaled: Expr) -> Expr:
    """scaled * exp(|x|), in two factors, as exp(|x|) overflows earlier; NaN at infinity."""
    half = s.maths(ScalarOp.EXP, s.mul(s.abs(x), 0.5))
    return s.mul(s.mul(scaled, half), half)


# The error function's family.


def erfcx(s: S, x: Expr) -> Expr:
    """exp(x^2) erfc(x); left of 0 it is 2 exp(x^2) - erfcx(-x)."""
    size = s.abs(x)
    t = s.div(s.sub(size, K), s.add(size, K))
    right = s.div(s.mul(clenshaw(s, t, series.ERFCX), 0.5), s.add(size, 0.5))
    right = s.select(s.eq(size, math.inf), s.like(0, x), right)
    square = s.maths(ScalarOp.EXP, s.mul(x, x))
    left = s.sub(s.add(square, square), right)
    return s.select(s.lt(x, 0), left, right)


def log_ndtr(s: S, x: Expr) -> Expr:
    """log of (1 + erf(x / sqrt 2)) / 2; on the left by way of erfcx, which does not vanish."""
    scaled = s.mul(x, ROOT_HALF)
    tail = s.mul(erfcx(s, s.neg(s.min(scaled, s.like(0, x)))), 0.5)
    left = s.sub(s.maths(ScalarOp.LOG, tail), s.mul(scaled, scaled))
    other = s.mul(s.maths(ScalarOp.ERFC, scaled), -0.5)
    value = s.select(s.lt(x, -1), left, s.maths(ScalarOp.LOG1P, other))
    return s.select(s.eq(x, -math.inf), s.like(-math.inf, x), value)


def dawsn(s: S, x: Expr) -> Expr:
    """Dawson's integral: x times a series in x^2, then series in x^2 and 1 / x^2 over 2 x."""
    square = s.mul(x, x)
    near = s.mul(clenshaw(s, s.sub(s.mul(square, 0.25), 1), series.DAWSON_SMALL), x)
    middle = clenshaw(s, s.div(s.sub(square, 25), s.like(17, x)), series.DAWSON_MIDDLE)
    far = clenshaw(s, s.sub(s.div(s.like(84, x), square), 1), series.DAWSON_LARGE)
    beyond = s.div(s.mul(s.select(s.le(square, 42), middle, far), 0.5), x)
    return s.select(s.le(square, 8), near, beyond)
