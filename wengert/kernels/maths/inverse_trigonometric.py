"""asin, acos, atan, atan2.

Every result is k pi/4 + w with |w| of moderate size, and pi/4 in two parts.

    asin(a) = a + a**3 P(a**2)                        a <= 1/2
            = pi/2 - 2 asin(sqrt((1 - a) / 2))        above
    atan(a / b), 0 <= a <= b: with (a - b) / (a + b) in the place of a / b beyond tan(pi/8),
            = k pi/4 + t + t**3 P(t**2),  |t| <= tan(pi/8)
"""

from __future__ import annotations

from math import inf

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.maths.formats import Format, flip_sign, format_of, horner, sign_of

_QUARTER_PI_SINGLE = (0.7853981852531433, -2.1855694143368964e-08)
_QUARTER_PI_DOUBLE = (0.7853981633974483, 3.061616997868383e-17)
_TAN_EIGHTH_PI = 0.41421356237309503

# (asin(r) - r) / r**3 in r**2 on |r| <= 1/2; error of asin 2**-27.4 and 2**-58.5
_ASIN_SINGLE = (
    *(0.16666753590106964, 0.07495242357254028, 0.045477062463760376, 0.024147789925336838),
    0.042218249291181564,
)
_ASIN_DOUBLE = (
    *(0.16666666666666763, 0.07499999999970264, 0.04464285717512015, 0.03038194268363769),
    *(0.02237221565990691, 0.017351600097087843, 0.01398096140028744, 0.011397776363663854),
    *(0.010786526988517677, 0.003683050116986158, 0.021763477647177128, -0.02107725843387504),
    0.032676866081435475,
)
# (atan(r) - r) / r**3 in r**2 on |r| <= tan(pi/8); error of atan 2**-28.5 and 2**-58.8
_ATAN_SINGLE = (
    *(-0.33333316445350647, 0.1999848335981369, -0.1424373984336853, 0.10595144331455231),
    -0.060811664909124374,
)
_ATAN_DOUBLE = (
    *(-0.333333333333332, 0.1999999999995366, -0.14285714280203834, 0.11111110783807954),
    *(-0.09090897766945567, 0.07692060360051049, -0.06663105441042708, 0.058478973123176924),
    *(-0.05039330557505052, 0.0380649497038222, -0.01790733948495988),
)


def _plus_quarters(s: ScalarBuilder, k: Expr, w: Expr) -> Expr:
    """k pi/4 + w; w itself, with its sign, for k = 0 and w != 0."""
    high, low = format_of(w).pick(_QUARTER_PI_SINGLE, _QUARTER_PI_DOUBLE)
    return s.fma(k, high, s.fma(k, low, w))


def _choose(s: ScalarBuilder, condition: Expr, x: float, y: float | Expr, like: Expr) -> Expr:
    return s.select(condition, s.like(x, like), y)


def _asin_core(s: ScalarBuilder, f: Format, a: Expr) -> tuple[Expr, Expr]:
    """(a <= 1/2, asin(a)) there, else (False, 2 asin(sqrt((1 - a) / 2))); NaN for a > 1."""
    small = s.le(a, 0.5)
    z = s.select(small, s.mul(a, a), s.fma(a, -0.5, 0.5))
    r = s.select(small, a, s.unary(ScalarOp.SQRT, z))
    p = horner(s, z, f.pick(_ASIN_SINGLE, _ASIN_DOUBLE))
    w = s.fma(s.mul(z, r), p, r)
    return small, s.select(small, w, s.add(w, w))


def asin(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """asin(|x|), pi/2 minus twice the core outside of the middle."""
    small, w = _asin_core(s, f, s.abs(x))
    k = _choose(s, small, 0.0, 2.0, x)
    return s.copysign(_plus_quarters(s, k, s.select(small, w, s.neg(w))), x)


def acos(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """pi/2 - asin(x) in the middle; 2 asin(sqrt((1 - |x|) / 2)) or pi minus it outside."""
    small, w = _asin_core(s, f, s.abs(x))
    k = _choose(s, small, 2.0, _choose(s, s.lt(x, 0.0), 4.0, 0.0, x), x)
    signed = s.copysign(w, x)
    return _plus_quarters(s, k, s.select(small, s.neg(signed), signed))


def _ordered(s: ScalarBuilder, a: Expr, b: Expr) -> tuple[Expr, Expr, Expr]:
    """(a > b, smaller, larger), NaN somewhere if one is."""
    swap = s.gt(a, b)
    return swap, s.select(swap, b, a), s.select(swap, a, b)


def _octants(s: ScalarBuilder, f: Format, low: Expr, high: Expr) -> tuple[Expr, Expr]:
    """(k, w): atan(low / high) = k pi/4 + w for 0 <= low <= high, both 0 and both inf included."""
    far = s.or_(s.gt(low, s.mul(high, _TAN_EIGHTH_PI)), s.eq(low, inf))
    top = s.select(far, s.sub(low, high), low)
    bottom = s.select(far, s.add(low, high), high)
    t = s.div(top, bottom)
    # 0 / 0 and inf / inf; NaN is unequal to itself
    t = s.select(s.and_(s.eq(low, high), s.or_(far, s.eq(low, 0.0))), s.like(0.0, t), t)
    z = s.mul(t, t)
    w = s.fma(s.mul(z, t), horner(s, z, f.pick(_ATAN_SINGLE, _ATAN_DOUBLE)), t)
    return _choose(s, far, 1.0, 0.0, t), w


def atan(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """The octant of (|x|, 1), reflected for |x| > 1."""
    swap, low, high = _ordered(s, s.abs(x), s.like(1.0, x))
    k, w = _octants(s, f, low, high)
    k = s.select(swap, s.sub(2.0, k), k)
    return s.copysign(_plus_quarters(s, k, s.select(swap, s.neg(w), w)), x)


def atan2(s: ScalarBuilder, f: Format, y: Expr, x: Expr) -> Expr:
    """The octant of (|y|, |x|), reflected for |y| > |x|, and again for a negative x."""
    swap, low, high = _ordered(s, s.abs(y), s.abs(x))
    # scaled so that low + high does not overflow, and subnormal operands can be compared
    large, small = s.gt(high, 2.0 ** (f.bias - 2)), s.lt(high, f.tiny * 2.0**10)
    factor = _choose(s, large, 0.25, _choose(s, small, 2.0**60, 1.0, x), x)
    k, w = _octants(s, f, s.mul(low, factor), s.mul(high, factor))
    k = s.select(swap, s.sub(2.0, k), k)
    w = s.select(swap, s.neg(w), w)
    sign = sign_of(s, x)
    k = s.select(s.ne(sign, 0), s.sub(4.0, k), k)
    return s.copysign(_plus_quarters(s, k, flip_sign(s, w, sign)), y)
