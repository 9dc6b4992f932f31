"""pow, cbrt.

    |x|**y = 2**(y log2|x|)

The exponent may be as large as 1075, and its absolute error is the relative error of the result. So
float64 carries log2 to about 65 bits, as an unevaluated sum of two numbers; float32 works in
float64, which has bits to spare.

float64: with x = 2**e m, s = (m - 1) / (m + 1), z = s**2,
log2(x) = e + s (C0 + z (C1 + z Q(z))), C0 = 2/ln(2), C1 = C0/3; all but Q in two parts.
"""

from __future__ import annotations

from math import inf, nan

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64
from wengert.kernels.maths.exponential import exp2_reduced
from wengert.kernels.maths.formats import (
    DOUBLE,
    SINGLE,
    Format,
    at_least,
    at_most,
    flip_sign,
    horner,
    power_of_two,
    scale_by_two_powers,
    sign_of,
    split,
)

_C0 = (2.8853900817779268, 4.0710547481862066e-17)
_C1 = (0.9617966939259756, 5.0577616648125907e-17)
# error relative to log2 2**-65.3, for |s| <= (sqrt(2) - 1) / (sqrt(2) + 1)
_Q = (
    *(0.5770780163556182, 0.4121985830918478, 0.32059890229094373, 0.26230769952881944),
    *(0.22198407456265837, 0.191253301745611, 0.19040329883348958),
)
# log2(1 + f) / f on sqrt(1/2) <= 1 + f < sqrt(2), for float32: relative error 2**-35.3
_LOG2_SHORT = (
    *(1.4426950408684356, -0.7213475208738162, 0.4808983615573705, -0.3606736739929917),
    *(0.2885372777700749, -0.24045319515813168, 0.20617589867769334, -0.1803004812657078),
    *(0.15876216764528778, -0.14315031526971742, 0.1447865383998059, -0.14289597959025985),
    0.077370183300216,
)
# (2**r - 1) / r on |r| <= 1/2, for float32: relative error 2**-29.9
_EXP2_SHORT = (
    *(0.6931472031130138, 0.24022647880189058, 0.05550331856494669, 0.009618439820603265),
    *(0.0013399132062024246, 0.0001535316339421651),
)

Pair = tuple[Expr, Expr]


def _sum(s: ScalarBuilder, x: Expr | float, y: Expr) -> Pair:
    """x + y and its rounding error, for |x| >= |y| or x = 0 (Dekker 1971)."""
    total = s.add(x, y)
    return total, s.add(s.sub(x, total), y)


def _product(s: ScalarBuilder, x: Pair, y: Pair) -> Pair:
    """x * y, to about twice the precision."""
    high = s.mul(x[0], y[0])
    error = s.fma(x[0], y[0], s.neg(high))
    return high, s.fma(x[0], y[1], s.fma(x[1], y[0], error))


def _log2_double(s: ScalarBuilder, x: Expr) -> Pair:
    """log2 of a positive finite float64 in two parts, with about 65 bits."""
    parts = split(s, x)
    m = parts.significand
    numerator, denominator = s.sub(m, 1.0), s.add(m, 1.0)
    lost = s.sub(m, s.sub(denominator, 1.0))
    inverse = s.div(1.0, denominator)
    high = s.mul(numerator, inverse)
    remainder = s.fma(s.neg(high), lost, s.fma(s.neg(high), denominator, numerator))
    quotient = (high, s.mul(remainder, inverse))
    z = _product(s, quotient, quotient)
    inner, error = _sum(s, _C1[0], s.mul(z[0], horner(s, z[0], _Q)))
    tail = _product(s, z, (inner, s.add(error, _C1[1])))
    outer, error = _sum(s, _C0[0], tail[0])
    log = _product(s, quotient, (outer, s.add(error, s.add(tail[1], _C0[1]))))
    total, error = _sum(s, parts.exponent, log[0])
    return total, s.add(error, log[1])


def _magnitude_double(s: ScalarBuilder, a: Expr, y: Expr) -> Expr:
    """a**y for a >= 0 and finite y."""
    high, low = _log2_double(s, a)
    # log2 of inf and NaN is itself, of 0 is -inf; then the low part does not matter
    high = s.select(s.lt(a, inf), s.select(s.eq(a, 0.0), s.like(-inf, a), high), a)
    exponent = s.mul(y, high)
    rest = s.fma(y, low, s.fma(y, high, s.neg(exponent)))
    rest = s.select(s.lt(s.abs(exponent), 1100.0), rest, 0.0)
    exponent = at_least(s, at_most(s, exponent, 1100.0), -1100.0)
    magic = DOUBLE.magic + 2 * DOUBLE.bias
    t = s.add(exponent, magic)
    r = s.add(s.sub(exponent, s.sub(t, magic)), rest)
    return scale_by_two_powers(s, exp2_reduced(s, r), t)


def _magnitude_single(s: ScalarBuilder, a: Expr, y: Expr) -> Expr:
    """The same in float32, where the cast at the end rounds, overflows and underflows."""
    wide = s.cast(a, FLOAT64)
    parts = split(s, wide, subnormal=False)
    fraction = s.sub(parts.significand, 1.0)
    log = s.fma(fraction, horner(s, fraction, _LOG2_SHORT), parts.exponent)
    log = s.select(s.lt(wide, inf), s.select(s.eq(wide, 0.0), s.like(-inf, wide), log), wide)
    exponent = at_least(s, at_most(s, s.mul(s.cast(y, FLOAT64), log), 200.0), -200.0)
    magic = DOUBLE.magic + DOUBLE.bias
    t = s.add(exponent, magic)
    r = s.sub(exponent, s.sub(t, magic))
    power = s.fma(horner(s, r, _EXP2_SHORT), r, 1.0)
    return s.cast(s.mul(power, power_of_two(s, t)), SINGLE.dtype)


def pow_(s: ScalarBuilder, f: Format, x: Expr, y: Expr) -> Expr:
    """The special cases are those of C's pow (C17 F.10.4.4), which NumPy follows."""
    # so large a y gives 0, 1 or inf, and inf * log2(1) does not occur
    limit = f.pick(2.0**40, 2.0**70)
    clamped = at_least(s, at_most(s, y, limit), -limit)
    magnitude = f.pick(_magnitude_single, _magnitude_double)(s, s.abs(x), clamped)
    half = s.mul(y, 0.5)
    is_integer = s.eq(s.unary(ScalarOp.RINT, y), y)
    is_odd = s.and_(is_integer, s.ne(s.unary(ScalarOp.RINT, half), half))
    sign = s.select(is_odd, sign_of(s, x), 0)
    result = flip_sign(s, magnitude, sign)
    finite_negative = s.and_(s.lt(x, 0.0), s.gt(x, -inf))
    result = s.select(s.and_(finite_negative, s.not_(is_integer)), s.like(nan, x), result)
    return s.select(s.or_(s.eq(x, 1.0), s.eq(y, 0.0)), s.like(1.0, x), result)


# x**(-1/3) on [sqrt(1/2), sqrt(2)]: relative error 2**-17.4
_INVERSE_CBRT = (
    *(1.9991698877404964, -2.4859163536241975, 2.7922047813754522, -1.8981276490478567),
    *(0.7007371342281709, -0.10806395435540177),
)
_CBRT_2 = 1.2599210498948732


def cbrt(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """x = 2**(3 q + k) m with k in {-1, 0, 1}: from r near (2**k m)**(-1/3), without a division.

    With M = 2**k m and h = 1 - M r**3, r (1 + h/3 + 2 h**2/9) is cubically closer (Halley), which
    float64 needs. Then y = M r**2 is near cbrt(M), and the last step is Newton's,
    y + (M - y**3) r**2 / 3, where y**3 is taken to twice the precision.
    """
    a = s.abs(x)
    parts = split(s, a)
    t = s.fma(parts.exponent, 1.0 / 3.0, f.magic + f.bias)
    q = s.sub(t, f.magic + f.bias)
    k = s.fma(q, -3.0, parts.exponent)
    up, down = s.gt(k, 0.5), s.lt(k, -0.5)
    m = parts.significand
    value = s.mul(m, s.select(up, s.like(2.0, m), s.select(down, s.like(0.5, m), 1.0)))
    root = s.select(down, s.like(_CBRT_2, m), s.like(1.0, m))
    r = s.mul(horner(s, m, _INVERSE_CBRT), s.select(up, s.like(1.0 / _CBRT_2, m), root))
    if f.mantissa == 52:
        h = s.fma(s.mul(s.neg(value), s.mul(r, r)), r, 1.0)
        r = s.fma(s.mul(r, h), s.fma(h, 2.0 / 9.0, 1.0 / 3.0), r)
    square = s.mul(r, r)
    y = s.mul(value, square)
    y2 = s.mul(y, y)
    residual = s.fma(s.neg(y), s.fma(y, y, s.neg(y2)), s.fma(s.neg(y2), y, value))
    y = s.fma(residual, s.mul(square, 1.0 / 3.0), y)
    y = s.copysign(s.mul(y, power_of_two(s, t)), x)
    return s.select(s.and_(s.gt(a, 0.0), s.lt(a, inf)), y, x)
