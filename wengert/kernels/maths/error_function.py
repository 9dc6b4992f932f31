"""erf, erfc.

    erf(x) = x + x P(x**2)             |x| < 1 (0.9 in float32)
    erf(x) = sign(x) (1 - 2**Q(|x|))    above; Q fits log2(erfc(x)), with weight erfc(x) / erf(x)

The second form is the one of N. Juffa's CUDA answers (2013); coefficients by benchmarks/minimax.py.
"""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths.exponential import expm1_reduced, reduce_by_ln2
from wengert.kernels.maths.formats import (
    Format,
    at_most,
    horner,
    power_of_two,
    scale_by_two_powers,
)

# erf(x)/x - 1 in x**2; error of erf 2**-25.1 on |x| <= 0.9 and 2**-55.3 on |x| <= 1
_SMALL_SINGLE = (
    *(0.12837915122509003, -0.3761252462863922, 0.11282140761613846, -0.02677891030907631),
    *(0.005011965520679951, -0.0006090372335165739),
)
_SMALL_DOUBLE = (
    *(0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.026866170643111375),
    *(0.00522397760611762, -0.0008548325929271576, 0.00012055293575585291, -1.4924712276399654e-05),
    *(1.6447131253159314e-06, -1.6206311317612594e-07, 1.3710969859771176e-08),
    -7.779448913244225e-10,
)
# log2(erfc(x)); error of erf 2**-28.0 on [0.9, 3.95] and 2**-56.1 on [1, 5.95]
_LARGE_SINGLE = (
    *(-0.00024014197697397321, -1.6270674467086792, -0.918962299823761, -0.15020421147346497),
    *(0.03219400346279144, -0.00442255474627018, 0.00028596894117072225),
)
_LARGE_DOUBLE = (
    *(-7.254472771059369e-07, -1.6278997032749332, -0.9184826044849902, -0.14816974453123788),
    *(0.02739704012609636, 0.0005924062187677443, -0.002764117151041841, 0.0011117994082955988),
    *(-0.00019483430759584925, -2.9239596274423912e-05, 3.2926253677959846e-05),
    *(-1.2504165885831265e-05, 3.0811492005211686e-06, -5.38564637415996e-07),
    *(6.697426413040287e-08, -5.675943365664988e-09, 2.9502553971003954e-10),
    -7.110480896305946e-12,
)
# (2**r - 1) / r on |r| <= 1/2; error of 2**r 2**-24.1 and 2**-52.8, of which erf, where
# erfc < erf / 3, sees the third part at most
_EXP2_SINGLE = (
    *(0.6931470036506653, 0.24022239446640015, 0.0555073618888855, 0.009671726264059544),
    0.0013264495646581054,
)
_EXP2_DOUBLE = (
    *(0.6931471805599493, 0.2402265069590908, 0.055504108664476436, 0.009618129107988876),
    *(0.0013333558226746919, 0.00015403529989396072, 1.52526588357222e-05, 1.321565495526403e-06),
    *(1.0208443350074253e-07, 7.038108386580439e-09),
)


def _erf_small(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    p = horner(s, s.mul(x, x), f.pick(_SMALL_SINGLE, _SMALL_DOUBLE))
    return s.fma(x, p, x)


def _chosen_horner(
    s: ScalarBuilder, x: Expr, first: Expr, ours: tuple[float, ...], others: tuple[float, ...]
) -> Expr:
    """The polynomial `ours` where `first`, else the longer `others`.

    Coefficients are chosen rather than results: one Horner's rule instead of two, and choices take
    none of the time of the processor's multipliers, which such code waits for.
    """
    padded = ours + (0.0,) * (len(others) - len(ours))
    pairs = [
        s.select(first, s.like(a, x), s.like(b, x)) for a, b in zip(padded, others, strict=True)
    ]
    result = pairs.pop()
    while pairs:
        result = s.fma(result, x, pairs.pop())
    return result


def erf(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """The two forms above, and a choice of what Horner's rule works on."""
    a = at_most(s, s.abs(x), f.pick(3.95, 5.95))
    small = s.lt(a, f.pick(0.9, 1.0))
    argument = s.select(small, s.mul(x, x), a)
    p = _chosen_horner(
        *(s, argument, small),
        *(f.pick(_SMALL_SINGLE, _SMALL_DOUBLE), f.pick(_LARGE_SINGLE, _LARGE_DOUBLE)),
    )
    t = s.add(p, f.magic + f.bias)
    r = s.sub(p, s.sub(t, f.magic + f.bias))
    power = s.fma(horner(s, r, f.pick(_EXP2_SINGLE, _EXP2_DOUBLE)), r, 1.0)
    large = s.fma(s.neg(power_of_two(s, t)), power, 1.0)
    return s.select(small, s.fma(x, p, x), s.copysign(large, x))


# (1 + 2 a) exp(a**2) erfc(a) in q = (a - K) / (a + K): relative error 2**-25.0 with K = 2 on
# [0, 10.1], 2**-54.2 with K = 4 on [0, 27.3]. It stays in [1, 1.28], so that roundings of q and of
# Horner's rule hardly count (M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981).
_CENTRE = (2.0, 4.0)
_G_SINGLE = (
    *(1.2769783735275269, -0.0927639827132225, -0.16603142023086548, 0.16405534744262695),
    *(-0.054204296320676804, -0.00805987510830164, 0.008631679229438305, 0.0013135219924151897),
    *(-0.0012299256632104516, -0.0004005756927654147),
)
_G_DOUBLE = (
    *(1.2329951186255526, -0.13962111684056322, 0.01537965210260673, 0.06809705425476754),
    *(-0.10103906603559067, 0.09373283499606354, -0.06633036582768959, 0.03716751556810567),
    *(-0.01619773388403771, 0.005031969766549406, -0.0007577744326834352, -0.0001992559131374942),
    *(0.00015062636452588762, -2.440056181451372e-05, -1.1234246202029609e-05),
    *(5.709550631570594e-06, 3.1381048372109003e-07, -8.204333256750535e-07),
    *(5.5127828662389705e-08, 1.016033681884269e-07, -7.98303707113696e-09, -8.368888002165294e-09),
)


def erfc(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """1 - erf(x) for |x| < 1/2. Else erfc(a) = exp(-a**2) G(q) / (1 + 2 a) for a = |x|, and
    erfc(-a) = 2 - erfc(a).

    exp takes the square with its rounding error. Beyond the clamp erfc underflows to 0, and so it
    does there.
    """
    a = at_most(s, s.abs(x), f.pick(10.06, 27.3))
    square = s.mul(a, a)
    lost = s.fma(a, a, s.neg(square))
    t, _, r = reduce_by_ln2(s, s.neg(square), 2 * f.bias)
    p = expm1_reduced(s, s.sub(r, lost))
    centre = f.pick(*_CENTRE)
    q = s.div(s.sub(a, centre), s.add(a, centre))
    g = s.div(horner(s, q, f.pick(_G_SINGLE, _G_DOUBLE)), s.fma(a, 2.0, 1.0))
    y = scale_by_two_powers(s, s.fma(p, g, g), t)
    y = s.select(s.lt(x, 0.0), s.sub(2.0, y), y)
    return s.select(s.lt(a, 0.5), s.sub(1.0, _erf_small(s, f, x)), y)
