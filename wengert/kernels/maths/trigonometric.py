"""sin, cos, tan.

    x = n pi/2 + r,  n = rint(2 x / pi),  |r| <= pi/4
    sin(x) = sin(r), cos(r), -sin(r), -cos(r) for n = 0, 1, 2, 3 mod 4;  cos(x) with n + 1 for n
    tan(x) = sin(r) / cos(r) or -cos(r) / sin(r)

(One polynomial on |r| <= pi/2, after a reduction by pi, would save a quarter of the operations, but
its sum cancels near pi/2, and the error reaches 2 ulp; here it stays near 1.3.)

pi/2 is the sum of three numbers (Cody and Waite 1980), each product by n taken exactly by an FMA.
The first difference is exact: both terms are multiples of the last bit of pi/2's first part, and it
is small. The second rounds once, and the third only sees where the second has cancelled. So the
reduction is good as long as n does not disturb itself: n comes from x * (2/pi) + magic, whose error
grows as n 2**-24 or n 2**-53; `BOUND_*` keep r within 1 % of its interval.

Above BOUND the exact remainder needs hundreds of bits of pi, and a library call under a GUARD
gives it. That branch keeps LLVM from vectorising, so a back end runs a strip of iterations in the
fast form, notes whether any needed the other, and then repeats the strip (backends/cpu/versions).
"""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import FLOAT64
from wengert.kernels.maths.formats import Format, as_bits, flip_sign, format_of, horner

BOUND_SINGLE = 100_000.0
BOUND_DOUBLE = 2.0**45

# pi/2 in three parts
_HALF_PI_SINGLE = (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15)
_HALF_PI_DOUBLE = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
_2_PI = 0.6366197723675814

# (sin(r) - r) / r**3 in r**2 on |r| <= 1.01 pi/4; error of sin 2**-27.2 and 2**-56.6
_SIN_SINGLE = (-0.16666653752326965, 0.008332131430506706, -0.00019510838319547474)
_SIN_DOUBLE = (
    *(-0.16666666666666627, 0.008333333333321286, -0.00019841269828869973, 2.755731335593755e-06),
    *(-2.5050704025690396e-08, 1.5893583043626731e-10),
)
# (cos(r) - 1 + r**2/2) / r**4 in r**2 there, 2**-32.8 and 2**-59.5
_COS_SINGLE = (0.04166664555668831, -0.0013887305976822972, 2.443121775286272e-05)
_COS_DOUBLE = (
    *(0.04166666666666659, -0.0013888888888872598, 2.4801587288491735e-05, -2.7557314056471515e-07),
    *(2.0875681864901776e-09, -1.1357447885323561e-11),
)


def bound(f: Format) -> float:
    """The largest |x| whose reduction here is right."""
    return f.pick(BOUND_SINGLE, BOUND_DOUBLE)


def is_huge(s: ScalarBuilder, x: Expr) -> Expr:
    """Whether x is finite or infinite, and too large for the fast form."""
    return s.gt(s.abs(x), bound(format_of(x)))


def slow(s: ScalarBuilder, name: str, x: Expr) -> Expr:
    """The library's function, right for every x."""
    return s.cast(s.call(name, s.cast(x, FLOAT64)), x.dtype)


def _reduced(s: ScalarBuilder, f: Format, x: Expr) -> tuple[Expr, Expr]:
    """(bits, r): n in the low bits of the first."""
    t = s.fma(x, _2_PI, f.magic)
    n = s.sub(t, f.magic)
    r = x
    for part in f.pick(_HALF_PI_SINGLE, _HALF_PI_DOUBLE):
        r = s.fma(n, -part, r)
    return as_bits(s, t), r


def _sine_and_cosine(s: ScalarBuilder, f: Format, r: Expr) -> tuple[Expr, Expr]:
    """sin(r), cos(r) for |r| <= 1.01 pi/4."""
    z = s.mul(r, r)
    sine = s.fma(s.mul(z, r), horner(s, z, f.pick(_SIN_SINGLE, _SIN_DOUBLE)), r)
    c = horner(s, z, f.pick(_COS_SINGLE, _COS_DOUBLE))
    return sine, s.fma(z, s.fma(z, c, -0.5), 1.0)


def _quadrant(s: ScalarBuilder, f: Format, n: Expr, r: Expr) -> Expr:
    """sin(n pi/2 + r)."""
    sine, cosine = _sine_and_cosine(s, f, r)
    y = s.select(s.ne(s.and_(n, 1), 0), cosine, sine)
    return flip_sign(s, y, s.and_(s.shl(n, 8 * f.dtype.itemsize - 2), f.sign_bit))


def sin(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """A sine of n pi/2 + r."""
    n, r = _reduced(s, f, x)
    # -0 + r**3 P(0) is +0
    return s.select(s.eq(x, 0.0), x, _quadrant(s, f, n, r))


def cos(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """A sine of (n + 1) pi/2 + r."""
    n, r = _reduced(s, f, x)
    return _quadrant(s, f, s.add(n, 1), r)


def tan(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """One quotient, numerator and denominator chosen."""
    n, r = _reduced(s, f, x)
    sine, cosine = _sine_and_cosine(s, f, r)
    last = s.shl(n, 8 * f.dtype.itemsize - 1)
    odd = s.ne(last, 0)
    bottom = flip_sign(s, s.select(odd, sine, cosine), last)
    y = s.div(s.select(odd, cosine, sine), bottom)
    return s.select(s.eq(x, 0.0), x, y)
