"""Distances between vectors: `scipy.spatial.distance`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import special
from wengert.api.mapping import vmap
from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.floats import kind_of
from wengert.numpy import asarray
from wengert.standins.tables import stands_in
from wengert.tracer.functions.operands import holds_tracers

Metric = Callable[..., Any]


# Metrics of arrays of vectors along the last axis, with weights or None.


def _minkowski(u: Any, v: Any, w: Any = None, p: Any = 2.0) -> Any:
    if not holds_tracers([p]) and not p > 0:
        raise ArgumentError(f"p must be greater than 0, got {p}")
    apart = u - v
    if holds_tracers([p]):
        same = apart == 0
        powers = np.where(same, 0.0, np.abs(np.where(same, 1.0, apart)) ** p)
        return np.sum(powers if w is None else w * powers, axis=-1) ** (1.0 / p)
    if w is not None:
        apart = apart * (np.where(w > 0, 1.0, 0.0) if p == math.inf else _root(w, p))
    return np.linalg.norm(apart, ord=p, axis=-1)


def _root(w: Any, p: float) -> Any:
    return w if p == 1 else np.sqrt(w) if p == 2 else w ** (1.0 / p)


def _euclidean(u: Any, v: Any, w: Any = None) -> Any:
    return _minkowski(u, v, w)


def _sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    squares = (_real(u) - _real(v)) ** 2
    return np.sum(squares if w is None else w * squares, axis=-1)


def _real(x: Any) -> Any:
    return x if kind_of(x.dtype) in "fc" else x.astype(np.float64)


def _cityblock(u: Any, v: Any, w: Any = None) -> Any:
    return np.sum(_sizes(u - v, w), axis=-1)


def _sizes(x: Any, w: Any) -> Any:
    return np.abs(x) if w is None else w * np.abs(x)


def _chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    sizes = np.abs(u - v)
    return np.max(sizes if w is None else (w > 0) * sizes, axis=-1)


def _correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    if any(x.dtype.kind == "c" for x in (u, v)):
        raise DTypeError("correlation and cosine take real vectors; u and v must be real")
    w = None if w is None else w / np.sum(w)

    def mean(x: Any) -> Any:
        return np.mean(x, axis=-1) if w is None else np.sum(w * x, axis=-1)

    if centered:
        u, v = (x - mean(x)[..., None] for x in (u, v))
    sizes = np.sqrt(mean(u * u) * mean(v * v))
    return np.clip(1.0 - mean(u * v) / sizes, 0.0, 2.0)


def _cosine(u: Any, v: Any, w: Any = None) -> Any:
    return _correlation(u, v, w, centered=False)


def _canberra(u: Any, v: Any, w: Any = None) -> Any:
    v = v.astype(np.float64)
    size = np.abs(u) + np.abs(v)
    none = size == 0
    parts = np.where(none, 0.0, np.abs(u - v) / np.where(none, 1.0, size))
    return np.sum(parts if w is None else w * parts, axis=-1)


def _braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    v = v.astype(np.float64)
    return np.sum(_sizes(u - v, w), axis=-1) / np.sum(_sizes(u + v, w), axis=-1)


def _hamming(u: Any, v: Any, w: Any = None) -> Any:
    other = (u != v).astype(np.float64)
    return np.mean(other, axis=-1) if w is None else np.sum(w * other, axis=-1) / np.sum(w)


def _seuclidean(u: Any, v: Any, V: Any) -> Any:
    return _minkowski(u, v, 1.0 / asarray(V))


def _mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    apart = u - v
    return np.sqrt(np.sum((apart @ asarray(VI)) * apart, axis=-1))


def _jensenshannon(p: Any, q: Any, base: Any = None) -> Any:
    p, q = (x / np.sum(x, axis=-1, keepdims=True) for x in (p, q))
    middle = (p + q) / 2.0
    found = np.sum(special.rel_entr(p, middle), -1) + np.sum(special.rel_entr(q, middle), -1)
    return np.sqrt((found if base is None else found / np.log(base)) / 2.0)


METRICS: dict[str, Metric] = {
    "euclidean": _euclidean,
    "sqeuclidean": _sqeuclidean,
    "cityblock": _cityblock,
    "chebyshev": _chebyshev,
    "minkowski": _minkowski,
    "cosine": _cosine,
    "correlation": _correlation,
    "canberra": _canberra,
    "braycurtis": _braycurtis,
    "hamming": _hamming,
}
"""Those that take weights."""
_OTHERS: dict[str, Metric] = {
    "seuclidean": _seuclidean,
    "mahalanobis": _mahalanobis,
    "jensenshannon": _jensenshannon,
}
_SHORT = {
    **dict.fromkeys(("euclid", "eu", "e"), "euclidean"),
    **dict.fromkeys(("sqeuclid", "sqe"), "sqeuclidean"),
    **dict.fromkeys(("cblock", "cb", "c"), "cityblock"),
    **dict.fromkeys(("chebychev", "cheby", "cheb", "ch"), "chebyshev"),
    **dict.fromkeys(("mi", "m", "pnorm"), "minkowski"),
    **dict.fromkeys(("cos",), "cosine"),
    **dict.fromkeys(("co",), "correlation"),
    **dict.fromkeys(("matching", "hamm", "ha", "h"), "hamming"),
    **dict.fromkeys(("se", "s"), "seuclidean"),
    **dict.fromkeys(("mahal", "mah"), "mahalanobis"),
    **dict.fromkeys(("js",), "jensenshannon"),
}


# Distances of two vectors.


def _vector(name: str, x: Any) -> Any:
    found = asarray(x)
    if found.ndim != 1:
        raise ShapeError(f"{name} takes vectors, got an array of shape {found.shape}")
    return found


def _weights(name: str, w: Any) -> Any:
    if w is None:
        return None
    found = _vector(name, w)
    if not holds_tracers([w]) and (np.asarray(w) < 0).any():
        raise ArgumentError(f"{name} takes weights that are not negative, got {w}")
    return found.astype(np.float64)


def _of_two(name: str) -> Callable[..., Any]:
    def distance(u: Any, v: Any, w: Any = None) -> Any:
        return METRICS[name](_vector(name, u), _vector(name, v), _weights(name, w))

    return distance


for _name in METRICS:
    if _name not in ("minkowski", "correlation"):
        stands_in("spatial", _name)(_of_two(_name))


@stands_in("spatial")
def minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    """The p-norm of the difference."""
    u, v = _vector("minkowski", u), _vector("minkowski", v)
    return _minkowski(u, v, _weights("minkowski", w), p)


@stands_in("spatial")
def correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    """1 less the correlation."""
    u, v = _vector("correlation", u), _vector("correlation", v)
    return _correlation(u, v, _weights("correlation", w), centered)


@stands_in("spatial")
def seuclidean(u: Any, v: Any, V: Any) -> Any:
    """The distance in units of standard deviations, of variances V."""
    return _seuclidean(*(_vector("seuclidean", x) for x in (u, v, V)))


@stands_in("spatial")
def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    """The size of u - v in the metric VI."""
    return _mahalanobis(_vector("mahalanobis", u), _vector("mahalanobis", v), VI)


@stands_in("spatial")
def jensenshannon(
    p: Any, q: Any, base: Any = None, *, axis: int = 0, keepdims: bool = False
) -> Any:
    """The square root of the divergence of Jensen and Shannon."""
    p, q = (np.moveaxis(x, axis, -1) for x in np.broadcast_arrays(asarray(p), asarray(q)))
    found = _jensenshannon(p, q, base)
    return np.expand_dims(found, axis) if keepdims else found


# Distances of many vectors.


def _matrix(name: str, x: Any) -> Any:
    found = asarray(x)
    if found.ndim != 2:
        raise ShapeError(f"{name} takes matrices whose rows are vectors, got {found.shape}")
    return found.astype(np.promote_types(found.dtype, np.float64))


def _scipys(f: Metric) -> str | None:
    """The name of a function of SciPy, whose form on arrays is known."""
    if not getattr(f, "__module__", "").startswith("scipy.spatial"):
        return None
    name = f.__name__
    return name if name in METRICS or name in _OTHERS else None


def _named(metric: str | Metric, rows: Any, options: dict[str, Any]) -> Metric:
    """The metric on arrays of vectors; a function is one of two vectors."""
    if callable(metric):
        name = _scipys(metric)
        if name is None:
            return lambda u, v: _of_pairs(metric, options, u, v)
    else:
        name = metric.lower()
        name = _SHORT.get(name, name)
    found = METRICS.get(name) or _OTHERS.get(name)
    if found is None or set(options) - set(inspect.signature(found).parameters):
        raise ArgumentError(
            f"cdist and pdist of traced values take the metrics {', '.join(METRICS | _OTHERS)} "
            f"with their weights w, p, V, VI and base, and no out; got {name!r} and {options}"
        )
    given = dict(options)
    if given.get("w") is not None:
        given["w"] = _weights(name, given["w"])
    if name == "seuclidean" and given.get("V") is None:
        given["V"] = np.var(rows, axis=0, ddof=1)
    if name == "mahalanobis" and given.get("VI") is None:
        given["VI"] = np.linalg.inv(np.atleast_2d(np.cov(rows.T))).T
    return lambda u, v: found(u, v, **given)


def _of_pairs(metric: Metric, options: dict[str, Any], u: Any, v: Any) -> Any:
    """A function of two vectors on arrays of them."""
    u, v = np.broadcast_arrays(u, v)
    pairs = [x.reshape((-1, x.shape[-1])) for x in (u, v)]
    found = vmap(lambda a, b: metric(a, b, **options))(*pairs)
    return found.reshape(u.shape[:-1])


@stands_in("spatial")
def cdist(XA: Any, XB: Any, metric: str | Metric = "euclidean", **options: Any) -> Any:
    """The distance of each row of XA from each of XB."""
    first, second = _matrix("cdist", XA), _matrix("cdist", XB)
    if first.shape[1] != second.shape[1]:
        raise ShapeError(
            f"cdist takes rows of one length, got those of {first.shape} and {second.shape}"
        )
    found = _named(metric, np.concatenate([first, second]), options)
    return found(first[:, None, :], second[None, :, :])


@stands_in("spatial")
def pdist(X: Any, metric: str | Metric = "euclidean", **options: Any) -> Any:
    """The distances of all pairs of rows."""
    rows = _matrix("pdist", X)
    first, second = np.triu_indices(rows.shape[0], 1)
    return _named(metric, rows, options)(rows[first], rows[second])


@stands_in("spatial")
def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """The matrix of the distances of all pairs, or these of the matrix."""
    X = asarray(X)
    wanted = {"tomatrix": 1, "tovector": 2}.get(force.lower(), X.ndim)
    if X.ndim not in (1, 2) or wanted != X.ndim:
        raise ShapeError(f"squareform with force {force!r} does not take the shape {X.shape}")
    if X.ndim == 2:
        if X.shape[0] != X.shape[1]:
            raise ShapeError(f"squareform takes square matrices of distances, got {X.shape}")
        return X[np.triu_indices(X.shape[0], 1)]
    n = math.ceil(math.sqrt(2 * X.shape[0]))
    if X.shape[0] == 0:
        return np.zeros((1, 1), X.dtype)
    if n * (n - 1) != 2 * X.shape[0]:
        raise ShapeError(
            f"a vector of distances has n (n - 1) / 2 elements for n points, not {X.shape[0]}"
        )
    place = np.zeros((n, n), int)
    upper = np.triu_indices(n, 1)
    place[upper] = np.arange(X.shape[0])
    place = np.maximum(place, place.T)
    return np.where(np.eye(n, dtype=bool), np.zeros((), X.dtype), X[place])


def _points(name: str, *arrays: Any) -> list[Any]:
    found = [asarray(x) for x in arrays]
    if len({x.shape[-1:] for x in found}) > 1:
        raise ShapeError(f"{name} takes vectors of one length, got {[x.shape for x in found]}")
    return [x.astype(np.promote_types(x.dtype, np.float64)) for x in found]


@stands_in("spatial")
def distance_matrix(x: Any, y: Any, p: float = 2.0, threshold: int = 1000000) -> Any:
    """The distances by the p-norm of each row of x from each of y."""
    first, second = _points("distance_matrix", x, y)
    return _minkowski(first[:, None, :], second[None, :, :], None, p)


@stands_in("spatial")
def minkowski_distance(x: Any, y: Any, p: float = 2.0) -> Any:
    """The distances by the p-norm between vectors along the last axis."""
    first, second = _points("minkowski_distance", x, y)
    return _minkowski(first, second, None, p)


@stands_in("spatial")
def minkowski_distance_p(x: Any, y: Any, p: float = 2.0) -> Any:
    """The p-th power of the distance by the p-norm."""
    first, second = _points("minkowski_distance_p", x, y)
    sizes = np.abs(first - second)
    return np.max(sizes, axis=-1) if p == math.inf else np.sum(sizes**p, axis=-1)
