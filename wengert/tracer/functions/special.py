"""SciPy's special functions on traced values, as ufuncs and from `wengert.special`.

A call of `scipy.special.erf(x)` reaches the tables by the ufunc's name, so SciPy is imported only
when one of them is used.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.types import FLOAT64
from wengert.tracer.functions.elementwise import LOWERINGS, direct, lowering
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    floating,
    integer,
    normal_axes,
    spread,
    values,
    wrapped,
)
from wengert.tracer.functions.reductions import restore
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import FUNCTIONS, UFUNCS, function

OPS = {
    "psi": "digamma",
    "expit": "logistic",
    **{
        name: name
        for name in [
            "erf",
            "erfc",
            "erfinv",
            "erfcinv",
            "ndtri",
            "log_ndtr",
            "erfcx",
            "dawsn",
            "gamma",
            "gammaln",
            "i0",
            "i1",
            "i0e",
            "i1e",
            "j0",
            "j1",
            "entr",
            "xlogy",
            "xlog1py",
            "gammainc",
            "gammaincc",
            "betainc",
            "hyp1f1",
            "gammaincinv",
            "gammainccinv",
            "betaincinv",
            "expi",
            "k0e",
            "k1e",
            "y0",
            "y1",
            "erfi",
            "spence",
            "ndtri_exp",
            "owens_t",
            "ellipk",
            "ellipkm1",
            "ellipe",
        ]
    },
}
LOWERINGS.update({name: direct(op) for name, op in OPS.items()})


@lowering("ndtr")
def ndtr(x: Value) -> Value:
    """The normal distribution function, accurate in both tails."""
    return x.mul(-math.sqrt(0.5)).erfc().mul(0.5)


@lowering("logit")
def logit(p: Value) -> Value:
    """log(p / (1 - p)), near 1/2 as 2 atanh(2p - 1), which does not cancel.

    Its derivative is 1/p + 1/(1 - p), which is infinite at 0 and 1; that of a quotient is not.
    """
    centred = p.mul(2.0).sub(1.0)
    middle = centred.abs().lt(0.4)
    inner = middle.select(centred, 0.0).atanh().mul(2.0)
    value = middle.select(inner, p.div(1.0 - p).log())
    return value.kept(p.log() - (-p).log1p())


@lowering("log_expit")
def log_expit(x: Value) -> Value:
    """log(expit(x)) = -log(1 + e**-x)."""
    return -(-x).logaddexp(0.0)


@lowering("loggamma")
def loggamma(x: Value) -> Value:
    """The principal branch, which is real for x >= 0 only."""
    return x.lt(0.0).select(math.nan, x.gammaln())


def alternating(whole: Value) -> Value:
    """(-1)**whole"""
    half = whole.mul(0.5)
    return half.eq(half.floor()).select(1.0, whole.full_like(-1.0))


def natural(x: Value) -> Value:
    """Where x is 0 or a positive integer."""
    return x.ge(0.0).bitand(x.eq(x.floor())).bitand(x.lt(math.inf))


@lowering("gammasgn")
def gammasgn(x: Value) -> Value:
    """The sign of gamma: it alternates between the negative integers."""
    below = x.floor()
    sign = alternating(below)
    pole = x.lt(0.0).bitand(x.eq(below))
    negative = pole.select(math.nan, sign)
    zero = x.full_like(1.0).copysign(x)
    return x.gt(0.0).select(1.0, x.eq(0.0).select(zero, x.isnan().select(x, negative)))


@lowering("rgamma")
def rgamma(x: Value) -> Value:
    """1 / gamma(x), which is 0 at the poles."""
    pole = x.le(0.0).bitand(x.eq(x.floor()))
    return pole.select(0.0, 1.0 / pole.select(1.0, x).gamma())


@lowering("betaln")
def betaln(a: Value, b: Value) -> Value:
    """log |beta(a, b)|"""
    return a.gammaln().add(b.gammaln()).sub(a.add(b).gammaln())


@lowering("beta")
def beta(a: Value, b: Value) -> Value:
    """gamma(a) gamma(b) / gamma(a + b), by logarithms."""
    sign = gammasgn(a).mul(gammasgn(b)).mul(gammasgn(a.add(b)))
    return betaln(a, b).exp().mul(sign)


def _relative(x: Value, y: Value) -> tuple[Value, Value, Value]:
    """x log(x / y) where both are positive; the mask of that, and of x = 0 <= y."""
    inside = x.gt(0.0).bitand(y.gt(0.0))
    edge = x.eq(0.0).bitand(y.ge(0.0))
    ratio = inside.select(x, 1.0).div(inside.select(y, 1.0))
    missing = x.isnan().bitor(y.isnan())
    term = inside.select(x.mul(ratio.log()), missing.select(math.nan, x.full_like(math.inf)))
    return term, inside, edge


@lowering("rel_entr")
def rel_entr(x: Value, y: Value) -> Value:
    """x log(x / y), 0 for x = 0, infinite outside the domain."""
    term, _, edge = _relative(x, y)
    return edge.select(0.0, term)


@lowering("kl_div")
def kl_div(x: Value, y: Value) -> Value:
    """x log(x / y) - x + y, y for x = 0, infinite outside the domain."""
    term, inside, edge = _relative(x, y)
    return edge.select(y, inside.select(term.sub(x).add(y), term))


@lowering("exp10")
def exp10(x: Value) -> Value:
    """10 ** x"""
    return x.builder.literal(10.0, x.dtype).pow(x)


@lowering("exprel")
def exprel(x: Value) -> Value:
    """(e**x - 1) / x, and 1 at 0."""
    tiny = x.abs().lt(1e-16 if x.dtype == FLOAT64 else 1e-8)
    quotient = x.expm1().div(tiny.select(1.0, x))
    return tiny.select(1.0, x.eq(math.inf).select(math.inf, quotient))


@lowering("cosm1")
def cosm1(x: Value) -> Value:
    """cos(x) - 1 without cancellation."""
    half = x.mul(0.5).sin()
    return half.mul(half).mul(-2.0)


def _transformed(log: Value, power: Value) -> Value:
    zero = power.eq(0.0)
    safe = zero.select(1.0, power)
    return zero.select(log, safe.mul(log).expm1().div(safe))


@lowering("boxcox")
def boxcox(x: Value, power: Value) -> Value:
    """(x**power - 1) / power, and log(x) for power 0."""
    return _transformed(x.log(), power)


@lowering("boxcox1p")
def boxcox1p(x: Value, power: Value) -> Value:
    """((1 + x)**power - 1) / power, and log(1 + x) for power 0."""
    return _transformed(x.log1p(), power)


def _back(y: Value, power: Value) -> Value:
    zero = power.eq(0.0)
    safe = zero.select(1.0, power)
    return zero.select(y, safe.mul(y).log1p().div(safe))


@lowering("inv_boxcox")
def inv_boxcox(y: Value, power: Value) -> Value:
    """The inverse of boxcox."""
    return _back(y, power).exp()


@lowering("inv_boxcox1p")
def inv_boxcox1p(y: Value, power: Value) -> Value:
    """The inverse of boxcox1p."""
    return _back(y, power).expm1()


@lowering("huber")
def huber(delta: Value, r: Value) -> Value:
    """r**2 / 2 for |r| <= delta, else a line."""
    size = r.abs()
    line = delta.mul(size.sub(delta.mul(0.5)))
    curve = size.le(delta).select(r.mul(r).mul(0.5), line)
    return delta.lt(0.0).select(math.inf, curve)


@lowering("pseudo_huber")
def pseudo_huber(delta: Value, r: Value) -> Value:
    """delta**2 (sqrt(1 + (r / delta)**2) - 1), written as r**2 / (1 + sqrt(...))."""
    zero = delta.eq(0.0)
    ratio = r.div(zero.select(1.0, delta))
    smooth = r.mul(r).div(ratio.mul(ratio).add(1.0).sqrt().add(1.0))
    return delta.lt(0.0).select(math.inf, zero.select(0.0, smooth))


@lowering("exp1")
def exp1(x: Value) -> Value:
    """The exponential integral E1, of e**-t / t from x on."""
    return x.lt(0.0).select(math.nan, -(-x).expi())


@lowering("k0")
def k0(x: Value) -> Value:
    """The modified Bessel function of the second kind of order 0."""
    return x.k0e().mul((-x).exp())


@lowering("k1")
def k1(x: Value) -> Value:
    """The modified Bessel function of the second kind of order 1."""
    return x.k1e().mul((-x).exp())


@lowering("powm1")
def powm1(x: Value, y: Value) -> Value:
    """x**y - 1 without cancellation."""
    inside = x.gt(0.0)
    found = inside.select(y.mul(inside.select(x, 1.0).log()).expm1(), x.pow(y).sub(1.0))
    # the formula has these with their slopes unless an operand is infinite or NaN
    one = y.eq(0.0).bitor(x.eq(1.0)).bitand(found.isnan())
    infinite = x.eq(0.0).bitand(y.lt(0.0))
    whole = y.eq(y.trunc()).bitand(y.abs().lt(math.inf))
    missing = x.lt(0.0).bitand(whole.bitnot())
    return one.select(0.0, infinite.select(math.inf, missing.select(math.nan, found)))


UFUNC_NAMES = (
    *OPS, "ndtr", "logit", "log_expit", "loggamma", "gammasgn", "rgamma", "betaln", "beta",
    "rel_entr", "kl_div", "exp10", "exprel", "cosm1", "boxcox", "boxcox1p", "inv_boxcox",
    "inv_boxcox1p", "huber", "pseudo_huber", "chdtr", "chdtrc", "gdtr", "gdtrc", "betaincc", "fdtr",
    "fdtrc", "stdtr", "stdtrit", "betainccinv", "chdtri", "exp1", "k0", "k1", "powm1",
    "binom", "poch", "pdtr", "pdtrc", "bdtr", "bdtrc", "nbdtr", "nbdtrc",
)  # fmt: skip
SHARED_NAMES = ("exp2", "expm1", "log1p", "cbrt")
"""Functions that NumPy has under the same name."""


def scipy_function(name: str) -> Any:
    """The function of this name in scipy.special: the ufunc, where SciPy has put it into a wrapper.

    With SCIPY_ARRAY_API the wrapper asks the namespace of traced values for its function.
    """
    found = getattr(importlib.import_module("scipy.special"), name)
    inner = getattr(found, "__wrapped__", None)
    return inner if isinstance(inner, np.ufunc) else found


def _entry(name: str) -> Callable[..., Any]:
    return lambda *inputs, **kwargs: wrapped(call(scipy_function(name), *inputs, **kwargs))


def enter_ufuncs(names: Iterable[str]) -> None:
    """Puts SciPy's ufuncs of these names, which have lowerings, into the table."""
    for name in names:
        UFUNCS[name] = _entry(name)


enter_ufuncs(UFUNC_NAMES)


def public(name: str) -> Callable[..., Any]:
    """The function as `wengert.special` offers it: SciPy's, which hands traced values on."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        return scipy_function(name)(*args, **kwargs)

    evaluate.__name__ = evaluate.__qualname__ = name
    evaluate.__doc__ = f"As `scipy.special.{name}`, also on traced values."
    return evaluate


@function(np.i0)
def bessel_i0(x: Any) -> Any:
    """The modified Bessel function of order 0."""
    return wrapped(floating(x).i0())


# functions that are no ufuncs


def _peak(x: Value, axes: tuple[int, ...]) -> Value:
    """The maximum over axes for shifting: a constant to derivatives, and 0 where not finite."""
    peak = x.reduce_max(axes=axes).stop_gradient()
    return peak.isfinite().select(peak, 0.0)


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log(sum(b * exp(a))) over axes, as `scipy.special.logsumexp`."""
    x, weights = _weighted(a, b)
    axes = normal_axes(axis, x.ndim)
    if any(x.shape[d] == 0 for d in axes):
        rest = tuple(n for d, n in enumerate(x.shape) if d not in axes)
        result = x.builder.full(rest, -math.inf, x.dtype)
        sign = x.builder.full(rest, 0.0, x.dtype)
    else:
        peak = _peak(x, axes)
        terms = x.sub(spread(peak, x.shape, axes)).exp()
        total = (terms if weights is None else terms.mul(weights)).reduce_sum(axes=axes)
        sign = total.sign()
        result = (total.abs() if return_sign else total).log().add(peak)
    if keepdims:
        result, sign = restore(result, axes), restore(sign, axes)
    return wrapped((result, sign) if return_sign else result)


def _weighted(a: Any, b: Any) -> tuple[Value, Value | None]:
    """The exponents and weights, broadcast; elements of weight 0 do not count at all."""
    if b is None:
        return floating(a), None
    first, second = values(floating(a), b)
    shape = broadcast_shapes(first.shape, second.shape, what="a and b")
    x, weights = broadcast(first, shape), broadcast(second, shape)
    return weights.eq(0.0).select(-math.inf, x), weights


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over axes, as `scipy.special.softmax`."""
    value = floating(x)
    axes = normal_axes(axis, value.ndim)
    if not axes:
        return wrapped(value.full_like(1.0))
    powers = value.sub(spread(value.reduce_max(axes=axes).stop_gradient(), value.shape, axes)).exp()
    return wrapped(powers.div(spread(powers.reduce_sum(axes=axes), value.shape, axes)))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """log(softmax(x)), as `scipy.special.log_softmax`."""
    value = floating(x)
    axes = normal_axes(axis, value.ndim)
    if not axes:
        return wrapped(value.full_like(0.0))
    shifted = value.sub(spread(_peak(value, axes), value.shape, axes))
    total = shifted.exp().reduce_sum(axes=axes).log()
    return wrapped(shifted.sub(spread(total, value.shape, axes)))


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of digamma, for a known n."""
    order = integer(n, "n")
    if order < 0:
        raise ArgumentError(f"polygamma needs n >= 0, got {order}")
    value = floating(x)
    return wrapped(value.digamma() if order == 0 else value.polygamma(order=order))


def sinc(x: Any) -> Any:
    """As `numpy.sinc`."""
    return FUNCTIONS[np.sinc](x)


def multigammaln(a: Any, d: int) -> Any:
    """log of the multivariate gamma function of dimension d, as `scipy.special.multigammaln`."""
    value, count = floating(a), integer(d, "d")
    if count < 1:
        raise ArgumentError("d should be a positive integer (dimension)")
    total = value.gammaln()
    for j in range(1, count):
        total = total.add(value.sub(0.5 * j).gammaln())
    return wrapped(total.add(count * (count - 1) * 0.25 * math.log(math.pi)))
