"""erf by pieces or from the pieces of exp, erfc from these."""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths import tables
from wengert.kernels.maths.exponential import (
    LN2_DOUBLE,
    LN2_SINGLE,
    LOG2_E,
    expm1_reduced,
    reduce_by_ln2,
)
from wengert.kernels.maths.formats import (
    Format,
    at_most,
    horner,
    in_halves,
    power_of_two,
    scale_down,
)
from wengert.kernels.maths.pieces import Pieces, piecewise

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


def _erf_small(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    p = horner(s, s.mul(x, x), f.pick(_SMALL_SINGLE, _SMALL_DOUBLE))
    return s.fma(x, p, x)


_ERF_SINGLE = Pieces(
    tables.ERF_STEP_SINGLE, tables.ERF_SINGLE, tables.ERF_TERMS_SINGLE, near=5, end=4.0
)
_ERF_DOUBLE = Pieces(
    tables.ERF_STEP_DOUBLE, tables.ERF_DOUBLE, tables.ERF_TERMS_DOUBLE, near=2, end=5.95
)


def erf(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """By pieces."""
    return piecewise(s, x, f.pick(_ERF_SINGLE, _ERF_DOUBLE))


# log(erfc(a)) for 0.9 <= a <= 4 and 0.995 <= a <= 5.96; error of erf 2**-26.5 and 2**-56.6
_LOG_ERFC_SINGLE = (
    *(-0.0001665114687057212, -1.12779700756073, -0.6369765996932983, -0.10411316901445389),
    *(0.022314948961138725, -0.0030654186848551035, 0.00019821181194856763),
)
_LOG_ERFC_DOUBLE = (
    *(-4.86153124448904e-07, -1.1283742450214358, -0.6366429551437391, -0.10270523482836283),
    *(0.018993486102592452, 0.0004061643008078791, -0.0019113738092081149, 0.0007670193764911735),
    *(-0.0001327967861701274, -2.137181084227598e-05, 2.3249849109252576e-05),
    *(-8.796718086108146e-06, 2.1660906626465797e-06, -3.787153520237084e-07),
    *(4.712806629492035e-08, -3.997644116138006e-09, 2.080057938615445e-10, -5.018755321437856e-12),
)


def plain_erf(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """1 - exp(log(erfc|x|)), without a table; the series of erf for small x.

    erfc is a fifth and less there, so that errors of its logarithm hardly count; and 1 - 2**n is
    exact (the idea is N. Juffa's erff, forums.developer.nvidia.com, 2016; own coefficients).
    """
    a = at_most(s, s.abs(x), f.pick(4.0, 5.95))
    log = in_halves(s, a, f.pick(_LOG_ERFC_SINGLE, _LOG_ERFC_DOUBLE))
    magic = f.magic + f.bias
    t = s.fma(log, LOG2_E, magic)
    p = expm1_reduced(s, s.fma(s.sub(t, magic), -f.pick(LN2_SINGLE, LN2_DOUBLE)[0], log))
    power = power_of_two(s, t)
    far = s.fma(s.neg(power), p, s.sub(1.0, power))
    near = s.lt(a, f.pick(0.9, 1.0))
    return s.copysign(s.select(near, _erf_small(s, f, a), far), x)


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
    _, n, r = reduce_by_ln2(s, s.neg(square), 0)
    p = expm1_reduced(s, s.sub(r, lost))
    centre = f.pick(*_CENTRE)
    q = s.div(s.sub(a, centre), s.add(a, centre))
    g = s.div(horner(s, q, f.pick(_G_SINGLE, _G_DOUBLE)), s.fma(a, 2.0, 1.0))
    y = scale_down(s, s.fma(p, g, g), n)
    y = s.select(s.lt(x, 0.0), s.sub(2.0, y), y)
    return s.select(s.lt(a, 0.5), s.sub(1.0, _erf_small(s, f, x)), y)
