"""Real random numbers. Each is a smooth function of uniform ones and of its parameters, so
derivatives with respect to the parameters go through samples (reparameterisation)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import numpy as wnp
from wengert import special
from wengert.errors import DTypeError
from wengert.ir.floats import finfo, kind_of
from wengert.random.keys import require_key
from wengert.random.threefry import random_bits

Shape = Sequence[int]


def _float(dtype: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(dtype)
    if kind_of(found) != "f" or found.itemsize > 8:
        raise DTypeError(f"real random numbers are of a float dtype, not of {found}")
    return found


def _unit(key: Any, shape: Shape, dtype: np.dtype[Any]) -> Any:
    """Multiples of the spacing below 1, in [0, 1)."""
    width, mantissa = 8 * dtype.itemsize, finfo(dtype).nmant
    bits = random_bits(require_key(key), width, shape)
    unsigned = bits.dtype.type
    # the numbers fit a signed integer, whose conversion to a float is quicker
    integers = (bits >> unsigned(width - mantissa)).astype(f"int{width}")
    return integers.astype(dtype) * dtype.type(2.0**-mantissa)


def uniform(
    key: Any, shape: Shape = (), minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = np.float64
) -> Any:
    """Uniform numbers in [minval, maxval)."""
    kind = _float(dtype)
    low, high = wnp.asarray(minval, kind), wnp.asarray(maxval, kind)
    return np.maximum(low, _unit(key, shape, kind) * (high - low) + low)


def normal(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Normal numbers of mean 0 and variance 1: sqrt(2) erfinv(u), u uniform in (-1, 1)."""
    kind = _float(dtype)
    u = uniform(key, shape, np.nextafter(kind.type(-1), kind.type(0)), 1.0, kind)
    return kind.type(np.sqrt(2)) * special.erfinv(u)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Shape = (), dtype: Any = np.float64
) -> Any:
    """Normal numbers given that they lie in (lower, upper)."""
    kind = _float(dtype)
    root = kind.type(np.sqrt(2))
    low, high = (special.erf(wnp.asarray(x, kind) / root) for x in (lower, upper))
    found = root * special.erfinv(uniform(key, shape, low, high, kind))
    least = np.nextafter(wnp.asarray(lower, kind), kind.type(np.inf))
    return np.clip(found, least, np.nextafter(wnp.asarray(upper, kind), kind.type(-np.inf)))


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Exponential numbers of rate 1."""
    return -np.log1p(-uniform(key, shape, dtype=dtype))


def gumbel(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard Gumbel numbers, -log(-log(u))."""
    return -np.log(-np.log(_positive(key, shape, _float(dtype))))


def laplace(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Laplace numbers of scale 1."""
    kind = _float(dtype)
    u = uniform(key, shape, -1.0 + finfo(kind).epsneg, 1.0, kind)
    return np.sign(u) * np.log1p(-np.abs(u))


def logistic(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard logistic numbers, log(u / (1 - u))."""
    u = _positive(key, shape, _float(dtype))
    return np.log(u / (1 - u))


def cauchy(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard Cauchy numbers, tan(pi (u - 1/2))."""
    kind = _float(dtype)
    u = uniform(key, shape, finfo(kind).eps, 1.0, kind)
    return np.tan(kind.type(np.pi) * (u - kind.type(0.5)))


def _positive(key: Any, shape: Shape, kind: np.dtype[Any]) -> Any:
    """Uniform numbers in (0, 1)."""
    return uniform(key, shape, finfo(kind).tiny, 1.0, kind)
