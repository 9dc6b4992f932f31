"""The zeta function of Hurwitz with its derivatives in both arguments, of any order.

By Euler and Maclaurin (DLMF 25.11.28 with a = q + N), for s > 0 and q > 0:

    zeta(s, q) = sum_{k<N} (q+k)^-s + a^(1-s)/(s-1) + a^-s/2
                 + sum_j B_2j/(2j)! s(s+1)...(s+2j-2) a^(-s-2j+1).

Each term is a series in s (`jets`), so derivatives in s come with it; the one in q is
-s zeta(s + 1, q) (DLMF 25.11.17). Ten terms of each sum leave less than a rounding error.
"""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.families import elementwise_made
from wengert.ir.ops.jets import E, Key, Series, degrees
from wengert.ir.ops.samples import draw
from wengert.ir.ops.special import BERNOULLI, SHIFT
from wengert.ir.types import FLOAT32, FLOAT64


def _power(base: Value, s: Value, keys: tuple[Key, ...]) -> Series:
    """base^-s, whose derivatives in s are powers of -log(base) times it."""
    value, log = base.pow(-s), -base.log()
    terms, factor = {(0, 0): value}, value
    for key in keys[1:]:
        factor = factor * log
        terms[key] = factor * (1 / math.factorial(key[0]))
    return Series(terms, keys)


def _zeta(s: Value, q: Value, *, order: int) -> Value:
    keys = degrees(order, second=False)
    a = q + float(SHIFT)
    whole = _power(a, s, keys)
    total = whole.map(lambda v: v * a).over_linear(s - 1.0, E) + whole.map(lambda v: v * 0.5)
    rising = whole.map(lambda v: v / a).times_linear(s, {E: 1.0})
    for j, number in enumerate(BERNOULLI, start=1):
        factor = number / math.factorial(2 * j)
        total = total + rising.map(lambda v, factor=factor: v * factor)
        rising = rising.times_linear(s + (2 * j - 1.0), {E: 1.0})
        rising = rising.times_linear(s + 2.0 * j, {E: 1.0}).map(lambda v: v / (a * a))
    for k in reversed(range(SHIFT)):
        total = total + _power(q + float(k), s, keys)
    return total.derivative((order, 0))


def _slope_in_q(s: Value, q: Value, order: int) -> Value:
    """The derivative of -s zeta(s + 1, q) of this order in s."""
    found = -(s * (s + 1.0).zeta(q, order=order))
    if not order:
        return found
    return found - (s + 1.0).zeta(q, order=order - 1) * float(order)


def _samples() -> list[Sample]:
    cases = ((FLOAT64, (4,), 0), (FLOAT32, (), 0), (FLOAT64, (), 1))
    return [
        Sample(
            (draw(dtype, shape, 1.5, 4, 0), draw(dtype, shape, 0.5, 3, 1)),
            {"order": order},
            tolerance=64,
        )
        for dtype, shape, order in cases
    ]


elementwise_made(
    "zeta",
    2,
    _zeta,
    params=("order",),
    family="special",
    partials=[
        lambda s, q, out, order: s.zeta(q, order=order + 1),
        lambda s, q, out, order: _slope_in_q(s, q, order),
    ],
    samples=_samples,
    doc="Hurwitz' zeta(s, q), the sum of (q + k)^-s, or its derivative of this order in s; q > 0",
)
