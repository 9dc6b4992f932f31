"""What distributions of `scipy.stats` have no formula for: integrals of densities, and searches.

A distribution function is the integral of the density from the nearer end of the support, with the
derivatives of that (`quadrature`); a quantile is where the distribution function has a value, with
those of that equation (`roots`). Quantiles of whole numbers are counted out, and do not move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import special
from wengert.api.derivatives import stop_gradient
from wengert.api.mapping import vmap
from wengert.capture.convert import convert
from wengert.plain.quantiles import counted, enclosed
from wengert.standins.distributions import FORMULAS, SEARCHES, inner, standard, tail
from wengert.standins.functions import is_known
from wengert.standins.quadrature import Range, between
from wengert.standins.roots import RTOL, root_between
from wengert.standins.tables import in_doubles

EXACT = 1e-13
STEPS = 200


def _for_each(f: Callable[..., Any], x: Any, shapes: Sequence[Any]) -> Any:
    """A function of a number and parameters on arrays of them."""
    parts = np.broadcast_arrays(in_doubles(x), *map(in_doubles, shapes))
    found = vmap(f)(*(p.reshape(-1) for p in parts))
    return found.reshape(parts[0].shape)


def _halves(density: Any, first: Any, last: Any, x: Any, middle: Any) -> tuple[Any, Any]:
    """The integrals below x, of x left of the middle, and above it, of x right of it."""
    over = Range(False, False, EXACT, EXACT, 100)
    if all(is_known(end) and np.isinf(end) for end in (first, last)):
        # one integral serves both, whose code is long: from x outwards
        side = stop_gradient(np.where(x < middle, -1.0, 1.0))
        share = between(lambda t: density(side * t), side * x, np.inf, over)
        return share, share
    left = x < middle
    below = between(density, first, np.where(left, x, middle), over)
    return below, between(density, np.where(left, middle, x), last, over)


def _share(dist: Any, x: Any, shapes: Sequence[Any], upper: bool) -> Any:
    """The integral of the density below x, or above it, of the side that ends nearer."""
    low, high = dist._get_support(*shapes)

    def one(x: Any, *given: Any) -> Any:
        def density(t: Any) -> Any:
            return standard(dist, "_pdf", t, given)

        first, last = dist._get_support(*given) if np.ndim(low) or np.ndim(high) else (low, high)
        middle = inner(first, last)
        left = x < middle
        below, above = _halves(density, first, last, x, middle)
        if upper:
            return np.where(left, 1.0 - below, above)
        return np.where(left, below, 1.0 - above)

    return _for_each(one, x, shapes)


def _quantile(dist: Any, q: Any, shapes: Sequence[Any], upper: bool) -> Any:
    """Where the distribution function, or what lies above, has the value q."""
    if upper and hasattr(dist, "pmf"):
        return _quantile(dist, 1.0 - q, shapes, False)  # as SciPy does
    name = "sf" if upper else "cdf"
    parts = np.broadcast_arrays(in_doubles(q), *map(in_doubles, shapes))
    q, given = parts[0], parts[1:]
    low, high = (np.broadcast_to(in_doubles(x), q.shape) for x in dist._get_support(*given))

    def rest(x: Any) -> Any:
        found = tail(dist, name, x, given, 0.0, 1.0)[0] - q
        return -found if upper else found

    if hasattr(dist, "pmf"):
        found = convert(counted)(rest, *(stop_gradient(x) for x in (low, high)))
        return stop_gradient(found)
    within = (stop_gradient(x) for x in (low, high, inner(low, high)))
    ends, values = map(stop_gradient, convert(enclosed)(rest, *within))
    both = values[0], values[1]
    return root_between(rest, ends[0], ends[1], 0.0, 4 * RTOL, STEPS, both)


SEARCHES.update(
    {
        "_cdf": lambda dist, x, shapes: _share(dist, x, shapes, False),
        "_sf": lambda dist, x, shapes: _share(dist, x, shapes, True),
        "_ppf": lambda dist, q, shapes: _quantile(dist, q, shapes, False),
        "_isf": lambda dist, q, shapes: _quantile(dist, q, shapes, True),
    }
)


# Closed forms that SciPy has in compiled code or by masks.


def _log_extreme(x: Any, c: Any) -> Any:
    """log of -log(cdf) of the generalised extreme value distribution."""
    flat = c == 0
    return np.where(flat, -x, np.log1p(-np.where(flat, 0.0, c * x)) / np.where(flat, 1.0, c))


def _back(y: Any, c: Any) -> Any:
    flat = c == 0
    return np.where(flat, y, -np.expm1(-c * y) / np.where(flat, 1.0, c))


def _of_pareto(x: Any, c: Any) -> Any:
    flat = c == 0
    bent = np.log1p(np.where(flat, 0.0, c * x)) / np.where(flat, 1.0, c)
    return np.where(flat, -x, -(c + 1.0) * bent)


def _of_burr(x: Any, c: Any, d: Any = 1.0) -> Any:
    return np.log(c * d) - (c + 1.0) * np.log(x) - (d + 1.0) * np.log1p(x ** (-c))


def _mixed(x: Any, b: Any) -> Any:
    """The von Mises distribution function: from the middle on, also beyond a turn."""

    def one(x: Any, k: Any) -> Any:
        def density(t: Any) -> Any:
            return np.exp(-2.0 * k * np.sin(0.5 * t) ** 2) / (2.0 * math.pi * special.i0e(k))

        turns = stop_gradient(np.floor((x + math.pi) / (2.0 * math.pi)))
        over = Range(False, False, EXACT, EXACT, 100)
        return 0.5 + turns + between(density, 0.0, x - turns * (2.0 * math.pi), over)

    return _for_each(one, x, [b])


FORMULAS.update(
    {
        ("betaprime", "_cdf"): lambda x, a, b: special.betainc(a, b, x / (1.0 + x)),
        ("betaprime", "_sf"): lambda x, a, b: special.betainc(b, a, 1.0 / (1.0 + x)),
        ("betaprime", "_ppf"): lambda q, a, b: (
            special.betaincinv(a, b, q) / special.betaincinv(b, a, 1.0 - q)
        ),
        ("skewnorm", "_cdf"): lambda x, a: special.ndtr(x) - 2.0 * special.owens_t(x, a),
        ("skewnorm", "_sf"): lambda x, a: special.ndtr(-x) + 2.0 * special.owens_t(x, a),
        ("genextreme", "_logpdf"): lambda x, c: (
            -np.exp(_log_extreme(x, c)) + _log_extreme(x, c) - np.log1p(-c * x)
        ),
        ("genextreme", "_cdf"): lambda x, c: np.exp(-np.exp(_log_extreme(x, c))),
        ("genextreme", "_sf"): lambda x, c: -np.expm1(-np.exp(_log_extreme(x, c))),
        ("genextreme", "_ppf"): lambda q, c: _back(-np.log(-np.log(q)), c),
        ("genextreme", "_isf"): lambda q, c: _back(-np.log(-np.log1p(-q)), c),
        ("genpareto", "_logpdf"): _of_pareto,
        ("burr", "_logpdf"): _of_burr,
        ("fisk", "_logpdf"): _of_burr,
        ("gengamma", "_logpdf"): lambda x, a, c: (
            np.log(np.abs(c)) + special.xlogy(c * a - 1.0, x) - x**c - special.gammaln(a)
        ),
        ("loggamma", "_cdf"): lambda x, c: special.gammainc(c, np.exp(x)),
        ("loggamma", "_sf"): lambda x, c: special.gammaincc(c, np.exp(x)),
        ("loggamma", "_ppf"): lambda q, c: np.log(special.gammaincinv(c, q)),
        ("loggamma", "_isf"): lambda q, c: np.log(special.gammainccinv(c, q)),
        ("vonmises", "_cdf"): _mixed,
    }
)
