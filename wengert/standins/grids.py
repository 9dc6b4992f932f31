"""Values on a regular grid at places between: `scipy.interpolate.RegularGridInterpolator`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.standins.tables import METHODS, in_doubles, in_floats, known, required, stands_in
from wengert.tracer.functions.making import constant

RULES = ("linear", "nearest")


def _axes(points: Sequence[Any], values: Any) -> tuple[list[Any], Any]:
    """The places along each axis in order, and the values so ordered."""
    if len(points) > values.ndim:
        raise ShapeError(f"a grid of {len(points)} axes has values of {values.ndim} dimensions")
    found = []
    for d, given in enumerate(points):
        p = known("RegularGridInterpolator", given)
        if p.ndim != 1 or p.shape[0] != values.shape[d]:
            raise ShapeError(
                f"axis {d} of a grid has {p.shape} places for values of shape {values.shape}"
            )
        if p.size > 1 and (np.diff(p) < 0).all():
            p, values = p[::-1], np.flip(values, d)
        if not (np.diff(p) > 0).all():
            raise ArgumentError(f"places along axis {d} of a grid must increase or decrease: {p}")
        found.append(p)
    return found, values


class Grid:
    """Values on a regular grid, between which lines are drawn or the nearest one is taken."""

    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = math.nan,
        *,
        solver: Any = None,
        solver_args: Any = None,
    ) -> None:
        self._points, self._values = _axes(points, in_floats(constant(values)))
        self.method = method
        self.bounds_error = bounds_error
        self.fill_value = fill_value

    def __call__(self, xi: Any, method: str | None = None, *, nu: Any = None) -> Any:
        """The values at places xi[..., d], which may be given as a tuple of arrays."""
        rule = self.method if method is None else method
        if rule not in RULES or nu is not None:
            raise ArgumentError(
                f"grids of traced values take the methods {' and '.join(RULES)} and no nu, got "
                f"{rule!r} and {nu}"
            )
        x = _places(xi, len(self._points))
        outside: Any = False
        for d, p in enumerate(self._points):
            outside = outside | (x[..., d] < p[0]) | (x[..., d] > p[-1])
        if self.bounds_error:
            required(
                np.logical_not(np.any(outside)), "one of the requested xi is outside of the grid"
            )
        trailing = (1,) * (self._values.ndim - len(self._points))
        found = self._between(x, rule, trailing)
        shape = outside.shape + trailing
        if not self.bounds_error and self.fill_value is not None:
            found = np.where(outside.reshape(shape), self.fill_value, found)
        missing = np.any(np.isnan(x), axis=-1)
        return np.where(missing.reshape(shape), math.nan, found)

    def _between(self, x: Any, rule: str, trailing: tuple[int, ...]) -> Any:
        sides: list[list[tuple[Any, Any]]] = []
        for d, p in enumerate(self._points):
            if len(p) == 1:  # nothing is between
                sides.append([(np.zeros(x.shape[:-1], np.int64), None)])
                continue
            at = np.clip(np.searchsorted(p, x[..., d], side="right") - 1, 0, len(p) - 2)
            t = (x[..., d] - constant(p)[at]) / constant(np.diff(p))[at]
            if rule == "nearest":
                sides.append([(np.where(t <= 0.5, at, at + 1), None)])
            else:
                sides.append([(at, 1.0 - t), (at + 1, t)])
        total: Any = None
        for corner in itertools.product(*sides):
            term = self._values[tuple(i for i, _ in corner)]
            for _, weight in corner:
                if weight is not None:
                    term = term * weight.reshape(weight.shape + trailing)
            total = term if total is None else total + term
        return total


def _places(xi: Any, count: int) -> Any:
    """Places with their coordinates along the last axis."""
    if isinstance(xi, tuple) and len(xi) == 1:
        xi = xi[0]
    if isinstance(xi, tuple):
        x = np.stack(np.broadcast_arrays(*map(in_doubles, xi)), axis=-1)
    else:
        x = in_doubles(xi)
        x = x.reshape((-1, count)) if x.ndim == 1 else x
    if x.shape[-1:] != (count,):
        raise ShapeError(f"a grid of {count} axes has no values at places of shape {x.shape}")
    return x


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


METHODS["scipy.interpolate", "RegularGridInterpolator"] = lambda grid, name: (
    Grid(grid.grid, grid.values, grid.method, grid.bounds_error, grid.fill_value)
    if name == "__call__"
    else None
)
