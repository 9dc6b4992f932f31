"""Distribution functions of SciPy, by the incomplete gamma and beta functions.

So they have derivatives in all arguments, those that count degrees of freedom included.
"""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering

MOST = 2.0**31 - 1.0
"""The largest count that SciPy's C integers hold."""


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


@lowering("stdtrit")
def stdtrit(df: Value, p: Value) -> Value:
    """The inverse of Student's distribution function in t.

    With q the smaller tail, df / (df + t^2) = z solves I(df/2, 1/2, z) = 2q. Near the middle 1 - z
    is taken, which I(1/2, df/2, 1 - z) = 1 - 2q gives without cancellation.
    """
    normal = df.eq(math.inf)
    df = normal.select(1.0, df)
    upper = p.gt(0.5)
    twice = upper.select(1.0 - p, p).mul(2.0)
    far = twice.lt(0.5)
    half = df.mul(0.5)
    z = half.betaincinv(half.full_like(0.5), far.select(twice, 0.25))
    rest = half.full_like(0.5).betaincinv(half, far.select(0.5, 1.0 - twice))
    ratio = far.select((1.0 - z).div(z), rest.div(1.0 - rest))
    size = df.mul(ratio)
    middle = size.eq(0.0)
    # at the middle t is linear in p with the density there: the root has no derivative
    scale = half.add(0.5).gammaln().sub(half.gammaln()).exp().div(df.mul(math.pi).sqrt())
    near = p.sub(0.5).div(scale)
    root = middle.select(1.0, size).sqrt()
    return normal.select(p.ndtri(), middle.select(near, upper.select(root, -root)))


@lowering("betainccinv")
def betainccinv(a: Value, b: Value, y: Value) -> Value:
    """The x for which betaincc(a, b, x) is y."""
    return 1.0 - b.betaincinv(a, y)


@lowering("chdtri")
def chdtri(v: Value, y: Value) -> Value:
    """The inverse of chdtrc in x; without freedom it is 0, but for probabilities alone."""
    return y.lt(0.0).select(math.nan, v.mul(0.5).gammainccinv(y).mul(2.0))


def _poisson(k: Value, m: Value, found: Value, none: float) -> Value:
    # a mean of 0 decides even for an unknown count; for known ones `found` has the slope in m too
    idle = k.isnan().bitand(m.eq(0.0))
    return k.lt(0.0).select(math.nan, idle.select(none, found))


@lowering("pdtr")
def pdtr(k: Value, m: Value) -> Value:
    """The Poisson distribution function of mean m."""
    return _poisson(k, m, k.floor().add(1.0).gammaincc(m), 1.0)


@lowering("pdtrc")
def pdtrc(k: Value, m: Value) -> Value:
    """1 - pdtr(k, m)."""
    return _poisson(k, m, k.floor().add(1.0).gammainc(m), 0.0)


def _within(x: Value, low: float, high: float) -> Value:
    """Where low <= x <= high, which NaN is not."""
    return x.ge(low).bitand(x.le(high))


def _binomial(k: Value, n: Value, p: Value, complement: bool) -> Value:
    # SciPy takes the floor of k, and n as a C integer
    below, n = k.to(p.dtype).floor(), n.to(p.dtype).trunc()
    last = below.eq(n)
    some = below.ge(0.0).bitand(below.lt(n))
    rest, above = some.select(n.sub(below), 1.0), some.select(below, 0.0).add(1.0)
    one, two = (above, rest) if complement else (rest, above)
    found = last.select(0.0 if complement else 1.0, one.betainc(two, p if complement else 1.0 - p))
    before = below.lt(0.0).select(1.0 if complement else math.nan, found)
    return below.le(n).bitand(_within(p, 0.0, 1.0)).select(before, math.nan)


@lowering("bdtr")
def bdtr(k: Value, n: Value, p: Value) -> Value:
    """The binomial distribution function of n draws."""
    return _binomial(k, n, p, complement=False)


@lowering("bdtrc")
def bdtrc(k: Value, n: Value, p: Value) -> Value:
    """1 - bdtr(k, n, p)."""
    return _binomial(k, n, p, complement=True)


def _waiting(k: Value, n: Value, p: Value, complement: bool) -> Value:
    # SciPy takes both counts as C integers: there is none of infinity
    k, n = k.to(p.dtype).trunc(), n.to(p.dtype).trunc()
    inside = _within(k, 0.0, MOST).bitand(_within(n, 1.0, MOST))
    above, n = inside.select(k, 0.0).add(1.0), inside.select(n, 1.0)
    found = above.betainc(n, 1.0 - p) if complement else n.betainc(above, p)
    return inside.bitand(_within(p, 0.0, 1.0)).select(found, math.nan)


@lowering("nbdtr")
def nbdtr(k: Value, n: Value, p: Value) -> Value:
    """The distribution function of failures before success n."""
    return _waiting(k, n, p, complement=False)


@lowering("nbdtrc")
def nbdtrc(k: Value, n: Value, p: Value) -> Value:
    """1 - nbdtr(k, n, p)."""
    return _waiting(k, n, p, complement=True)
