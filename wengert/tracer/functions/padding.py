"""np.pad: a border of constants, or of the array's own elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import Dim
from wengert.tracer.functions.indexing import pick
from wengert.tracer.functions.operands import holds_tracers, materialise, normal_axis, wrapped
from wengert.tracer.lift import lift
from wengert.tracer.tables import function

FROM_WITHIN = ("edge", "reflect", "symmetric", "wrap")
UNSUPPORTED = ("linear_ramp", "maximum", "mean", "median", "minimum")


def widths_of(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """The pad widths before and after each axis."""
    if isinstance(pad_width, dict):
        table: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            table[normal_axis(axis, ndim)] = (width, width) if np.ndim(width) == 0 else tuple(width)
        pad_width = table
    widths = np.asarray(pad_width)
    if widths.dtype.kind not in "iu":
        raise InputTypeError("`pad_width` must be of integral type.")
    if (widths < 0).any():
        raise ArgumentError("index can't contain negative values")
    try:
        return [(int(a), int(b)) for a, b in np.broadcast_to(widths, (ndim, 2))]
    except ValueError:
        raise ShapeError(
            f"pad_width of shape {widths.shape} does not broadcast to ({ndim}, 2)"
        ) from None


@function(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """The array with a border: modes constant, empty, edge, reflect, symmetric, wrap."""
    if holds_tracers(pad_width):
        raise InputTypeError("pad_width must be Python ints, since shapes are fixed while tracing")
    value = materialise(array)
    widths = widths_of(pad_width, value.ndim)
    if mode in ("constant", "empty"):
        return wrapped(_constant(value, widths, kwargs.pop("constant_values", 0)))
    if any(type(n) is Dim for n in value.shape):
        raise ShapeError(
            f"np.pad with mode {mode!r} needs lengths that do not depend on the indices of loops"
        )
    if mode not in (*FROM_WITHIN, *UNSUPPORTED) and not callable(mode):
        raise ArgumentError(f"mode '{mode}' is not supported")
    if mode not in FROM_WITHIN:
        raise InputTypeError(
            f"np.pad with mode {mode!r} is not supported on traced values; the modes are "
            f"constant, empty, {', '.join(FROM_WITHIN)}"
        )
    options = {"reflect_type": kwargs.get("reflect_type", "even")}
    if options["reflect_type"] != "even":
        raise InputTypeError("np.pad on traced values takes reflect_type='even' only")
    for axis, (before, after) in enumerate(widths):
        n = value.shape[axis]
        if n == 0 and (before or after):
            raise ArgumentError(f"can't extend empty axis {axis} using modes other than 'constant'")
        if before or after:
            value = pick(value, _positions(n, before, after, mode), axis)
    return wrapped(value)


def _positions(n: int, before: int, after: int, mode: Any) -> Any:
    """Which elements of an axis a border along it repeats: NumPy's own answer for 0, 1, 2, ..."""
    return np.pad(np.arange(n), (before, after), mode)


def _constant(value: Value, widths: list[tuple[int, int]], constants: Any) -> Value:
    if not any(a or b for a, b in widths):
        return value
    same = not holds_tracers(constants) and np.unique(np.asarray(constants)).size == 1
    if same:
        return _bordered(value, widths, np.asarray(constants).ravel()[0])
    if holds_tracers(constants) and np.ndim(constants) == 0:
        return _bordered(value, widths, constants)
    table = np.broadcast_to(np.asarray(constants), (value.ndim, 2))
    for axis, (width, numbers) in enumerate(zip(widths, table, strict=True)):
        for side in (0, 1):
            along = [(0, 0)] * value.ndim
            along[axis] = (width[0], 0) if side == 0 else (0, width[1])
            value = _bordered(value, along, numbers[side])
    return value


def _bordered(value: Value, widths: list[tuple[int, int]], number: Any) -> Value:
    fill = materialise(number, value.dtype)
    low, high = (tuple(w[side] for w in widths) for side in (0, 1))
    if any(type(n) is Dim for n in value.shape):
        shape = tuple(n + a + b for n, a, b in zip(value.shape, low, high, strict=True))
        whole = fill.broadcast(shape=shape, dims=())
        return whole.window_set(value, *map(lift, low), steps=(1,) * value.ndim)
    return value.pad(fill, low=low, high=high, interior=(0,) * value.ndim)
