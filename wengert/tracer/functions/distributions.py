"""Distribution functions of SciPy, by the incomplete gamma and beta functions.

So they have derivatives in all arguments, those that count degrees of freedom included.
"""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering


@lowering("chdtr")
def chdtr(v: Value, x: Value) -> Value:
    """The chi-square distribution function."""
    return x.lt(0.0).select(math.nan, v.mul(0.5).gammainc(x.mul(0.5)))


@lowering("chdtrc")
def chdtrc(v: Value, x: Value) -> Value:
    """1 - chdtr(v, x)."""
    return x.lt(0.0).select(math.nan, v.mul(0.5).gammaincc(x.mul(0.5)))


@lowering("gdtr")
def gdtr(a: Value, b: Value, x: Value) -> Value:
    """The gamma distribution function, of rate a and shape b."""
    return x.lt(0.0).select(math.nan, b.gammainc(a.mul(x)))


@lowering("gdtrc")
def gdtrc(a: Value, b: Value, x: Value) -> Value:
    """1 - gdtr(a, b, x)."""
    return x.lt(0.0).select(math.nan, b.gammaincc(a.mul(x)))


@lowering("betaincc")
def betaincc(a: Value, b: Value, x: Value) -> Value:
    """1 - betainc(a, b, x), which is betainc(b, a, 1 - x)."""
    return b.betainc(a, 1.0 - x)


def _outside(dfn: Value, dfd: Value, x: Value) -> Value:
    infinite = dfn.eq(math.inf).bitor(dfd.eq(math.inf))
    return dfn.le(0.0).bitor(dfd.le(0.0)).bitor(x.lt(0.0)).bitor(infinite)


@lowering("fdtr")
def fdtr(dfn: Value, dfd: Value, x: Value) -> Value:
    """The F distribution function."""
    top = dfn.mul(x)
    part = top.eq(math.inf).select(1.0, top.div(top.add(dfd)))
    found = dfn.mul(0.5).betainc(dfd.mul(0.5), part)
    return _outside(dfn, dfd, x).select(math.nan, found)


@lowering("fdtrc")
def fdtrc(dfn: Value, dfd: Value, x: Value) -> Value:
    """1 - fdtr(dfn, dfd, x)."""
    part = dfd.div(dfd.add(dfn.mul(x)))
    found = dfd.mul(0.5).betainc(dfn.mul(0.5), part)
    return _outside(dfn, dfd, x).select(math.nan, found)


@lowering("stdtr")
def stdtr(df: Value, t: Value) -> Value:
    """Student's distribution function: half of what lies beyond |t|, or 1 less that.

    The smaller of t^2 / (df + t^2) and its complement goes into betainc, which keeps both digits
    near t = 0 and far out.
    """
    square, half = t.mul(t), df.mul(0.5)
    near = square.lt(df)
    part = near.select(square, df).div(df.add(square))
    inner = half.full_like(0.5).betainc(half, part)
    outer = half.betainc(half.full_like(0.5), near.select(0.5, part))
    sided = near.select(inner.mul(0.5).add(0.5), 1.0 - outer.mul(0.5))
    other = near.select(0.5 - inner.mul(0.5), outer.mul(0.5))
    found = t.lt(0.0).select(other, sided)
    far = t.abs().eq(math.inf).select(t.lt(0.0).select(0.0, t.full_like(1.0)), found)
    normal = t.mul(-math.sqrt(0.5)).erfc().mul(0.5)
    missing = df.gt(0.0).bitnot().bitor(t.isnan())
    return missing.select(math.nan, df.eq(math.inf).select(normal, far))
