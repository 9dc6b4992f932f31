"""What an index says, entry by entry: whole axes, integers, index arrays, new axes.

Integers and the bounds of slices may be traced. What their interval proves to be in range needs no
check at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import OutOfBoundsError, TracerConversionError
from wengert.ir.builder import Value
from wengert.ir.types import INT64, Dim, Shape
from wengert.tracer.affine import bounds, difference, difference_bounds
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import fit, holds_tracers, integer, materialise, operand
from wengert.tracer.lift import lift
from wengert.tracer.mutation import known
from wengert.tracer.stack import open_trace


@dataclass(frozen=True, slots=True)
class Whole:
    """A slice of one axis: `size` elements from `start`, `step` apart."""

    start: int | Tracer
    size: int
    step: int


@dataclass(frozen=True, slots=True)
class Fancy:
    """Positions along an axis of length `size`: a known integer array in range, or a Value.

    `kind` is "array"; "int" for an integer, which drops its axis but counts as an index array
    beside others (`positions` is then an int or a traced scalar, in range); or "mask" for a 0-d
    boolean, whose axis of length 1 is new.
    """

    positions: Any
    axis: int
    kind: str = "array"
    size: int = 1


class NewAxis:
    """An axis of length 1 (None in the index); consumes none."""


class NoAxes:
    """An ellipsis for no axes at all: it stands between index arrays all the same."""


def is_known(index: Any) -> bool:
    """Whether nothing in an index is traced, but for arrays whose elements are known."""
    if isinstance(index, tuple | list):
        return all(map(is_known, index))
    if isinstance(index, slice):
        return all(map(is_known, (index.start, index.stop, index.step)))
    if isinstance(index, Tracer):
        return known(index, note=False) is not None
    return not isinstance(index, Value | Dim)


def mask_entry(index: Any) -> Tracer | None:
    """The traced boolean mask that an index consists of, if it does."""
    if isinstance(index, tuple) and len(index) == 1:
        index = index[0]
    if isinstance(index, Tracer) and index.dtype == np.bool_ and not is_known(index):
        return index
    return None


def parse(index: Any, shape: Shape) -> list[Any]:
    """The index as a list of Whole, Fancy, NewAxis and NoAxes: ellipsis and masks are expanded."""
    entries = [
        e if type(e) is int or type(e) is slice else _entry(e)
        for e in (index if isinstance(index, tuple) else (index,))
    ]
    used = sum(_consumed(e) for e in entries)
    if sum(e is Ellipsis for e in entries) > 1:
        raise OutOfBoundsError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise OutOfBoundsError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {used} were "
            "indexed"
        )
    if not any(e is Ellipsis for e in entries):
        entries.append(Ellipsis)
    arrays = any(_consumed(e) and isinstance(e, Value | np.ndarray) and e.ndim for e in entries)
    items: list[Any] = []
    axis = 0
    for entry in entries:
        if entry is Ellipsis:
            free = len(shape) - used
            items.extend(Whole(0, n, 1) for n in shape[axis : axis + free])
            if free == 0:
                items.append(NoAxes())
            axis += free
        else:
            items.extend(_items(entry, shape, axis, arrays))
            axis += _consumed(entry)
    return items


def _entry(entry: Any) -> Any:
    """One entry of an index as None, Ellipsis, a slice, an int, or an array (known or traced)."""
    if entry is None or entry is Ellipsis or isinstance(entry, slice):
        return entry
    if isinstance(entry, Dim):
        return lift(entry)
    if isinstance(entry, int | np.integer) and not isinstance(entry, bool):
        return int(entry)
    if isinstance(entry, Tracer):
        found = known(entry)
        if found is not None:
            return _known_array(found)
    if isinstance(entry, Tracer | Value) or holds_tracers(entry):
        return _traced_entry(entry)
    return _known_array(entry)


def _traced_entry(entry: Any) -> Value:
    traced = operand(entry)
    if traced.dtype.kind == "b":
        raise TracerConversionError(
            "a traced boolean mask cannot stand beside other indices, since the shape of the "
            "result would depend on its values; use np.where(mask, x, other), or "
            "np.sum(x, where=mask)"
        )
    if traced.dtype.kind not in "iu":
        raise OutOfBoundsError(f"arrays used as indices must be integers, got {traced.dtype}")
    return materialise(traced, INT64)


def _known_array(entry: Any) -> Any:
    if isinstance(entry, str) or not (
        isinstance(entry, bool | np.generic | np.ndarray | list | tuple | range)
        or hasattr(entry, "__index__")
    ):
        raise OutOfBoundsError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean arrays "
            f"are valid indices, got {type(entry).__name__}"
        )
    array = np.asarray(entry)
    if array.size == 0 and isinstance(entry, list | tuple):
        array = array.astype(np.int64)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iu":
        raise OutOfBoundsError(
            f"arrays used as indices must be of integer (or boolean) type, got {array.dtype}"
        )
    return int(array) if array.ndim == 0 else array.astype(np.int64)


def _consumed(entry: Any) -> int:
    if entry is None or entry is Ellipsis:
        return 0
    return entry.ndim if isinstance(entry, np.ndarray) and entry.dtype.kind == "b" else 1


def _items(entry: Any, shape: Shape, axis: int, arrays: bool) -> list[Any]:
    if entry is None:
        return [NewAxis()]
    if isinstance(entry, slice):
        return [_slice(entry, shape[axis], axis)]
    if isinstance(entry, int) or (isinstance(entry, Value) and not entry.ndim and not arrays):
        return [_integer(entry, shape[axis], axis)]
    if isinstance(entry, Value):
        return [Fancy(entry, axis, size=shape[axis])]
    if entry.dtype.kind != "b":
        return [Fancy(known_positions(entry, shape[axis], axis), axis, size=shape[axis])]
    return _mask(entry, shape, axis)


def _integer(entry: int | Value, n: int, axis: int) -> Fancy:
    if isinstance(entry, int) and type(n) is not Dim:
        if not -n <= entry < n:
            raise OutOfBoundsError(f"index {entry} is out of bounds for axis {axis} with size {n}")
        return Fancy(entry + n if entry < 0 else entry, axis, "int", n)
    value = lift(entry) if isinstance(entry, int) else entry
    return Fancy(index_value(value, n, axis), axis, "int", n)


def _mask(entry: Any, shape: Shape, axis: int) -> list[Any]:
    if entry.ndim == 0:  # an axis of length 1, taken once or not at all
        return [Fancy(np.zeros(int(entry), np.int64), axis, "mask")]
    for i, (k, m) in enumerate(zip(entry.shape, shape[axis:], strict=False)):
        if k != m:
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {axis + i}; size of axis "
                f"is {m} but size of corresponding boolean axis is {k}"
            )
    return [
        Fancy(positions, axis + i, size=shape[axis + i])
        for i, positions in enumerate(entry.nonzero())
    ]


def known_positions(positions: Any, n: int, axis: int) -> Any:
    """Known positions in range; Values, where the length of the axis depends on loop indices."""
    if type(n) is not Dim:
        return in_range(positions, n, axis)
    flat = [int(p) for p in positions.ravel()]
    if all(0 <= p < n.least for p in flat):
        return positions
    found = [materialise(index_value(lift(p), n, axis), INT64) for p in flat]
    rows = [f.broadcast(shape=(1,), dims=()) for f in found]
    whole = rows[0] if len(rows) == 1 else rows[0].concat(*rows[1:], axis=0)
    return whole if positions.ndim == 1 else whole.reshape(shape=positions.shape)


def in_range(positions: Any, n: int, axis: int) -> Any:
    """Known positions with negative ones counted from the end; OutOfBoundsError for others."""
    wrong = positions[(positions < -n) | (positions >= n)]
    if wrong.size:
        raise OutOfBoundsError(
            f"index {wrong.ravel()[0]} is out of bounds for axis {axis} with size {n}"
        )
    return np.where(positions < 0, positions + n, positions)


# traced integers


def index_value(position: Value, n: int, axis: int) -> int | Tracer:
    """A traced integer as an index in range: checked at run time, unless it provably is."""
    trace = open_trace()
    interval = bounds(position)
    if interval is not None:
        room = difference_bounds(difference(n, 1), position)
        if interval[0] >= 0 and room is not None and room[0] >= 0:
            return Tracer(trace, position)
        room = difference_bounds(position.neg(), n) if interval[1] < 0 else None
        if room is not None and room[1] <= 0:
            return Tracer(trace, position.add(lift(n)))
    key = (position.atom, n, axis)
    found = trace.checks.get(key)
    if found is None:
        found = trace.checks[key] = checked_positions(position, n, axis)
    return Tracer(trace, found)


def checked_positions(positions: Value, n: int, axis: int) -> Value:
    """Traced positions with negative ones counted from the end, checked at run time.

    Where the length depends on loop indices, those out of range are made to be out of its greatest
    length as well.
    """
    if type(n) is Dim:
        length = fit(lift(n), positions.shape)
        places = positions.lt(0).select(positions.add(length), positions)
        positions = places.lt(0).bitor(places.ge(length)).select(int(n), places)
    return positions.check_index(size=int(n), axis=axis)


# slices


def _slice(entry: slice, n: int, axis: int) -> Whole:
    if type(n) is int and entry.step is None:
        start, stop = entry.start, entry.stop
        if (start is None or type(start) is int) and (stop is None or type(stop) is int):
            start, stop, _ = entry.indices(n)
            return Whole(start, max(stop - start, 0), 1)
    parts = [_bound(p) for p in (entry.start, entry.stop, entry.step)]
    if type(n) is not Dim and not any(isinstance(p, Tracer | Dim) for p in parts):
        start, stop, step = slice(*parts).indices(n)
        return Whole(start, len(range(start, stop, step)), step)
    step = 1 if parts[2] is None else parts[2]
    if isinstance(step, Tracer | Dim):
        raise UnknownLengthError(entry, n)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    return _moving(entry, parts[0], parts[1], step, n, axis)


def _bound(part: Any) -> Any:
    if part is None or isinstance(part, Dim):
        return part
    if isinstance(part, Tracer):
        found = known(part)
        if found is not None:
            return integer(found[()], "a slice's bound")
        if part.dtype.kind not in "iu" or part.shape:
            raise OutOfBoundsError(
                f"the bounds of a slice must be integers, got {part.dtype.name} of shape "
                f"{part.shape}"
            )
        return part
    return integer(part, "a slice's bound")


def _moving(entry: slice, start: Any, stop: Any, step: int, n: int, axis: int) -> Whole:
    """A slice with bounds that move: its length must be known, or affine in loop indices."""
    backwards = step < 0
    first = (n - 1 if backwards else 0) if start is None else _from_end(start, n)
    last = (-1 if backwards else n) if stop is None else _from_end(stop, n)
    count = difference(first, last) if backwards else difference(last, first)
    if count is None:
        raise UnknownLengthError(entry, n)
    size = count if abs(step) == 1 else _strided(count, abs(step))
    low, high = (-1, n - 1) if backwards else (0, n)
    inside = (
        *(_least(end, low) and _least_difference(high, end) for end in (first, last)),
        _least(count, 0),
    )
    if not all(inside):
        return _checked(entry, first, size, step, n, axis)
    return Whole(_as_start(first), size, step)


def _checked(entry: slice, first: Any, size: int, step: int, n: int, axis: int) -> Whole:
    """A window of a known length whose place is checked at run time."""
    if type(n) is int and (type(size) is Dim or size < 0 or step < 0 or (size - 1) * step >= n):
        raise UnknownLengthError(entry, n)  # NumPy gives what there is of it
    if type(n) is Dim:
        raise _unknown(
            "a slice with traced bounds must provably lie within the array (0 <= start <= stop <= "
            "length, from the ranges of the loops around it)"
        )
    if size == 0:
        return Whole(0, 0, 1)
    room = n - (size - 1) * step
    trace = open_trace()
    value = materialise(first, INT64)
    key = (value.atom, room, "slice")
    if key not in trace.checks:
        # a negative start would count from the end, and the slice then be another one
        start = value if _least(value, 0) else value.lt(0).select(room, value)
        trace.checks[key] = start.check_index(size=room, axis=axis, part=n + 1 - room)
    return Whole(Tracer(trace, trace.checks[key]), size, step)


def _strided(count: int, step: int) -> int:
    if type(count) is Dim:
        raise _unknown("a slice with a step needs a known length")
    return -(-count // step)


def _from_end(bound: Any, n: int) -> Any:
    """A bound of a slice, counted from the end if it is negative."""
    interval = bounds(bound)
    if isinstance(bound, Tracer):
        if interval is not None and interval[1] < 0:
            return bound + (Tracer(open_trace(), lift(n)) if type(n) is Dim else n)
        return bound
    if interval is not None and interval[1] < 0:
        return n + bound
    if type(bound) is int and type(n) is int:
        return min(bound, n)
    return bound


def _least(x: Any, limit: int) -> bool:
    interval = bounds(x)
    return interval is not None and interval[0] >= limit


def _least_difference(x: Any, y: Any) -> bool:
    interval = difference_bounds(x, y)
    return interval is not None and interval[0] >= 0


def _as_start(x: Any) -> int | Tracer:
    if isinstance(x, Tracer):
        return Tracer(open_trace(x), materialise(x, INT64))
    return Tracer(open_trace(), lift(x)) if isinstance(x, Dim) else x


def _unknown(what: str) -> TracerConversionError:
    return TracerConversionError(f"{what}{_CURE}")


_CURE = (
    ", since shapes are fixed while tracing. For a length that depends on data take "
    "the whole array and leave elements out by a condition: "
    "np.where(np.arange(len(x)) < stop, x, 0), or np.sum(x, where=...); for a window of fixed "
    "length at a traced position use x[start : start + 3]"
)


class UnknownLengthError(TracerConversionError):
    """A slice, `entry`, of an axis of `length` elements gives a number of them that data decide."""

    def __init__(self, entry: slice, length: int) -> None:
        text = "the length of a slice must be known, or affine in the indices of loops"
        super().__init__(f"{text}{_CURE}")
        self.entry, self.length = entry, length
