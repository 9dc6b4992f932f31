"""Special functions of an order or of parameters that must be known, differentiable in x.

Values are SciPy's. Slopes are those of DLMF 10.6.1 (J, Y), 10.29.1 (I, K), 8.19.13 (E_n), 15.5.1
(2F1) and 16.3.1 (0F1): the same functions of neighbouring orders, so that there are
derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.families import elementwise, scipy_special
from wengert.ir.ops.samples import Samples, both, operands
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import FLOAT64, FLOATS

ORDER = ("order",)


def of_known(
    name: str,
    params: tuple[str, ...],
    partial: Callable[..., Value],
    domain: tuple[float, float],
    cases: Sequence[tuple[float, ...]],
    doc: str,
) -> None:
    """SciPy's function of the same name, of known parameters and x."""

    def evaluate(x: Any, **given: float) -> Any:
        return scipy_special(name)(*(np.float64(given[p]) for p in params), x.astype(np.float64))

    def scalar(s: ScalarBuilder, x: Expr, **given: float) -> Expr:
        wide = s.cast(x, FLOAT64)
        known = [s.like(float(given[p]), wide) for p in params]
        return s.cast(s.call(name, *known, wide), x.dtype)

    def drawn(case: tuple[float, ...]) -> Samples:
        given: dict[str, Any] = dict(zip(params, case, strict=True))
        return operands(domain, special=False, tolerance=64, **given)

    elementwise(
        name,
        1,
        FLOATS,
        evaluate,
        scalar,
        params=params,
        family="special",
        partials=[partial],
        cost=200,
        samples=both(*(drawn(case) for case in cases)),
        doc=doc,
    )


def _beside(name: str, x: Value, order: float) -> tuple[Value, Value]:
    """The functions of the orders below and above."""
    at = getattr(x, name)
    return at(order=order - 1.0), at(order=order + 1.0)


def _turning(name: str) -> Callable[..., Value]:
    """The slope of J and Y: half of the order below less that above."""

    def slope(x: Value, out: Value, order: float) -> Value:
        below, above = _beside(name, x, order)
        return (below - above) * 0.5

    return slope


def _growing(name: str, sign: float) -> Callable[..., Value]:
    """The slope of I and K: half of the orders below and above."""

    def slope(x: Value, out: Value, order: float) -> Value:
        below, above = _beside(name, x, order)
        return (below + above) * (0.5 * sign)

    return slope


def _scaled(name: str, sign: float) -> Callable[..., Value]:
    """The same with a factor of e^-|x| (I) or e^x (K)."""
    inner = _growing(name, sign)

    def slope(x: Value, out: Value, order: float) -> Value:
        return inner(x, out, order) + (-(x.sign() * out) if sign > 0 else out)

    return slope


_BESSEL = {
    "jv": (_turning("jv"), "the Bessel function of the first kind"),
    "yv": (_turning("yv"), "the Bessel function of the second kind"),
    "iv": (_growing("iv", 1.0), "the modified Bessel function of the first kind"),
    "kv": (_growing("kv", -1.0), "the modified Bessel function of the second kind"),
    "ive": (_scaled("ive", 1.0), "e**-|x| iv(order, x)"),
    "kve": (_scaled("kve", -1.0), "e**x kv(order, x)"),
}
for _name, (_slope, _doc) in _BESSEL.items():
    of_known(_name, ORDER, _slope, (0.5, 5), [(0.0,), (1.5,), (-0.3,)], f"{_doc}, of known order")


def _expn_slope(x: Value, out: Value, order: float) -> Value:
    return -x.expn(order=order - 1.0) if order > 0 else -(out + out / x)


of_known(
    *("expn", ORDER, _expn_slope, (0.3, 4), [(1.0,), (3.0,)]),
    "the exponential integral of this order, of e**-xt / t**order from 1 on",
)
of_known(
    *("hyp2f1", ("a", "b", "c")),
    lambda x, out, a, b, c: x.hyp2f1(a=a + 1.0, b=b + 1.0, c=c + 1.0) * (a * b / c),
    *((-0.7, 0.7), [(0.5, 1.5, 2.5)]),
    "Gauss' hypergeometric function of known parameters",
)
of_known(
    *("hyp0f1", ("b",)),
    lambda x, out, b: x.hyp0f1(b=b + 1.0) * (1.0 / b),
    *((-3, 3), [(1.5,)]),
    "the confluent hypergeometric limit function of a known parameter",
)
