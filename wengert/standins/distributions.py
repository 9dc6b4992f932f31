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
from wengert.errors import InputTypeError, MissingRuleError, TracerConversionError
from wengert.standins.tables import METHODS, in_doubles, required
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers

LOG_ROOT = 0.5 * math.log(2 * math.pi)
"""The logarithm of the integral of exp(-x^2 / 2)."""


def _log_mass(a: Any, b: Any) -> Any:
    """log(ndtr(b) - ndtr(a)), of the side where both are small."""
    upper = a > 0
    high = special.log_ndtr(np.where(upper, -a, b))
    low = special.log_ndtr(np.where(upper, -b, a))
    return high + np.log1p(-np.exp(low - high))


def _between(below: Any, mass: Any, log_share: Any) -> Any:
    """Where the normal distribution has a share of a mass above `below`, all as logarithms."""
    return special.ndtri_exp(np.logaddexp(special.log_ndtr(below), log_share + mass))


def _truncated(q: Any, a: Any, b: Any) -> Any:
    mass, upper = _log_mass(a, b), a > 0
    start = np.where(upper, -b, a)
    found = _between(start, mass, np.where(upper, np.log1p(-q), np.log(q)))
    return np.where(upper, -found, found)


def _truncated_above(q: Any, a: Any, b: Any) -> Any:
    mass, lower = _log_mass(a, b), b < 0
    start = np.where(lower, a, -b)
    found = _between(start, mass, np.where(lower, np.log1p(-q), np.log(q)))
    return np.where(lower, found, -found)


def _log_share(part: Any, other: Any, whole: Any) -> Any:
    """log of a part of a whole mass, near 0 by the other part; all as logarithms."""
    found, rest = part - whole, other - whole
    most = found > -0.1
    return np.where(most, np.log1p(-np.exp(np.where(most, rest, -1.0))), found)


def _rising(x: Any, c: Any) -> Any:
    """x / c for x < c, else (1 - x) / (1 - c)."""
    left = x < c
    return np.where(left, x, 1.0 - x) / np.where(left, np.where(left, c, 1.0), 1.0 - c)


def _beta_ratio(z: Any, a: Any, b: Any) -> Any:
    return b * z / (a * (1.0 - z))


def _cotangent(q: Any) -> Any:
    """tan(pi (1/2 - q)), which keeps its digits where q or 1 - q is small."""
    low, high = q < 0.25, q > 0.75
    size = np.where(low, q, np.where(high, 1.0 - q, 0.25))
    far = 1.0 / np.tan(math.pi * size)
    middle = np.tan(math.pi * (0.5 - np.where(low | high, 0.5, q)))
    return np.where(low, far, np.where(high, -far, middle))


def _log_of_logs(x: Any, s: Any) -> Any:
    at = x == 0
    x = np.where(at, 1.0, x)
    found = -0.5 * (np.log(x) / s) ** 2 - np.log(s * x) - LOG_ROOT
    return np.where(at, -math.inf, found)


FORMULAS: dict[tuple[str, str], Callable[..., Any]] = {
    ("norm", "_logcdf"): lambda x: special.log_ndtr(x),
    ("norm", "_logsf"): lambda x: special.log_ndtr(-x),
    ("t", "_logpdf"): lambda x, df: (
        special.gammaln(0.5 * (df + 1))
        - special.gammaln(0.5 * df)
        - 0.5 * np.log(df * math.pi)
        - 0.5 * (df + 1) * np.log1p(x * x / df)
    ),
    ("lognorm", "_logpdf"): _log_of_logs,
    ("cauchy", "_ppf"): lambda q: -_cotangent(q),
    ("cauchy", "_isf"): _cotangent,
    ("halflogistic", "_isf"): lambda q: np.log1p(2.0 * (1.0 - q) / q),
    ("triang", "_pdf"): lambda x, c: 2.0 * _rising(x, c),
    ("triang", "_cdf"): lambda x, c: np.where(
        x < c, x * _rising(x, c), 1.0 - (1.0 - x) * _rising(x, c)
    ),
    ("truncnorm", "_logpdf"): lambda x, a, b: -0.5 * x * x - LOG_ROOT - _log_mass(a, b),
    ("truncnorm", "_logcdf"): lambda x, a, b: _log_share(
        _log_mass(a, x), _log_mass(x, b), _log_mass(a, b)
    ),
    ("truncnorm", "_logsf"): lambda x, a, b: _log_share(
        _log_mass(x, b), _log_mass(a, x), _log_mass(a, b)
    ),
    ("truncnorm", "_ppf"): _truncated,
    ("truncnorm", "_isf"): _truncated_above,
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
    "_logcdf": (("_cdf", np.log),),
    "_logsf": (("_sf", np.log),),
}
SEARCHES: dict[str, Callable[..., Any]] = {}
"""Of a distribution, a place and parameters: what is found where there is no formula."""
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
    if name in _PAIRED and _own(dist, name) is None:
        return _logarithm(dist, name, x, shapes)
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
    if name in SEARCHES:
        return SEARCHES[name](dist, x, shapes)
    raise _missing(dist, name.removeprefix("_")) from failed


def _missing(dist: Any, name: str) -> MissingRuleError:
    return MissingRuleError(
        f"scipy.stats.{dist.name}.{name} is not available for traced values: "
        "SciPy finds it by compiled code or by a search"
    )


_PAIRED = {"_logcdf": ("_cdf", "_sf"), "_logsf": ("_sf", "_cdf")}
"""Logarithms of a tail, by itself where it is small and by the other tail where that is."""


def _logarithm(dist: Any, name: str, x: Any, shapes: Sequence[Any]) -> Any:
    own, other = (standard(dist, each, x, shapes) for each in _PAIRED[name])
    small = own < 0.5
    return np.where(
        small, np.log(np.where(small, own, 1.0)), np.log1p(-np.where(small, 0.0, other))
    )


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


def inner(low: Any, high: Any) -> Any:
    """A place inside of a support."""
    below, above = np.isinf(low), np.isinf(high)
    start, stop = np.where(below, 0.0, low), np.where(above, 0.0, high)
    one = np.where(above, start + 1.0, 0.5 * (start + stop))
    return np.where(below, np.where(above, 0.0, stop - 1.0), one)


def _density(dist: Any, name: str, x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    y = (x - loc) / scale
    inside = dist._support_mask(y, *shapes)  # some leave the ends out
    found = standard(dist, "_" + name, np.where(inside, y, inner(low, high)), shapes)
    if name == "logpdf":
        return np.where(inside, found - np.log(scale), -math.inf), y
    return np.where(inside, found / scale, 0.0), y


def _mass(dist: Any, name: str, k: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    y = k - loc
    inside = (y >= low) & (y <= high) & (np.floor(y) == y)
    found = standard(dist, "_" + name, np.where(inside, y, low), shapes)
    return np.where(inside, found, -math.inf if name == "logpmf" else 0.0), y


def tail(dist: Any, name: str, x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    """A distribution function or its complement, also beyond the support; and the place in it."""
    low, high = dist._get_support(*shapes)
    discrete = hasattr(dist, "pmf")
    y = (x - loc) / scale
    before, after = (y < low if discrete else y <= low), y >= high
    safe = np.where(before | after, low if discrete else inner(low, high), y)
    found = standard(dist, "_" + name, np.floor(safe) if discrete else safe, shapes)
    ends = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-math.inf, 0.0)}
    first, last = ends.get(name, (0.0, -math.inf))
    return np.where(before, first, np.where(after, last, found)), y


def _quantile(dist: Any, name: str, q: Any, shapes: Any, loc: Any, scale: Any) -> Any:
    low, high = dist._get_support(*shapes)
    if hasattr(dist, "pmf"):
        low = low - 1
    first, last = (low, high) if name == "ppf" else (high, low)
    inside = (q > 0) & (q < 1)
    found = standard(dist, "_" + name, np.where(inside, q, 0.5), shapes) * scale + loc
    ends = np.where(q == 0, first * scale + loc, np.where(q == 1, last * scale + loc, math.nan))
    return np.where(inside, found, ends), q


_KINDS = {
    **dict.fromkeys(("pdf", "logpdf"), _density),
    **dict.fromkeys(("pmf", "logpmf"), _mass),
    **dict.fromkeys(("cdf", "sf", "logcdf", "logsf"), tail),
    **dict.fromkeys(("ppf", "isf"), _quantile),
}


def evaluated(dist: Any, name: str, x: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """A method of a distribution, with its parameters."""
    shapes, loc, scale = dist._parse_args(*args, **options)
    found, y = _KINDS[name](dist, name, in_doubles(x), shapes, loc, scale)
    known = _valid(dist, shapes, loc, scale)
    return np.where(np.logical_and(known, y == y), found, math.nan)


def _valid(dist: Any, shapes: Sequence[Any], loc: Any, scale: Any) -> Any:
    return np.logical_and(np.logical_and(_allowed(dist, shapes), scale > 0), loc == loc)


# Numbers that describe a distribution as a whole.


def _of_student(df: Any) -> tuple[Any, Any]:
    large = df > 2
    ratio = np.where(large, df, 3.0) / np.where(large, df - 2.0, 1.0)
    ratio = np.where(df == math.inf, 1.0, ratio)
    few = np.where(df > 1, math.inf, math.nan)
    return np.where(df > 1, 0.0, math.inf), np.where(large, ratio, few)


def _of_weibull(c: Any) -> tuple[Any, Any]:
    mean = special.gamma(1.0 + 1.0 / c)
    return mean, special.gamma(1.0 + 2.0 / c) - mean * mean


_STATS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "t": _of_student,
    "weibull_min": _of_weibull,
    "poisson": lambda mu: (mu, mu),
}
"""Mean and variance of standard forms that SciPy finds otherwise."""


def _moments(dist: Any, name: str, args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, Any]:
    """Mean and variance."""
    shapes, loc, scale = dist._parse_args(*args, **options)
    given = {"moments": "mv"} if dist._stats_has_moments and dist.name not in _STATS else {}
    rule: Any = _STATS.get(dist.name, dist._stats)
    failed: Exception | None = None
    mean = variance = None
    try:
        mean, variance = rule(*map(_whole, shapes), **given)[:2]
    except _NOT_TRACED as error:
        failed = error
    if (mean if name == "mean" else variance) is None:
        raise _missing(dist, name) from failed
    known = _valid(dist, shapes, loc, scale)
    moved = mean if mean is None else np.where(known, mean * scale + loc, math.nan)
    spread = variance if variance is None else variance * scale * scale
    return moved, spread if spread is None else np.where(known, spread, math.nan)


def _entropy(dist: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    shapes, loc, scale = dist._parse_args(*args, **options)
    formula = _own(dist, "_entropy")
    if formula is None:
        raise _missing(dist, "entropy")
    try:
        found = formula(*map(_whole, shapes))
    except _NOT_TRACED as error:
        raise _missing(dist, "entropy") from error
    return np.where(_valid(dist, shapes, loc, scale), found + np.log(scale), math.nan)


def _median(dist: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    return evaluated(dist, "ppf", 0.5, args, options)


def _interval(dist: Any, confidence: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    share = in_doubles(confidence)
    required(
        np.all(np.logical_and(share >= 0.0, share <= 1.0)),
        "the confidence of an interval must be between 0 and 1",
    )
    ends = (0.5 * (1.0 - share), 0.5 * (1.0 + share))
    return tuple(evaluated(dist, "ppf", q, args, options) for q in ends)


def _support(dist: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    shapes, loc, scale = dist._parse_args(*args, **options)
    known = np.logical_and(_allowed(dist, shapes), scale > 0)
    ends = dist._get_support(*shapes)
    return tuple(np.where(known, end * scale + loc, math.nan) for end in ends)


_WHOLE: dict[str, Callable[..., Any]] = {
    "mean": lambda dist, args, options: _moments(dist, "mean", args, options)[0],
    "var": lambda dist, args, options: _moments(dist, "var", args, options)[1],
    "std": lambda dist, args, options: np.sqrt(_moments(dist, "std", args, options)[1]),
    "entropy": _entropy,
    "median": _median,
    "support": _support,
}
_PLACES = {"pmf": "k", "logpmf": "k", "ppf": "q", "isf": "q"}
"""What SciPy calls the first argument where it is not x; `cdf` of a discrete one has k."""


def _method(dist: Any, name: str, given: Any = None) -> Callable[..., Any] | None:
    """A method of a distribution, or of a frozen one, whose parameters are given."""
    discrete = hasattr(dist, "pmf")
    fixed: tuple[Sequence[Any], dict[str, Any]] | None = given
    if name not in {*_KINDS, *_WHOLE, "interval"}:
        return None

    def parameters(args: Sequence[Any], options: dict[str, Any]) -> Any:
        return (args, options) if fixed is None else fixed

    def of_place(*args: Any, **options: Any) -> Any:
        default = "k" if discrete else "x"
        word = "confidence" if name == "interval" else _PLACES.get(name, default)
        place, *rest = (options.pop(word), *args) if word in options else args
        if fixed is not None and (rest or options):
            raise InputTypeError(f"{name} of a frozen distribution takes one argument")
        if name == "interval":
            return _interval(dist, place, *parameters(rest, options))
        return evaluated(dist, name, place, *parameters(rest, options))

    def whole(*args: Any, **options: Any) -> Any:
        return _WHOLE[name](dist, *parameters(args, options))

    return whole if name in _WHOLE else of_place


class Frozen:
    """A distribution with its parameters, some of them traced."""

    def __init__(self, dist: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        self._dist = dist
        self._args = args
        self._options = options

    def __getattr__(self, name: str) -> Any:
        found = _method(self._dist, name, (self._args, self._options))
        if found is None:
            raise AttributeError(
                f"scipy.stats.{self._dist.name} of traced parameters has no '{name}'; it has "
                f"{', '.join((*_KINDS, *_WHOLE, 'interval'))}"
            )
        return found


def _of_distribution(dist: Any, name: str) -> Callable[..., Any] | None:
    if name in ("__call__", "freeze"):
        return lambda *args, **options: Frozen(dist, args, options)
    found = _method(dist, name)
    if found is None and hasattr(dist, name):
        raise _missing(dist, name)
    return found


def _of_frozen(frozen: Any, name: str) -> Callable[..., Any] | None:
    return _method(frozen.dist, name, (frozen.args, frozen.kwds))


METHODS["scipy.stats", "rv_generic"] = _of_distribution
METHODS["scipy.stats", "rv_frozen"] = _of_frozen
