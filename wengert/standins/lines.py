"""`scipy.interpolate.interp1d`: lines, splines or the nearest value between known places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.standins.image_arguments import axis_of
from wengert.standins.interpolants import (
    Pieces,
    interpolating_spline,
    pieces_of,
    placed,
    rows_of,
)
from wengert.standins.tables import METHODS, in_doubles, known, required, stands_in
from wengert.tracer.functions.making import constant

DEGREES = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}
PICKED = ("nearest", "nearest-up", "previous", "next")


class Lines:
    """Values at places, along the first axis, and what is between and beyond them."""

    def __init__(
        self, x: Any, rows: Any, kind: Any, axis: int, fill: Any, bounds_error: Any
    ) -> None:
        self._x = x
        self._rows = rows
        self._kind = kind
        self._axis = axis
        self._fill = self._ends(fill)
        self._checked = bounds_error and self._fill is not None
        if kind not in PICKED and kind != "linear":
            self._spline = interpolating_spline(x, rows, DEGREES.get(kind, kind)).pieces()

    def _ends(self, fill: Any) -> tuple[Any, Any] | None:
        if isinstance(fill, str):
            if fill != "extrapolate":
                raise ArgumentError(f"fill_value is a number, two, or 'extrapolate', not {fill!r}")
            nan = np.full(self._rows.shape[1:], math.nan)
            ends = {"previous": (nan, self._rows[-1]), "next": (self._rows[0], nan)}
            return ends.get(self._kind)
        low, high = fill if isinstance(fill, tuple) and len(fill) == 2 else (fill, fill)
        shape = self._rows.shape[1:]
        return np.broadcast_to(low, shape), np.broadcast_to(high, shape)

    def __call__(self, x: Any) -> Any:
        """The values at places of any shape."""
        x = in_doubles(x)
        below, above = x < self._x[0], x > self._x[-1]
        if self._checked:
            required(
                np.logical_not(np.any(below | above)),
                f"a place is outside of those of interp1d, [{self._x[0]}, {self._x[-1]}]",
            )
        found = self._between(x)
        trailing = (1,) * (self._rows.ndim - 1)
        if self._fill is not None:
            low, high = self._fill
            below, above = (m.reshape(x.shape + trailing) for m in (below, above))
            found = np.where(below, low, np.where(above, high, found))
        return placed(found, x.ndim, self._axis)

    def _between(self, x: Any) -> Any:
        table, count = constant(self._rows), len(self._x)
        if self._kind == "previous":
            return table[np.clip(np.searchsorted(self._x, x, side="right") - 1, 0, count - 1)]
        if self._kind == "next":
            return table[np.clip(np.searchsorted(self._x, x, side="left"), 0, count - 1)]
        if self._kind in PICKED:
            halves = self._x / 2.0
            side: Any = "left" if self._kind == "nearest" else "right"
            return table[np.searchsorted(halves[1:] + halves[:-1], x, side=side)]
        if self._kind != "linear":
            return self._spline(x, 0, True)
        piece = np.clip(np.searchsorted(self._x, x, side="left"), 1, count - 1)
        first, start = table[piece - 1], constant(self._x)[piece - 1]
        t = (x - start).reshape(x.shape + (1,) * (table.ndim - 1))
        h = constant(np.diff(self._x))[piece - 1].reshape(t.shape)
        return (table[piece] - first) / h * t + first


@stands_in("interpolate", "interp1d")
def interp1d(
    x: Any,
    y: Any,
    kind: str | int = "linear",
    axis: int = -1,
    copy: bool = True,
    bounds_error: bool | None = None,
    fill_value: Any = math.nan,
    assume_sorted: bool = False,
) -> Lines:
    """Lines, splines or the nearest values; as SciPy's, an error beyond the ends by default."""
    x = known("interp1d", x)
    rows, axis = rows_of("interp1d", x, y, axis)
    rule = kind if isinstance(kind, str) else int(kind)
    if isinstance(rule, str) and rule not in (*DEGREES, *PICKED, "linear"):
        raise ArgumentError(
            f"interp1d takes the kinds {', '.join(('linear', *DEGREES, *PICKED))} or a degree, "
            f"not {kind!r}"
        )
    if not assume_sorted:
        order = np.argsort(x, kind="mergesort")
        x, rows = x[order], rows[order]
    extrapolates = isinstance(fill_value, str)
    checked = not extrapolates if bounds_error is None else bounds_error
    if checked and extrapolates:
        raise ArgumentError("interp1d cannot extrapolate and raise beyond the ends")
    return Lines(x, rows, rule, axis, fill_value, checked)


def _of_instance(owner: Any) -> Any:
    """SciPy's object, all of which is known."""
    y = np.moveaxis(np.asarray(owner.y), axis_of(owner.axis, np.ndim(owner.y)), 0)
    axis = axis_of(owner.axis, y.ndim)
    fill = "extrapolate" if owner._extrapolate else owner.fill_value
    if owner._kind != "spline":
        return Lines(owner.x, y, owner._kind, axis, fill, owner.bounds_error)
    found = Lines(owner.x, y, "linear", axis, fill, owner.bounds_error)
    return _through(found, owner._spline, y)


def _through(lines: Lines, spline: Any, y: Any) -> Lines:
    """`lines` with SciPy's spline between the places."""
    pieces = pieces_of(spline)
    lines._kind = "spline"
    lines._spline = Pieces(pieces.c.reshape((*pieces.c.shape[:2], *y.shape[1:])), pieces.x)
    return lines


METHODS["scipy.interpolate", "interp1d"] = lambda owner, name: (
    _of_instance(owner) if name == "__call__" else None
)
