"""Elements as Python's numbers (item, tolist), short forms of joining (r_, c_), moving windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError, TracerConversionError
from wengert.ir.floats import kind_of
from wengert.tracer.functions.creation import MOST_KNOWN
from wengert.tracer.functions.operands import (
    WEAK_DTYPES,
    holds_tracers,
    materialise,
    normal_axis,
    wrapped,
)
from wengert.tracer.lift import lift, wrap
from wengert.tracer.tables import function, method

_NATURAL = {"i": int, "u": int, "f": float, "c": complex}


def number(x: Any) -> Any:
    """A traced scalar as a number of Python: without a dtype, next to which arrays keep theirs."""
    natural = _NATURAL.get(kind_of(x.dtype))
    return x if natural is None else wrap(lift(x).to(WEAK_DTYPES[natural]), True)


@method("item")
def item(self: Any, *args: Any) -> Any:
    """The only element, or the one at a flat or full index, as a number of Python."""
    place = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    if len(place) == self.ndim and place:
        return number(self[place])
    if place:
        if len(place) != 1:
            raise ArgumentError(f"item takes 1 or {self.ndim} indices here, got {len(place)}")
        return number(np.reshape(self, (-1,))[place[0]])
    if self.size != 1:
        raise ShapeError(
            f"can only convert an array of size 1 to a Python scalar, and this is {self.type}"
        )
    return number(np.reshape(self, ()))


@method("tolist")
def tolist(self: Any) -> Any:
    """Nested lists of numbers, of an array that is not large."""
    if self.size > MOST_KNOWN:
        raise TracerConversionError(
            f"tolist() of {self.type} would make {self.size} numbers of a program; work with the "
            "array, or return it and call tolist() on the result"
        )
    return [tolist(row) for row in self] if self.ndim else number(self)


@function(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape, their axes behind those of the array; a copy."""
    value = wrapped(materialise(x))
    sizes = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    given = range(value.ndim) if axis is None else axis if np.iterable(axis) else (axis,)
    axes = [normal_axis(a, value.ndim) for a in given]
    if len(axes) != len(sizes):
        raise ArgumentError(
            f"sliding_window_view needs a length of the window for each of {len(axes)} axes, got "
            f"{len(sizes)}"
        )
    for along, size in zip(axes, sizes, strict=True):
        count = value.shape[along] - size + 1
        if count <= 0 or size < 0:
            raise ShapeError(
                f"a window of {size} does not fit axis {along} with length {value.shape[along]}"
            )
        places = np.arange(count)[:, None] + np.arange(size)
        value = np.moveaxis(np.take(value, places, axis=along), along + 1, -1)
    return value


def is_joining(x: Any) -> bool:
    """Whether `x` is np.r_ or np.c_."""
    return x is np.r_ or x is np.c_


def joined_by(form: Any, key: Any) -> Any:
    """np.r_[key] or np.c_[key] with traced values in the key."""
    if not isinstance(key, tuple):
        key = (key,)
    if any(isinstance(x, str) for x in key):
        raise ArgumentError("np.r_ and np.c_ take no text beside traced values; use np.concatenate")
    parts = [_part(x) for x in key]
    if form is np.r_:
        return np.concatenate(parts)
    columns = [np.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in parts]
    return np.concatenate(columns, axis=-1)


def _part(x: Any) -> Any:
    """A part of np.r_[...]: a range, a number or an array, as an array."""
    if isinstance(x, slice):
        bounds: Sequence[Any] = (x.start, x.stop, x.step)
        if holds_tracers(bounds):
            raise TracerConversionError(
                "the bounds of a range in np.r_ decide about its length and must be known while "
                "tracing"
            )
        return np.r_[x]
    return np.atleast_1d(wrapped(materialise(x)))
