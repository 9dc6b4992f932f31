"""Functions of complex numbers in terms of their real and imaginary parts.

Branch cuts and signs of zeros on them are those of C99's Annex G, which NumPy follows. The sources
of formulas that are not the textbook's are named beside them.
"""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.ir.floats import finfo
from wengert.ir.ops.parts import Parts, choose

LN2, LN10 = math.log(2), math.log(10)


# exponentials


def exponential(z: Parts) -> Parts:
    """e^re (cos im + i sin im); real where im is 0, although 0 times infinity is NaN.

    Where e^re could overflow it is e^(re - SHIFT), a difference without error, times e^SHIFT.
    Where im has no cosine, e^inf is infinite and e^-inf is 0 all the same.
    """
    nearer, factor = _brought_near(z.re, z.re)
    size = nearer.exp()
    real, odd = z.im.eq(0), z.im.isfinite().bitnot()
    re = real.select(size, size * z.im.cos()) * factor * factor
    im = real.select(z.im, size * z.im.sin() * factor * factor)
    none, endless = (odd.bitand(z.re.eq(at)) for at in (-math.inf, math.inf))
    re = none.select(0, endless.select(math.inf, re))
    return Parts(re, none.select(z.im.full_like(0).copysign(z.im), im))


SHIFT = 64.0


def _brought_near(x: Value, size: Value) -> tuple[Value, Value]:
    """x of a large size by SHIFT nearer to 0, and what e^x, sinh or cosh then lack twice."""
    large = size.gt(math.log(float(finfo(x.dtype).max)) - 1)
    nearer = x - x.full_like(SHIFT).copysign(x)
    return large.select(nearer, x), large.select(math.exp(SHIFT / 2), x.full_like(1))


def power_of_two(z: Parts) -> Parts:
    """2^z = e^(z log 2)."""
    return exponential(z.map(lambda x: x * LN2))


def expm1(z: Parts) -> Parts:
    """e^z - 1; its real part is expm1(re) cos im - 2 sin(im / 2)^2, in which nothing cancels."""
    half = (z.im * 0.5).sin()
    re = z.re.expm1() * z.im.cos() - half * half * 2
    return Parts(re, z.re.exp() * z.im.sin())


# logarithms


def logarithm(z: Parts) -> Parts:
    """log |z| + i angle."""
    return Parts(_log_size(z), z.angle())


def _log_size(z: Parts) -> Value:
    """log |z|; near 1 as log1p(|z|^2 - 1) / 2, with |z|^2 - 1 = (a - 1)(a + 1) + b^2, a > b."""
    x, y = z.re.abs(), z.im.abs()
    a, b = x.max(y), x.min(y)
    near = a.gt(0.5).bitand(a.lt(2.0))
    one = a.builder.literal(1, a.dtype)
    inside, other = near.select(a, one), near.select(b, 0)
    exact = ((inside - 1) * (inside + 1) + other * other).log1p() * 0.5
    return near.select(exact, z.size().log())


def log_two(z: Parts) -> Parts:
    """The logarithm to base 2."""
    return logarithm(z).map(lambda x: x * (1 / LN2))


def log_ten(z: Parts) -> Parts:
    """The logarithm to base 10."""
    return logarithm(z).map(lambda x: x * (1 / LN10))


def log1p(z: Parts) -> Parts:
    """log(1 + z); near 0 the real part is log1p(re (re + 2) + im^2) / 2."""
    moved = Parts(z.re + 1, z.im)
    small = z.size().lt(0.5)
    re, im = small.select(z.re, 0), small.select(z.im, 0)
    exact = (re * (re + 2) + im * im).log1p() * 0.5
    return Parts(small.select(exact, _log_size(moved)), moved.angle())


# roots and powers


def square_root(z: Parts) -> Parts:
    """The root with a real part that is not negative.

    Kahan, "Branch cuts for complex elementary functions" (1987): one part is t = sqrt((|re| +
    |z|) / 2), the other |im| / 2t, so that nothing cancels.
    """
    t = (z.re.abs() * 0.5 + z.size() * 0.5).sqrt()
    zero = t.eq(0)
    one = t.builder.literal(1, t.dtype)
    other = zero.select(0, z.im.abs() / (zero.select(one, t) * 2))
    right = z.re.ge(0)
    infinite = z.im.isinf()
    re = infinite.select(z.im.abs(), right.select(t, other))
    im = infinite.select(z.im, right.select(other, t).copysign(z.im))
    return Parts(re, im)


def power(z: Parts, exponent: Parts) -> Parts:
    """z^w = e^(w log z). z^0 is 1, and 0 to a power with a positive real part is 0, else NaN."""
    found = exponential(exponent * logarithm(z))
    one, zero, nan = (z.re.builder.literal(x, z.re.dtype) for x in (1, 0, math.nan))
    positive = exponent.re.gt(0)
    of_zero = choose(positive, Parts(zero, zero), Parts(nan, nan))
    return choose(exponent.is_zero, Parts(one, zero), choose(z.is_zero, of_zero, found))


# Squaring takes as many steps as the exponent has bits, each with an error of its own: NumPy
# multiplies below this, too.
MAX_MULTIPLIED = 100


def integer_power(z: Parts, exponent: int) -> Parts:
    """z ** exponent by squaring; for large exponents by the logarithm."""
    one, zero = (z.re.full_like(x) for x in (1, 0))
    if exponent == 0:
        return Parts(one, zero)
    if abs(exponent) >= MAX_MULTIPLIED:
        return power(z, Parts(one * exponent, zero))
    result, base, left = None, z, abs(exponent)
    while left:
        if left & 1:
            result = base if result is None else result * base
        left >>= 1
        base = base * base if left else base
    assert result is not None
    return result if exponent > 0 else Parts(one, zero) / result


# circular and hyperbolic functions


def _turned(z: Parts) -> Parts:
    """i z"""
    return Parts(-z.im, z.re)


def _turned_back(z: Parts) -> Parts:
    """-i z"""
    return Parts(z.im, -z.re)


def sinh(z: Parts) -> Parts:
    """sinh re cos im + i cosh re sin im, where neither 0 times infinity nor cos inf decides."""
    x, factor = _brought_near(z.re, z.re.abs())
    odd = z.im.isfinite().bitnot()
    re = odd.bitand(z.re.isinf()).select(math.inf, x.sinh() * z.im.cos() * factor * factor)
    im = z.im.eq(0).select(z.im, x.cosh() * z.im.sin() * factor * factor)
    return Parts(odd.bitand(z.re.eq(0)).select(z.re, re), im)


def cosh(z: Parts) -> Parts:
    """cosh re cos im + i sinh re sin im, with the same care."""
    x, factor = _brought_near(z.re, z.re.abs())
    odd = z.im.isfinite().bitnot()
    re = odd.bitand(z.re.isinf()).select(math.inf, x.cosh() * z.im.cos() * factor * factor)
    turned = x.sinh() * z.im.sin() * factor * factor
    im = z.im.eq(0).select(z.im * z.im.full_like(1).copysign(z.re), turned)
    return Parts(re, odd.bitand(z.re.eq(0)).select(0, im))


# Beyond this tanh x is 1 to the last bit of float64.
FLAT = 22.0


def tanh(z: Parts) -> Parts:
    """Kahan's form (1987) by t = tan im and s = sinh re, and its limit for large |re|.

    At an infinite re the imaginary part is 0 whatever im is, and at im = 0 whatever re is.
    """
    x, y = z.re, z.im
    large = x.abs().gt(FLAT)
    t, s = y.tan(), large.select(0, x).sinh()
    beta = t * t + 1
    scale = beta * s * s + 1
    near = Parts(beta * (s * s + 1).sqrt() * s / scale, t / scale)
    decay = (x.abs() * -2).exp() * 4
    one, endless = x.full_like(1).copysign(x), x.isinf()
    known = endless.bitor(y.isfinite())
    turn = y.isfinite().select(y.sin() * y.cos(), endless.select(y.full_like(1).copysign(y), y))
    far = Parts(known.select(one, math.nan), turn * decay)
    found = choose(large, far, near)
    still = x.eq(0).bitand(y.isfinite().bitnot())
    return Parts(still.select(x, found.re), y.eq(0).select(y, found.im))


def sine(z: Parts) -> Parts:
    """sin z = -i sinh(i z)."""
    return _turned_back(sinh(_turned(z)))


def cosine(z: Parts) -> Parts:
    """cos z = cosh(i z)."""
    return cosh(_turned(z))


def tangent(z: Parts) -> Parts:
    """tan z = -i tanh(i z)."""
    return _turned_back(tanh(_turned(z)))


# inverse circular and hyperbolic functions: Kahan (1987), in which 1 - z and 1 + z keep the signs
# of their zeros, and no square of z overflows or cancels


def _roots(z: Parts) -> tuple[Parts, Parts]:
    """The roots of 1 - z and 1 + z."""
    return square_root(Parts(1 - z.re, -z.im)), square_root(Parts(z.re + 1, z.im))


def _cross(x: Parts, y: Parts) -> Parts:
    """conj(x) y"""
    return Parts(x.re * y.re + x.im * y.im, x.re * y.im - x.im * y.re)


def arcsine(z: Parts) -> Parts:
    """The sine's inverse with real parts in [-pi/2, pi/2]."""
    minus, plus = _roots(z)
    re = z.re.atan2((minus * plus).re)
    re = z.re.eq(0).bitand(z.im.ne(z.im)).select(z.re, re)
    endless = _is_endless(z)
    re = endless.select(z.re.atan2(z.im.abs()), re)
    im = endless.select(re.full_like(math.inf).copysign(z.im), _cross(minus, plus).im.asinh())
    return Parts(re, im)


def _is_endless(z: Parts) -> Value:
    """Where a part is infinite, the other being whatever it is."""
    return z.re.isinf().bitor(z.im.isinf())


def arccosine(z: Parts) -> Parts:
    """The cosine's inverse with real parts in [0, pi]."""
    minus, plus = _roots(z)
    re = z.re.eq(0).bitand(z.im.ne(z.im)).select(math.pi / 2, minus.re.atan2(plus.re) * 2)
    endless = _is_endless(z)
    far = re.full_like(-math.inf) * re.full_like(1).copysign(z.im)
    im = endless.select(far, _cross(plus, minus).im.asinh())
    return Parts(endless.select(z.im.abs().atan2(z.re), re), im)


def arccosh(z: Parts) -> Parts:
    """The inverse of cosh with real parts that are not negative."""
    minus = square_root(Parts(z.re - 1, z.im))
    plus = square_root(Parts(z.re + 1, z.im))
    endless = _is_endless(z)
    re = endless.select(math.inf, _cross(minus, plus).re.asinh())
    im = z.re.eq(0).bitand(z.im.ne(z.im)).select(math.pi / 2, minus.im.atan2(plus.re) * 2)
    return Parts(re, endless.select(z.im.atan2(z.re), im))


def arcsinh(z: Parts) -> Parts:
    """asinh z = i asin(-i z)."""
    return _turned(arcsine(_turned_back(z)))


def arctanh(z: Parts) -> Parts:
    """log1p(4 |re| / ((1 - |re|)^2 + im^2)) / 4, and half the angle of (1 + z)(1 - conj z).

    At |re| = 1 the first is log(2 / |im|) / 2 to the last bit, if im is small. Where squares could
    overflow the whole is 1 / z and a right angle, which is exact beyond 1 / epsilon.
    """
    size = z.size()
    epsilon = float(finfo(size.dtype).eps)
    far = size.gt(1 / epsilon)
    x, y = far.select(0, z.re.abs()), far.select(0, z.im)
    gap = (1 - x) * (1 - x) + y * y
    beside = x.eq(1).bitand(y.abs().lt(epsilon))
    re = beside.select((2 / y.abs()).log() * 0.5, (x * 4 / gap).log1p() * 0.25).copysign(z.re)
    im = (y * 2).atan2((1 - x) * (x + 1) - y * y) * 0.5
    away = size.isinf().select(size.full_like(0).copysign(z.re), z.re / size / size)
    turned = z.im.ne(z.im).select(z.im, size.full_like(math.pi / 2).copysign(z.im))
    re = z.re.eq(0).select(z.re, far.select(away, re))
    return Parts(re, far.select(turned, im))


def arctangent(z: Parts) -> Parts:
    """atan z = -i atanh(i z)."""
    return _turned_back(arctanh(_turned(z)))
