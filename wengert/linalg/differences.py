"""Divided differences of a function of one variable, at points that may be equal or close.

    f[x] = f(x),   f[x_0, ..., x_k] = (f[x_1, ..., x_k] - f[x_0, ..., x_(k-1)]) / (x_k - x_0)

Near equal points that loses what the derivative says: by the formula of Hermite and Genocchi the
difference is the integral of the k-th derivative over the simplex of all weighted means of the
points. It is summed by a rule that is exact for polynomials of degree 5. Where both agree up to the
rounding errors of the quotient, the integral is taken, and else the quotient; so nothing needs to
be known of the scale on which f changes.
C. de Boor, "Divided differences", Surveys in Approximation Theory 1, 2005.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.derivatives import jvp

Function = Callable[..., Any]

STRENGTH = 2
"""The rule is exact for polynomials of degree 2 * STRENGTH + 1."""

MARGIN = 32
"""How many roundings of f at the points a quotient is taken to be wrong by."""


def divided_differences(func: Function, points: Sequence[Any], args: tuple[Any, ...]) -> Any:
    """f[x_0, ..., x_k] for arrays of points that are broadcast together, f(x) = func(x, *args)."""
    derivatives = [func]
    for _ in points[1:]:
        derivatives.append(_derivative(derivatives[-1]))
    fixed = [lambda x, f=f: f(x, *args) for f in derivatives]
    return _differences(fixed, _ascending(np.broadcast_arrays(*points)))[0]


def _derivative(func: Function) -> Function:
    return lambda x, *args: jvp(lambda y: func(y, *args), (x,), (np.ones_like(x),))[1]


def _ascending(points: Sequence[Any]) -> list[Any]:
    """The points at each place in ascending order."""
    found = list(points)
    for last in range(len(found) - 1, 0, -1):
        for k in range(last):
            low, high = np.minimum(*found[k : k + 2]), np.maximum(*found[k : k + 2])
            found[k : k + 2] = low, high
    return found


def _differences(derivatives: Sequence[Function], points: Sequence[Any]) -> tuple[Any, Any]:
    """The difference of f at ascending points, and what rounding may have done to it."""
    eps = float(np.finfo(points[0].dtype).eps)
    order = len(points) - 1
    if order == 0:
        value = derivatives[0](points[0])
        return value, np.abs(value) * (MARGIN * eps)
    low, below = _differences(derivatives, points[:-1])
    high, above = _differences(derivatives, points[1:])
    gap, change, error = points[-1] - points[0], high - low, below + above
    integral = _integral(derivatives[order], points)
    same = gap == 0
    near = same | (np.abs(integral * gap - change) <= error)
    divisor = np.where(same, 1, gap)
    return (
        np.where(near, integral, change / divisor),
        np.where(near, np.abs(integral) * (MARGIN * eps), error / divisor),
    )


def _integral(func: Function, points: Sequence[Any]) -> Any:
    """The integral of a function over the weighted means of the points."""
    total = 0.0
    for weight, shares in _rule(len(points)):
        first, *others = points
        # from one of the points on, so that means of equal points are exact
        mean = first + sum(s * (x - first) for s, x in zip(shares[1:], others, strict=True))
        total = total + weight * func(mean)
    return total


@functools.cache
def _rule(count: int) -> list[tuple[float, tuple[float, ...]]]:
    """Weights, and shares of `count` points, that integrate over their simplex.

    A. Grundmann, H. M. Möller, "Invariant integration formulas for the n-simplex by combinatorial
    methods", SIAM J. Numer. Anal. 15, 1978, theorem 4.
    """
    dimension, degree = count - 1, 2 * STRENGTH + 1
    found: list[tuple[float, tuple[float, ...]]] = []
    for i in range(STRENGTH + 1):
        parts = degree + dimension - 2 * i
        weight = (-1) ** i * 2.0 ** (-2 * STRENGTH) * parts**degree
        weight /= math.factorial(i) * math.factorial(degree + dimension - i)
        rest = STRENGTH - i
        for beta in itertools.product(range(rest + 1), repeat=count):
            if sum(beta) == rest:
                found.append((weight, tuple((2 * b + 1) / parts for b in beta)))
    return found
