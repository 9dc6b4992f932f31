"""What stands for functions of `statistics`, which know numbers of Python alone, on traced ones.

Sums are those of NumPy, rounded as these are; `statistics` adds fractions without rounding.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from wengert.capture.scalars import is_traced
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.creation import array
from wengert.tracer.pytree import flatten

Function = Callable[..., Any]


def _of_data(plain: Any, traced: Function, columns: int) -> Function:
    """A function of `statistics`, whose first arguments are `columns` collections of numbers."""

    @functools.wraps(plain)
    def found(*args: Any, **options: Any) -> Any:
        data = [x if isinstance(x, Tracer) else list(x) for x in args[:columns]]
        if not any(map(is_traced, flatten((data, args[columns:], options))[0])):
            return plain(*data, *args[columns:], **options)
        xs = [x if isinstance(x, Tracer) else enter(array, x) for x in data]
        if columns == 2 and xs[0].shape != xs[1].shape:
            _refuse("the two inputs must have the same number of points")
        return traced(*xs, *args[columns:], **options)

    return found


def _refuse(text: str) -> NoReturn:
    raise sys.modules["statistics"].StatisticsError(text)


def _weighted(data: Any, weights: Any = None) -> Any:
    """`fmean`"""
    return np.average(data, weights=weights)


def _geometric(data: Any) -> Any:
    """`geometric_mean`"""
    return np.exp(np.mean(np.log(data)))


def _harmonic(data: Any, weights: Any = None) -> Any:
    """`harmonic_mean`"""
    return 1 / np.average(1 / data, weights=weights)


def _spread(least: int, root: bool) -> Function:
    """Variances and, as roots of these, deviations: by n - 1 where `least` is 2, or by n."""

    def spread(data: Any, xbar: Any = None, *, mu: Any = None) -> Any:
        n = data.shape[0]
        if n < least:
            _refuse(f"at least {least} data points are required")
        center = mu if xbar is None else xbar
        middle = np.mean(data) if center is None else center
        found = np.sum((data - middle) ** 2) / (n + 1 - least)
        return np.sqrt(found) if root else found

    return spread


def _covariance(x: Any, y: Any) -> Any:
    """`covariance`"""
    return np.sum((x - np.mean(x)) * (y - np.mean(y))) / (x.shape[0] - 1)


def _correlation(x: Any, y: Any) -> Any:
    """`correlation`"""
    return _covariance(x, y) / np.sqrt(_covariance(x, x) * _covariance(y, y))


def _regression(x: Any, y: Any, *, proportional: bool = False) -> Any:
    """`linear_regression`"""
    if proportional:  # a line through the origin
        return sys.modules["statistics"].LinearRegression(np.sum(x * y) / np.sum(x * x), 0.0)
    slope = _covariance(x, y) / _covariance(x, x)
    return sys.modules["statistics"].LinearRegression(slope, np.mean(y) - slope * np.mean(x))


_FUNCTIONS: dict[str, tuple[Function, int]] = {
    "mean": (np.mean, 1),
    "fmean": (_weighted, 1),
    "geometric_mean": (_geometric, 1),
    "harmonic_mean": (_harmonic, 1),
    "median": (np.median, 1),
    "variance": (_spread(2, False), 1),
    "stdev": (_spread(2, True), 1),
    "pvariance": (_spread(1, False), 1),
    "pstdev": (_spread(1, True), 1),
    "covariance": (_covariance, 2),
    "correlation": (_correlation, 2),
    "linear_regression": (_regression, 2),
}


def of_statistics(f: Any) -> Function | None:
    """What stands for a function of `statistics`; None if it is none, or has nothing for it.

    The module, which is slow to import, need not have been.
    """
    if f.__module__ != "statistics" or f.__name__ not in _FUNCTIONS:
        return None
    if getattr(sys.modules.get("statistics"), f.__name__, None) is not f:
        return None
    return _of_data(f, *_FUNCTIONS[f.__name__])
