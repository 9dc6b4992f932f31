"""Distances between vectors: `scipy.spatial.distance`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.standins.tables import stands_in

Metric = Callable[[Any, Any], Any]


def _euclidean(u: Any, v: Any) -> Any:
    return np.linalg.norm(u - v, axis=-1)


def _sqeuclidean(u: Any, v: Any) -> Any:
    return np.sum((u - v) ** 2, axis=-1)


def _cityblock(u: Any, v: Any) -> Any:
    return np.sum(np.abs(u - v), axis=-1)


def _chebyshev(u: Any, v: Any) -> Any:
    return np.max(np.abs(u - v), axis=-1)


def _minkowski(u: Any, v: Any, p: float = 2.0) -> Any:
    return np.linalg.norm(u - v, ord=p, axis=-1)


def _cosine(u: Any, v: Any) -> Any:
    sizes = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    return 1.0 - np.sum(u * v, axis=-1) / sizes


def _correlation(u: Any, v: Any) -> Any:
    def centred(x: Any) -> Any:
        return x - np.mean(x, axis=-1, keepdims=True)

    return _cosine(centred(u), centred(v))


def _canberra(u: Any, v: Any) -> Any:
    size = np.abs(u) + np.abs(v)
    none = size == 0
    return np.sum(np.where(none, 0.0, np.abs(u - v) / np.where(none, 1.0, size)), axis=-1)


def _braycurtis(u: Any, v: Any) -> Any:
    return np.sum(np.abs(u - v), axis=-1) / np.sum(np.abs(u + v), axis=-1)


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
}


def _of_two(metric: Metric) -> Callable[..., Any]:
    def distance(u: Any, v: Any, p: float = 2.0, w: Any = None) -> Any:
        if w is not None:
            raise ArgumentError("distances with weights w are not there for traced values")
        return metric(u, v, p) if metric is _minkowski else metric(u, v)  # pyright: ignore[reportCallIssue]

    return distance


for _name, _metric in METRICS.items():
    stands_in("spatial", _name)(_of_two(_metric))


def _named(metric: str | Metric, options: dict[str, Any]) -> Metric:
    """The metric on arrays of vectors; a function is one of two vectors."""
    name = metric if isinstance(metric, str) else metric.__name__
    if name not in METRICS or set(options) - {"p"}:
        raise ArgumentError(
            f"cdist and pdist of traced values take the metrics {', '.join(METRICS)}, of which "
            f"minkowski takes p; got {name!r} and {options}"
        )
    return lambda u, v: METRICS[name](u, v, **options)


@stands_in("spatial")
def cdist(XA: Any, XB: Any, metric: str | Metric = "euclidean", **options: Any) -> Any:
    """The distance of each row of XA from each of XB."""
    return _named(metric, options)(XA[:, None, :], XB[None, :, :])


@stands_in("spatial")
def pdist(X: Any, metric: str | Metric = "euclidean", **options: Any) -> Any:
    """The distances of all pairs of rows."""
    first, second = np.triu_indices(X.shape[0], 1)
    return _named(metric, options)(X[first], X[second])


@stands_in("spatial")
def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """The matrix of the distances of all pairs, or these of the matrix."""
    if X.ndim == 2:
        return X[np.triu_indices(X.shape[0], 1)]
    n = round((1 + (1 + 8 * X.shape[0]) ** 0.5) / 2)
    place = np.zeros((n, n), int)
    upper = np.triu_indices(n, 1)
    place[upper] = np.arange(X.shape[0])
    place = np.maximum(place, place.T)
    return np.where(np.eye(n, dtype=bool), 0.0, X[place])


@stands_in("spatial")
def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    """The size of u - v in the metric VI."""
    apart = u - v
    return np.sqrt(apart @ VI @ apart)


@stands_in("spatial")
def distance_matrix(x: Any, y: Any, p: float = 2.0, threshold: int = 0) -> Any:
    """The distances by the p-norm of each row of x from each of y."""
    return _minkowski(x[:, None, :], y[None, :, :], p)
