"""SciPy's special functions at complex numbers, by Faddeeva's function and Stirling's series.

SciPy computes them in complex128 whatever the argument, and so they are here. Each is an analytic
expression on every branch, so derivatives follow from those of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wengert.ir.builder import Value
from wengert.ir.types import COMPLEX64, COMPLEX128
from wengert.tracer.functions.elementwise import LOWERINGS
from wengert.tracer.functions.special_pairs import wofz

Rule = Callable[[Value], Value]


def _times_i(z: Value) -> Value:
    return (-z.imag()).complex(z.real())


def _horner(coefficients: tuple[float, ...], t: Value) -> Value:
    """The polynomial with these coefficients, the highest first."""
    total = t.full_like(coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * t + coefficient
    return total


# the error functions


def _shrunk(z: Value, factor: Value | float) -> Value:
    """z times a real number; a complex product with it would be NaN at infinite parts."""
    return (z.real() * factor).complex(z.imag() * factor)


def _gaussian(z: Value, other: Value) -> Value:
    """exp(-z^2) times another number, turned before it grows, so that parts overflow alone.

    The square's real part is (x - y)(x + y), which does not cancel.
    """
    x, y = z.real(), z.imag()
    size = ((y - x) * (y + x)).exp()
    angle = x.eq(0.0).bitor(y.eq(0.0)).select(0.0, x * y * -2.0)
    turned = angle.cos().complex(angle.sin()) * other
    finite = x.isfinite().bitand(y.isfinite())
    re, im = (
        finite.bitand(part.eq(0.0)).select(part, part * size)
        for part in (turned.real(), turned.imag())
    )
    return re.complex(im)


SERIES = tuple(
    (-1) ** k * 2 / math.sqrt(math.pi) / (math.factorial(k) * (2 * k + 1))
    for k in range(22, -1, -1)
)
"""erf(z) / z in powers of z^2, DLMF 7.6.1: for |z| < 1 terms are below the last digit."""


def _erf_parts(z: Value) -> tuple[Value, Value, Value, Value]:
    """Whether z is near 0, erf(z) if it is, and whether z is on the left, erfc(z) if it is not.

    The latter is erfc of the number on the right, of z or -z.
    """
    x, y = z.real(), z.imag()
    near = x.abs().max(y.abs()).lt(math.sqrt(0.5))
    inner = near.select(z, z.full_like(0.0))
    left = x.lt(0.0)
    right = left.select(-z, z)
    right = near.select(right.full_like(1.0), right)
    return (
        near,
        inner * _horner(SERIES, inner * inner),
        left,
        _gaussian(right, _scaled(right)),
    )


def _scaled(z: Value) -> Value:
    """exp(z^2) erfc(z) = w(i z)."""
    return wofz(_times_i(z))


def erf(z: Value) -> Value:
    """The error function, which is odd."""
    near, inner, left, beyond = _erf_parts(z)
    found = -beyond + 1.0
    # the function is real on the real axis and imaginary on the other one
    axis = z.real().eq(0.0)
    found = axis.select(z.real(), found.real()).complex(found.imag())
    return near.select(inner, left.select(-found, found))


def erfc(z: Value) -> Value:
    """1 - erf(z), on the left 2 - erfc(-z)."""
    near, inner, left, beyond = _erf_parts(z)
    axis = z.real().eq(0.0)
    beyond = axis.select(1.0, beyond.real()).complex(beyond.imag())
    return near.select(-inner + 1.0, left.select(-beyond + 2.0, beyond))


def erfi(z: Value) -> Value:
    """-i erf(i z)"""
    return -_times_i(erf(_times_i(z)))


def dawsn(z: Value) -> Value:
    """sqrt(pi)/2 exp(-z^2) erfi(z); away from 0 it is i sqrt(pi)/2 (exp(-z^2) - w(z)).

    Below the axis w grows with exp(-z^2), so z is taken above it, the function being odd.
    """
    x, y = z.real(), z.imag()
    near = x.abs().max(y.abs()).lt(math.sqrt(0.5))
    inner = near.select(z, z.full_like(0.0))
    below = y.lt(0.0)
    above = below.select(-z, z)
    half = math.sqrt(math.pi) / 2
    outer = _times_i(_gaussian(above, above.full_like(1.0)) - wofz(above))
    outer = _shrunk(outer, half)
    outer = below.select(-outer, outer)
    return near.select(_gaussian(inner, erfi(inner)) * half, outer)


# the gamma functions

STEPS = 10
"""Arguments grow by this before the asymptotic series, whose last term is then below 1e-17."""
EVEN_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
STIRLING = tuple(
    b / (2 * k * (2 * k - 1)) for k, b in reversed(list(enumerate(EVEN_BERNOULLI, start=1)))
)
"""log gamma less (z - 1/2) log z - z + log(2 pi)/2, times z, in powers of 1 / z^2: DLMF 5.11.1."""
SLOPES = tuple(-b / (2 * k) for k, b in reversed(list(enumerate(EVEN_BERNOULLI, start=1))))
"""digamma less log z - 1 / (2 z), times z^2, in powers of 1 / z^2: DLMF 5.11.2."""
HIGH = 7.0
"""Up to this distance from the axis the left half plane is reflected to the right one."""


def _pole(z: Value) -> Value:
    x = z.real()
    return z.imag().eq(0.0).bitand(x.le(0.0)).bitand(x.eq(x.floor()))


def _reflected(z: Value) -> tuple[Value, Value, Value, Value]:
    """Whether z is reflected, 1 - z or z, and sin and cos of pi z where it is."""
    x, y = z.real(), z.imag()
    turn = x.lt(0.0).bitand(y.abs().le(HIGH)).bitand(_pole(z).bitnot())
    x, y = turn.select(x, 0.25), turn.select(y, 0.0) * math.pi
    angle = (x - (x * 0.5).rint() * 2.0) * math.pi
    sin = (angle.sin() * y.cosh()).complex(angle.cos() * y.sinh())
    cos = (angle.cos() * y.cosh()).complex(-(angle.sin() * y.sinh()))
    mirrored = (-z.real() + 1.0).complex(-z.imag())
    place = turn.select(mirrored, z)
    return turn, _pole(z).select(place.full_like(1.0), place), sin, cos


ZETA = tuple(
    (-1) ** k / k * (sum(n**-k for n in range(1, 30)) + 30.0 ** (1 - k) / (k - 1) + 0.5 * 30.0**-k
    + k / 12 * 30.0 ** (-k - 1) - k * (k + 1) * (k + 2) / 720 * 30.0 ** (-k - 3)
    + k * (k + 1) * (k + 2) * (k + 3) * (k + 4) / 30240 * 30.0 ** (-k - 5))
    for k in range(24, 1, -1)
)  # fmt: skip
"""(-1)^k zeta(k) / k by Euler and Maclaurin's formula, the highest k first: DLMF 5.7.3."""


def _near_zeros(z: Value) -> tuple[Value, Value]:
    """Whether z is near 1 or 2, where log gamma is 0, and its series there.

    About 2 it is that about 1 and log(z - 1).
    """
    x, y = z.real(), z.imag()
    second = x.gt(1.5)
    t = (x - second.select(2.0, x.full_like(1.0))).complex(y)
    near = t.real().abs().max(y.abs()).lt(0.15)
    t = near.select(t, t.full_like(0.0))
    first = t * (t * _horner(ZETA, t) - 0.5772156649015329)
    return near, first + second.select(t, t.full_like(0.0)).log1p()


def loggamma(z: Value) -> Value:
    """The branch that is real for positive z, with its cut along the negative axis.

    log gamma(z) = log gamma(z + 1) - log z holds off the cut with the main branch of log. On the
    left it is log pi - log sin(pi z) - log gamma(1 - z) and a multiple of 2 pi i: D. E. G. Hare,
    "Computing the principal branch of log-Gamma", Journal of Algorithms 25 (1997).
    """
    turn, place, sin, _ = _reflected(z)
    far = place + float(STEPS)
    inverse = far.full_like(1.0) / far
    series = _horner(STIRLING, inverse * inverse) * inverse
    found = (far - 0.5) * far.log() - far + 0.5 * math.log(2 * math.pi) + series
    for k in range(STEPS):
        found = found - (place + float(k)).log()
    near, about = _near_zeros(place)
    found = near.select(about, found)
    turns = (z.real() * 0.5 + 0.25).floor()
    shift = turns.full_like(2 * math.pi).copysign(z.imag()) * turns
    mirrored = turns.full_like(math.log(math.pi)).complex(shift) - sin.log() - found
    return _pole(z).select(complex(math.nan, math.nan), turn.select(mirrored, found))


def gamma(z: Value) -> Value:
    """exp of its logarithm, as in SciPy."""
    return loggamma(z).exp()


def rgamma(z: Value) -> Value:
    """1 / gamma, which is 0 at the poles."""
    pole = _pole(z)
    inside = pole.select(z.full_like(1.0), z)
    return pole.select(z.full_like(0.0), (-loggamma(inside)).exp())


def digamma(z: Value) -> Value:
    """digamma(z + 1) - 1 / z, and on the left digamma(1 - z) - pi cot(pi z)."""
    turn, place, sin, cos = _reflected(z)
    far = place + float(STEPS)
    inverse = far.full_like(1.0) / far
    square = inverse * inverse
    found = far.log() - inverse * 0.5 + _horner(SLOPES, square) * square
    for k in range(STEPS):
        shifted = place + float(k)
        found = found - shifted.full_like(1.0) / shifted
    mirrored = found - cos / sin * math.pi
    return _pole(z).select(complex(math.nan, math.nan), turn.select(mirrored, found))


RULES: dict[str, Rule] = {
    "erf": erf,
    "erfc": erfc,
    "erfcx": _scaled,
    "erfi": erfi,
    "dawsn": dawsn,
    "loggamma": loggamma,
    "gamma": gamma,
    "rgamma": rgamma,
    "psi": digamma,
}


def _by_kind(real: Callable[..., Value], rule: Rule) -> Callable[..., Value]:
    def evaluate(z: Value) -> Value:
        if not z.type.is_complex:
            return real(z)
        return rule(z.to(COMPLEX128)).to(COMPLEX64 if z.dtype == COMPLEX64 else COMPLEX128)

    return evaluate


def _product(name: str) -> Callable[..., Value]:
    """x log(y) or x log(1 + y), and 0 where x is, unless y is NaN."""
    real = LOWERINGS[name]

    def evaluate(x: Value, y: Value) -> Value:
        if not x.type.is_complex:
            return real(x, y)
        log = y.log1p() if name == "xlog1py" else y.log()
        zero = x.eq(0.0).bitand(y.eq(y))
        return zero.select(x.full_like(0.0), x * log)

    return evaluate


LOWERINGS.update({name: _by_kind(LOWERINGS[name], rule) for name, rule in RULES.items()})
LOWERINGS.update({name: _product(name) for name in ("xlogy", "xlog1py")})
