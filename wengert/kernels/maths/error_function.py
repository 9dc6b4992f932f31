"""erf by pieces or from the pieces of exp, erfc from these."""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths import tables
from wengert.kernels.maths.exponential import (
    LN2_DOUBLE,
    LN2_SINGLE,
    LOG2_E,
    expm1_reduced,
    expm1_tail,
    reduce_by_ln2,
)
from wengert.kernels.maths.formats import (
    Format,
    Scaling,
    at_most,
    flip_sign,
    horner,
    plain_scale_down,
    power_of_two,
    scale_down,
    sign_of,
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


# -log(erfc(a)) / a - 1 on [0, 4] and [0, 5.96]; error of erf 2**-26.9 and 2**-56.2
_LOG_ERFC_SINGLE = (
    *(0.12837916612625122, 0.6366193890571594, 0.10277783125638962, -0.01915307156741619),
    *(-0.00016037789464462548, 0.0016670046607032418, -0.0006328222807496786),
    *(0.00011763673683162779, -9.255719305656385e-06),
)
_LOG_ERFC_DOUBLE = (
    *(0.1283791670955126, 0.6366197723675816, 0.10277260330192355, -0.019128447008672077),
    *(-0.0002091946442577889, 0.0016962059533374015, -0.000590123095573793, 2.586876258155958e-05),
    *(6.452080007308198e-05, -2.9788408958718e-05, 3.517956674053216e-06, 2.685481697678934e-06),
    *(-1.5805114280901318e-06, 1.9724325320436814e-07, 2.3424080579165284e-07),
    *(-1.9661204042667599e-07, 9.085157033732366e-08, -3.026054621244235e-08),
    *(7.763811452572741e-09, -1.5631054174503337e-09, 2.4634759181718687e-10),
    *(-2.9869196199956855e-11, 2.693697673864769e-12, -1.7023363513858272e-13),
    *(6.72622601826619e-15, -1.2498755425583123e-16),
)


def plain_erf(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """1 - exp(log(erfc|x|)), without a table.

    With log(erfc(a)) = -(a + a V(a)) = n ln(2) + r it is (1 - 2**n) - 2**n expm1(r). The first
    difference is exact, and 0 for small a, where the rest has a small relative error: the sum of
    -a and a V is the last one made, but for r in the smaller terms of expm1. (1 - exp of a
    polynomial is the idea of N. Juffa's erff; own form and coefficients.)
    """
    a = at_most(s, s.abs(x), f.pick(4.0, 5.95))
    square = s.mul(a, a)
    terms = f.pick(_LOG_ERFC_SINGLE, _LOG_ERFC_DOUBLE)
    odd, even = (horner(s, square, terms[k::2]) for k in (1, 0))  # two chains, half as long
    more = s.fma(a, even, s.mul(square, odd))
    magic = f.magic + f.bias
    t = s.fma(s.neg(s.add(a, more)), LOG2_E, magic)
    first = s.fma(s.sub(t, magic), -f.pick(LN2_SINGLE, LN2_DOUBLE)[0], s.neg(a))
    p = s.add(first, expm1_tail(s, s.sub(first, more), s.neg(more)))
    power = power_of_two(s, t)
    y = s.fma(s.neg(power), p, s.sub(1.0, power))
    return flip_sign(s, y, sign_of(s, x))


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


def erfc(s: ScalarBuilder, f: Format, x: Expr, scaled: Scaling = scale_down) -> Expr:
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
    y = scaled(s, s.fma(p, g, g), n)
    y = s.select(s.lt(x, 0.0), s.sub(2.0, y), y)
    return s.select(s.lt(a, 0.5), s.sub(1.0, _erf_small(s, f, x)), y)


def plain_erfc(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """The same without an instruction for powers of two."""
    return erfc(s, f, x, plain_scale_down)
