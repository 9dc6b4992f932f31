"""Ops of one float that are computed in float64 by an expansion in plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.ir.ops.expansions import clenshaw
from wengert.ir.ops.families import PartialRule, elementwise, scipy_special
from wengert.ir.ops.samples import Samples, both, operands
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import FLOAT64, FLOATS

S = ScalarBuilder


def expanded(
    name: str,
    evaluate: Callable[..., Any],
    expansion: Callable[..., Expr],
    partial: PartialRule,
    *domains: tuple[float, float],
    params: tuple[str, ...] = (),
    cases: Sequence[dict[str, Any]] = ({},),
    special: bool = True,
    tolerance: float = 16,
    doc: str,
) -> None:
    """Registers a function; `cases` are params of samples, each in all domains."""

    def scalar(s: S, x: Expr, **given: Any) -> Expr:
        return s.cast(expansion(s, s.cast(x, FLOAT64), **given), x.dtype)

    def drawn(domain: tuple[float, float], case: dict[str, Any]) -> Samples:
        return operands(domain, special=special, tolerance=tolerance, **case)

    elementwise(
        name,
        1,
        FLOATS,
        evaluate,
        scalar,
        params=params,
        partials=[partial],
        family="special",
        cost=100,
        samples=both(*(drawn(d, c) for d in domains for c in cases)),
        doc=doc,
    )


def output(name: str, position: int) -> Callable[..., Any]:
    """One of the results of SciPy's function of this name."""
    function = scipy_special(name)

    def result(x: Any, **given: Any) -> Any:
        return function(x)[position]

    return result


def series_between(s: S, u: Expr, low: float, high: float, coefficients: Sequence[float]) -> Expr:
    """A Chebyshev series in u on [low, high], where u has been mapped to [-1, 1]."""
    scale = 2.0 / (high - low)
    return clenshaw(s, s.sub(s.mul(u, scale), low * scale + 1.0), coefficients)
