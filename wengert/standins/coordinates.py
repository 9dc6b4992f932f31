"""Arrays on a regular grid at places between their elements, by B-splines: `scipy.ndimage`."""

from __future__ import annotations

import importlib
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.numpy import asarray
from wengert.standins.image_arguments import (
    around,
    as_image,
    axis_of,
    dtype_for,
    for_each,
    given_back,
    kept,
    wide,
)
from wengert.standins.tables import known, stands_in
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers

FOLDS = {
    "constant": "mirror",
    "nearest": "mirror",
    "mirror": "mirror",
    "wrap": "mirror",
    "reflect": "reflect",
    "grid-mirror": "reflect",
    "grid-wrap": "grid-wrap",
    "grid-constant": "grid-constant",
}
"""Modes, and how the coefficients of splines go on behind the ends."""
PADDED = {"nearest": "nearest", "grid-constant": "constant"}
"""Modes whose image is continued before its coefficients are found, as SciPy does."""
ROOM = 12


def _order(order: Any) -> int:
    found = operator.index(order)
    if not 0 <= found <= 5:
        raise ArgumentError(f"splines have an order of 0 to 5, not {order}")
    return found


def _weights(x: Any, order: int) -> tuple[Any, list[Any]]:
    """The first element that counts at a place, and how much it and the next ones do.

    C. de Boor's recurrence with knots at a distance of 1.
    """
    start = np.floor(x if order % 2 else x + 0.5)
    t = x - start if order % 2 else x - start + 0.5
    found: list[Any] = [1.0]
    for d in range(1, order + 1):
        left, right = [0.0, *found], [*found, 0.0]
        found = [
            ((t + (d - j)) * left[j] + (1.0 - t + j) * right[j]) * (1.0 / d) for j in range(d + 1)
        ]
    return start - order // 2, found


def _brought_back(x: Any, n: int, mode: str) -> Any:
    """Places beyond the ends, as the mode maps them."""
    if mode in ("constant", "nearest"):
        return np.clip(x, 0.0, n - 1.0)
    if mode == "grid-constant":
        return np.clip(x, -ROOM, n - 1.0 + ROOM)
    if n == 1 and FOLDS[mode] == "mirror":
        return np.zeros_like(x)
    if mode == "wrap":
        below = x + (n - 1.0) * (np.floor(-x / (n - 1.0)) + 1.0)
        above = x - (n - 1.0) * np.floor(x / (n - 1.0))
        return np.where(x < 0, below, np.where(x > n - 1, above, x))
    return _folded(x, n, FOLDS[mode])


def _folded(x: Any, n: int, fold: str) -> Any:
    """Places brought back by mirrors at the ends, or half an element behind, or by turns."""
    if fold == "grid-wrap":
        return np.mod(x, float(n))
    if fold == "reflect":
        turned = np.mod(x + 0.5, 2.0 * n)
        return np.minimum(turned, 2.0 * n - turned) - 0.5
    if n == 1:
        return np.zeros_like(x)
    turned = np.mod(x, 2.0 * (n - 1))
    return np.minimum(turned, 2.0 * (n - 1) - turned)


def _corners(x: Any, n: int, order: int, mode: str) -> list[tuple[Any, Any, Any]]:
    """Elements that count along an axis, how much, and where they are in the image."""
    first, weights = _weights(x, order)
    found = []
    for k, weight in enumerate(weights):
        place, inside = first + float(k), None
        if mode == "grid-constant":
            inside = (place >= 0) & (place <= n - 1)
            place = np.clip(place, 0, n - 1)
        else:
            place = np.clip(_folded(place, n, FOLDS[mode]), 0, n - 1)
        found.append((place.astype(np.int64), weight, inside))
    return found


def _coefficients(x: Any, order: int, mode: str) -> Any:
    """Those of the spline through an array: linear in it, so by SciPy's matrix."""
    scipys = importlib.import_module("scipy.ndimage").spline_filter1d
    for axis, n in enumerate(x.shape):
        if n > 1:
            matrix = scipys(np.eye(n), order=order, axis=-1, mode=mode)
            x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)
    return x


def _at_places(
    x: Any, places: Sequence[Any], order: int, mode: str, cval: Any, prefilter: bool
) -> Any:
    """The array in float64 at places along each of its axes."""
    if mode not in FOLDS:
        raise ArgumentError(f"mode is one of {', '.join(FOLDS)}, not {mode!r}")
    if order < 2 or not prefilter:
        room, table = 0, constant(wide(x))
    else:
        room = ROOM if mode in PADDED else 0
        table = wide(x)
        if room:
            table = around(table, [(room, room)] * x.ndim, PADDED[mode], cval)
        table = constant(_coefficients(table, order, mode))
    inside: Any = True
    parts = []
    for place, given, n in zip(places, x.shape, table.shape, strict=True):
        inside = inside & (place >= 0) & (place <= given - 1)
        parts.append(_corners(_brought_back(place + float(room), n, mode), n, order, mode))
    total: Any = 0.0
    for corner in itertools.product(*parts):
        found = table[tuple(i for i, _, _ in corner)]
        for _, _, there in corner:
            found = found if there is None else np.where(there, found, cval)
        for _, weight, _ in corner:
            found = found * weight
        total = total + found
    return np.where(inside, total, cval) if mode == "constant" else total


@stands_in("ndimage")
def map_coordinates(
    input: Any,  # noqa: A002
    coordinates: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array at places between its elements, by splines."""
    x = as_image(input)
    places = [asarray(p) for p in coordinates]
    if x.ndim < 1 or len(places) != x.ndim or places[0].ndim < 1:
        raise ShapeError(
            f"map_coordinates takes as many coordinates as the image has dimensions, {x.ndim}, "
            f"each of them an array; got {len(places)}"
        )
    if any(p.dtype.kind == "c" for p in places):
        raise DTypeError("map_coordinates takes real coordinates")
    places = [p.astype(np.float64) for p in places]
    dtype = dtype_for(x, output, x.dtype.kind == "c")
    found = _at_places(x, places, _order(order), mode, cval, prefilter)
    return given_back(kept(found, dtype, rounded=True), output)


def _homogeneous(matrix: Any, n: int) -> bool:
    """Whether a matrix has its offset as its last column; then its last row says nothing."""
    if matrix.ndim != 2 or matrix.shape[1] != n + 1 or matrix.shape[0] not in (n, n + 1):
        return False
    last = matrix[n] if matrix.shape[0] == n + 1 else None
    if last is not None and not holds_tracers([last]) and list(last) != [0.0] * n + [1.0]:
        raise ArgumentError(
            f"the last row of a matrix of shape {matrix.shape} must be {[0.0] * n + [1.0]} where "
            f"it has the offset as its last column; it is {list(last)}"
        )
    return True


@stands_in("ndimage")
def affine_transform(
    input: Any,  # noqa: A002
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Any = None,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array at matrix @ place + offset for each place of the result."""
    x = as_image(input)
    n = x.ndim
    matrix = asarray(matrix) if holds_tracers([matrix]) else np.asarray(matrix, float)
    if _homogeneous(matrix, n):
        matrix, offset = matrix[:n, :n], matrix[:n, n]
    if output_shape is None:
        output_shape = output.shape if hasattr(output, "shape") else x.shape
    shape = tuple(operator.index(m) for m in output_shape)
    fits = (n,) if matrix.ndim == 1 else (n, len(shape))
    if matrix.shape != fits or (matrix.ndim == 1 and len(shape) != n):
        raise ShapeError(
            f"affine_transform of {n} dimensions to {len(shape)} does not take a matrix of shape "
            f"{matrix.shape}"
        )
    offsets = [asarray(o) for o in for_each("offset", offset, n)]
    grid = [np.arange(m).reshape((-1,) + (1,) * (len(shape) - 1 - d)) for d, m in enumerate(shape)]
    places = []
    for row in range(n):
        terms = (
            [matrix[row] * grid[row]]
            if matrix.ndim == 1
            else [matrix[row, d] * grid[d] for d in range(len(shape))]
        )
        place = sum(terms[1:], terms[0]) + offsets[row]
        places.append(np.broadcast_to(place, shape).astype(np.float64))
    dtype = dtype_for(x, output, x.dtype.kind == "c")
    found = _at_places(x, places, _order(order), mode, cval, prefilter)
    return given_back(kept(found, dtype, rounded=True), output)


@stands_in("ndimage")
def shift(
    input: Any,  # noqa: A002
    shift: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array moved by so many elements along the axes."""
    x = as_image(input)
    moves = [-asarray(s) for s in for_each("shift", shift, x.ndim)]
    ones = np.ones(x.ndim)
    return affine_transform(x, ones, moves, x.shape, output, order, mode, cval, prefilter)


@stands_in("ndimage")
def rotate(
    input: Any,  # noqa: A002
    angle: Any,
    axes: Any = (1, 0),
    reshape: bool = True,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Any:
    """The array turned by an angle in degrees in the plane of two axes."""
    x = as_image(input)
    if x.ndim < 2 or len(axes) != 2:
        raise ShapeError("rotate takes two axes of an array that has two at least")
    plane = sorted(axis_of(a, x.ndim) for a in axes)
    if reshape and holds_tracers([angle]):
        raise ArgumentError(
            "the shape of a turned array depends on the angle, which is traced: give reshape=False"
        )
    turn = np.deg2rad(angle)
    if not holds_tracers([angle]):  # SciPy's, exact for quarters of a turn
        special = importlib.import_module("scipy.special")
        c, s = float(special.cosdg(angle)), float(special.sindg(angle))
    else:
        c, s = np.cos(turn), np.sin(turn)
    rows: list[list[Any]] = np.eye(x.ndim).tolist()
    first, second = plane
    rows[first][first], rows[first][second] = c, s
    rows[second][first], rows[second][second] = -s, c
    shape = list(x.shape)
    inner = [shape[first], shape[second]]
    if reshape:
        corners = np.array([[c, s], [-s, c]]) @ [[0, 0, *inner[:1] * 2], [0, inner[1]] * 2]
        outer = (np.ptp(corners, axis=1) + 0.5).astype(int).tolist()
    else:
        outer = inner
    shape[first], shape[second] = outer
    middle = [(n - 1) / 2 for n in outer]
    offsets: list[Any] = [0.0] * x.ndim
    offsets[first] = (inner[0] - 1) / 2 - (c * middle[0] + s * middle[1])
    offsets[second] = (inner[1] - 1) / 2 - (-s * middle[0] + c * middle[1])
    matrix = np.stack([np.stack([asarray(v) for v in row]) for row in rows])
    return affine_transform(x, matrix, offsets, shape, output, order, mode, cval, prefilter)


@stands_in("ndimage")
def zoom(
    input: Any,  # noqa: A002
    zoom: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
    *,
    grid_mode: bool = False,
) -> Any:
    """The array with so many times as many elements along the axes."""
    x = as_image(input)
    if x.ndim < 1:
        raise ArgumentError("input and output rank must be > 0")
    factors = [float(z) for z in for_each("zoom", known("zoom", zoom).tolist(), x.ndim)]
    shape = [round(n * z) for n, z in zip(x.shape, factors, strict=True)]
    if all(z == 1 for z in factors) and prefilter:
        return given_back(kept(x, dtype_for(x, output, x.dtype.kind == "c")), output)
    less = 0 if grid_mode else 1
    steps = [
        (n - less) / (m - less) if m != less else 1.0 for n, m in zip(x.shape, shape, strict=True)
    ]
    offsets = [0.5 * (step - 1.0) if grid_mode else 0.0 for step in steps]
    return affine_transform(
        x, np.array(steps), offsets, shape, output, order, mode, cval, prefilter
    )
