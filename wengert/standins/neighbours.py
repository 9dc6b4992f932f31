"""The largest and smallest ones of neighbours in arrays on a regular grid: `scipy.ndimage`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError
from wengert.ir.floats import kind_of
from wengert.standins.image_arguments import (
    around,
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
)
from wengert.standins.tables import known, stands_in

Join = Callable[[Any, Any], Any]


def image(name: str, x: Any) -> Any:
    """The array of a first argument, of real numbers."""
    found = as_image(x)
    if kind_of(found.dtype) == "c":
        raise DTypeError(f"{name} does not take complex numbers, which have no order")
    return found


def at_border(cval: Any, dtype: np.dtype[Any]) -> Any:
    """What is stored for cval: SciPy cuts off after the comparison, which is the same."""
    return cval if kind_of(dtype) == "f" or hasattr(cval, "shape") else int(cval)


def _along(x: Any, join: Join, size: int, axis: int, mode: str, cval: Any, origin: Any) -> Any:
    start = before(size, origin)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (start, size - 1 - start)
    room = np.moveaxis(around(x, widths, mode, at_border(cval, x.dtype)), axis, 0)
    length = x.shape[axis]
    found = room[:length]
    for k in range(1, size):
        found = join(found, room[k : k + length])
    return np.moveaxis(found, 0, axis)


def _scattered(x: Any, join: Join, where: Any, origins: Any, mode: str, cval: Any) -> Any:
    """Over the neighbours that a footprint has."""
    at = neighbours(x, where.shape, origins, mode, at_border(cval, x.dtype))
    return functools.reduce(join, (at(place.tolist()) for place in np.argwhere(where)))


def _footprint(footprint: Any, size: Any) -> tuple[Any, Any]:
    """The size of a filter, or the neighbours that count where these are no box."""
    if footprint is None:
        if size is None:
            raise ArgumentError("filters of neighbours need a size or a footprint")
        return size, None
    where = known("a filter", footprint) != 0
    if not where.any():
        raise ArgumentError("a footprint needs an element")
    return (where.shape, None) if where.all() else (None, where)


def _extreme_filter(name: str, join: Join) -> Callable[..., Any]:
    def extreme_filter(
        input: Any,  # noqa: A002
        size: Any = None,
        footprint: Any = None,
        output: Any = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Any = None,
    ) -> Any:
        """The largest or smallest one of the neighbours."""
        found = image(name, input)
        size, where = _footprint(footprint, size)
        dtype = dtype_for(found, output)
        if where is not None:
            where, starts = over_all_axes("a footprint of", where, origin, axes, found.ndim)
            found = _scattered(found, join, where, starts, one_mode(mode), cval)
            return given_back(kept(found, dtype), output)
        along = axes_of(axes, found.ndim)
        origins = for_each("origin", origin, len(along))
        sizes, modes = for_each("size", size, len(along)), for_each("mode", mode, len(along))
        for axis, n, border, at in zip(along, sizes, modes, origins, strict=True):
            if n > 1:
                found = kept(_along(found, join, int(n), axis, border, cval, at), dtype)
        return given_back(kept(found, dtype), output)

    return extreme_filter


def _extreme_along(name: str, join: Join) -> Callable[..., Any]:
    def extreme_filter1d(
        input: Any,  # noqa: A002
        size: int,
        axis: int = -1,
        output: Any = None,
        mode: str = "reflect",
        cval: Any = 0.0,
        origin: int = 0,
    ) -> Any:
        """The largest or smallest one of the neighbours along an axis."""
        x = image(name, input)
        along = axis_of(axis, x.ndim)
        found = _along(x, join, operator.index(size), along, one_mode(mode), cval, origin)
        return given_back(kept(found, dtype_for(x, output)), output)

    return extreme_filter1d


maximum_filter = _extreme_filter("maximum_filter", np.maximum)
minimum_filter = _extreme_filter("minimum_filter", np.minimum)
stands_in("ndimage", "maximum_filter")(maximum_filter)
stands_in("ndimage", "minimum_filter")(minimum_filter)
for _name, _join in (("maximum_filter", np.maximum), ("minimum_filter", np.minimum)):
    stands_in("ndimage", _name + "1d")(_extreme_along(_name + "1d", _join))
