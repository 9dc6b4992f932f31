"""Real random numbers. Each is a smooth function of uniform ones and of its parameters, so
derivatives with respect to the parameters go through samples (reparameterisation).

bfloat16 has 128 uniform numbers, too few for what is made of them: other distributions are drawn in
float32 and rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import numpy as wnp
from wengert import special
from wengert.errors import DTypeError
from wengert.ir.floats import dtype_of, finfo, is_bfloat16, kind_of
from wengert.random.keys import require_key
from wengert.random.threefry import random_bits

Shape = Sequence[int]


def _float(dtype: Any) -> np.dtype[Any]:
    found = dtype_of(dtype)
    if kind_of(found) != "f" or found.itemsize > 8:
        raise DTypeError(f"real random numbers are of a float dtype, not of {found}")
    return found


def kinds(dtype: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype of random numbers, and that in which they are drawn."""
    kind = _float(dtype)
    return kind, np.dtype(np.float32) if is_bfloat16(kind) else kind


def _unit(key: Any, shape: Shape, dtype: np.dtype[Any]) -> Any:
    """Multiples of the spacing below 1, in [0, 1)."""
    mantissa = finfo(dtype).nmant
    width = 8 if mantissa < 8 else 8 * dtype.itemsize
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
    kind, drawn = kinds(dtype)
    u = uniform(key, shape, np.nextafter(drawn.type(-1), drawn.type(0)), 1.0, drawn)
    return (drawn.type(np.sqrt(2)) * special.erfinv(u)).astype(kind)


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Shape = (), dtype: Any = np.float64
) -> Any:
    """Normal numbers given that they lie in (lower, upper)."""
    kind, drawn = kinds(dtype)
    root = drawn.type(np.sqrt(2))
    low, high = (special.erf(wnp.asarray(x, drawn) / root) for x in (lower, upper))
    found = (root * special.erfinv(uniform(key, shape, low, high, drawn))).astype(kind)
    least = np.nextafter(wnp.asarray(lower, kind), kind.type(np.inf))
    most = np.nextafter(wnp.asarray(upper, kind), kind.type(-np.inf))
    return np.minimum(np.maximum(found, least), most)


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Exponential numbers of rate 1."""
    kind, drawn = kinds(dtype)
    return -np.log1p(-uniform(key, shape, dtype=drawn)).astype(kind)


def gumbel(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard Gumbel numbers, -log(-log(u))."""
    kind, drawn = kinds(dtype)
    return -np.log(-np.log(positive(key, shape, drawn))).astype(kind)


def laplace(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Laplace numbers of scale 1."""
    kind, drawn = kinds(dtype)
    u = uniform(key, shape, -1.0 + finfo(drawn).epsneg, 1.0, drawn)
    return (np.sign(u) * np.log1p(-np.abs(u))).astype(kind)


def logistic(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard logistic numbers, log(u / (1 - u))."""
    kind, drawn = kinds(dtype)
    u = positive(key, shape, drawn)
    return np.log(u / (1 - u)).astype(kind)


def cauchy(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard Cauchy numbers, tan(pi (u - 1/2))."""
    kind, drawn = kinds(dtype)
    u = uniform(key, shape, finfo(drawn).eps, 1.0, drawn)
    return np.tan(drawn.type(np.pi) * (u - drawn.type(0.5))).astype(kind)


def positive(key: Any, shape: Shape, kind: np.dtype[Any]) -> Any:
    """Uniform numbers in (0, 1)."""
    return uniform(key, shape, finfo(kind).tiny, 1.0, kind)
