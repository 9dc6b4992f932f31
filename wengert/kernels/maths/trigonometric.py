"""sin, cos, tan.

    sin(x) = (-1)**n sin(r),  n = rint(x / pi),  r = x - n pi
    cos(x) = sin(x + pi/2): the same with n + 1/2 in the place of n
    tan(x) = sin(r) / cos(r) or -cos(r) / sin(r),  n = rint(2 x / pi),  r = x - n pi/2

One polynomial on |r| <= pi/2 costs less than a sine and a cosine on half of it. pi is the sum of
three numbers (Cody and Waite 1980), each product by n taken exactly by an FMA. The first
difference is exact: both terms are multiples of the last bit of pi's first part, and it is small.
The second rounds once, and the third only sees where the second has cancelled. So the reduction is
good as long as n does not disturb itself: n comes from x * (1/pi) + magic, whose error grows as
n 2**-24 or n 2**-53; `BOUND` keeps r within 1 % of its interval.

Above BOUND the exact remainder needs hundreds of bits of pi, and a library call under a GUARD
gives it. A back end keeps the loop vectorised by declaring a masked vector variant of the called
function, which returns at once when no lane needs it.
"""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import FLOAT64
from wengert.kernels.maths.formats import Format, as_bits, flip_sign, format_of, horner

BOUND_SINGLE = 100_000.0
BOUND_DOUBLE = 2.0**45

# pi in three parts
_PI_SINGLE = (3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15)
_PI_DOUBLE = (3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33)
_1_PI = 0.3183098861837907

# (sin(r) - r) / r**3 in r**2 on |r| <= 1.005 pi/2; error of sin 2**-25.5 and 2**-56.4
_SIN_SINGLE = (
    *(-0.16666659712791443, 0.008333058096468449, -0.00019808959041256458),
    2.604282144602621e-06,
)
_SIN_DOUBLE = (
    *(-0.16666666666666666, 0.008333333333333184, -0.00019841269841205418),
    *(2.7557319210471016e-06, -2.5052106810532477e-08, 1.6058936516317058e-10),
    *(-7.642907035737092e-13, 2.720271421937793e-15),
)
# the same on |r| <= 1.01 pi/4, 2**-27.7 and 2**-56.7
_SIN_QUARTER_SINGLE = (-0.16666653752326965, 0.008332112804055214, -0.00019508754485286772)
_SIN_QUARTER_DOUBLE = (
    *(-0.16666666666666627, 0.008333333333320954, -0.00019841269828627608),
    *(2.7557313278237247e-06, -2.505069271707732e-08, 1.589297099624695e-10),
)
# (cos(r) - 1 + r**2/2) / r**4 in r**2 there, 2**-30.2 and 2**-59.3
_COS_QUARTER_SINGLE = (0.04166664555668831, -0.0013887251261621714, 2.4425684387097135e-05)
_COS_QUARTER_DOUBLE = (
    *(0.04166666666666658, -0.0013888888888871377, 2.4801587287783575e-05),
    *(-2.755731386552687e-07, 2.087565755093723e-09, -1.1356264828592618e-11),
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


def _minus_multiple(s: ScalarBuilder, x: Expr, n: Expr, parts: tuple[float, ...]) -> Expr:
    """x - n * sum(parts)."""
    for part in parts:
        x = s.fma(n, -part, x)
    return x


def _sine(s: ScalarBuilder, r: Expr) -> Expr:
    """sin(r) for |r| <= 1.005 pi/2."""
    f = format_of(r)
    z = s.mul(r, r)
    return s.fma(s.mul(z, r), horner(s, z, f.pick(_SIN_SINGLE, _SIN_DOUBLE)), r)


def sin(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    t = s.fma(x, _1_PI, f.magic)
    n = s.sub(t, f.magic)
    y = _sine(s, _minus_multiple(s, x, n, f.pick(_PI_SINGLE, _PI_DOUBLE)))
    y = flip_sign(s, y, s.shl(as_bits(s, t), 8 * f.dtype.itemsize - 1))
    # -0 + r**3 P(0) is +0
    return s.select(s.eq(x, 0.0), x, y)


def cos(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """cos(x) = -(-1)**n sin(x - (n + 1/2) pi), n = rint(x / pi - 1/2).

    The magic number is one larger, so that the last bit is that of n + 1.
    """
    t = s.add(s.fma(x, _1_PI, -0.5), f.magic + 1.0)
    n = s.add(s.sub(t, f.magic + 1.0), 0.5)
    y = _sine(s, _minus_multiple(s, x, n, f.pick(_PI_SINGLE, _PI_DOUBLE)))
    return flip_sign(s, y, s.shl(as_bits(s, t), 8 * f.dtype.itemsize - 1))


def tan(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    t = s.fma(x, 2.0 * _1_PI, f.magic)
    halves = tuple(part / 2.0 for part in f.pick(_PI_SINGLE, _PI_DOUBLE))
    r = _minus_multiple(s, x, s.sub(t, f.magic), halves)
    z = s.mul(r, r)
    sine = s.fma(s.mul(z, r), horner(s, z, f.pick(_SIN_QUARTER_SINGLE, _SIN_QUARTER_DOUBLE)), r)
    c = horner(s, z, f.pick(_COS_QUARTER_SINGLE, _COS_QUARTER_DOUBLE))
    cosine = s.fma(z, s.fma(z, c, -0.5), 1.0)
    last = s.shl(as_bits(s, t), 8 * f.dtype.itemsize - 1)
    odd = s.ne(last, 0)
    bottom = flip_sign(s, s.select(odd, sine, cosine), last)
    y = s.div(s.select(odd, cosine, sine), bottom)
    return s.select(s.eq(x, 0.0), x, y)
