"""pow, cbrt.

    |x|**y = 2**(y log2|x|)

The exponent may be as large as 1075, and its absolute error is the relative error of the result. So
both formats carry log2 as an unevaluated sum of two numbers, to about 65 and 32 bits.

float32: with x = 2**e m and c the multiple of 1/4 next to 1/m, g = c m - 1 is small and exact,
log2(x) = e - log2(c) + log2(1 + g), and log2(1 + g) is as below in s = g / (2 + g).

float64: with x = 2**e m, s = (m - 1) / (m + 1), z = s**2,
log2(x) = e + s (C0 + z (C1 + z Q(z))), C0 = 2/ln(2), C1 = C0/3; all but Q in two parts.
"""

from __future__ import annotations

from math import inf, nan

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.maths.exponential import exp2_reduced
from wengert.kernels.maths.formats import (
    SINGLE,
    Format,
    Scaling,
    at_least,
    at_most,
    flip_sign,
    format_of,
    horner,
    plain_scale_down,
    power_of_two,
    scale_down,
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
# float32: c = 5/4, 1 or 3/4 is the line _LINE of m, rounded by a magic number. With j = c - 1,
# -log2(c) = j (A + B j), where A and B j have zeros in the low bits of their first parts.
_QUARTERS = SINGLE.magic / 4
_LINE = (-0.972, 2.0)
_A = (-1.473876953125, -5.423520633485168e-05)
_B = (0.7451171875, -0.0002419523661956191)
_C0_SINGLE = (2.885390043258667, 3.851926067000022e-08)
# (log2(1 + g) - C0 s) / s**3 in z = s**2: error relative to log2 2**-37.4
_R = (0.9617967009544373, 0.5770674347877502, 0.41555532813072205)

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


def _quotient(s: ScalarBuilder, x: Expr, y: Pair) -> Pair:
    """x / y, to about twice the precision."""
    inverse = s.div(1.0, y[0])
    high = s.mul(x, inverse)
    remainder = s.fma(s.neg(high), y[1], s.fma(s.neg(high), y[0], x))
    return high, s.mul(remainder, inverse)


def _log2_double(s: ScalarBuilder, x: Expr) -> Pair:
    """log2 of a positive finite float64 in two parts, with about 65 bits."""
    parts = split(s, x)
    m = parts.significand
    numerator, denominator = s.sub(m, 1.0), s.add(m, 1.0)
    lost = s.sub(m, s.sub(denominator, 1.0))
    quotient = _quotient(s, numerator, (denominator, lost))
    z = _product(s, quotient, quotient)
    inner, error = _sum(s, _C1[0], s.mul(z[0], horner(s, z[0], _Q)))
    tail = _product(s, z, (inner, s.add(error, _C1[1])))
    outer, error = _sum(s, _C0[0], tail[0])
    log = _product(s, quotient, (outer, s.add(error, s.add(tail[1], _C0[1]))))
    total, error = _sum(s, parts.exponent, log[0])
    return total, s.add(error, log[1])


def _with_specials(s: ScalarBuilder, a: Expr, log: Expr, invalid: Expr) -> Expr:
    """log2(a) from its value for positive finite a; NaN where `invalid` and a < inf."""
    log = s.select(invalid, s.like(nan, a), s.select(s.eq(a, 0.0), s.like(-inf, a), log))
    return s.select(s.lt(a, inf), log, a)


def _exp2_of_product(s: ScalarBuilder, y: Expr, high: Expr, low: Expr, scaled: Scaling) -> Expr:
    """2**(y (high + low)); where `high` is not finite, `low` does not matter."""
    f = format_of(y)
    bound = f.pick(160.0, 1100.0)
    exponent = s.mul(y, high)
    rest = s.fma(y, low, s.fma(y, high, s.neg(exponent)))
    rest = s.select(s.lt(s.abs(exponent), bound), rest, 0.0)
    exponent = at_least(s, at_most(s, exponent, bound), -bound)
    # float32 leaves so much in the rest that it counts when n is chosen
    n = s.sub(s.add(s.add(exponent, rest), f.magic), f.magic)
    r = s.add(s.sub(exponent, n), rest)
    return scaled(s, exp2_reduced(s, r, exact=f.pick(True, False)), n)


def _magnitude_double(s: ScalarBuilder, a: Expr, y: Expr, invalid: Expr, scaled: Scaling) -> Expr:
    """a**y for a >= 0 and finite y; NaN where `invalid` and a < inf."""
    high, low = _log2_double(s, a)
    return _exp2_of_product(s, y, _with_specials(s, a, high, invalid), low, scaled)


def _log2_single(s: ScalarBuilder, a: Expr) -> Pair:
    """log2 of a positive finite float32 in two parts, with about 33 bits."""
    parts = split(s, a)
    c = s.sub(s.fma(parts.significand, _LINE[0], _LINE[1] + _QUARTERS), _QUARTERS)
    g, j = s.fma(parts.significand, c, -1.0), s.sub(c, 1.0)
    whole = s.fma(j, s.fma(j, _B[0], _A[0]), parts.exponent)
    denominator = s.add(g, 2.0)
    lost = s.sub(g, s.sub(denominator, 2.0))
    quotient = _quotient(s, g, (denominator, lost))
    z = s.mul(quotient[0], quotient[0])
    tail = s.mul(z, horner(s, z, _R))
    # the derivative with respect to s takes the low part of s along
    high = s.mul(quotient[0], _C0_SINGLE[0])
    error = s.fma(quotient[0], _C0_SINGLE[0], s.neg(high))
    error = s.fma(quotient[0], _C0_SINGLE[1], error)
    error = s.fma(quotient[1], s.fma(tail, 3.0, _C0_SINGLE[0]), error)
    total, lost = _sum(s, whole, high)
    error = s.fma(j, s.fma(j, _B[1], _A[1]), error)
    return total, s.add(lost, s.fma(quotient[0], tail, error))


def _magnitude_single(s: ScalarBuilder, a: Expr, y: Expr, invalid: Expr, scaled: Scaling) -> Expr:
    """The same in float32."""
    high, low = _log2_single(s, a)
    return _exp2_of_product(s, y, _with_specials(s, a, high, invalid), low, scaled)


def pow_(s: ScalarBuilder, f: Format, x: Expr, y: Expr, scaled: Scaling = scale_down) -> Expr:
    """The special cases are those of C's pow (C17 F.10.4.4), which NumPy follows."""
    # so large a y gives 0, 1 or inf, and inf * log2(1) does not occur
    limit = f.pick(2.0**40, 2.0**70)
    clamped = at_least(s, at_most(s, y, limit), -limit)
    half = s.mul(y, 0.5)
    is_integer = s.eq(s.unary(ScalarOp.RINT, y), y)
    is_odd = s.and_(is_integer, s.ne(s.unary(ScalarOp.RINT, half), half))
    invalid = s.and_(s.lt(x, 0.0), s.not_(is_integer))
    size = f.pick(_magnitude_single, _magnitude_double)
    magnitude = size(s, s.abs(x), clamped, invalid, scaled)
    result = flip_sign(s, magnitude, s.select(is_odd, sign_of(s, x), 0))
    return s.select(s.or_(s.eq(x, 1.0), s.eq(y, 0.0)), s.like(1.0, x), result)


def plain_pow(s: ScalarBuilder, f: Format, x: Expr, y: Expr) -> Expr:
    """The same without an instruction for powers of two."""
    return pow_(s, f, x, y, plain_scale_down)


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
