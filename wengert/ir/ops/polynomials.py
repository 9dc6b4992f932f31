"""Orthogonal polynomials of known degrees and parameters, differentiable in x.

Of whole degrees they are made upwards by their recurrences (DLMF 18.9.1), of others by
hypergeometric functions (DLMF 18.5). Slopes are polynomials of the same families (DLMF 18.9.15 to
18.9.26).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.expanded import expanded
from wengert.ir.ops.families import scipy_special
from wengert.ir.scalar import Expr, ScalarBuilder

S = ScalarBuilder
Step = Callable[[int], tuple[float, float, float]]
"""p, q, r of P_(k+1) = (p x + q) P_k - r P_(k-1)."""


def _recurred(s: S, x: Expr, degree: int, first: tuple[float, float], step: Step) -> Expr:
    """The polynomial of a degree, from p_1 = first[0] x + first[1]; NaN where there is none."""
    if degree < 0:
        return s.like(math.nan, x)
    before, now = s.like(1, x), s.add(s.mul(x, first[0]), first[1])
    if degree == 0:
        return before
    for k in range(1, degree):
        p, q, r = step(k)
        line = s.mul(x, p) if q == 0 else s.add(s.mul(x, p), q)
        before, now = now, s.sub(s.mul(line, now), s.mul(before, r))
    return now


def is_whole(degree: float) -> bool:
    """Whether a degree is one of a polynomial."""
    return degree >= 0 and float(degree).is_integer()


def _jacobi(s: S, x: Expr, n: float, alpha: float, beta: float) -> Expr:
    if not is_whole(n):
        return _jacobi_by_series(s, x, n, alpha, beta)

    def step(k: int) -> tuple[float, float, float]:
        c = 2 * k + alpha + beta
        under = 2 * (k + 1) * (k + alpha + beta + 1) * c
        p = (c + 1) * (c + 2) * c / under
        q = (c + 1) * (alpha**2 - beta**2) / under
        return p, q, 2 * (k + alpha) * (k + beta) * (c + 2) / under

    return _recurred(s, x, int(n), ((alpha + beta) / 2 + 1, (alpha - beta) / 2), step)


def _binomial(n: float, k: float) -> float:
    return float(scipy_special("binom")(np.float64(n), np.float64(k)))


def _jacobi_by_series(s: S, x: Expr, n: float, alpha: float, beta: float) -> Expr:
    argument = s.mul(s.sub(s.like(1, x), x), 0.5)
    params = [s.like(p, x) for p in (-n, n + alpha + beta + 1, alpha + 1)]
    return s.mul(s.call("hyp2f1", *params, argument), _binomial(n + alpha, n))


def _gegenbauer(s: S, x: Expr, n: float, alpha: float) -> Expr:
    if not is_whole(n):
        argument = s.mul(s.sub(s.like(1, x), x), 0.5)
        params = [s.like(p, x) for p in (-n, n + 2 * alpha, alpha + 0.5)]
        return s.mul(s.call("hyp2f1", *params, argument), _binomial(n + 2 * alpha - 1, n))
    return _recurred(
        *(s, x, int(n), (2 * alpha, 0.0)),
        lambda k: (2 * (k + alpha) / (k + 1), 0.0, (k + 2 * alpha - 1) / (k + 1)),
    )


def _chebyt(s: S, x: Expr, n: float) -> Expr:
    if not float(n).is_integer():
        argument = s.mul(s.sub(s.like(1, x), x), 0.5)
        return s.call("hyp2f1", *(s.like(p, x) for p in (-n, n, 0.5)), argument)
    return _recurred(s, x, abs(int(n)), (1.0, 0.0), lambda k: (2.0, 0.0, 1.0))


def _genlaguerre(s: S, x: Expr, n: float, alpha: float) -> Expr:
    if not is_whole(n):
        found = s.call("hyp1f1", s.like(-n, x), s.like(alpha + 1, x), x)
        return s.mul(found, _binomial(n + alpha, n))
    return _recurred(
        *(s, x, int(n), (-1.0, alpha + 1)),
        lambda k: (-1 / (k + 1), (2 * k + 1 + alpha) / (k + 1), (k + alpha) / (k + 1)),
    )


def _hermite(s: S, x: Expr, n: float) -> Expr:
    return _recurred(s, x, int(n), (2.0, 0.0), lambda k: (2.0, 0.0, 2.0 * k))


def _hermitenorm(s: S, x: Expr, n: float) -> Expr:
    return _recurred(s, x, int(n), (1.0, 0.0), lambda k: (1.0, 0.0, float(k)))


def _register(
    name: str,
    scalar: Callable[..., Expr],
    slope: Callable[..., Value],
    cases: Sequence[dict[str, float]],
    doc: str,
) -> None:
    params = tuple(cases[0])

    def evaluate(x: Any, **given: float) -> Any:
        known = [np.float64(given[p]) for p in params]
        if float(known[0]).is_integer():
            known[0] = np.int64(known[0])  # type: ignore[call-overload]
        return scipy_special(name)(*known, x.astype(np.float64))

    def partial(x: Value, out: Value, **given: float) -> Value:
        return x.full_like(0.0) if given["n"] == 0 else slope(x, **given)

    expanded(
        name,
        evaluate,
        scalar,
        partial,
        (-0.9, 0.9),
        params=params,
        cases=cases,
        special=False,
        tolerance=256,
        doc=doc,
    )


_register(
    "eval_jacobi",
    _jacobi,
    lambda x, n, alpha, beta: (
        x.eval_jacobi(n=n - 1.0, alpha=alpha + 1.0, beta=beta + 1.0) * ((n + alpha + beta + 1) / 2)
    ),
    [{"n": 5.0, "alpha": 0.3, "beta": 1.2}, {"n": 1.5, "alpha": 0.3, "beta": 1.2}],
    "Jacobi's polynomial of this degree",
)
_register(
    "eval_gegenbauer",
    _gegenbauer,
    lambda x, n, alpha: x.eval_gegenbauer(n=n - 1.0, alpha=alpha + 1.0) * (2 * alpha),
    [{"n": 5.0, "alpha": 0.5}, {"n": 1.5, "alpha": 0.5}, {"n": 0.0, "alpha": 1.0}],
    "Gegenbauer's polynomial: Legendre's for alpha 1/2, Chebyshev's U for 1",
)
_register(
    "eval_chebyt",
    _chebyt,
    lambda x, n: x.eval_gegenbauer(n=abs(n) - 1.0, alpha=1.0) * abs(n),
    [{"n": 6.0}, {"n": 2.5}],
    "Chebyshev's polynomial of the first kind",
)
_register(
    "eval_genlaguerre",
    _genlaguerre,
    lambda x, n, alpha: -x.eval_genlaguerre(n=n - 1.0, alpha=alpha + 1.0),
    [{"n": 4.0, "alpha": 0.5}, {"n": 1.5, "alpha": 0.0}],
    "Laguerre's generalised polynomial",
)
_register(
    "eval_hermite",
    _hermite,
    lambda x, n: x.eval_hermite(n=n - 1.0) * (2 * n),
    [{"n": 5.0}],
    "Hermite's polynomial of weight e^(-x^2)",
)
_register(
    "eval_hermitenorm",
    _hermitenorm,
    lambda x, n: x.eval_hermitenorm(n=n - 1.0) * n,
    [{"n": 5.0}],
    "Hermite's polynomial of weight e^(-x^2 / 2)",
)
