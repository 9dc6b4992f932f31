"""Incomplete gamma and beta functions and hyp1f1, with derivatives in all of their arguments.

Values are SciPy's. Derivatives in the last argument are closed forms. Those in the parameters, of
any order, are ops of their own: sums whose terms are series in the parameters (`jets`), so that
each is differentiated term by term.

- P(a, x) = D S with D = x^a e^-x / gamma(a + 1), S the sum of t[n], t[0] = 1 and
  t[n] = t[n-1] x / (a + n), for x < a + 1; else 1 - a D / (b[0] + a[1] / (b[1] + a[2] / ...)) with
  b[n] = x + 2n + 1 - a and a[n] = n (a - n). R. J. Moore, "Algorithm AS 187: derivatives of the
  incomplete gamma integral", Applied Statistics 31, 1982.
- I(a, b, x) = x^a (1 - x)^b / (a beta(a, b)) times the sum of t[n], t[0] = 1 and
  t[n] = t[n-1] x (a + b + n - 1) / (a + n), for x < (a + 1) / (a + b + 2); else
  1 - I(b, a, 1 - x). DLMF 8.17.8. R. J. Boik, J. F. Robison-Cox, "Derivatives of the incomplete
  beta function", Journal of Statistical Software 3, 1998, has continued fractions instead.
- M(a, b, z) is the sum of t[n], t[0] = 1 and t[n] = t[n-1] z (a + n - 1) / ((b + n - 1) n), for
  z > 0; else e^z M(b - a, b, -z). DLMF 13.2.2 and 13.2.39.

They lose digits as the logarithm of D cancels: about as many as a has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.families import PartialRule, elementwise, elementwise_made, scipy_special
from wengert.ir.ops.jets import D, E, Key, Series, degrees, log_gamma, summed
from wengert.ir.ops.samples import Samples, draw
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import FLOAT32, FLOAT64, FLOATS

EPSILON = float(np.finfo(FLOAT64).eps)
ONLY = {E: 1.0}


def few_samples(*domains: tuple[float, float], **params: Any) -> Samples:
    """Few and small ones: each turn of a sum is much work for an interpreter."""

    def drawn(dtype: Any, *shapes: tuple[int, ...]) -> Sample:
        arrays = [
            draw(dtype, shape, low, high, k)
            for k, ((low, high), shape) in enumerate(zip(domains, shapes, strict=True))
        ]
        return Sample(tuple(arrays), params, tolerance=1e4 if params else 64)

    rest = len(domains) - 1
    beside = [] if params else [drawn(FLOAT64, (), *[(2,)] * rest)]
    return lambda: [
        drawn(FLOAT64, *[(2,)] * (rest + 1)),
        drawn(FLOAT32, *[(1,)] * (rest + 1)),
        *beside,
    ]


def called(
    name: str, partials: Sequence[PartialRule], *domains: tuple[float, float], doc: str
) -> None:
    """A function of several arguments, SciPy's of the same name."""

    def scalar(s: ScalarBuilder, *args: Expr) -> Expr:
        return s.cast(s.call(name, *[s.cast(x, FLOAT64) for x in args]), args[0].dtype)

    elementwise(
        name,
        len(domains),
        FLOATS,
        scipy_special(name),
        scalar,
        partials=partials,
        family="special",
        cost=200,
        samples=few_samples(*domains),
        doc=doc,
    )


def _changes(terms: Series, sums: Series, roundings: float = 1.0) -> Value:
    """Where some term is still more than rounding errors of its sum."""
    found = None
    for key, term in terms.terms.items():
        scale = (sums.terms[key].abs() + sums.terms[0, 0].abs()) * (EPSILON * roundings)
        more = term.abs().gt(scale)
        found = more if found is None else found.bitor(more)
    assert found is not None
    return found


def _sum_of(
    first: Series,
    ratio: Callable[[Value, Sequence[Value], Series], Series],
    consts: Sequence[Value],
) -> Series:
    """first + ratio(1, first) + ..., each term being made of the one before; else NaN."""
    keys = first.keys
    full = {k: first[k] for k in keys}
    start = [v if v is not None else first.terms[0, 0].full_like(0) for v in full.values()]
    count = len(keys)

    def step(n: Value, known: Sequence[Value], carry: Sequence[Value]) -> Any:
        terms = Series(dict(zip(keys, carry[:count], strict=True)), keys)
        sums = Series(dict(zip(keys, carry[count:], strict=True)), keys)
        terms = ratio(n, known, terms)
        sums = sums + terms
        made = [*(terms.terms[k] for k in keys), *(sums.terms[k] for k in keys)]
        return made, _changes(terms, sums)

    found, unsettled = summed(consts, [*start, *start], step)
    sums = dict(zip(keys, found[count:], strict=True))
    return Series(sums, keys).map(lambda v: unsettled.select(math.nan, v))


def _spread(n: Value, like: Value) -> Value:
    return n.broadcast(shape=like.shape, dims=()) if like.ndim else n


def _one(like: Value, keys: tuple[Key, ...]) -> Series:
    return Series({(0, 0): like.full_like(1)}, keys)


# gamma


def _gamma_factor(a: Value, power: Value, x: Value, keys: tuple[Key, ...]) -> Series:
    """x^power e^-x / gamma(a), where a and the power move together."""
    log = x.log()
    powers = {(0, 0): power * log - x, **({E: log} if E in keys else {})}
    return (Series(powers, keys) - log_gamma(a, keys, ONLY)).exp()


def _gamma_sum(a: Value, x: Value, keys: tuple[Key, ...]) -> Series:
    def ratio(n: Value, known: Sequence[Value], terms: Series) -> Series:
        at, point = known
        moved = terms.map(lambda v: v * point)
        return moved.over_linear(at + _spread(n, at), E)

    return _sum_of(_one(a, keys), ratio, [a, x])


def _gamma_fraction(a: Value, x: Value, keys: tuple[Key, ...]) -> Series:
    """The continued fraction by its convergents q / p, with p scaled to begin with 1."""
    count, none = len(keys), a.full_like(0)
    zero = [none] * (count - 1)
    start = x + 1.0 - a
    second = Series({(0, 0): start, **({E: a.full_like(-1)} if E in keys else {})}, keys)
    inverse = 1.0 / start
    q, p = [inverse, *zero], [(second[k] or none) * inverse for k in keys]
    carry = [none, *zero, inverse, *zero, *q, *p, *[none] * count]

    def step(n: Value, known: Sequence[Value], given: Sequence[Value]) -> Any:
        at, point = known
        parts = [
            Series(dict(zip(keys, given[k * count : (k + 1) * count], strict=True)), keys)
            for k in range(5)
        ]
        turn = _spread(n, at)
        over, under = (
            now.times_linear(point + turn * 2.0 + 1.0 - at, {E: -1.0})
            + before.map(lambda v: v * turn).times_linear(at - turn, {E: 1.0})
            for now, before in ((parts[2], parts[0]), (parts[3], parts[1]))
        )
        scale = 1.0 / under.terms[0, 0]
        over, under = over.map(lambda v: v * scale), under.map(lambda v: v * scale)
        old = [s.map(lambda v: v * scale) for s in parts[2:4]]
        found = over / under
        changed = _changes(found - parts[4], found, roundings=16)
        made = [s.terms[k] for s in (*old, over, under, found) for k in keys]
        return made, changed

    result, unsettled = summed([a, x], carry, step)
    found = Series(dict(zip(keys, result[4 * count :], strict=True)), keys)
    return found.map(lambda v: unsettled.select(math.nan, v))


def _gammainc_slope(a: Value, x: Value, *, order: int) -> Value:
    keys, key = degrees(order, second=False), (order, 0)
    inside = a.gt(0.0).bitand(x.gt(0.0)).bitand(x.lt(math.inf)).bitand(a.lt(math.inf))
    near = x.lt(a + 1.0)
    safe_a, safe_x = inside.select(a, 1.0), inside.select(x, 1.0)
    factor = _gamma_factor(safe_a + 1.0, safe_a, safe_x, keys)
    lower = _gamma_sum(safe_a, near.select(safe_x, safe_a), keys)
    upper = _gamma_fraction(safe_a, near.select(safe_a + 1.0, safe_x), keys)
    above = (factor * upper).times_linear(safe_a, ONLY)
    found = near.select((factor * lower).derivative(key), -above.derivative(key))
    edge = a.gt(0.0).bitand(a.lt(math.inf)).bitand(x.eq(0.0).bitor(x.eq(math.inf)))
    return inside.select(found, edge.select(0.0, x.full_like(math.nan)))


def gamma_density(a: Value, x: Value, order: int = 0) -> Value:
    """The derivative in x of that order's derivative in a."""
    keys = degrees(order, second=False)
    return _gamma_factor(a, a - 1.0, x, keys).derivative((order, 0))


elementwise_made(
    "gammainc_slope",
    2,
    _gammainc_slope,
    params=("order",),
    family="special",
    partials=[
        lambda a, x, out, order: a.gammainc_slope(x, order=order + 1),
        lambda a, x, out, order: gamma_density(a, x, order),
    ],
    samples=few_samples((0.5, 4), (0.3, 7), order=1),
    doc="the derivative of gammainc(a, x) in a, of this order, 1 or more",
)
called(
    "gammainc",
    [
        lambda a, x, out: a.gammainc_slope(x, order=1),
        lambda a, x, out: gamma_density(a, x),
    ],
    (0.5, 4),
    (0.3, 7),
    doc="the regularised lower incomplete gamma function P(a, x)",
)
called(
    "gammaincc",
    [
        lambda a, x, out: -a.gammainc_slope(x, order=1),
        lambda a, x, out: -gamma_density(a, x),
    ],
    (0.5, 4),
    (0.3, 7),
    doc="the regularised upper incomplete gamma function Q(a, x)",
)


# beta


def _beta_factor(
    a: Value, b: Value, x: Value, keys: tuple[Key, ...], density: bool = False
) -> Series:
    """x^a (1 - x)^b / (a beta(a, b)), or of the density x^(a-1) (1 - x)^(b-1) / beta(a, b)."""
    log, other = x.log(), (-x).log1p()
    p, q, below = (a - 1.0, b - 1.0, a) if density else (a, b, a + 1.0)
    powers: dict[Key, Value] = {(0, 0): p * log + q * other}
    powers |= {E: log, D: other} if E in keys else {}
    logarithm = Series(powers, keys) + log_gamma(a + b, keys, {E: 1.0, D: 1.0})
    logarithm = logarithm - log_gamma(below, keys, ONLY) - log_gamma(b, keys, {D: 1.0})
    return logarithm.exp()


def _betainc_slope(a: Value, b: Value, x: Value, *, first: int, second: int) -> Value:
    keys = degrees(first + second)
    inside = a.gt(0.0).bitand(b.gt(0.0)).bitand(a.lt(math.inf)).bitand(b.lt(math.inf))
    edge = inside.bitand(x.eq(0.0).bitor(x.eq(1.0)))
    inside = inside.bitand(x.gt(0.0)).bitand(x.lt(1.0))
    p, q, y = (inside.select(v, 0.5) for v in (a, b, x))
    turned = y.gt((p + 1.0) / (p + q + 2.0))
    one, two = turned.select(q, p), turned.select(p, q)
    point = turned.select(1.0 - y, y)

    def ratio(n: Value, known: Sequence[Value], terms: Series) -> Series:
        lower, upper, at = known
        turn = _spread(n, lower)
        moved = terms.times_linear(lower + upper + turn - 1.0, {E: 1.0, D: 1.0})
        return moved.map(lambda v: v * at).over_linear(lower + turn, E)

    sums = _sum_of(_one(one, keys), ratio, [one, two, point])
    found = _beta_factor(one, two, point, keys) * sums
    straight, swapped = (found.derivative(k) for k in ((first, second), (second, first)))
    value = turned.select(-swapped, straight)
    return inside.select(value, edge.select(0.0, x.full_like(math.nan)))


def beta_density(a: Value, b: Value, x: Value, first: int = 0, second: int = 0) -> Value:
    """x^(a-1) (1-x)^(b-1) / beta(a, b), or its derivative of these orders in a and b."""
    keys = degrees(first + second)
    return _beta_factor(a, b, x, keys, density=True).derivative((first, second))


elementwise_made(
    "betainc_slope",
    3,
    _betainc_slope,
    params=("first", "second"),
    family="special",
    partials=[
        lambda a, b, x, out, first, second: a.betainc_slope(b, x, first=first + 1, second=second),
        lambda a, b, x, out, first, second: a.betainc_slope(b, x, first=first, second=second + 1),
        lambda a, b, x, out, first, second: beta_density(a, b, x, first, second),
    ],
    samples=few_samples((0.5, 3), (0.5, 3), (0.1, 0.9), first=1, second=0),
    doc="the derivative of betainc(a, b, x) of these orders in a and b",
)
called(
    "betainc",
    [
        lambda a, b, x, out: a.betainc_slope(b, x, first=1, second=0),
        lambda a, b, x, out: a.betainc_slope(b, x, first=0, second=1),
        lambda a, b, x, out: beta_density(a, b, x),
    ],
    (0.5, 3),
    (0.5, 3),
    (0.1, 0.9),
    doc="the regularised incomplete beta function I(a, b, x)",
)


# hyp1f1


def _hyp1f1_slope(a: Value, b: Value, z: Value, *, first: int, second: int) -> Value:
    keys = degrees(first + second)
    negative = z.lt(0.0)
    size, sign = z.abs(), negative.select(-1.0, z.full_like(1.0))
    start = negative.select(b - a, a)

    def ratio(n: Value, known: Sequence[Value], terms: Series) -> Series:
        top, bottom, at, direction = known
        before = _spread(n, top) - 1.0
        own, other = Series({E: direction}, keys), negative_part(direction)
        moved = terms.times_linear(top + before, {}) + terms * own + terms * other
        scaled = moved.map(lambda v: v * (at / _spread(n, top)))
        return scaled.over_linear(bottom + before, D)

    def negative_part(direction: Value) -> Series:
        """b - a moves with b too."""
        return Series({D: direction.lt(0.0).select(1.0, direction.full_like(0.0))}, keys)

    found = _sum_of(_one(start, keys), ratio, [start, b, size, sign])
    value = found.derivative((first, second))
    return negative.select(z.exp() * value, value)


def _hyp1f1_shifted(a: Value, b: Value, z: Value, first: int, second: int) -> Value:
    """The derivative in z of a slope: that of a / b M(a + 1, b + 1, z), by Leibniz' rule."""
    total = None
    for i in range(min(first, 1) + 1):
        for j in range(second + 1):
            ways = math.comb(first, i) * math.comb(second, j)
            factor = (a if i == 0 else a.full_like(1.0)) / b
            for k in range(j):
                factor = factor * (-(k + 1.0)) / b
            term = factor * _slope_of_hyp1f1(a + 1.0, b + 1.0, z, first - i, second - j)
            term = term * float(ways)
            total = term if total is None else total + term
    assert total is not None
    return total


def _slope_of_hyp1f1(a: Value, b: Value, z: Value, first: int, second: int) -> Value:
    if not first and not second:
        return a.hyp1f1(b, z)
    return a.hyp1f1_slope(b, z, first=first, second=second)


elementwise_made(
    "hyp1f1_slope",
    3,
    _hyp1f1_slope,
    params=("first", "second"),
    family="special",
    partials=[
        lambda a, b, z, out, first, second: a.hyp1f1_slope(b, z, first=first + 1, second=second),
        lambda a, b, z, out, first, second: a.hyp1f1_slope(b, z, first=first, second=second + 1),
        lambda a, b, z, out, first, second: _hyp1f1_shifted(a, b, z, first, second),
    ],
    samples=few_samples((0.5, 2), (2.5, 4), (-2, 2), first=1, second=0),
    doc="the derivative of hyp1f1(a, b, z) of these orders in a and b",
)
called(
    "hyp1f1",
    [
        lambda a, b, z, out: a.hyp1f1_slope(b, z, first=1, second=0),
        lambda a, b, z, out: a.hyp1f1_slope(b, z, first=0, second=1),
        lambda a, b, z, out: (a / b) * (a + 1.0).hyp1f1(b + 1.0, z),
    ],
    (0.5, 2),
    (2.5, 4),
    (-2, 2),
    doc="the confluent hypergeometric function M(a, b, z)",
)
