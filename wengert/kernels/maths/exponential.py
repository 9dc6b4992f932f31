"""exp, exp2, expm1.

    exp(x)   = 2**n * exp(r),        16 n = rint(16 x log2(e)), r = x - n ln(2), |r| <= ln(2)/32
    exp2(x)  = 2**n * exp(r ln(2)),  16 n = rint(16 x), r = x - n (exact), |r| <= 1/32
    expm1(x) = (2**n - 1) + 2**n expm1(r),  n = rint(x log2(e)), |r| <= ln(2)/2

ln(2) is the sum of two numbers, the first with nothing but zeros in its low bits, so that n times
it is exact (Cody and Waite 1980). The fraction of n is the place of F 2**fraction in a table, F
being near 1 and such that the table's entries are nearly exact (benchmarks/maths_tables.py); then
exp(r) = F (1 + P(r)). It is read off the low bits of x log2(e) + 1.5 * 2**mantissa / 16. All
polynomials are minimax (benchmarks/minimax.py); where P's error is felt it is noted.

Where tables are in memory, which costs as much for each lane as a longer polynomial does for all,
exp and exp2 have n whole, and r is as large as for expm1.
"""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.maths import tables
from wengert.kernels.maths.formats import (
    Format,
    as_bits,
    at_least,
    at_most,
    format_of,
    horner,
    lookup,
    power_of_two,
    scale_down,
    times_power,
)

STEPS = 16  # of the table, to a power of two
LOG2_E = 1.4426950408889634
# ln(2) to the bits of the format, and the remainder
LN2_SINGLE = (0.6931471824645996, -1.9046542121259336e-09)
LN2_DOUBLE = (0.6931471805599453, 2.3190468138462996e-17)

# (exp(r) - 1 - r) / r**2 on |r| <= ln(2)/2, for a small relative error of exp(r) - 1:
# 2**-25.9 and 2**-61.1
_EXPM1_SINGLE = (
    *(0.5, 0.16666541993618011, 0.04166628047823906, 0.008366712369024754, 0.001394663704559207),
)
_EXPM1_DOUBLE = (
    *(0.5, 0.16666666666666677, 0.0416666666666667, 0.008333333333321436, 0.001388888888886639),
    *(0.00019841269886672789, 2.4801587361408553e-05, 2.7557243609695495e-06),
    *(2.755724204902746e-07, 2.5109261662193918e-08, 2.0924659272125777e-09),
)
# (2**r - 1) / r on |r| <= 1/2; error of 2**r 2**-29.7 and 2**-56.6
EXP2_SINGLE = (
    *(0.6931471824645996, 0.24022650718688965, 0.055504102259874344, 0.00961803738027811),
    *(0.0013333938550204039, 0.00015467008051928133, 1.5195922969724052e-05),
)
EXP2_DOUBLE = (
    *(0.6931471805599453, 0.24022650695910072, 0.05550410866482169, 0.009618129107628326),
    *(0.001333355814639212, 0.0001540353039364488, 1.5252733854919514e-05, 1.3215486592570755e-06),
    *(1.017805167036834e-07, 7.054974977812599e-09, 4.456614460527722e-10, 2.5625215047179775e-11),
)


def reduce_by_ln2(s: ScalarBuilder, x: Expr, excess: int) -> tuple[Expr, Expr, Expr]:
    """(t, n, r): x = n ln(2) + r, and n + excess in the low bits of t."""
    f = format_of(x)
    magic = f.magic + excess
    high, low = f.pick(LN2_SINGLE, LN2_DOUBLE)
    t = s.fma(x, LOG2_E, magic)
    n = s.sub(t, magic)
    return t, n, s.fma(n, -low, s.fma(n, -high, x))


def expm1_reduced(s: ScalarBuilder, r: Expr) -> Expr:
    """exp(r) - 1 for |r| <= ln(2)/2, to about half a unit in the last place."""
    return expm1_tail(s, r, r)


def expm1_tail(s: ScalarBuilder, r: Expr, more: Expr) -> Expr:
    """exp(r) - 1 - r + more there."""
    f = format_of(r)
    return s.fma(s.mul(r, r), horner(s, r, f.pick(_EXPM1_SINGLE, _EXPM1_DOUBLE)), more)


def _power(s: ScalarBuilder, r: Expr, n: Expr, bits: Expr, terms: tuple[float, ...]) -> Expr:
    """2**n F 2**k (1 + P(r)), with k/16 the fraction of n, which the low `bits` tell."""
    f = format_of(r)
    table = lookup(s, f, f.pick(tables.EXP_SINGLE, tables.EXP_DOUBLE), bits)
    return scale_down(s, s.fma(table, horner(s, r, terms), table), n)


def exp(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """With n in sixteenths."""
    x = _within(s, x, f.pick(89.0, 710.0), f.pick(-106.0, -748.0))
    high, low = f.pick(LN2_SINGLE, LN2_DOUBLE)
    t = s.fma(x, LOG2_E, f.magic / STEPS)
    n = s.sub(t, f.magic / STEPS)
    r = s.fma(n, -low, s.fma(n, -high, x))
    return _power(s, r, n, as_bits(s, t), f.pick(tables.EXP_TERMS_SINGLE, tables.EXP_TERMS_DOUBLE))


def exp2(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """The same with r = x - n, which is exact."""
    x = at_least(s, at_most(s, x, f.pick(129.0, 1025.0)), f.pick(-153.0, -1078.0))
    t = s.add(x, f.magic / STEPS)
    n = s.sub(t, f.magic / STEPS)
    terms = f.pick(tables.EXP2_TERMS_SINGLE, tables.EXP2_TERMS_DOUBLE)
    return _power(s, s.sub(x, n), n, as_bits(s, t), terms)


def plain_exp(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """2**n (1 + expm1(r)), without a table; the rounding of r counts in its square alone."""
    x = _within(s, x, f.pick(89.0, 710.0), f.pick(-106.0, -748.0))
    magic = f.magic + 2 * f.bias
    high, low = f.pick(LN2_SINGLE, LN2_DOUBLE)
    t = s.fma(x, LOG2_E, magic)
    n = s.sub(t, magic)
    exact, rest = s.fma(n, -high, x), s.mul(n, -low)
    r = s.add(exact, rest)
    y = s.add(s.add(exact, expm1_tail(s, r, rest)), 1.0)
    return times_power(s, _unless_gone(s, x, y, f.pick(-104.5, -746.0)), t)


def plain_exp2(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """The same with r = x - n, which is exact."""
    x = _within(s, x, f.pick(129.0, 1025.0), f.pick(-153.0, -1078.0))
    magic = f.magic + 2 * f.bias
    t = s.add(x, magic)
    y = exp2_reduced(s, s.sub(x, s.sub(t, magic)))
    return times_power(s, _unless_gone(s, x, y, f.pick(-150.5, -1075.5)), t)


def _within(s: ScalarBuilder, x: Expr, most: float, least: float) -> Expr:
    """x where the result is between 0 and inf, elsewhere a number where it is one of them.

    The sign of x = -y is put outside, where the products that x goes into take it up, and no square
    y is below 0.
    """
    if x.op is not ScalarOp.NEG:
        return at_least(s, at_most(s, x, most), least)
    (y,) = x.args
    square = y.op is ScalarOp.MUL and y.args[0] is y.args[1]
    y = at_most(s, y, -least)
    return s.neg(y if square else at_least(s, y, -most))


def _unless_gone(s: ScalarBuilder, x: Expr, y: Expr, least: float) -> Expr:
    """y, but 0 for such x that y times its power of two will be rounded to 0 (`scale_down`)."""
    return s.select(s.lt(x, least), s.like(0.0, x), y)


def exp2_reduced(s: ScalarBuilder, r: Expr, *, exact: bool = False) -> Expr:
    """2**r for |r| <= 1/2; if `exact`, only the last sum is rounded in a place that matters."""
    f = format_of(r)
    first, *others = f.pick(EXP2_SINGLE, EXP2_DOUBLE)
    higher = horner(s, r, others)
    if not exact:
        return s.fma(s.fma(higher, r, first), r, 1.0)
    total = s.fma(r, first, 1.0)
    lost = s.fma(r, first, s.sub(1.0, total))
    return s.add(total, s.fma(s.mul(r, r), higher, lost))


def expm1(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """With 2**(n-1), and a doubling at the end, so that n = bias + 1 does not overflow."""
    clamped = at_least(s, at_most(s, x, f.pick(89.0, 710.0)), f.pick(-20.0, -40.0))
    t, _, r = reduce_by_ln2(s, clamped, f.bias - 1)
    half = power_of_two(s, t)
    y = s.fma(half, expm1_reduced(s, r), s.sub(half, 0.5))
    # the halving would round a subnormal, and lose the sign of -0
    return s.select(s.lt(s.abs(x), f.pick(2.0**-30, 2.0**-60)), x, s.add(y, y))
