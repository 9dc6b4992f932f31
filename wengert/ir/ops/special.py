"""Special functions: the error function, gamma and Bessel families.

Those outside the scalar vocabulary are computed in float64: by `expansions`, or by calls of SciPy's
compiled functions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops import expansions
from wengert.ir.ops.families import PartialRule, elementwise, scipy_special
from wengert.ir.ops.samples import both, operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64, FLOATS

S = ScalarBuilder
SQRT_PI = math.sqrt(math.pi)
FAR = 40.0
TAIL = 6.0
"""From where on derivatives of the normal tail are a fraction; nearer, little cancels in them."""
LEVELS = 24
SERIES = 9.0
"""From where on Dawson's integral has an asymptotic series for its derivative."""
TERMS = 16


def _called(
    name: str,
    routine: str,
    partial: PartialRule,
    *domains: tuple[float, float],
    cost: int = 60,
    doc: str,
) -> None:
    """A unary function, SciPy's `routine`: called in SciPy unless there is an expansion."""

    def scalar(s: S, x: Expr) -> Expr:
        wide = s.cast(x, FLOAT64)
        expansion = getattr(expansions, routine, None)
        return s.cast(s.call(routine, wide) if expansion is None else expansion(s, wide), x.dtype)

    elementwise(
        name,
        1,
        FLOATS,
        scipy_special(routine),
        scalar,
        partials=[partial],
        family="special",
        cost=cost,
        samples=both(*(operands(d, tolerance=16) for d in domains)),
        doc=doc,
    )


# The error function and the normal distribution.


def _gauss(x: Value, factor: float) -> Value:
    """factor * exp(-x^2).

    Beyond FAR it is 0 in every precision, and so are its slopes: x there would give 0 * infinity.
    """
    near = x.abs().gt(FAR).select(FAR, x)
    return (-near * near).exp() * factor


def _error_function(name: str, factor: float, doc: str) -> None:
    op = ScalarOp(name)
    elementwise(
        name,
        1,
        FLOATS,
        scipy_special(name),
        lambda s, x: s.maths(op, x),
        family="special",
        cost=25,
        partials=[lambda x, out: _gauss(x, factor)],
        samples=operands((-3, 3), tolerance=16),
        doc=doc,
    )


_error_function("erf", 2 / SQRT_PI, "the error function")
_error_function("erfc", -2 / SQRT_PI, "1 - erf(x), exact for large x")


# The normal density over its tail beyond t > 0 is t + h, h = 1/(t + 2/(t + 3/(t + ...))), the
# continued fraction of Laplace (DLMF 7.9). With F_k = 1 + (k + 1) s / F_{k+1}, s = 1/t^2, the
# fraction is t h = 1 / F_1. If F_k = A_k / A_{k+1}, then A_k = A_{k+1} + (k + 1) s A_{k+2}: cut
# after so many levels, t h is A_2 / A_1, two polynomials in s with positive coefficients, in whose
# derivatives nothing cancels. From TAIL on the third derivative is right to 1e-12.


def _tail_polynomials() -> tuple[list[int], list[int]]:
    """A_2 and A_1, by powers of s."""
    this, after = [1], [1]
    for k in range(LEVELS - 1, 0, -1):
        longer = [0, *((k + 1) * c for c in after)]
        rest = [*this, *[0] * (len(longer) - len(this))]
        pairs = zip(rest, [*longer, *[0] * (len(rest) - len(longer))], strict=True)
        this, after = [a + b for a, b in pairs], this
    return after, this


ABOVE, BELOW = _tail_polynomials()


def _tail_fraction(square: Value) -> Value:
    """t h, for 1/t^2."""

    def polynomial(coefficients: list[int]) -> Value:
        total = square.full_like(float(coefficients[-1]))
        for coefficient in coefficients[-2::-1]:
            total = total * square + float(coefficient)
        return total

    return polynomial(ABOVE) / polynomial(BELOW)


def _far(x: Value, beyond: Value, least: float) -> Value:
    """x where a series is taken, and a number that does not move elsewhere."""
    return beyond.select(x, x.full_like(least))


def _log_ndtr_partial(x: Value, out: Value) -> Value:
    """The density over the function. On the left it is t + h, t = -x, where its factors cancel in
    the exponent; on the right it is 0, and so are its slopes."""
    left = x.lt(-TAIL)
    t = _far(-x, left, TAIL)
    inverse = 1 / t
    near = left.select(x.full_like(-TAIL), x.gt(FAR).select(FAR, x))
    direct = (near * near * -0.5 - out).exp() * (1 / math.sqrt(2 * math.pi))
    return left.select(t + inverse * _tail_fraction(inverse * inverse), direct)


def _erfcx_partial(x: Value, out: Value) -> Value:
    """erfcx(x) is sqrt(2/pi) / (t + h), t = sqrt(2) x, and (t + h)' = h (t + h), so that the slope
    is -2/sqrt(pi) h / (t + h)."""
    right = x.gt(TAIL * math.sqrt(0.5))
    inverse = 1 / _far(x, right, TAIL)
    square = inverse * inverse * 0.5
    share = square * _tail_fraction(square)
    return right.select(share / (share + 1.0) * (-2 / SQRT_PI), x * out * 2 - 2 / SQRT_PI)


def _dawsn_partial(x: Value, out: Value) -> Value:
    """Far out it is minus z + 3 z^2 + 15 z^3 + ..., z = 1 / (2 x^2)."""
    outside = x.abs().gt(SERIES)
    inverse = 1 / _far(x, outside, SERIES)
    z = inverse * inverse * 0.5
    total = z.full_like(1.0)
    for odd in range(2 * TERMS - 1, 1, -2):
        total = total * z * odd + 1.0
    return outside.select(-(total * z), 1 - x * out * 2)


_called(
    "log_ndtr",
    "log_ndtr",
    _log_ndtr_partial,
    *((-3, 3), (-40, -7)),
    doc="the logarithm of the normal distribution function",
)
_called("erfcx", "erfcx", _erfcx_partial, (-2, 3), (5, 40), doc="e**(x**2) erfc(x)")
_called("dawsn", "dawsn", _dawsn_partial, (-3, 3), (10, 40), doc="Dawson's integral")


# The gamma family.

_called("gamma", "gamma", lambda x, out: out * x.digamma(), (0.5, 4), (-2.7, -2.3), doc="gamma(x)")
_called(
    "gammaln", "gammaln", lambda x, out: x.digamma(), (0.5, 9), (-2.7, -2.3), doc="log |gamma(x)|"
)
_called(
    "digamma",
    "psi",
    lambda x, out: x.polygamma(order=1),
    (0.5, 9),
    (-2.7, -2.3),
    doc="the derivative of gammaln",
)

# polygamma(n, x), the n-th derivative of digamma, n >= 1. For x >= 1/2 it is
# (-1)^(n+1) n! zeta(n+1, x) with Hurwitz' zeta, which is summed by Euler and Maclaurin (DLMF
# 25.11.28 with a = x + N):
#   zeta(s, x) = sum_{k<N} (x+k)^-s + a^(1-s)/(s-1) + a^-s/2
#                + sum_j B_2j/(2j)! s(s+1)...(s+2j-2) a^(-s-2j+1).
# With N = 10 and ten terms the remainder is below float64's rounding for s up to 10 or so. Left of
# 1/2 the reflection digamma(1-x) - digamma(x) = pi cot(pi x) is differentiated n times (DLMF
# 5.15.6), where d/dx P(cot pi x) = -pi (1 + c^2) P'(c).

SHIFT = 10
BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
)


def _power(s: S, x: Expr, exponent: int) -> Expr:
    result = s.like(1, x)
    for _ in range(exponent):
        result = s.mul(result, x)
    return result


def _hurwitz(s: S, order: int, x: Expr) -> Expr:
    """zeta(order, x) for x >= 1/2."""
    one = s.like(1, x)
    total = s.like(0, x)
    a = s.add(x, SHIFT)
    inverse = s.div(one, a)
    square = s.mul(inverse, inverse)
    for j in range(len(BERNOULLI), 0, -1):
        rising = math.prod(range(order, order + 2 * j - 1))
        total = s.add(s.mul(total, square), BERNOULLI[j - 1] * rising / math.factorial(2 * j))
    tail = s.add(s.mul(total, inverse), 0.5)
    tail = s.mul(s.add(tail, s.mul(a, 1 / (order - 1))), _power(s, inverse, order))
    for k in reversed(range(SHIFT)):
        tail = s.add(tail, _power(s, s.div(one, s.add(x, k)), order))
    return tail


def _cotangent_derivative(order: int) -> list[float]:
    """Coefficients of P with d^order/dx^order cot(x) = P(cot x), lowest first."""
    coefficients = [0.0, 1.0]
    for _ in range(order):
        slope = [-k * c for k, c in enumerate(coefficients)][1:]
        coefficients = [
            (slope[k] if k < len(slope) else 0.0) + (slope[k - 2] if k >= 2 else 0.0)
            for k in range(len(slope) + 2)
        ]
    return coefficients


def _polygamma(s: S, x: Expr, order: int) -> Expr:
    kept, sign = s.cast(x, FLOAT64), (-1) ** (order + 1)
    left = s.lt(kept, 0.5)
    right = s.select(left, s.sub(s.like(1, kept), kept), kept)
    value = s.mul(_hurwitz(s, order + 1, right), float(sign * math.factorial(order)))
    angle = s.mul(s.sub(kept, s.unary(ScalarOp.RINT, kept)), math.pi)
    cot = s.div(s.maths(ScalarOp.COS, angle), s.maths(ScalarOp.SIN, angle))
    turned = s.like(0, kept)
    for coefficient in reversed(_cotangent_derivative(order)):
        turned = s.add(s.mul(turned, cot), coefficient)
    reflected = s.sub(s.mul(value, float((-1) ** order)), s.mul(turned, math.pi ** (order + 1)))
    pole = s.and_(s.le(kept, 0), s.eq(kept, s.unary(ScalarOp.RINT, kept)))
    result = s.select(left, s.select(pole, sign * math.inf, reflected), value)
    return s.cast(result, x.dtype)


def _evaluate_polygamma(x: Any, order: int) -> Any:
    return scipy_special("polygamma")(np.int64(order), x.astype(np.float64))


elementwise(
    "polygamma",
    1,
    FLOATS,
    _evaluate_polygamma,
    _polygamma,
    params=("order",),
    family="special",
    partials=[lambda x, out, order: x.polygamma(order=order + 1)],
    cost=99,
    samples=both(
        *(operands((0.5, 9), order=n, special=False, tolerance=64) for n in (1, 2, 3)),
        *(operands((-2.7, -2.3), order=n, special=False, tolerance=64) for n in (1, 2)),
    ),
    doc="the derivative of digamma of this order, 1 or more",
)


# Bessel functions. The slope of i1, i0 - i1/x, cancels near 0; there, and for its own slopes, it is
# the series of DLMF 10.25.2, the sum of (2k + 1)/2 (x/2)^2k / (k! (k + 1)!), with alternating signs
# for j1. Where i0 has overflowed, so have all slopes.

NEAR_ZERO = 1.0


def _slope_near_zero(x: Value, sign: int) -> Value:
    quarter = x * x * 0.25
    total = x.full_like(0.0)
    for k in range(9, -1, -1):
        scale = math.factorial(k) * math.factorial(k + 1)
        total = total * quarter + sign**k * (k + 0.5) / scale
    return total


def _divided_slope(sign: int, outside: PartialRule) -> PartialRule:
    """The slope of i1 or j1: the series near 0, `outside` elsewhere."""

    def partial(x: Value, out: Value) -> Value:
        inside = x.abs().lt(NEAR_ZERO)
        near, far = inside.select(x, 0.0), inside.select(NEAR_ZERO, x)
        beyond: Any = outside  # pyright: ignore[reportAssignmentType]
        return inside.select(_slope_near_zero(near, sign), beyond(far, out))

    return partial


def _i1_slope(x: Value, out: Value) -> Value:
    i0 = x.i0()
    return i0.eq(math.inf).select(i0, i0 - out / x)


def _i1e_slope(x: Value, out: Value) -> Value:
    inside = x.abs().lt(NEAR_ZERO)
    near, far = inside.select(x, 0.0), inside.select(NEAR_ZERO, x)
    series = (-near.abs()).exp() * _slope_near_zero(near, 1) - near.sign() * out
    return inside.select(series, far.i0e() - out * (far.sign() + 1 / far))


_called("i0", "i0", lambda x, out: x.i1(), (-3, 3), doc="modified Bessel function of order 0")
_called(
    "i1",
    "i1",
    _divided_slope(1, _i1_slope),
    *((-0.9, 0.9), (1.1, 3)),
    doc="modified Bessel function of order 1",
)
_called("i0e", "i0e", lambda x, out: x.i1e() - x.sign() * out, (0.5, 3), doc="e**-|x| i0(x)")
_called("i1e", "i1e", _i1e_slope, *((0.1, 0.9), (1.1, 3)), doc="e**-|x| i1(x)")
_called("j0", "j0", lambda x, out: -x.j1(), (-3, 3), doc="Bessel function of order 0")
_called(
    "j1",
    "j1",
    _divided_slope(-1, lambda x, out: x.j0() - out / x),
    *((-0.9, 0.9), (1.1, 3)),
    doc="Bessel function of order 1",
)


def _y1_slope(x: Value, out: Value) -> Value:
    """y0 - y1/x; at the pole what it is like, 2 / (pi x^2)."""
    pole = x.eq(0.0)
    like = 1 / pole.select(x, 1.0)
    return pole.select(like * like * (2 / math.pi), x.y0() - out / x)


_called(
    "y0",
    "y0",
    lambda x, out: -x.y1(),
    (0.5, 4),
    doc="Bessel function of the second kind of order 0",
)
_called(
    "y1",
    "y1",
    _y1_slope,
    (0.5, 4),
    doc="Bessel function of the second kind of order 1",
)

# Others, by their defining integrals: DLMF 6.2, 7.2 and 25.12.


def _dilogarithm_slope(x: Value, out: Value) -> Value:
    one = x.eq(1.0)
    return one.select(-1.0, x.log() / one.select(1.0, 1.0 - x))


_called("erfi", "erfi", lambda x, out: (x * x).exp() * (2 / SQRT_PI), (-2, 2), doc="-i erf(i x)")
_called("spence", "spence", _dilogarithm_slope, (0.2, 3), doc="the integral of log(t) / (1 - t)")
