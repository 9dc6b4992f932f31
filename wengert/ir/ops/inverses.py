"""Inverses of the incomplete gamma and beta functions, integrals of e^x / x, Bessel's K, Owen's T.

Values are SciPy's. Derivatives of the inverses follow from F(parameters, x) = y: dx/dy is 1 over
the density at x, and a parameter moves x by minus the derivative of F in it, over the density. So
they are of any order and in all arguments, as those of F (`incomplete`). DLMF 6.2 and 10.29.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wengert.ir.builder import Value
from wengert.ir.ops.families import Over
from wengert.ir.ops.incomplete import beta_density, called, gamma_density

called(
    "gammaincinv",
    [
        lambda a, y, x: -(a.gammainc_slope(x, order=1) / gamma_density(a, x)),
        lambda a, y, x: Over(gamma_density(a, x)),
    ],
    (0.5, 4),
    (0.1, 0.9),
    doc="the x for which gammainc(a, x) is y",
)
called(
    "gammainccinv",
    [
        lambda a, y, x: -(a.gammainc_slope(x, order=1) / gamma_density(a, x)),
        lambda a, y, x: Over(-gamma_density(a, x)),
    ],
    (0.5, 4),
    (0.1, 0.9),
    doc="the x for which gammaincc(a, x) is y",
)


def _beta_move(a: Value, b: Value, x: Value, first: int, second: int) -> Value:
    slope = a.betainc_slope(b, x, first=first, second=second)
    return -(slope / beta_density(a, b, x))


called(
    "betaincinv",
    [
        lambda a, b, y, x: _beta_move(a, b, x, 1, 0),
        lambda a, b, y, x: _beta_move(a, b, x, 0, 1),
        lambda a, b, y, x: Over(beta_density(a, b, x)),
    ],
    (0.5, 3),
    (0.5, 3),
    (0.1, 0.9),
    doc="the x for which betainc(a, b, x) is y",
)


# At a pole a slope is what it is like there, so that it is infinite with the right sign, and so are
# its own slopes, where the terms of the rule would be infinity minus infinity.


def _at_pole(x: Value, like: Callable[[Value], Value], elsewhere: Value) -> Value:
    pole = x.eq(0.0)
    return pole.select(like(pole.select(x, 1.0)), elsewhere)


def _expi_slope(x: Value, out: Value) -> Value:
    """e^x / x; where that has overflowed, it is as good as e^x."""
    half = (x * 0.5).exp()
    found = half / x * half
    beyond = x.exp().eq(math.inf).bitand(found.lt(math.inf).bitnot())
    return _at_pole(x, lambda x: 1 / x, beyond.select(x.exp(), found))


called("expi", [_expi_slope], (0.3, 3), doc="the exponential integral Ei of e^t / t")
called(
    "k0e",
    [lambda x, out: _at_pole(x, lambda x: -(1 / x), out - x.k1e())],
    (0.3, 3),
    doc="e**x times the modified Bessel function of the second kind of order 0",
)
called(
    "k1e",
    [lambda x, out: _at_pole(x, lambda x: -(1 / x) * (1 / x), out - out / x - x.k0e())],
    (0.3, 3),
    doc="e**x times the modified Bessel function of the second kind of order 1",
)


def _owens_in_h(h: Value, a: Value, out: Value) -> Value:
    return (h * h * -0.5).exp() * (a * h * math.sqrt(0.5)).erf() * (-0.5 / math.sqrt(2 * math.pi))


def _owens_in_a(h: Value, a: Value, out: Value) -> Value:
    spread = a * a + 1.0
    return (h * h * spread * -0.5).exp() / (spread * (2 * math.pi))


called(
    "owens_t",
    [_owens_in_h, _owens_in_a],
    (-3, 3),
    (-2, 2),
    doc="Owen's T: the normal probability beyond h and below a times the other variable",
)
