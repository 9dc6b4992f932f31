"""Densities, distribution functions and quantiles of `scipy.stats` on traced values.

SciPy's classes have the formula of each for the standard form (`_logpdf`, `_cdf`, ...), which trace
as they stand; what is around them here is what SciPy does around them by masks: location and scale,
the support, and NaN where parameters are not allowed. Outside of the support the formulas get a
place inside, so nothing of them reaches a derivative. Where SciPy's formula is compiled code, that
of the logarithm or of the complement is taken, or one in `FORMULAS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import special
from wengert.errors import MissingRuleError, TracerConversionError
from wengert.standins.tables import METHODS
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers

LOG_ROOT = 0.5 * math.log(2 * math.pi)


def _log_mass(a: Any, b: Any) -> Any:
    """log(ndtr(b) - ndtr(a)), of the side where both are small."""
    upper = a > 0
    high = special.log_ndtr(np.where(upper, -a, b))
    low = special.log_ndtr(np.where(upper, -b, a))
    return high + np.log1p(-np.exp(low - high))


def _truncated(q: Any, a: Any, b: Any) -> Any:
    upper = a > 0
    start, stop = np.where(upper, -a, a), np.where(upper, -b, b)
    first, last = special.ndtr(start), special.ndtr(stop)
    found = special.ndtri(first + q * (last - first))
    return np.where(upper, -found, found)


def _rising(x: Any, c: Any) -> Any:
    """x / c for x < c, else (1 - x) / (1 - c)."""
    left = x < c
    return np.where(left, x, 1.0 - x) / np.where(left, np.where(left, c, 1.0), 1.0 - c)


def _beta_ratio(z: Any, a: Any, b: Any) -> Any:
    return b * z / (a * (1.0 - z))


FORMULAS: dict[tuple[str, str], Callable[..., Any]] = {
    ("norm", "_logcdf"): lambda x: special.log_ndtr(x),
    ("norm", "_logsf"): lambda x: special.log_ndtr(-x),
    ("t", "_logpdf"): lambda x, df: (
        special.gammaln(0.5 * (df + 1))
        - special.gammaln(0.5 * df)
        - 0.5 * np.log(df * math.pi)
        - 0.5 * (df + 1) * np.log1p(x * x / df)
    ),
    ("lognorm", "_logpdf"): lambda x, s: -0.5 * (np.log(x) / s) ** 2 - np.log(s * x) - LOG_ROOT,
    ("cauchy", "_ppf"): lambda q: np.tan(math.pi * (q - 0.5)),
    ("cauchy", "_isf"): lambda q: np.tan(math.pi * (0.5 - q)),
    ("triang", "_pdf"): lambda x, c: 2.0 * _rising(x, c),
    ("triang", "_cdf"): lambda x, c: np.where(
        x < c, x * _rising(x, c), 1.0 - (1.0 - x) * _rising(x, c)
    ),
    ("truncnorm", "_logpdf"): lambda x, a, b: -0.5 * x * x - LOG_ROOT - _log_mass(a, b),
    ("truncnorm", "_logcdf"): lambda x, a, b: _log_mass(a, x) - _log_mass(a, b),
    ("truncnorm", "_logsf"): lambda x, a, b: _log_mass(x, b) - _log_mass(a, b),
    ("truncnorm", "_ppf"): _truncated,
    ("skewnorm", "_logpdf"): lambda x, a: (
        math.log(2) - LOG_ROOT - 0.5 * x * x + special.log_ndtr(a * x)
    ),
    ("f", "_ppf"): lambda q, a, b: _beta_ratio(special.betaincinv(a / 2, b / 2, q), a, b),
    ("t", "_cdf"): lambda x, df: special.stdtr(df, x),
    ("t", "_sf"): lambda x, df: special.stdtr(df, -x),
    ("t", "_ppf"): lambda q, df: special.stdtrit(df, q),
    ("t", "_isf"): lambda q, df: -special.stdtrit(df, q),
    ("beta", "_ppf"): lambda q, a, b: special.betaincinv(a, b, q),
    ("beta", "_isf"): lambda q, a, b: special.betainccinv(a, b, q),
    ("beta", "_cdf"): lambda x, a, b: special.betainc(a, b, x),
    ("beta", "_sf"): lambda x, a, b: special.betaincc(a, b, x),
    ("f", "_cdf"): lambda x, a, b: special.betainc(a / 2, b / 2, a * x / (a * x + b)),
    ("f", "_sf"): lambda x, a, b: special.betainc(b / 2, a / 2, b / (a * x + b)),
    ("chi2", "_ppf"): lambda q, df: 2 * special.gammaincinv(df / 2, q),
    ("gamma", "_isf"): lambda q, a: special.gammainccinv(a, q),
    ("binom", "_logpmf"): lambda k, n, p: (
        -np.log(n + 1)
        - special.betaln(n - k + 1, k + 1)
        + special.xlogy(k, p)
        + special.xlog1py(n - k, -p)
    ),
    ("binom", "_cdf"): lambda k, n, p: special.bdtr(np.floor(k), n, p),
    ("binom", "_sf"): lambda k, n, p: special.bdtrc(np.floor(k), n, p),
    ("bernoulli", "_logpmf"): lambda k, p: special.xlogy(k, p) + special.xlog1py(1 - k, -p),
    ("bernoulli", "_cdf"): lambda k, p: np.where(k < 1, 1 - p, 1.0),
    ("bernoulli", "_sf"): lambda k, p: np.where(k < 1, p, 0.0),
    ("nbinom", "_logpmf"): lambda k, n, p: (
        special.gammaln(n + k)
        - special.gammaln(k + 1)
        - special.gammaln(n)
        + special.xlogy(n, p)
        + special.xlog1py(k, -p)
    ),
    ("nbinom", "_cdf"): lambda k, n, p: special.betainc(n, np.floor(k) + 1, p),
    ("nbinom", "_sf"): lambda k, n, p: special.betainc(np.floor(k) + 1, n, 1 - p),
    ("geom", "_cdf"): lambda k, p: -np.expm1(special.xlog1py(np.floor(k), -p)),
    ("geom", "_sf"): lambda k, p: np.exp(special.xlog1py(np.floor(k), -p)),
}
"""Of the standard forms, by the distribution's and the method's name."""

_OTHERS: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    "_pdf": (("_logpdf", np.exp),),
    "_logpdf": (("_pdf", np.log),),
    "_pmf": (("_logpmf", np.exp),),
    "_logpmf": (("_pmf", np.log),),
    "_cdf": (("_sf", lambda x: 1.0 - x), ("_logcdf", np.exp)),
    "_sf": (("_cdf", lambda x: 1.0 - x), ("_logsf", np.exp)),
    "_logcdf": (("_cdf", np.log), ("_sf", lambda x: np.log1p(-x))),
    "_logsf": (("_sf", np.log), ("_cdf", lambda x: np.log1p(-x))),
}
_NOT_TRACED = (TracerConversionError, MissingRuleError, AttributeError, TypeError, ValueError)


def _own(dist: Any, name: str) -> Callable[..., Any] | None:
    """The distribution's own formula, if it has one."""
    if (dist.name, name) in FORMULAS:
        return FORMULAS[dist.name, name]
    for kind in type(dist).__mro__:
        if kind.__name__ in ("rv_continuous", "rv_discrete", "rv_generic"):
            return None
        if name in vars(kind):
            return getattr(dist, name)
    return None


def standard(dist: Any, name: str, x: Any, shapes: Sequence[Any]) -> Any:
    """A formula of the standard form, or what others of it give."""
    failed: Exception | None = None
    tried = [(name, lambda v: v), *_OTHERS.get(name, ())]
    if name in ("_ppf", "_isf"):
        tried.append(("_isf" if name == "_ppf" else "_ppf", lambda v: v))
    for number, (each, change) in enumerate(tried):
        formula = _own(dist, each)
        if formula is None:
            continue
        turned = name in ("_ppf", "_isf") and number == 1
        try:
            return change(formula(*map(_whole, (1.0 - x if turned else x, *shapes))))
        except _NOT_TRACED as error:
            failed = failed or error
    raise MissingRuleError(
        f"scipy.stats.{dist.name}.{name.removeprefix('_')} is not available for traced values: "
        "SciPy finds it by compiled code or by a search"
    ) from failed


def _whole(x: Any) -> Any:
    """NumPy's arrays and scalars as traced ones, for formulas that ask for one namespace."""
    return constant(np.asarray(x)) if isinstance(x, np.ndarray | np.generic) else x


def _allowed(dist: Any, shapes: Sequence[Any]) -> Any:
    """Whether parameters are those of a distribution, as far as traced ones can be asked."""
    if not holds_tracers(list(shapes)):
        return dist._argcheck(*shapes)
    try:
        return dist._argcheck(*shapes)
    except _NOT_TRACED:
        default = any("_argcheck" in vars(k) for k in type(dist).__mro__[:-2])
        own = type(dist)._argcheck.__qualname__.partition(".")[0] != "rv_generic" and default
        found: Any = True
        for each in () if own else shapes:
            found = np.logical_and(found, each > 0)
        return found


def _inner(low: Any, high: Any) -> Any:
    """A place inside of a support."""
    below, above = np.isinf(low), np.isinf(high)
    start, stop = np.where(below, 0.0, low), np.where(above, 0.0, high)
    one = np.where(above, start + 1.0, 0.5 * (start + stop))
    return np.where(below, np.where(above, 0.0, stop - 1.0), one)


def _density(dist: Any, name: str, x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    y = (x - loc) / scale
    inside = (y >= low) & (y <= high)
    found = standard(dist, "_" + name, np.where(inside, y, _inner(low, high)), shapes)
    if name == "logpdf":
        return np.where(inside, found - np.log(scale), -math.inf), y
    return np.where(inside, found / scale, 0.0), y


def _mass(dist: Any, name: str, k: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    y = k - loc
    inside = (y >= low) & (y <= high) & (np.floor(y) == y)
    found = standard(dist, "_" + name, np.where(inside, y, low), shapes)
    return np.where(inside, found, -math.inf if name == "logpmf" else 0.0), y


def _tail(dist: Any, name: str, x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    discrete = hasattr(dist, "pmf")
    y = (x - loc) / scale
    before, after = (y < low if discrete else y <= low), y >= high
    safe = np.where(before | after, low if discrete else _inner(low, high), y)
    found = standard(dist, "_" + name, safe, shapes)
    ends = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-math.inf, 0.0)}
    first, last = ends.get(name, (0.0, -math.inf))
    return np.where(before, first, np.where(after, last, found)), y


def _quantile(dist: Any, name: str, q: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    first, last = (low, high) if name == "ppf" else (high, low)
    inside = (q > 0) & (q < 1)
    found = standard(dist, "_" + name, np.where(inside, q, 0.5), shapes) * scale + loc
    ends = np.where(q == 0, first * scale + loc, np.where(q == 1, last * scale + loc, math.nan))
    return np.where(inside, found, ends), q


_KINDS = {
    **dict.fromkeys(("pdf", "logpdf"), _density),
    **dict.fromkeys(("pmf", "logpmf"), _mass),
    **dict.fromkeys(("cdf", "sf", "logcdf", "logsf"), _tail),
    **dict.fromkeys(("ppf", "isf"), _quantile),
}


def evaluated(dist: Any, name: str, x: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """A method of a distribution, with its parameters."""
    shapes, loc, scale = dist._parse_args(*args, **options)
    found, y = _KINDS[name](dist, name, x, shapes, loc, scale)
    known = np.logical_and(_allowed(dist, shapes), scale > 0)
    return np.where(np.logical_and(known, y == y), found, math.nan)


class Frozen:
    """A distribution with its parameters, some of them traced."""

    def __init__(self, dist: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        self._dist = dist
        self._args = args
        self._options = options

    def __getattr__(self, name: str) -> Any:
        if name not in _KINDS:
            raise AttributeError(
                f"scipy.stats.{self._dist.name} of traced parameters has no '{name}'; it has "
                f"{', '.join(_KINDS)}"
            )
        return lambda x: evaluated(self._dist, name, x, self._args, self._options)


def _of_distribution(dist: Any, name: str) -> Callable[..., Any] | None:
    discrete = hasattr(dist, "pmf")
    if name in ("__call__", "freeze"):
        return lambda *args, **options: Frozen(dist, args, options)
    if name not in _KINDS or (discrete and name in ("ppf", "isf")):
        return None
    return lambda x, *args, **options: evaluated(dist, name, x, args, options)


def _of_frozen(frozen: Any, name: str) -> Callable[..., Any] | None:
    if name not in _KINDS:
        return None
    return lambda x: evaluated(frozen.dist, name, x, frozen.args, frozen.kwds)


def _normal(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    """The log density of several variables, by Cholesky's factor of their covariance."""
    n = x.shape[-1] if x.ndim else 1
    if np.ndim(cov) < 2:
        cov = np.eye(n) * (cov if np.ndim(cov) == 0 else np.reshape(cov, (-1, 1)))
    root = np.linalg.cholesky(cov)
    apart = (x if mean is None else x - mean)[..., None] * np.ones((n, 1))
    scaled = np.linalg.solve(root, apart)[..., 0]
    size = np.sum(np.log(np.diagonal(root)))
    return -0.5 * np.sum(scaled * scaled, axis=-1) - size - n * LOG_ROOT


def _dirichlet(x: Any, alpha: Any) -> Any:
    """The log density, of x along the first axis; the last element may be left out."""
    if x.shape[0] == alpha.shape[0] - 1:
        x = np.concatenate([x, (1.0 - np.sum(x, axis=0))[None]])
    size = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    return size + np.sum(special.xlogy((alpha - 1.0).reshape((-1,) + (1,) * (x.ndim - 1)), x), 0)


def _densities(log: Callable[..., Any]) -> Callable[[Any, str], Callable[..., Any] | None]:
    def of(dist: Any, name: str) -> Callable[..., Any] | None:
        if name == "pdf":
            return lambda *args, **options: np.exp(log(*args, **options))
        return log if name == "logpdf" else None

    return of


METHODS["scipy.stats", "multivariate_normal_gen"] = _densities(_normal)
METHODS["scipy.stats", "dirichlet_gen"] = _densities(_dirichlet)
METHODS["scipy.stats", "rv_generic"] = _of_distribution
METHODS["scipy.stats", "rv_frozen"] = _of_frozen
