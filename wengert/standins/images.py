"""Filters and interpolation of arrays on a regular grid: `scipy.ndimage`."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.errors import ArgumentError
from wengert.numpy import asarray
from wengert.standins.tables import stands_in
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers

_BORDERS = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def _array(weights: Any) -> Any:
    """What is known stays known, so that weights of 0 are left out."""
    return asarray(weights) if holds_tracers([weights]) else np.asarray(weights, float)


def _around(x: Any, widths: Sequence[tuple[int, int]], mode: str, cval: float) -> Any:
    """The array with what its mode says is around it."""
    if mode not in _BORDERS:
        raise ArgumentError(f"mode is one of {', '.join(_BORDERS)}, not {mode!r}")
    if _BORDERS[mode] == "constant":
        return np.pad(x, widths, constant_values=cval)
    return np.pad(x, widths, mode=cast("Any", _BORDERS[mode]))


@stands_in("ndimage")
def correlate1d(
    input: Any,  # noqa: A002
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Any:
    """The correlation with weights along an axis."""
    weights = _array(weights)
    shape = [1] * input.ndim
    shape[axis] = weights.shape[0]
    origins = [0] * input.ndim
    origins[axis] = origin
    return correlate(input, weights.reshape(shape), None, mode, cval, tuple(origins))


@stands_in("ndimage")
def convolve1d(
    input: Any,  # noqa: A002
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Any:
    """The convolution with weights along an axis."""
    weights = _array(weights)
    turned = -origin - (weights.shape[0] % 2 == 0)
    return correlate1d(input, weights[::-1], axis, None, mode, cval, turned)


@stands_in("ndimage")
def correlate(
    input: Any,  # noqa: A002
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
) -> Any:
    """The correlation with an array of weights."""
    weights = _array(weights)
    origins = np.broadcast_to(origin, (input.ndim,))
    before = [n // 2 + int(o) for n, o in zip(weights.shape, origins, strict=True)]
    widths = [(b, n - 1 - b) for b, n in zip(before, weights.shape, strict=True)]
    room = _around(input, widths, mode, cval)
    total: Any = 0.0
    known = not holds_tracers([weights])
    for index in np.ndindex(*weights.shape):
        if known and weights[index] == 0:
            continue
        part = room[tuple(slice(i, i + n) for i, n in zip(index, input.shape, strict=True))]
        total = total + weights[index] * part
    return total


@stands_in("ndimage")
def convolve(
    input: Any,  # noqa: A002
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
) -> Any:
    """The convolution with an array of weights."""
    weights = _array(weights)
    origins = np.broadcast_to(origin, (input.ndim,))
    turned = tuple(-int(o) - (n % 2 == 0) for n, o in zip(weights.shape, origins, strict=True))
    flipped = weights[(slice(None, None, -1),) * weights.ndim]
    return correlate(input, flipped, None, mode, cval, turned)


@stands_in("ndimage")
def gaussian_filter1d(
    input: Any,  # noqa: A002
    sigma: float,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Any:
    """A Gaussian, or a derivative of it, along an axis; its weights are SciPy's answer to 1."""
    if holds_tracers([sigma]):
        raise ArgumentError("gaussian_filter1d needs a known sigma: it decides how wide it is")
    reach = int(truncate * float(sigma) + 0.5) if radius is None else radius
    scipys = importlib.import_module("scipy.ndimage").gaussian_filter1d
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1.0
    answer = scipys(impulse, sigma, order=order, mode="constant", radius=reach)
    return correlate1d(input, answer[::-1], axis, None, mode, cval)


@stands_in("ndimage")
def gaussian_filter(
    input: Any,  # noqa: A002
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Any:
    """Gaussians along the axes."""
    along = range(input.ndim) if axes is None else np.atleast_1d(axes)
    given = (np.broadcast_to(x, (len(along),)) for x in (sigma, order))
    reach = [None] * len(along) if radius is None else np.broadcast_to(radius, (len(along),))
    found = input
    for axis, width, degree, far in zip(along, *given, reach, strict=True):
        if width > 1e-15:
            found = gaussian_filter1d(
                found, width, int(axis), int(degree), None, mode, cval, truncate, radius=far
            )
    return found


@stands_in("ndimage")
def uniform_filter1d(
    input: Any,  # noqa: A002
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Any:
    """Means over neighbours along an axis."""
    return correlate1d(input, np.full(size, 1.0 / size), axis, None, mode, cval, origin)


@stands_in("ndimage")
def uniform_filter(
    input: Any,  # noqa: A002
    size: Any = 3,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
) -> Any:
    """Means over neighbours."""
    sizes, origins = (np.broadcast_to(x, (input.ndim,)) for x in (size, origin))
    for axis, (n, at) in enumerate(zip(sizes, origins, strict=True)):
        input = uniform_filter1d(input, int(n), axis, None, mode, cval, int(at))  # noqa: A001
    return input


def _slope(x: Any, axis: int, mode: str, cval: float, beside: Sequence[float]) -> Any:
    axis %= x.ndim
    found = correlate1d(x, [-1.0, 0.0, 1.0], axis, None, mode, cval)
    for other in range(x.ndim):
        if other != axis:
            found = correlate1d(found, beside, other, None, mode, cval)
    return found


@stands_in("ndimage")
def sobel(
    input: Any,  # noqa: A002
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
) -> Any:
    """Sobel's filter."""
    return _slope(input, axis, mode, cval, [1.0, 2.0, 1.0])


@stands_in("ndimage")
def prewitt(
    input: Any,  # noqa: A002
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
) -> Any:
    """Prewitt's filter."""
    return _slope(input, axis, mode, cval, [1.0, 1.0, 1.0])


@stands_in("ndimage")
def laplace(input: Any, output: Any = None, mode: str = "reflect", cval: float = 0.0) -> Any:  # noqa: A002
    """The sum of second differences."""
    weights = [1.0, -2.0, 1.0]
    return sum(correlate1d(input, weights, d, None, mode, cval) for d in range(input.ndim))


def _gaussians(x: Any, sigma: Any, degree: int, mode: str, cval: float) -> list[Any]:
    orders = degree * np.eye(x.ndim, dtype=int)
    return [gaussian_filter(x, sigma, order, None, mode, cval) for order in orders]


@stands_in("ndimage")
def gaussian_laplace(
    input: Any,  # noqa: A002
    sigma: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
) -> Any:
    """The sum of second derivatives of Gaussians."""
    return sum(_gaussians(input, sigma, 2, mode, cval))


@stands_in("ndimage")
def gaussian_gradient_magnitude(
    input: Any,  # noqa: A002
    sigma: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
) -> Any:
    """The size of the gradient by Gaussians."""
    return np.sqrt(sum(x * x for x in _gaussians(input, sigma, 1, mode, cval)))


@stands_in("ndimage")
def map_coordinates(
    input: Any,  # noqa: A002
    coordinates: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: float = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array at places between its elements, by splines of order 0, 1 or 3."""
    allowed = ("constant", "nearest", "mirror", "reflect") if order < 2 else ("constant", "mirror")
    if order not in (0, 1, 3) or mode not in allowed:
        raise ArgumentError(
            "map_coordinates of traced values takes order 0 or 1 with mode constant, nearest, "
            f"mirror or reflect, and order 3 with constant or mirror; got {order} and {mode!r}"
        )
    places = [coordinates[d] for d in range(input.ndim)]
    table = constant(_coefficients(input) if order == 3 and prefilter else input)
    inside: Any = True
    parts: list[list[tuple[Any, Any]]] = []
    for x, n in zip(places, input.shape, strict=True):
        inside = inside & (x >= 0) & (x <= n - 1)
        at = np.clip(x, 0, n - 1) if mode in ("constant", "nearest") else _folded(x, n, mode)
        parts.append([(_folded(i, n, mode).astype(np.int64), w) for i, w in _weights(at, order)])
    total: Any = 0.0
    for corner in itertools.product(*parts):
        weight: Any = 1.0
        for _, w in corner:
            weight = weight * w
        total = total + weight * table[tuple(i for i, _ in corner)]
    return np.where(inside, total, cval) if mode == "constant" else total


def _weights(x: Any, order: int) -> list[tuple[Any, Any]]:
    """The elements that count at a place, and how much: B-splines."""
    if order == 0:
        return [(np.floor(x + 0.5), 1.0)]
    base = np.floor(x)
    t = x - base
    if order == 1:
        return [(base, 1.0 - t), (base + 1.0, t)]
    s = 1.0 - t
    inner = [(4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0 for u in (t, s)]
    outer = [u * u * u / 6.0 for u in (s, t)]
    return [(base - 1, outer[0]), (base, inner[0]), (base + 1, inner[1]), (base + 2, outer[1])]


def _folded(x: Any, n: int, mode: str) -> Any:
    """Places beyond the ends, brought back by mirrors at the ends or half an element behind."""
    if n == 1:
        return x * 0.0
    if mode == "nearest":
        return np.clip(x, 0, n - 1)
    if mode == "reflect":
        turned = np.mod(x + 0.5, 2.0 * n)
        return np.clip(np.minimum(turned, 2.0 * n - turned) - 0.5, 0, n - 1)
    turned = np.mod(x, 2.0 * (n - 1))
    return np.minimum(turned, 2.0 * (n - 1) - turned)


def _coefficients(x: Any) -> Any:
    """Coefficients of the cubic spline through an array: linear in it, so by SciPy's matrix."""
    scipys = importlib.import_module("scipy.ndimage").spline_filter1d
    for axis, n in enumerate(x.shape):
        matrix = scipys(np.eye(n), order=3, axis=-1, mode="mirror")
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)
    return x


def _extreme(largest: bool) -> Any:
    join = np.maximum if largest else np.minimum

    def extreme_filter(
        input: Any,  # noqa: A002
        size: Any = None,
        footprint: Any = None,
        output: Any = None,
        mode: str = "reflect",
        cval: float = 0.0,
        origin: Any = 0,
    ) -> Any:
        """The largest or smallest one of the neighbours, axis by axis."""
        if footprint is not None or size is None:
            raise ArgumentError("maximum_filter and minimum_filter of traced values take a size")
        sizes, origins = (np.broadcast_to(x, (input.ndim,)) for x in (size, origin))
        for axis, (n, at) in enumerate(zip(sizes, origins, strict=True)):
            before = int(n) // 2 + int(at)
            widths = [(0, 0)] * input.ndim
            widths[axis] = (before, int(n) - 1 - before)
            room = np.moveaxis(_around(input, widths, mode, cval), axis, 0)
            length = input.shape[axis]
            found = room[:length]
            for k in range(1, int(n)):
                found = join(found, room[k : k + length])
            input = np.moveaxis(found, 0, axis)  # noqa: A001
        return input

    return extreme_filter


stands_in("ndimage", "maximum_filter")(_extreme(True))
stands_in("ndimage", "minimum_filter")(_extreme(False))


@stands_in("ndimage")
def affine_transform(
    input: Any,  # noqa: A002
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Any = None,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: float = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array at matrix @ place + offset for each place of the result."""
    matrix, offset = asarray(matrix), asarray(offset)
    n = len(input.shape)
    if matrix.ndim == 2 and matrix.shape[1] == n + 1:
        matrix, offset = matrix[:n, :n], matrix[:n, n]
    shape = input.shape if output_shape is None else tuple(output_shape)
    grid = np.stack(np.meshgrid(*(np.arange(float(m)) for m in shape), indexing="ij"))
    scaled = matrix.reshape((n,) + (1,) * n) * grid if matrix.ndim == 1 else None
    places = np.tensordot(matrix, grid, axes=1) if scaled is None else scaled
    places = places + (offset * np.ones(n)).reshape((n,) + (1,) * n)
    return map_coordinates(input, places, None, order, mode, cval, prefilter)


@stands_in("ndimage")
def shift(
    input: Any,  # noqa: A002
    shift: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: float = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array moved by so many elements along the axes."""
    ones = np.ones(len(input.shape))
    return affine_transform(
        input, ones, -(asarray(shift) * ones), None, None, order, mode, cval, prefilter
    )
