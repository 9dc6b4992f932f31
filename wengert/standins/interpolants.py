"""Splines and polynomials in pieces: `scipy.interpolate`.

Splines are linear in the values at known places, and in the derivatives asked for at their ends.
So SciPy's coefficients for unit vectors give those of traced values. What is evaluated then are
polynomials in pieces, found by `searchsorted`.
"""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.standins.image_arguments import axis_of
from wengert.standins.tables import METHODS, in_doubles, known, stands_in
from wengert.tracer.functions.making import constant


def increasing(name: str, x: Any) -> Any:
    """Known places in order, each of them once."""
    found = known(name, x)
    if found.ndim != 1 or found.size < 2 or not (np.diff(found) > 0).all():
        raise ArgumentError(f"{name} of traced values needs places that increase, got {found}")
    return found


def rows_of(name: str, x: Any, y: Any, axis: int) -> tuple[Any, int]:
    """Values at places along an axis, which goes first; the axis."""
    y = in_doubles(y)
    axis = axis_of(axis, y.ndim)
    if y.shape[axis] != len(x):
        raise ShapeError(f"{name} has {len(x)} places, but values of shape {y.shape} (axis {axis})")
    return np.moveaxis(y, axis, 0), axis


def placed(found: Any, count: int, axis: int) -> Any:
    """Values whose first `count` axes are those of places, with these axes from `axis` on."""
    axes = list(range(count))
    return np.moveaxis(found, axes, [axis + d for d in axes]) if axis else found


def _rule(extrapolate: Any) -> bool | str:
    return extrapolate if isinstance(extrapolate, str) else bool(extrapolate)


class Pieces:
    """Polynomials between the breakpoints x: c[k, i, ...] is of power K - k in piece i."""

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        self.c = in_doubles(constant(c))
        self.x = known("PPoly", x)
        if self.x.ndim != 1 or self.c.ndim < 2 or self.c.shape[1] != len(self.x) - 1:
            raise ShapeError(f"PPoly has {self.x.shape} places for pieces of shape {self.c.shape}")
        if (np.diff(self.x) < 0).any():
            raise ArgumentError(f"PPoly of traced values needs places that increase, got {self.x}")
        self.extrapolate = True if extrapolate is None else _rule(extrapolate)
        self.axis = axis

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The values, or derivatives of order nu, at places of any shape."""
        order = operator.index(nu)
        if order < 0:
            raise ArgumentError("nu must be 0 or more: antiderivative() gives the integral")
        rule = self.extrapolate if extrapolate is None else _rule(extrapolate)
        low, high = self.x[0], self.x[-1]
        x = in_doubles(x)
        if isinstance(rule, str):  # periodic
            x = low + np.mod(x - low, high - low)
        place = np.searchsorted(self.x, x, side="right") - 1
        piece = np.clip(place, 0, len(self.x) - 2)
        trailing = (1,) * (self.c.ndim - 2)
        t = (x - constant(self.x)[piece]).reshape(x.shape + trailing)
        degree = self.c.shape[0] - 1
        found: Any = 0.0 * t + np.zeros(self.c.shape[2:])
        for k in range(max(0, degree - order + 1)):
            factor = math.perm(degree - k, order)
            found = found * t + factor * self.c[k][piece]
        if rule is False:
            inside = ((x >= low) & (x <= high)).reshape(x.shape + trailing)
            found = np.where(inside, found, math.nan)
        return placed(found, x.ndim, self.axis)

    def derivative(self, nu: int = 1) -> Pieces:
        """The derivative of order nu, in pieces."""
        if nu < 0:
            return self.antiderivative(-nu)
        degree = self.c.shape[0] - 1
        kept = [math.perm(degree - k, nu) * self.c[k] for k in range(max(0, degree - nu + 1))]
        c = np.stack(kept) if kept else np.zeros_like(self.c[:1])
        return Pieces(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Pieces:
        """The integral from the first place on, nu times."""
        if nu <= 0:
            return self.derivative(-nu)
        c = self.c
        h = np.diff(self.x).reshape((-1,) + (1,) * (c.ndim - 2))
        for _ in range(nu):
            count = c.shape[0]
            parts = [c[k] / (count - k) for k in range(count)]
            total: Any = 0.0
            for part in parts:
                total = (total + part) * h
            before = np.cumsum(total, axis=0)[:-1]
            c = np.stack([*parts, np.concatenate([np.zeros_like(total[:1]), before])])
        rule = False if self.extrapolate == "periodic" else self.extrapolate
        return Pieces(c, self.x, rule, self.axis)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from a to b."""
        rule = self.extrapolate if extrapolate is None else _rule(extrapolate)
        whole = self.antiderivative()
        if not isinstance(rule, str):
            return whole(b, 0, rule) - whole(a, 0, rule)
        low, high = self.x[0], self.x[-1]
        ends = []
        for x in (in_doubles(a), in_doubles(b)):
            turns = np.floor((x - low) / (high - low))
            ends.append(whole(x - turns * (high - low), 0, True) + turns * whole(high))
        return ends[1] - ends[0]


def _taylor(t: Any, c: Any, k: int) -> Any:
    """The coefficients of each piece, by the derivatives at its beginning."""
    spline = importlib.import_module("scipy.interpolate").BSpline(t, c, k)
    starts = t[k : len(t) - k - 1]
    return np.stack([spline(starts, nu=d) / math.factorial(d) for d in range(k, -1, -1)])


class Spline:
    """A spline of known knots and traced coefficients."""

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        self.t = known("BSpline", t)
        self.k = operator.index(k)
        c = in_doubles(constant(c))
        self.axis = axis_of(axis, c.ndim)
        self.c = np.moveaxis(c, self.axis, 0)
        self.extrapolate = _rule(extrapolate)
        count = len(self.t) - self.k - 1
        if self.t.ndim != 1 or self.k < 0 or count < self.k + 1 or (np.diff(self.t) < 0).any():
            raise ArgumentError(
                f"BSpline of degree {k} needs at least {2 * self.k + 2} knots in order, "
                f"got {self.t}"
            )
        if self.c.shape[0] < count:
            raise ShapeError(f"BSpline needs {count} coefficients, got {self.c.shape[0]}")

    def pieces(self) -> Pieces:
        """The same in pieces."""
        count = len(self.t) - self.k - 1
        units = _taylor(self.t, np.eye(count), self.k)
        c = np.tensordot(units, self.c[:count], axes=(2, 0))
        return Pieces(c, self.t[self.k : count + 1], self.extrapolate, self.axis)

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The values, or derivatives of order nu."""
        return self.pieces()(x, nu, extrapolate)

    def derivative(self, nu: int = 1) -> Pieces:
        """The derivative of order nu, in pieces."""
        return self.pieces().derivative(nu)

    def antiderivative(self, nu: int = 1) -> Pieces:
        """The integral from the first knot on, nu times, in pieces."""
        return self.pieces().antiderivative(nu)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from a to b; where it does not extrapolate, of 0 beyond the ends."""
        rule = self.extrapolate if extrapolate is None else _rule(extrapolate)
        pieces = self.pieces()
        if rule is False:
            a, b = (np.clip(in_doubles(x), pieces.x[0], pieces.x[-1]) for x in (a, b))
        return pieces.integrate(a, b, rule)


def pieces_of(spline: Any) -> Pieces:
    """The pieces of SciPy's spline, which is known."""
    t, k = spline.t, spline.k
    n = len(t) - k - 1
    return Pieces(_taylor(t, spline.c[:n], k), t[k : n + 1], spline.extrapolate, spline.axis)


class _Ends:
    """Derivatives asked for at the ends of a spline: unit vectors of their own for SciPy."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.given: list[tuple[Any, Any]] = []

    def side(self, condition: Any, several: bool) -> Callable[[], Any]:
        """What SciPy gets at one end, once it is known how many unit vectors there are."""
        if condition is None or isinstance(condition, str):
            return lambda: condition
        start = len(self.given)
        self.given.extend(condition if several else [condition])
        places = range(start, len(self.given))

        def made() -> Any:
            total = self.count + len(self.given)
            units = [(self.given[i][0], np.eye(total)[self.count + i]) for i in places]
            return units if several else units[0]

        return made

    def units(self) -> Any:
        """Unit vectors for the values, beside which those of the ends are 0."""
        return np.eye(self.count, self.count + len(self.given))

    def rows(self, rows: Any) -> Any:
        """The values, and behind them the derivatives."""
        beside = [
            np.broadcast_to(in_doubles(v), rows.shape[1:])[None].astype(rows.dtype)
            for _, v in self.given
        ]
        return np.concatenate([rows, *beside]) if beside else rows


def _conditions(name: str, bc_type: Any, ends: _Ends, several: bool) -> Any:
    if bc_type is None or isinstance(bc_type, str):
        return bc_type
    if len(bc_type) != 2:
        raise ArgumentError(f"{name} takes one bc_type for both ends or two, got {len(bc_type)}")
    sides = [ends.side(condition, several) for condition in bc_type]
    return tuple(side() for side in sides)


def _units(periodic: bool, ends: _Ends) -> Any:
    """Unit vectors of the values; of a period, whose last value is the first one again."""
    units = ends.units()
    return np.vstack([units, units[:1]]) if periodic else units


@stands_in("interpolate", "CubicSpline")
def cubic_spline(
    x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
) -> Pieces:
    """The cubic spline through values at known places."""
    x = known("CubicSpline", x)
    rows, axis = rows_of("CubicSpline", x, y, axis)
    periodic = isinstance(bc_type, str) and bc_type == "periodic"
    ends = _Ends(rows.shape[0] - periodic)
    conditions = _conditions("CubicSpline", bc_type, ends, several=False)
    library = importlib.import_module("scipy.interpolate")
    units = library.CubicSpline(
        x, _units(periodic, ends), bc_type=conditions, extrapolate=extrapolate
    )
    c = np.tensordot(units.c, ends.rows(rows[: ends.count]), axes=(2, 0))
    return Pieces(c, units.x, units.extrapolate, axis)


@stands_in("interpolate", "make_interp_spline")
def interpolating_spline(
    x: Any,
    y: Any,
    k: int = 3,
    t: Any = None,
    bc_type: Any = None,
    axis: int = 0,
    check_finite: bool = True,
) -> Spline:
    """The spline of degree k through values at known places."""
    x = known("make_interp_spline", x)
    t = None if t is None else known("make_interp_spline", t)
    rows, axis = rows_of("make_interp_spline", x, y, axis)
    periodic = isinstance(bc_type, str) and bc_type == "periodic"
    ends = _Ends(rows.shape[0] - periodic)
    conditions = _conditions("make_interp_spline", bc_type, ends, several=True)
    library = importlib.import_module("scipy.interpolate")
    units = library.make_interp_spline(x, _units(periodic, ends), k, t, conditions)
    c = np.tensordot(units.c, ends.rows(rows[: ends.count]), axes=(1, 0))
    return Spline(units.t, np.moveaxis(c, 0, axis), units.k, units.extrapolate, axis)


# Cubics by their slopes.


@stands_in("interpolate", "CubicHermiteSpline")
def hermite_spline(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> Pieces:
    """The cubics through values with slopes."""
    x = increasing("CubicHermiteSpline", x)
    rows, axis = rows_of("CubicHermiteSpline", x, y, axis)
    slopes, _ = rows_of("CubicHermiteSpline", x, dydx, axis)
    return _hermite(x, rows, slopes, extrapolate, axis)


def _wide(h: Any, like: Any) -> Any:
    return h.reshape((-1,) + (1,) * (like.ndim - 1))


def _hermite(x: Any, rows: Any, slopes: Any, extrapolate: Any, axis: int) -> Pieces:
    h = _wide(np.diff(x), rows)
    slope = np.diff(rows, axis=0) / h
    excess = (slopes[:-1] + slopes[1:] - 2.0 * slope) / h
    c = np.stack([excess / h, (slope - slopes[:-1]) / h - excess, slopes[:-1], rows[:-1]])
    return Pieces(c, x, extrapolate, axis)


@stands_in("interpolate", "PchipInterpolator")
def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Pieces:
    """Monotone cubics: F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984).

    The slope at a place is the weighted harmonic mean of those on both sides, or 0 where they
    differ in sign; at an end, that of a parabola, kept within what leaves it monotone.
    """
    x = increasing("PchipInterpolator", x)
    rows, axis = rows_of("PchipInterpolator", x, y, axis)
    if rows.dtype.kind == "c":
        raise ArgumentError("PchipInterpolator takes real values; interpolate both parts")
    h = _wide(np.diff(x), rows)
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
    return _hermite(x, rows, slopes, extrapolate, axis)


def _end(h0: Any, h1: Any, first: Any, second: Any) -> Any:
    found = ((2.0 * h0 + h1) * first - h0 * second) / (h0 + h1)
    found = np.where(np.sign(found) != np.sign(first), 0.0, found)
    steep = (np.sign(first) != np.sign(second)) & (np.abs(found) > 3.0 * np.abs(first))
    return np.where(steep, 3.0 * first, found)


@stands_in("interpolate", "Akima1DInterpolator")
def akima(
    x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None
) -> Pieces:
    """Cubics whose slopes are local means: H. Akima, Journal of the ACM 17 (1970)."""
    if method not in ("akima", "makima"):
        raise ArgumentError(f"method is 'akima' or 'makima', not {method!r}")
    x = increasing("Akima1DInterpolator", x)
    rows, axis = rows_of("Akima1DInterpolator", x, y, axis)
    slope = np.diff(rows, axis=0) / _wide(np.diff(x), rows)
    if len(x) == 2:
        slopes = np.concatenate([slope, slope])
    else:
        slopes = _akima_slopes(slope, modified=method == "makima")
    return _hermite(x, rows, slopes, extrapolate is not None and extrapolate, axis)


def _akima_slopes(slope: Any, modified: bool) -> Any:
    """Means of the slopes on both sides, weighted by how much those beyond them change."""

    def beyond(near: Any, next_one: Any) -> Sequence[Any]:
        first = 2.0 * near - next_one
        return first, 2.0 * first - near

    left, right = beyond(slope[0], slope[1]), beyond(slope[-1], slope[-2])
    m = np.concatenate([left[1][None], left[0][None], slope, right[0][None], right[1][None]])
    change = np.abs(np.diff(m, axis=0))
    if modified:
        change = change + 0.5 * np.abs(m[1:] + m[:-1])
    after, before = change[2:], change[:-2]
    total = after + before
    # SciPy's limit below which the slopes decide nothing
    defined = total > 1e-9 * np.max(total)
    share = np.where(defined, before / np.where(defined, total, 1.0), 0.0)
    mean = m[1:-2] + share * (m[2:-1] - m[1:-2])
    return np.where(defined, mean, 0.5 * (m[3:] + m[:-3]))


def _called(build: Callable[[Any], Any]) -> Callable[[Any, str], Callable[..., Any] | None]:
    """Calls of SciPy's object at traced places."""

    def of(owner: Any, name: str) -> Callable[..., Any] | None:
        if name == "__call__":
            return build(owner)
        return build(owner).integrate if name == "integrate" else None

    return of


class _Known(Spline):
    """SciPy's spline, all of which is known."""

    def __init__(self, spline: Any) -> None:
        self._spline = spline
        self.extrapolate = spline.extrapolate

    def pieces(self) -> Pieces:
        """The same in pieces."""
        return pieces_of(self._spline)


@stands_in("interpolate", "PPoly")
def pieces(c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> Pieces:
    """Polynomials in pieces, whose axes of powers and pieces begin at `axis`."""
    c = in_doubles(constant(c))
    axis = axis_of(axis, c.ndim - 1)
    return Pieces(np.moveaxis(c, [axis, axis + 1], [0, 1]), x, extrapolate, axis)


@stands_in("interpolate")
def pchip_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """Monotone cubics, or derivatives of them of one order or several."""
    found = pchip(xi, yi, axis)
    orders = [der] if np.ndim(der) == 0 else list(der)
    values = [found(x, int(order)) for order in orders]
    return values[0] if np.ndim(der) == 0 else values


stands_in("interpolate", "BSpline")(Spline)
METHODS["scipy.interpolate", "PPoly"] = _called(lambda p: Pieces(p.c, p.x, p.extrapolate, p.axis))
METHODS["scipy.interpolate", "BSpline"] = _called(_Known)
