"""tanh, sinh, cosh, and their inverses, from the pieces of exp and log1p."""

from __future__ import annotations

from math import nan

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.maths import tables
from wengert.kernels.maths.exponential import LN2_DOUBLE, LN2_SINGLE, LOG2_E, reduce_by_ln2
from wengert.kernels.maths.formats import Format, at_most, horner, power_of_two
from wengert.kernels.maths.logarithm import log1p
from wengert.kernels.maths.pieces import Pieces, piecewise

# (cosh(r) - 1) / r**2 in r**2 on |r| <= ln(2)/2; error of cosh 2**-29.9 and 2**-57.4
_COSH_SINGLE = (0.5, 0.041666265577077866, 0.001394644845277071)
_COSH_DOUBLE = (
    *(0.5000000000000013, 0.04166666666651196, 0.0013888888947929771, 2.480148897885521e-05),
    2.763163163572977e-07,
)
# (sinh(r) - r) / r**3 in r**2 there; error of sinh 2**-26.1 and 2**-61.4
_SINH_SINGLE = (0.16666541993618011, 0.008366711437702179)
_SINH_DOUBLE = (
    *(0.16666666666666677, 0.008333333333321436, 0.00019841269886674336, 2.7557243608089084e-06),
    2.510926222299868e-08,
)

# (r coth(r) - 1) / r**2 in r**2 on |r| < 0.256; error of r coth(r) 2**-30.7 and 2**-60.1
_COTH_SINGLE = (0.3333333134651184, -0.022221224382519722, 0.002090018941089511)
_COTH_DOUBLE = (
    *(0.3333333333333332, -0.02222222222218067, 0.002116402112290325, -0.00021164002450992545),
    *(2.1373489733500555e-05, -2.115473646202124e-06),
)
_TANH_SHIFT = 0.2375  # of 2|x| / ln(2) before it is rounded

_TANH_SINGLE = Pieces(
    tables.TANH_STEP_SINGLE, tables.TANH_SINGLE, tables.TANH_TERMS_SINGLE, near=3, end=9.2
)


def tanh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """By pieces in float32; in float64 these would need too many terms, because of the poles."""
    return piecewise(s, x, _TANH_SINGLE) if f.mantissa == 23 else plain_tanh(s, f, x)


def plain_tanh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """A quotient of two sums without cancellation, and one polynomial for both.

    With 2|x| = n ln(2) + 2 r, E = 2**n and S = r coth(r), exp(2 r) is (S + r) / (S - r), and

        tanh|x| = (E exp(2 r) - 1) / (E exp(2 r) + 1) = N / (N + (S - r)),  N = H (S + r) + r

    where H = (E - 1) / 2. For n = 0 that is r / S. n is chosen such that -0.092 < r < 0.256: r is
    far from -H (S + r), which a few more terms than for a symmetric range buy, and the result is
    1/4 where n becomes 1, so that the sums' roundings count least. S - r is positive, so the
    quotient is at most 1, and where it is near 1, errors of N hardly count.
    """
    a = at_most(s, s.abs(x), 20.0)
    magic = f.magic + f.bias - 1
    t = s.add(s.fma(a, 2 * LOG2_E, -_TANH_SHIFT), magic)
    # the low bits of ln(2) do not count: |r| > 0.09 for n = 1, and for more tanh is flatter
    ln2 = f.pick(LN2_SINGLE, LN2_DOUBLE)[0]
    r = s.fma(s.sub(t, magic), -ln2 / 2, a)
    z = s.mul(r, r)
    even = s.fma(z, horner(s, z, f.pick(_COTH_SINGLE, _COTH_DOUBLE)), 1.0)
    scale = s.sub(power_of_two(s, t), 0.5)
    over = s.fma(scale, s.add(even, r), r)
    under = s.select(s.eq(scale, 0.0), even, s.add(over, s.sub(even, r)))
    return s.copysign(s.div(over, under), x)


def _halves(s: ScalarBuilder, f: Format, x: Expr) -> tuple[Expr, Expr]:
    """(sinh|x|, cosh|x|) / 2.

    |x| = n ln(2) + r, with P = 2**(n-2), M = 2**(-n-2): half of sinh is
    (P - M) cosh(r) + (P + M) sinh(r), half of cosh (P + M) cosh(r) + (P - M) sinh(r).
    """
    # beyond the clamp the results overflow, and so they do at the clamp
    a = at_most(s, s.abs(x), f.pick(89.5, 710.5))
    t, n, r = reduce_by_ln2(s, a, f.bias - 2)
    plus = power_of_two(s, t)
    # 2**-200 is nothing beside 2**98, and keeps the exponent in range
    minus = power_of_two(s, s.sub(f.magic + f.bias - 2.0, at_most(s, n, 100.0)))
    z = s.mul(r, r)
    even = s.fma(horner(s, z, f.pick(_COSH_SINGLE, _COSH_DOUBLE)), z, 1.0)
    odd = s.fma(s.mul(z, r), horner(s, z, f.pick(_SINH_SINGLE, _SINH_DOUBLE)), r)
    near, far = s.add(plus, minus), s.sub(plus, minus)
    return s.fma(far, even, s.mul(near, odd)), s.fma(near, even, s.mul(far, odd))


def sinh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """Twice the half, which does not overflow before the result does."""
    half, _ = _halves(s, f, x)
    y = s.copysign(s.add(half, half), x)
    # the halving would round a subnormal
    return s.select(s.lt(s.abs(x), f.pick(2.0**-30, 2.0**-60)), x, y)


def cosh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """Twice the half, which does not overflow before the result does."""
    _, half = _halves(s, f, x)
    return s.add(half, half)


def asinh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """log1p(a + a**2 / (1 + sqrt(1 + a**2))), a = |x|; log1p(a) + ln(2) for huge a."""
    a = s.abs(x)
    square = s.mul(a, a)
    root = s.unary(ScalarOp.SQRT, s.add(square, 1.0))
    inner = s.add(a, s.div(square, s.add(root, 1.0)))
    return s.copysign(_log1p_or_doubled(s, f, a, inner), x)


def acosh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """log1p(t + sqrt(2 t + t**2)), t = x - 1; log1p(x) + ln(2) for huge x."""
    t = s.sub(x, 1.0)
    root = s.unary(ScalarOp.SQRT, s.fma(t, t, s.add(t, t)))
    y = _log1p_or_doubled(s, f, x, s.add(t, root))
    return s.select(s.lt(x, 1.0), s.like(nan, x), y)


def _log1p_or_doubled(s: ScalarBuilder, f: Format, a: Expr, inner: Expr) -> Expr:
    large = s.ge(a, f.pick(2.0**30, 2.0**60))
    y = log1p(s, f, s.select(large, a, inner))
    return s.add(y, s.select(large, s.like(LN2_DOUBLE[0], a), s.like(0.0, a)))


def atanh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """log1p(2 a / (1 - a)) / 2, a = |x|."""
    a = s.abs(x)
    y = log1p(s, f, s.div(s.add(a, a), s.sub(1.0, a)))
    return s.copysign(s.mul(y, 0.5), x)
