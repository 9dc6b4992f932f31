"""Ratios of gamma functions: binomial coefficients, rising factorials, and counts by them."""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering
from wengert.tracer.functions.special import alternating, beta, gammasgn, natural, rgamma

FACTORS = 20
"""Up to so many, products of factors are taken instead of logarithms of gamma, as SciPy does."""
# of DLMF 5.11.1, divided by z
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def _far_ratio(z: Value, m: Value) -> tuple[Value, Value]:
    """gamma(z + m) / gamma(z) and where it is: for large z and few factors.

    Logarithms of gamma cancel there. Powers of the middle of the factors make a series of every
    second term. DLMF 5.11.14.
    """
    far = z.gt(1e5).bitand(m.mul(m).le(z.mul(4e-3)))
    z, m = far.select(z, 1.0), far.select(m, 1.0)
    middle = z.add(m.sub(1.0).mul(0.5))
    correction = m.mul(m.mul(m).sub(1.0)).div(middle.mul(middle).mul(24.0))
    return middle.pow(m).mul((-correction).exp()), far


def _stirling_error(z: Value) -> Value:
    """log(gamma(z + 1)) less Stirling's (z + 1/2) log(z) - z + log(2 pi) / 2, for z > 0."""
    large = z.ge(10.0)
    inverse = 1.0 / large.select(z, 10.0)
    square = inverse.mul(inverse)
    series = z.full_like(0.0)
    for coefficient in reversed(STIRLING):
        series = series.mul(square).add(coefficient)
    small = large.select(1.0, z)
    stirling = small.add(0.5).mul(small.log()).sub(small).add(0.5 * math.log(2 * math.pi))
    return large.select(series.mul(inverse), small.add(1.0).gammaln().sub(stirling))


def _by_stirling(n: Value, k: Value, rest: Value) -> Value:
    """n over k for positive n, k and rest = n - k.

    Only the small parts of logarithms of gamma are subtracted. C. Loader, "Fast and accurate
    computation of binomial probabilities", 2000.
    """
    errors = _stirling_error(n).sub(_stirling_error(k)).sub(_stirling_error(rest))
    logs = k.mul(rest.div(k).log1p()).add(rest.mul(k.div(rest).log1p()))
    return n.div(k.mul(2 * math.pi)).div(rest).sqrt().mul(errors.add(logs).exp())


def _by_factors(n: Value, k: Value) -> tuple[Value, Value]:
    """The product of k factors, by symmetry of the fewer ones, and where there are few."""
    mirrored = n.eq(n.floor()).bitand(n.gt(0.0)).bitand(k.mul(2.0).gt(n))
    fewer = mirrored.select(n.sub(k), k)
    few = natural(fewer).bitand(fewer.lt(float(FACTORS))).bitand(n.abs().lt(1e15))
    few = few.bitand(n.abs().gt(1e-8).bitor(n.eq(0.0)))
    count = few.select(fewer, 0.0)
    start = few.select(n, 1.0).sub(count)
    top, bottom = n.full_like(1.0), n.full_like(1.0)
    for i in range(1, FACTORS):
        more = count.ge(float(i))
        top = more.select(top.mul(start.add(float(i))), top)
        bottom = more.select(bottom.mul(float(i)), bottom)
    return top.div(bottom), few


@lowering("binom")
def binom(n: Value, k: Value) -> Value:
    """gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1)), which is 0 at the poles below."""
    rest = n.add(1.0).sub(k)
    before = k.le(-1.0).bitand(k.eq(k.floor())).bitand(n.isnan().bitnot())
    none = before.bitor(natural(-rest))
    k_, rest = none.select(0.0, k), none.select(1.0, rest)
    near = 1.0 / beta(k_.add(1.0), rest).mul(n.add(1.0))
    inner = k_.gt(0.0).bitand(rest.gt(1.0)).bitand(n.lt(math.inf))
    parts = (inner.select(v, w) for v, w in ((n, 2.0), (k_, 1.0), (rest.sub(1.0), 1.0)))
    near = inner.select(_by_stirling(*parts), near)
    ratio, far = _far_ratio(rest, k_)
    ratio = ratio.mul(rgamma(far.select(k_, 0.0).add(1.0)))
    found = none.select(0.0, far.select(ratio, near))
    product, few = _by_factors(n, k)
    # the product has no slope in k: it only takes away the rounding errors
    few = few.bitand(none.bitnot()).bitand(found.isfinite())
    error = few.select(product.sub(found), 0.0).stop_gradient()
    found = found.add(error)
    # SciPy has the limit for infinite n where it multiplies k factors, and far below 0
    factors = natural(k).bitand(k.lt(20.0))
    limit = factors.select(k.eq(0.0).select(1.0, k.full_like(math.inf)), math.nan)
    limit = k.le(-1.0).select(0.0, limit)
    pole = n.lt(0.0).bitand(n.eq(n.floor()))
    return pole.select(math.nan, n.eq(math.inf).select(limit, found))


def _rising(z: Value, m: Value) -> tuple[Value, Value]:
    """The product of m factors from z on, or 1 over that of -m below it, and where it is one."""
    whole = m.eq(m.floor()).bitand(m.abs().le(float(FACTORS)))
    whole = whole.bitand(z.abs().lt(1e15))
    base, count = whole.select(z, 1.0), whole.select(m, 0.0)
    top, bottom = z.full_like(1.0), z.full_like(1.0)
    for i in range(FACTORS):
        up, down = count.gt(float(i)), count.lt(-float(i))
        top = up.select(top.mul(base.add(float(i))), top)
        bottom = down.select(bottom.mul(base.sub(i + 1.0)), bottom)
    return top.div(bottom), whole.bitand(bottom.ne(0.0))


def _by_gamma(z: Value, m: Value) -> Value:
    """The same by logarithms of gamma."""
    end = z.add(m)
    from_pole, to_pole = natural(-z), natural(-end)
    both = from_pole.bitand(to_pole)
    top, base = both.select(1.0 - z, end), both.select(1.0 - end, z)
    sign = both.select(alternating(m), gammasgn(top).mul(gammasgn(base)))
    ratio, far = _far_ratio(base, m)
    found = far.select(ratio, top.gammaln().sub(base.gammaln()).exp()).mul(sign)
    found = to_pole.select(both.select(found, math.inf), from_pole.select(0.0, found))
    # SciPy has the limit for infinite z where one factor leaves it a power of z
    factors = z.gt(0.0).select(2.0, z.full_like(1.0))
    few = z.gt(0.0).bitor(m.eq(m.floor())).bitand(m.abs().le(factors))
    limit = few.select(m.gt(0.0).select(z, 0.0), math.nan)
    found = z.abs().eq(math.inf).select(limit, found)
    # the formula has 1 with its slope unless z is infinite, NaN or a pole
    return m.eq(0.0).bitand(found.eq(1.0).bitnot()).select(1.0, found)


@lowering("poch")
def poch(z: Value, m: Value) -> Value:
    """gamma(z + m) / gamma(z), by reflection where both are at a pole."""
    found = _by_gamma(z, m)
    product, whole = _rising(z, m)
    # the product has the slope in z, at poles too, and the other formula that in m
    moving = _by_gamma(z.stop_gradient(), m)
    moving = moving.sub(moving.stop_gradient())
    moving = moving.isfinite().select(moving, 0.0)
    return whole.select(product.add(moving), found)
