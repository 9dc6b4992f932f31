"""np.pad: a border of constants, or of the array's own elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, Dim
from wengert.tracer.functions.indexing import pick
from wengert.tracer.functions.operands import holds_tracers, materialise, normal_axis, wrapped
from wengert.tracer.lift import lift
from wengert.tracer.tables import function

FROM_WITHIN = ("edge", "reflect", "symmetric", "wrap")
STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
}
"""What a border is filled with in these modes."""
OPTIONS = {
    "constant": ("constant_values",),
    "linear_ramp": ("end_values",),
    **dict.fromkeys(("reflect", "symmetric"), ("reflect_type",)),
    **dict.fromkeys(STATISTICS, ("stat_length",)),
}
"""The keyword arguments of each mode."""

Widths = list[tuple[int, int]]


def widths_of(pad_width: Any, ndim: int) -> Widths:
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
    """The array with a border, in any of NumPy's modes but a function."""
    if holds_tracers(pad_width):
        raise InputTypeError("pad_width must be Python ints, since shapes are fixed while tracing")
    value = materialise(array)
    widths = widths_of(pad_width, value.ndim)
    _check_mode(mode, kwargs)
    if mode in ("constant", "empty"):
        return wrapped(_constant(value, widths, kwargs.get("constant_values", 0)))
    if any(type(n) is Dim for n in value.shape):
        raise ShapeError(
            f"np.pad with mode {mode!r} needs lengths that do not depend on the indices of loops"
        )
    for axis, (before, after) in enumerate(widths):
        n = value.shape[axis]
        if n == 0 and (before or after):
            raise ArgumentError(f"can't extend empty axis {axis} using modes other than 'constant'")
    if mode in STATISTICS:
        return _by_statistics(value, widths, mode, kwargs.get("stat_length"))
    if mode == "linear_ramp":
        return _by_ramps(value, widths, kwargs.get("end_values", 0))
    within = _reflected if kwargs.get("reflect_type", "even") == "odd" else _picked
    for axis, (before, after) in enumerate(widths):
        if before or after:
            value = within(value, axis, before, after, mode)
    return wrapped(value)


def _check_mode(mode: Any, options: dict[str, Any]) -> None:
    if callable(mode):
        raise InputTypeError(
            "np.pad of traced values takes no function as its mode; pad with zeros and assign the "
            "border: x = np.pad(x, width); x[:width] = ..."
        )
    if mode not in (*FROM_WITHIN, *STATISTICS, "constant", "empty", "linear_ramp"):
        raise ArgumentError(f"mode '{mode}' is not supported")
    unknown = set(options) - set(OPTIONS.get(mode, ()))
    if unknown:
        raise ArgumentError(f"unsupported keyword arguments for mode '{mode}': {unknown}")


def _picked(value: Value, axis: int, before: int, after: int, mode: str) -> Value:
    """A border along an axis of the array's own elements."""
    return pick(value, _positions(value.shape[axis], before, after, mode), axis)


def _reflected(value: Value, axis: int, before: int, after: int, mode: Any) -> Value:
    """A border of reflections in points, 2 * edge - x, repeated from the edge reached by then.

    NumPy's own border of the unit vectors tells what an element of it is made of: one element of
    the array at most, and its first and last one, with whole numbers as factors.
    """
    n = value.shape[axis]
    unit = np.eye(n, dtype=np.int64)
    parts = np.pad(unit, ((0, 0), (before, after)), mode, reflect_type="odd")
    inner = parts.copy()
    inner[[0, -1]] = 0
    places = np.argmax(np.abs(inner), axis=0)
    factors = [(parts[0], 0), (inner[places, np.arange(len(places))], places)]
    if n > 1:
        factors.append((parts[-1], n - 1))
    loop = np.dtype(np.int64) if value.dtype == BOOL else value.dtype
    total: Any = 0
    for factor, place in factors:
        along = np.reshape(factor, [-1 if d == axis else 1 for d in range(value.ndim)])
        elements = wrapped(pick(value.to(loop), np.broadcast_to(place, factor.shape), axis))
        total = total + elements * along.astype(loop)
    return materialise(total).to(value.dtype)


def _by_statistics(value: Value, widths: Widths, mode: str, length: Any) -> Any:
    """A border of the mean, or the like, of the nearest elements along each axis."""
    statistic = STATISTICS[mode]
    found = wrapped(value)
    for axis, (width, lengths) in enumerate(zip(widths, _pairs(length, value.ndim), strict=True)):
        n = found.shape[axis]
        ends = []
        for side, wanted in enumerate(lengths):
            count = n if wanted is None else min(int(wanted), n)
            if count == 0 and mode in ("maximum", "minimum"):
                raise ArgumentError("stat_length of 0 yields no value for padding")
            part = np.arange(count) if side == 0 else np.arange(n - count, n)
            number = statistic(np.take(found, part, axis=axis), axis=axis, keepdims=True)
            if value.dtype.kind in "iu":
                number = np.round(number)
            ends.append(np.repeat(number.astype(value.dtype), width[side], axis=axis))
        found = np.concatenate([ends[0], found, ends[1]], axis=axis)
    return found


def _by_ramps(value: Value, widths: Widths, end_values: Any) -> Any:
    """A border that goes in equal steps to the end values."""
    found = wrapped(value)
    for axis, (width, ends) in enumerate(zip(widths, _pairs(end_values, value.ndim), strict=True)):
        ramps = [
            np.linspace(
                end,
                np.take(found, edge, axis=axis),
                count,
                endpoint=False,
                dtype=value.dtype,
                axis=axis,
            )
            for end, edge, count in zip(ends, (0, -1), width, strict=True)
        ]
        found = np.concatenate([ramps[0], found, np.flip(ramps[1], axis)], axis=axis)
    return found


def _pairs(x: Any, ndim: int) -> Any:
    """An option for both sides of each axis."""
    return [(None, None)] * ndim if x is None else np.broadcast_to(np.asarray(x), (ndim, 2))


def _positions(n: int, before: int, after: int, mode: Any) -> Any:
    """Which elements of an axis a border along it repeats: NumPy's own answer for 0, 1, 2, ..."""
    return np.pad(np.arange(n), (before, after), mode)


def _constant(value: Value, widths: Widths, constants: Any) -> Value:
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


def _bordered(value: Value, widths: Widths, number: Any) -> Value:
    fill = materialise(number, value.dtype)
    low, high = (tuple(w[side] for w in widths) for side in (0, 1))
    if any(type(n) is Dim for n in value.shape):
        shape = tuple(n + a + b for n, a, b in zip(value.shape, low, high, strict=True))
        whole = fill.broadcast(shape=shape, dims=())
        return whole.window_set(value, *map(lift, low), steps=(1,) * value.ndim)
    return value.pad(fill, low=low, high=high, interior=(0,) * value.ndim)
