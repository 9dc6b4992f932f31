"""Quantiles of the normal distribution: erfinv, erfcinv, ndtri and ndtri_exp, which vectorise.

Where the result is zero its sign is SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wengert.ir.builder import Value
from wengert.ir.ops import expansions
from wengert.ir.ops.families import elementwise, scipy_special
from wengert.ir.ops.samples import both, operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT32, FLOAT64, FLOATS

S = ScalarBuilder
ROOT_HALF = math.sqrt(0.5)
SQRT_PI = math.sqrt(math.pi)

# M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied
# Statistics 37 (1988), PPND16: ratios of polynomials, lowest coefficient first, for
# |p - 1/2| <= 0.425 and for r = sqrt(-log min(p, 1 - p)) up to 5 and beyond. 16 digits.
CENTRE = 0.425
CENTRAL = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
MIDDLE = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
FAR = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)

# M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade Edition (2011): erfinv(x)/x
# as polynomials of w - 2.5 for w = -log(1 - x^2) < 5, and of sqrt(w) - 3. Single precision.
SINGLE_CENTRAL = (
    1.50140941,
    0.246640727,
    -0.00417768164,
    -0.00125372503,
    0.00021858087,
    -4.39150654e-06,
    -3.5233877e-06,
    3.43273939e-07,
    2.81022636e-08,
)
SINGLE_FAR = (
    2.83297682,
    1.00167406,
    0.00943887047,
    -0.0076224613,
    0.00573950773,
    -0.00367342844,
    0.00134934322,
    0.000100950558,
    -0.000200214257,
)


def _polynomial(s: S, x: Expr, coefficients: Sequence[float]) -> Expr:
    result = s.like(coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        result = s.add(s.mul(result, x), coefficient)
    return result


def _ratio(s: S, x: Expr, parts: tuple[Sequence[float], Sequence[float]]) -> tuple[Expr, Expr]:
    over, under = parts
    return _polynomial(s, x, over), _polynomial(s, x, under)


def _quantile(s: S, x: Expr, scale: float, tail: Expr, factor: float) -> Expr:
    """`factor` times the normal quantile of p = 1/2 + scale x; `tail` is min(p, 1 - p). float64."""
    r = s.unary(ScalarOp.SQRT, s.neg(s.maths(ScalarOp.LOG, tail)))
    q = s.mul(x, scale)
    far, central = s.gt(r, 5), s.le(s.abs(q), CENTRE)
    centre = s.sub(s.like(CENTRE * CENTRE, q), s.mul(q, q))
    parts = [_ratio(s, s.sub(r, 5), FAR), _ratio(s, s.sub(r, 1.6), MIDDLE)]
    outer = [s.select(far, x, y) for x, y in zip(*parts, strict=True)]
    inner = _ratio(s, centre, CENTRAL)
    over, under = (s.select(central, x, y) for x, y in zip(inner, outer, strict=True))
    value = s.div(over, under)
    edge = s.copysign(s.select(s.eq(tail, 0), math.inf, value), x)
    # x is scaled last: it may be subnormal
    near = s.add(s.mul(s.mul(value, scale * abs(factor)), x), 0.0)
    near = near if factor > 0 else s.neg(near)
    return s.select(central, near, s.mul(edge, factor))


def _erfinv(s: S, x: Expr) -> Expr:
    if x.dtype == FLOAT64:
        tail = s.mul(s.sub(s.like(1, x), s.abs(x)), 0.5)
        return _quantile(s, x, 0.5, tail, ROOT_HALF)
    return s.cast(_single_erfinv(s, s.cast(x, FLOAT32)), x.dtype)


def _single_erfinv(s: S, x: Expr) -> Expr:
    one = s.like(1, x)
    w = s.neg(s.maths(ScalarOp.LOG, s.mul(s.sub(one, x), s.add(one, x))))
    near = s.lt(w, 5)
    at = s.select(near, s.sub(w, 2.5), s.sub(s.unary(ScalarOp.SQRT, w), 3))
    result = s.like(0, x)
    for k in reversed(range(len(SINGLE_FAR))):
        coefficient = s.select(near, s.like(SINGLE_CENTRAL[k], x), s.like(SINGLE_FAR[k], x))
        result = s.add(s.mul(result, at), coefficient)
    found = s.add(s.mul(result, x), 0.0)
    return s.select(s.eq(s.abs(x), 1), s.copysign(s.like(math.inf, x), x), found)


def _erfcinv(s: S, x: Expr) -> Expr:
    y = s.cast(x, FLOAT64)
    tail = s.mul(s.min(y, s.sub(s.like(2, y), y)), 0.5)
    return s.cast(_quantile(s, s.sub(y, 1), 0.5, tail, -ROOT_HALF), x.dtype)


def _ndtri(s: S, x: Expr) -> Expr:
    p = s.cast(x, FLOAT64)
    tail = s.min(p, s.sub(s.like(1, p), p))
    return s.cast(_quantile(s, s.sub(p, 0.5), 1.0, tail, 1.0), x.dtype)


# ndtri_exp(y) is the quantile of e^y. Where that nears underflow it is found by Newton's steps on
# log_ndtr(x) = y from what it tends to: x^2 = -2y - log(-4 pi y), as log_ndtr(x) is nearly
# -x^2/2 - log(-x sqrt(2 pi)) (DLMF 7.12.1), with a slope of nearly -x.
DEEP = -600.0
NEWTON = 3


def _ndtri_exp(s: S, x: Expr) -> Expr:
    y = s.cast(x, FLOAT64)
    deep = s.lt(y, DEEP)
    shallow = s.select(deep, s.like(-1, y), y)
    p = s.maths(ScalarOp.EXP, shallow)
    tail = s.min(p, s.neg(s.maths(ScalarOp.EXPM1, shallow)))
    found = _quantile(s, s.sub(p, 0.5), 1.0, tail, 1.0)
    low = s.select(deep, y, s.like(DEEP, y))
    size = s.neg(low)
    log = s.add(s.maths(ScalarOp.LOG, size), math.log(4 * math.pi))
    half = s.unary(ScalarOp.SQRT, s.sub(size, s.mul(log, 0.5)))
    far = s.mul(half, -math.sqrt(2))
    for _ in range(NEWTON):
        # log_ndtr(x) - y with x^2/2 + y as one difference
        scaled = expansions.erfcx(s, s.mul(far, -ROOT_HALF))
        rest = s.sub(s.maths(ScalarOp.LOG, s.mul(scaled, 0.5)), s.fma(far, s.mul(far, 0.5), low))
        far = s.add(far, s.div(rest, far))
    far = s.select(s.eq(y, -math.inf), y, far)
    outside = s.select(s.gt(y, 0), s.like(math.nan, y), found)
    return s.cast(s.select(deep, far, outside), x.dtype)


def _ndtr_over_density(y: Value, x: Value) -> Value:
    """e^y over the density at x, as that of erfc: y and x^2/2 are large where they nearly cancel.

    e^y is ndtr(x) = erfc(-x/sqrt 2) / 2, and the density exp(-x^2/2) / sqrt(2 pi).
    """
    return (x * -ROOT_HALF).erfcx() * math.sqrt(math.pi / 2)


def _gauss(out: Value, factor: float, scale: float = 1.0) -> Value:
    """The partial, 1 / density: factor * exp(scale out^2)."""
    return (out * out * scale).exp() * factor


elementwise(
    "erfinv",
    1,
    FLOATS,
    scipy_special("erfinv"),
    _erfinv,
    family="special",
    cost=40,
    partials=[lambda x, out: _gauss(out, SQRT_PI / 2)],
    samples=operands((-0.9, 0.9), tolerance=16),
    doc="the inverse of erf",
)
elementwise(
    "erfcinv",
    1,
    FLOATS,
    scipy_special("erfcinv"),
    _erfcinv,
    family="special",
    cost=40,
    partials=[lambda x, out: _gauss(out, -SQRT_PI / 2)],
    samples=operands((0.1, 1.9), tolerance=16),
    doc="the inverse of erfc",
)
elementwise(
    "ndtri",
    1,
    FLOATS,
    scipy_special("ndtri"),
    _ndtri,
    family="special",
    cost=40,
    partials=[lambda x, out: _gauss(out, math.sqrt(2 * math.pi), 0.5)],
    samples=operands((0.1, 0.9), tolerance=16),
    doc="the quantile of the normal distribution",
)
elementwise(
    "ndtri_exp",
    1,
    FLOATS,
    scipy_special("ndtri_exp"),
    _ndtri_exp,
    family="special",
    cost=80,
    partials=[_ndtr_over_density],
    samples=both(operands((-9, -0.1), tolerance=16), operands((-2e3, -5e2), tolerance=16)),
    doc="the x for which log_ndtr(x) is y",
)
