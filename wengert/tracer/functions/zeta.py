"""The zeta function, which SciPy has as a function of one or two arguments before two ufuncs."""

from __future__ import annotations

import math
from typing import Any

from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    floating,
    values,
    wrapped,
)
from wengert.tracer.tables import UFUNCS

LARGE = 1e6
"""From here on powers are 0, 1 or infinite."""


def _hurwitz(s: Value, q: Value) -> Value:
    pole = q.le(0.0)
    whole = pole.bitand(q.eq(q.floor()))
    inside = s.gt(1.0).bitand(pole.bitnot())
    far = q.eq(math.inf)
    value = (
        inside.select(s, 2.0).min(LARGE).zeta(inside.bitand(far.bitnot()).select(q, 1.0), order=0)
    )
    value = far.select(0.0, value)
    outside = s.eq(1.0).bitor(whole.bitand(s.gt(1.0))).select(math.inf, s.full_like(math.nan))
    return inside.select(value, outside)


@lowering("_zeta")
def zeta_of_two(s: Value, q: Value) -> Value:
    """Hurwitz' zeta for s > 1; infinite at its poles, and NaN for other q below 0."""
    return _hurwitz(s, q)


@lowering("_riemann_zeta")
def zeta_of_one(s: Value) -> Value:
    """Riemann's zeta, for s < 0 by 2 (2 pi)^(s-1) sin(pi s / 2) gamma(1 - s) zeta(1 - s)."""
    left, one = s.lt(0.0), s.full_like(1.0)
    pole = s.eq(1.0)
    right = left.bitor(pole).select(2.0, s).zeta(one, order=0)
    t = left.select(s, -0.5)
    turns = t.mul(0.5).sub(t.mul(0.25).floor().mul(2.0))
    sine = turns.eq(turns.floor()).select(0.0, turns.mul(math.pi).sin())
    reflected = sine.mul((1.0 - t).gamma()).mul((1.0 - t).zeta(one, order=0))
    scaled = t.sub(1.0).mul(math.log(2 * math.pi)).exp().mul(reflected).mul(2.0)
    return left.select(scaled, pole.select(math.inf, right))


def zeta(x: Any, q: Any = None) -> Any:
    """The zeta function of Riemann, or of Hurwitz, as `scipy.special.zeta`."""
    if q is None:
        return wrapped(zeta_of_one(floating(x)))
    s, shift = values(floating(x), floating(q))
    shape = broadcast_shapes(s.shape, shift.shape, what="x and q")
    return wrapped(zeta_of_two(broadcast(s, shape), broadcast(shift, shape)))


UFUNCS["_zeta"] = UFUNCS["_riemann_zeta"] = lambda *inputs, **kwargs: zeta(*inputs)
