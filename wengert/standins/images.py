"""Linear filters of arrays on a regular grid: `scipy.ndimage`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.numpy import asarray
from wengert.standins.image_arguments import (
    as_image,
    axes_of,
    axis_of,
    before,
    dtype_for,
    for_each,
    given_back,
    kept,
    neighbours,
    one_mode,
    over_all_axes,
    wide,
)
from wengert.standins.tables import stands_in
from wengert.tracer.functions.operands import holds_tracers

_HAVE = "weights have"


def _array(weights: Any) -> Any:
    """What is known stays known, so that weights of 0 are left out."""
    found = asarray(weights) if holds_tracers([weights]) else np.asarray(weights)
    return wide(found)


def _is_complex(*arrays: Any) -> bool:
    return any(x.dtype.kind == "c" for x in arrays)


def _line(weights: Any) -> Any:
    found = _array(weights)
    if found.ndim != 1 or not found.shape[0]:
        raise ShapeError(f"filters along an axis take a vector of weights, got {found.shape}")
    return found


def _summed(x: Any, weights: Any, origins: Sequence[Any], mode: str, cval: Any) -> Any:
    """The sum of weights times neighbours, in float64."""
    at = neighbours(wide(x), weights.shape, origins, mode, cval)
    total: Any = None
    known = not holds_tracers([weights])
    for index in np.ndindex(*weights.shape):
        if known and weights[index] == 0:
            continue
        term = weights[index] * at(index)
        total = term if total is None else total + term
    return asarray(np.zeros(x.shape)) if total is None else total


def _along(
    x: Any, weights: Any, axis: int, dtype: np.dtype[Any], mode: str, cval: Any, origin: Any = 0
) -> Any:
    """The correlation with a vector along an axis, stored in a dtype."""
    shape, origins = [1] * x.ndim, [0] * x.ndim
    shape[axis], origins[axis] = weights.shape[0], origin
    return kept(_summed(x, weights.reshape(shape), origins, mode, cval), dtype)


@stands_in("ndimage")
def correlate1d(
    input: Any,  # noqa: A002
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Any:
    """The correlation with weights along an axis."""
    x, weights = as_image(input), np.conj(_line(weights))
    dtype = dtype_for(x, output, _is_complex(x, weights))
    found = _along(x, weights, axis_of(axis, x.ndim), dtype, one_mode(mode), cval, origin)
    return given_back(found, output)


@stands_in("ndimage")
def convolve1d(
    input: Any,  # noqa: A002
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Any:
    """The convolution with weights along an axis."""
    weights = _line(weights)
    turned = -operator.index(origin) - (weights.shape[0] % 2 == 0)
    return correlate1d(input, np.conj(weights)[::-1], axis, output, mode, cval, turned)


@stands_in("ndimage")
def correlate(
    input: Any,  # noqa: A002
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """The correlation with an array of weights."""
    x = as_image(input)
    weights, origins = over_all_axes(_HAVE, np.conj(_array(weights)), origin, axes, x.ndim)
    dtype = dtype_for(x, output, _is_complex(x, weights))
    return given_back(kept(_summed(x, weights, origins, one_mode(mode), cval), dtype), output)


@stands_in("ndimage")
def convolve(
    input: Any,  # noqa: A002
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """The convolution with an array of weights."""
    x = as_image(input)
    weights, origins = over_all_axes(_HAVE, _array(weights), origin, axes, x.ndim)
    turned = [-o - (n % 2 == 0) for n, o in zip(weights.shape, origins, strict=True)]
    flipped = np.conj(weights)[(slice(None, None, -1),) * weights.ndim]
    return correlate(x, flipped, output, mode, cval, turned)


def _gaussian(sigma: Any, order: Any, reach: int) -> Any:
    """A Gaussian or a derivative of it, as weights of a correlation.

    The derivative of q(x) exp(-x^2 / (2 sigma^2)) is (q'(x) - q(x) x / sigma^2) times the same.
    """
    degree = operator.index(order)
    if degree < 0:
        raise ArgumentError(f"order must be 0 or more, got {degree}")
    x = np.arange(-reach, reach + 1)
    power = 1.0 / (sigma * sigma)
    phi = np.exp(-0.5 * power * (x * x))
    q: list[Any] = [1.0]
    for _ in range(degree):
        slope = [*[k * c for k, c in enumerate(q)][1:], 0.0, 0.0]
        q = [s - power * c for s, c in zip(slope, [0.0, *q], strict=True)]
    factor: Any = 0.0
    for c in reversed(q):
        factor = factor * x + c
    return (factor * phi / np.sum(phi))[::-1]


def _reach(sigma: Any, truncate: Any, radius: Any) -> int:
    if radius is None:
        if holds_tracers([sigma, truncate]):
            raise ArgumentError(
                "Gaussian filters of a traced sigma need a known radius: how wide they are must "
                "be known"
            )
        return int(truncate * float(sigma) + 0.5)
    if int(radius) != radius or radius < 0:
        raise ArgumentError(f"radius must be a whole number of 0 or more, got {radius}")
    return int(radius)


@stands_in("ndimage")
def gaussian_filter1d(
    input: Any,  # noqa: A002
    sigma: Any,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Any:
    """A Gaussian, or a derivative of it, along an axis."""
    weights = _gaussian(sigma, order, _reach(sigma, truncate, radius))
    return correlate1d(input, weights, axis, output, mode, cval)


@stands_in("ndimage")
def gaussian_filter(
    input: Any,  # noqa: A002
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Any:
    """Gaussians along the axes."""
    found = as_image(input)
    dtype = dtype_for(found, output, _is_complex(found))
    along = axes_of(axes, found.ndim)
    names = {"sigma": sigma, "order": order, "mode": mode, "radius": radius}
    given = (for_each(name, each, len(along)) for name, each in names.items())
    for axis, width, degree, border, far in zip(along, *given, strict=True):
        if holds_tracers([width]) or width > 1e-15:
            weights = _array(_gaussian(width, degree, _reach(width, truncate, far)))
            found = _along(found, weights, axis, dtype, border, cval)
    return given_back(kept(found, dtype), output)


def _mean(x: Any, size: int, axis: int, dtype: Any, mode: str, cval: Any, origin: Any) -> Any:
    """Means along an axis: sums are divided, since those of integers are exact."""
    return kept(_along(x, np.ones(size), axis, wide(x).dtype, mode, cval, origin) / size, dtype)


@stands_in("ndimage")
def uniform_filter1d(
    input: Any,  # noqa: A002
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Any:
    """Means over neighbours along an axis."""
    x = as_image(input)
    dtype = dtype_for(x, output, _is_complex(x))
    size = operator.index(size)
    before(size, origin)
    found = _mean(x, size, axis_of(axis, x.ndim), dtype, one_mode(mode), cval, origin)
    return given_back(found, output)


@stands_in("ndimage")
def uniform_filter(
    input: Any,  # noqa: A002
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """Means over neighbours."""
    found = as_image(input)
    dtype = dtype_for(found, output, _is_complex(found))
    along = axes_of(axes, found.ndim)
    names = {"size": size, "mode": mode, "origin": origin}
    given = (for_each(name, each, len(along)) for name, each in names.items())
    for axis, n, border, at in zip(along, *given, strict=True):
        if n > 1:
            found = _mean(found, int(n), axis, dtype, border, cval, at)
    return given_back(kept(found, dtype), output)


def _slope(x: Any, axis: int, output: Any, mode: Any, cval: Any, beside: Sequence[float]) -> Any:
    found = as_image(x)
    dtype = dtype_for(found, output, _is_complex(found))
    axis, modes = axis_of(axis, found.ndim), for_each("mode", mode, found.ndim)
    found = _along(found, np.array([-1.0, 0.0, 1.0]), axis, dtype, modes[axis], cval)
    for other in range(found.ndim):
        if other != axis:
            found = _along(found, np.array(beside), other, dtype, modes[other], cval)
    return given_back(found, output)


@stands_in("ndimage")
def sobel(
    input: Any,  # noqa: A002
    axis: int = -1,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
) -> Any:
    """Sobel's filter."""
    return _slope(input, axis, output, mode, cval, [1.0, 2.0, 1.0])


@stands_in("ndimage")
def prewitt(
    input: Any,  # noqa: A002
    axis: int = -1,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
) -> Any:
    """Prewitt's filter."""
    return _slope(input, axis, output, mode, cval, [1.0, 1.0, 1.0])


def _over_axes(
    x: Any, dtype: np.dtype[Any], mode: Any, axes: Any, one: Callable[[int, Any], Any]
) -> tuple[Any, list[Any]]:
    """What is found along each of the axes, and the image as it is if there are none."""
    along = axes_of(axes, x.ndim)
    modes = for_each("mode", mode, len(along))
    found = [one(axis, border) for axis, border in zip(along, modes, strict=True)]
    return kept(x, dtype), found


@stands_in("ndimage")
def laplace(
    input: Any,  # noqa: A002
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
) -> Any:
    """The sum of second differences."""
    x, weights = as_image(input), np.array([1.0, -2.0, 1.0])
    dtype = dtype_for(x, output, _is_complex(x))
    same, parts = _over_axes(
        x, dtype, mode, axes, lambda d, border: _along(x, weights, d, dtype, border, cval)
    )
    return given_back(sum(parts[1:], parts[0]) if parts else same, output)


def _sigmas(sigma: Any, axes: Any, ndim: int) -> list[Any]:
    """The widths of Gaussians along all axes, 0 where there is none."""
    along = axes_of(axes, ndim)
    found: list[Any] = [0.0] * ndim
    for axis, width in zip(along, for_each("sigma", sigma, len(along)), strict=True):
        found[axis] = width
    return found


def _bent(
    x: Any, sigma: Any, degree: int, dtype: np.dtype[Any], cval: Any, options: Any
) -> Callable[[int, Any], Any]:
    """The derivative by Gaussians along an axis of so many degrees, given a border."""

    def one(axis: int, border: Any) -> Any:
        orders = [degree * (axis == d) for d in range(x.ndim)]
        return gaussian_filter(x, sigma, orders, dtype, border, cval, **options)

    return one


@stands_in("ndimage")
def gaussian_laplace(
    input: Any,  # noqa: A002
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Any:
    """The sum of second derivatives of Gaussians."""
    x = as_image(input)
    dtype = dtype_for(x, output, _is_complex(x))
    one = _bent(x, _sigmas(sigma, axes, x.ndim), 2, dtype, cval, kwargs)
    same, parts = _over_axes(x, dtype, mode, axes, one)
    return given_back(sum(parts[1:], parts[0]) if parts else same, output)


@stands_in("ndimage")
def gaussian_gradient_magnitude(
    input: Any,  # noqa: A002
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Any:
    """The size of the gradient by Gaussians."""
    x = as_image(input)
    dtype = dtype_for(x, output, _is_complex(x))
    one = _bent(x, sigma, 1, dtype, cval, kwargs)
    same, parts = _over_axes(x, dtype, mode, axes, one)
    if not parts:
        return given_back(same, output)
    squares = [p * p for p in parts]
    found = np.sqrt(wide(sum(squares[1:], squares[0])))
    return given_back(kept(found, dtype), output)
