"""Interpolation: `scipy.interpolate`.

Splines are linear in the values at known places. So SciPy's coefficients for unit vectors give
those of traced values. What is evaluated then are polynomials in pieces, found by `searchsorted`.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.standins.tables import METHODS, known, stands_in
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers


class Pieces:
    """Polynomials between the breakpoints x: c[k, i, ...] is of power K - k in piece i."""

    def __init__(self, c: Any, x: Any, extrapolate: Any = True, axis: int = 0) -> None:
        self.c = constant(c)
        self.x = known("PPoly", x)
        self.extrapolate = extrapolate
        self.axis = axis

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The values, or derivatives of order nu, at places of any shape."""
        rule = self.extrapolate if extrapolate is None else extrapolate
        low, high = self.x[0], self.x[-1]
        if isinstance(rule, str):  # periodic
            x = low + np.mod(x - low, high - low)
        x = x if hasattr(x, "shape") else np.asarray(x, float)
        place = np.searchsorted(self.x, x, side="right") - 1
        piece = np.clip(place, 0, len(self.x) - 2)
        trailing = (1,) * (self.c.ndim - 2)
        t = (x - constant(self.x)[piece]).reshape(x.shape + trailing)
        degree = self.c.shape[0] - 1
        found: Any = 0.0 * t
        for k in range(max(0, degree - nu + 1)):
            factor = math.perm(degree - k, nu)
            found = found * t + factor * self.c[k][piece]
        if rule is False:
            inside = ((x >= low) & (x <= high)).reshape(x.shape + trailing)
            found = np.where(inside, found, math.nan)
        axes = list(range(x.ndim))
        return np.moveaxis(found, axes, [self.axis + d for d in axes]) if self.axis else found


def _pieces_of_spline(spline: Any) -> Pieces:
    """The pieces of a spline of known knots."""
    t, k = spline.t, spline.k
    n = len(t) - k - 1
    if holds_tracers([spline.c]):
        c = np.tensordot(_taylor(t, np.eye(n), k), spline.c[:n], axes=(2, 0))
    else:
        c = _taylor(t, spline.c[:n], k)
    return Pieces(c, t[k : n + 1], spline.extrapolate, spline.axis)


def _taylor(t: Any, c: Any, k: int) -> Any:
    """The coefficients of each piece, by the derivatives at its beginning."""
    spline = importlib.import_module("scipy.interpolate").BSpline(t, c, k)
    starts = t[k : len(t) - k - 1]
    return np.stack([spline(starts, nu=d) / math.factorial(d) for d in range(k, -1, -1)])


def _moved(y: Any, axis: int) -> Any:
    return np.moveaxis(y, axis, 0)


@stands_in("interpolate", "CubicSpline")
def cubic_spline(
    x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
) -> Pieces:
    """The cubic spline through values at known places."""
    x = known("CubicSpline", x)
    rows = _moved(y, axis)
    library = importlib.import_module("scipy.interpolate")
    periodic = bc_type == "periodic"
    count = rows.shape[0] - periodic
    values = np.eye(count) if not periodic else np.vstack([np.eye(count), np.eye(count)[:1]])
    units = library.CubicSpline(x, values, bc_type=bc_type, extrapolate=extrapolate)
    c = np.tensordot(units.c, rows[:count], axes=(2, 0))
    return Pieces(c, units.x, units.extrapolate, axis % y.ndim)


@stands_in("interpolate", "PchipInterpolator")
def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Pieces:
    """Monotone cubics: F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984).

    The slope at a place is the weighted harmonic mean of those on both sides, or 0 where they
    differ in sign; at an end, that of a parabola, kept within what leaves it monotone.
    """
    rows, x = _moved(y, axis), known("PchipInterpolator", x)
    wide = (slice(None), *(None,) * (rows.ndim - 1))
    h = np.diff(x)[wide]
    slope = np.diff(rows, axis=0) / h
    if len(x) == 2:
        slopes = np.concatenate([slope, slope])
    else:
        before, after = slope[:-1], slope[1:]
        first, second = h[:-1] + 2.0 * h[1:], 2.0 * h[:-1] + h[1:]
        alike = np.sign(before) * np.sign(after) > 0
        one, two = np.where(alike, before, 1.0), np.where(alike, after, 1.0)
        mean = (first + second) / (first / one + second / two)
        inner = np.where(alike, mean, 0.0)
        ends = [_end(h[0], h[1], slope[0], slope[1]), _end(h[-1], h[-2], slope[-1], slope[-2])]
        slopes = np.concatenate([ends[0][None], inner, ends[1][None]])
    return _hermite(x, rows, h, slope, slopes, extrapolate, axis % y.ndim)


def _end(h0: Any, h1: Any, first: Any, second: Any) -> Any:
    found = ((2.0 * h0 + h1) * first - h0 * second) / (h0 + h1)
    found = np.where(np.sign(found) != np.sign(first), 0.0, found)
    steep = (np.sign(first) != np.sign(second)) & (np.abs(found) > 3.0 * np.abs(first))
    return np.where(steep, 3.0 * first, found)


def _hermite(
    x: Any, rows: Any, h: Any, slope: Any, slopes: Any, extrapolate: Any, axis: int
) -> Pieces:
    excess = (slopes[:-1] + slopes[1:] - 2.0 * slope) / h
    c = np.stack([excess / h, (slope - slopes[:-1]) / h - excess, slopes[:-1], rows[:-1]])
    return Pieces(c, x, True if extrapolate is None else extrapolate, axis)


@stands_in("interpolate", "make_interp_spline")
def interpolating_spline(
    x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0, **options: Any
) -> Pieces:
    """The spline of degree k through values at known places."""
    x = known("make_interp_spline", x)
    library = importlib.import_module("scipy.interpolate")
    rows = _moved(y, axis)
    units = library.make_interp_spline(x, np.eye(rows.shape[0]), k, t, bc_type)
    pieces = _pieces_of_spline(units)
    return Pieces(np.tensordot(pieces.c, rows, axes=(2, 0)), pieces.x, True, axis % y.ndim)


class Spline:
    """A spline of known knots and traced coefficients."""

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        self.t = known("BSpline", t)
        self.c = _moved(c, axis)
        self.k = k
        self.extrapolate = extrapolate
        self.axis = axis

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The values, or derivatives of order nu."""
        return _pieces_of_spline(self)(x, nu, extrapolate)


@stands_in("interpolate", "interp1d")
def interp1d(
    x: Any,
    y: Any,
    kind: str | int = "linear",
    axis: int = -1,
    copy: bool = True,
    bounds_error: Any = None,
    fill_value: Any = math.nan,
    assume_sorted: bool = False,
) -> Pieces:
    """Lines or splines through values; NaN outside unless it extrapolates."""
    degrees = {"linear": 1, "slinear": 1, "quadratic": 2, "cubic": 3}
    k = degrees.get(kind, kind) if isinstance(kind, str) else kind
    if not isinstance(k, int) or (fill_value != "extrapolate" and fill_value == fill_value):
        raise ArgumentError(
            "interp1d of traced values takes kind linear, quadratic, cubic or a degree, and as "
            "fill_value NaN or 'extrapolate'"
        )
    found = interpolating_spline(x, y, k, axis=axis)
    return Pieces(found.c, found.x, fill_value == "extrapolate", found.axis)


class Grid:
    """Values on a regular grid, between which lines are drawn or the nearest one is taken."""

    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = math.nan,
        **options: Any,
    ) -> None:
        self.points = [known("RegularGridInterpolator", p) for p in points]
        self.values = constant(values)
        self.method = method
        self.fill_value = fill_value

    def __call__(self, xi: Any, method: str | None = None, **options: Any) -> Any:
        """The values at places xi[..., d], which may be given as a tuple of arrays."""
        rule = self.method if method is None else method
        if rule not in ("linear", "nearest"):
            raise ArgumentError(f"grids of traced values take linear or nearest, not {rule!r}")
        if isinstance(xi, tuple | list):
            xi = np.stack(np.broadcast_arrays(*xi), axis=-1)
        inside: Any = True
        sides: list[list[tuple[Any, Any]]] = []
        for d, p in enumerate(self.points):
            x = xi[..., d]
            inside = inside & (x >= p[0]) & (x <= p[-1])
            at = np.clip(np.searchsorted(p, x, side="right") - 1, 0, len(p) - 2)
            t = (x - constant(p)[at]) / constant(np.diff(p))[at]
            if rule == "nearest":
                sides.append([(np.where(t <= 0.5, at, at + 1), 1.0)])
            else:
                sides.append([(at, 1.0 - t), (at + 1, t)])
        trailing = (1,) * (self.values.ndim - len(self.points))
        total: Any = 0.0
        for corner in itertools.product(*sides):
            weight: Any = 1.0
            for _, w in corner:
                weight = weight * w
            shaped = (
                weight if isinstance(weight, float) else weight.reshape(weight.shape + trailing)
            )
            total = total + shaped * self.values[tuple(i for i, _ in corner)]
        if self.fill_value is None:
            return total
        return np.where(inside.reshape(inside.shape + trailing), total, self.fill_value)


stands_in("interpolate", "PPoly")(Pieces)
stands_in("interpolate", "BSpline")(Spline)
stands_in("interpolate", "RegularGridInterpolator")(Grid)


@stands_in("interpolate")
def interpn(
    points: Sequence[Any],
    values: Any,
    xi: Any,
    method: str = "linear",
    bounds_error: bool = True,
    fill_value: Any = math.nan,
) -> Any:
    """Values on a regular grid at places between."""
    return Grid(points, values, method, bounds_error, fill_value)(xi)


def _called(build: Callable[[Any], Any]) -> Callable[[Any, str], Callable[..., Any] | None]:
    """Calls of SciPy's object at traced places."""
    return lambda owner, name: build(owner) if name == "__call__" else None


def _of_interp1d(owner: Any) -> Any:
    fill = "extrapolate" if owner._extrapolate else math.nan
    if owner._kind == "spline":
        found = _pieces_of_spline(owner._spline)
        c = found.c.reshape((*found.c.shape[:2], *owner._y_extra_shape))
        return Pieces(c, found.x, bool(owner._extrapolate), owner._y_axis)
    return interp1d(owner.x, owner.y, owner._kind, owner.axis, fill_value=fill)


METHODS["scipy.interpolate", "PPoly"] = _called(lambda p: Pieces(p.c, p.x, p.extrapolate, p.axis))
METHODS["scipy.interpolate", "BSpline"] = _called(_pieces_of_spline)
METHODS["scipy.interpolate", "interp1d"] = _called(_of_interp1d)
METHODS["scipy.interpolate", "RegularGridInterpolator"] = _called(
    lambda g: Grid(g.grid, g.values, g.method, fill_value=g.fill_value)
)
