"""Indexing with NumPy's rules: x[...], take, take_along_axis.

An index is split in two. The basic part (slices, None, known ints) becomes one slice, one
reversal and one reshape. The advanced part (integer arrays, known masks, traced ints) becomes a
gather over leading axes, whose result is moved to where NumPy puts it: in place of the
index arrays if they stand together, else in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import (
    ArgumentError,
    InputTypeError,
    OutOfBoundsError,
    TracerConversionError,
)
from wengert.ir.builder import Value
from wengert.ir.types import INT64, Shape
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    flat_or_axis,
    holds_tracers,
    integer,
    iota,
    materialise,
    normal_axis,
    operand,
    refuse,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.shapes import cut, joined
from wengert.tracer.tables import function, method

MOST_RUNS = 8
"""Known positions that fall into at most so many regular runs become slices."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A slice of one axis, with start, stop and step as `slice.indices` gives them."""

    start: int
    stop: int
    step: int


@dataclass(frozen=True, slots=True)
class Fancy:
    """Positions along an axis: a known integer array in range, or a traced Value.

    `kind` is "array"; "int" for a known int, which drops its axis but counts as an index array
    beside others; or "mask" for a 0-d boolean, whose axis of length 1 is new.
    """

    positions: Any
    axis: int
    kind: str = "array"


class NewAxis:
    """An axis of length 1 (None in the index); consumes none."""


# parsing


def parse(index: Any, shape: Shape) -> list[Any]:
    """The index as a list of Whole, Fancy and NewAxis: the ellipsis and masks are expanded."""
    entries = [_entry(e) for e in (index if isinstance(index, tuple) else (index,))]
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
    items: list[Any] = []
    axis = 0
    for entry in entries:
        if entry is Ellipsis:
            free = len(shape) - used
            items.extend(Whole(0, n, 1) for n in shape[axis : axis + free])
            axis += free
        else:
            items.extend(_items(entry, shape, axis))
            axis += _consumed(entry)
    return items


def _entry(entry: Any) -> Any:
    """One entry of an index as None, Ellipsis, a slice, an int, or an array (known or traced)."""
    if entry is None or entry is Ellipsis:
        return entry
    if isinstance(entry, slice):
        parts = (entry.start, entry.stop, entry.step)
        return slice(*(None if p is None else _bound(p) for p in parts))
    if isinstance(entry, Tracer | Value) or holds_tracers(entry):
        traced = operand(entry)
        if traced.dtype.kind == "b":
            raise TracerConversionError(
                "a traced boolean mask cannot be an index, since the shape of the result would "
                "depend on its values; use np.where(mask, x, other), or np.sum(x, where=mask)"
            )
        if traced.dtype.kind not in "iu":
            raise OutOfBoundsError(f"arrays used as indices must be integers, got {traced.dtype}")
        return materialise(traced, INT64)
    if isinstance(entry, int | np.integer) and not isinstance(entry, bool):
        return int(entry)
    return _known_array(entry)


def _bound(part: Any) -> int:
    if isinstance(part, Tracer):
        raise TracerConversionError(
            "the bounds of a slice must be known, since shapes are fixed while tracing; for a "
            "window of fixed length at a traced position use np.take(x, start + np.arange(n))"
        )
    return integer(part, "a slice's bound")


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


def _items(entry: Any, shape: Shape, axis: int) -> list[Any]:
    if entry is None:
        return [NewAxis()]
    if isinstance(entry, slice):
        start, stop, step = entry.indices(shape[axis])
        return [Whole(start, stop, step)]
    if isinstance(entry, Value):
        return [Fancy(entry, axis)]
    if isinstance(entry, int):
        return [Fancy(_in_range(np.asarray(entry), shape[axis], axis), axis, "int")]
    if entry.dtype.kind != "b":
        return [Fancy(_in_range(entry, shape[axis], axis), axis)]
    if entry.ndim == 0:  # an axis of length 1, taken once or not at all
        return [Fancy(np.zeros(int(entry), np.int64), axis, "mask")]
    for i, (n, m) in enumerate(zip(entry.shape, shape[axis:], strict=False)):
        if n != m:
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {axis + i}; size of axis "
                f"is {m} but size of corresponding boolean axis is {n}"
            )
    return [Fancy(positions, axis + i) for i, positions in enumerate(entry.nonzero())]


def _in_range(positions: Any, n: int, axis: int) -> Any:
    wrong = positions[(positions < -n) | (positions >= n)]
    if wrong.size:
        raise OutOfBoundsError(
            f"index {wrong.ravel()[0]} is out of bounds for axis {axis} with size {n}"
        )
    return np.where(positions < 0, positions + n, positions)


# applying


@method("__getitem__")
def getitem(x: Any, index: Any) -> Any:
    """x[index]"""
    return wrapped(indexed(materialise(x), index))


def indexed(value: Value, index: Any) -> Value:
    """`value[index]` on Values."""
    items = parse(index, value.shape)
    return _advanced(_basic(value, items), items)


def _basic(value: Value, items: list[Any]) -> Value:
    """Applies slices, None and known ints: one slice, one reversal, one reshape."""
    cuts: list[tuple[int, int, int]] = []
    backwards: list[int] = []
    shape: list[int] = []
    for item in items:
        if isinstance(item, NewAxis) or (isinstance(item, Fancy) and item.kind == "mask"):
            shape.append(1)
            continue
        axis = len(cuts)
        if isinstance(item, Whole):
            start, stop, step = _forward(item)
            shape.append(len(range(start, stop, step)))
            if item.step < 0 and shape[-1] > 1:
                backwards.append(axis)
        elif item.kind == "int":
            start, stop, step = int(item.positions), int(item.positions) + 1, 1
        else:
            start, stop, step = 0, value.shape[axis], 1
            shape.append(stop)
        cuts.append((start, stop, step))
    if cuts != [(0, n, 1) for n in value.shape]:
        starts, stops, steps = (tuple(part) for part in zip(*cuts, strict=True))
        value = value.slice(start=starts, stop=stops, step=steps)
    if backwards:
        value = value.rev(axes=tuple(backwards))
    return reshape(value, tuple(shape))


def _forward(item: Whole) -> tuple[int, int, int]:
    """The slice's elements in increasing order: start, stop, step >= 1."""
    positions = range(item.start, item.stop, item.step)
    if len(positions) == 0:
        return 0, 0, 1
    if len(positions) == 1:
        return positions[0], positions[0] + 1, 1
    low, high = sorted((positions[0], positions[-1]))
    return low, high + 1, abs(item.step)


def _advanced(value: Value, items: list[Any]) -> Value:
    """Gathers along the axes of `value` that have index arrays."""
    axes = [i for i in items if not (isinstance(i, Fancy) and i.kind == "int")]
    fancy = [(axis, item) for axis, item in enumerate(axes) if isinstance(item, Fancy)]
    if not fancy:
        return value
    places = [place for place, item in enumerate(items) if isinstance(item, Fancy)]
    together = places[-1] - places[0] + 1 == len(places)
    target = 0
    if together:
        target = sum(not isinstance(i, Fancy) for i in items[: places[0]])
    numbers = tuple(axis for axis, _ in fancy)
    return gathered(value, numbers, [item for _, item in fancy], target)


def gathered(value: Value, axes: tuple[int, ...], items: Sequence[Fancy], target: int) -> Value:
    """Index arrays applied to `axes`; their common dimensions go to position `target`."""
    shape = broadcast_shapes(
        *(i.positions.shape for i in items), what="the index arrays", kind=OutOfBoundsError
    )
    rest = [d for d in range(value.ndim) if d not in axes]
    if len(items) == 1 and len(shape) == 1 and not isinstance(items[0].positions, Value):
        picked = pick(value, items[0].positions, axes[0])
        order = [*rest[:target], axes[0], *rest[target:]]
        return transpose(picked, order)
    if size_of(shape) and any(value.shape[a] == 0 for a in axes):
        raise OutOfBoundsError(f"an index into an axis of length 0 (shape {value.shape})")
    front = transpose(value, [*axes, *rest])
    index = [
        broadcast(_positions(item, value.shape[a]), shape)
        for a, item in zip(axes, items, strict=True)
    ]
    result = front.gather(*index)
    count = len(shape)
    order = [count + i for i in range(target)] + list(range(count))
    return transpose(result, order + [count + i for i in range(target, len(rest))])


def _positions(item: Fancy, size: int) -> Value:
    if isinstance(item.positions, Value):
        return item.positions.check_index(size=size, axis=item.axis)
    return materialise(item.positions, INT64)


def pick(value: Value, positions: Any, axis: int) -> Value:
    """Known positions (0 <= p < n, one dimension) along one axis.

    Positions that fall into a few regular runs, as those of a border do, become slices.
    """
    runs = regular_runs(positions)
    if runs is not None:
        return joined([_run(value, axis, *run) for run in runs], axis)
    rest = [d for d in range(value.ndim) if d != axis]
    result = transpose(value, [axis, *rest]).gather(materialise(positions, INT64))
    return transpose(result, [*range(1, axis + 1), 0, *range(axis + 1, value.ndim)])


def regular_runs(positions: Any) -> list[tuple[int, int, int]] | None:
    """Positions as (first, step, count) of runs; None if the runs are many or short."""
    numbers: list[int] = positions.tolist()
    runs: list[tuple[int, int, int]] = []
    i = 0
    while i < len(numbers):
        step = numbers[i + 1] - numbers[i] if i + 1 < len(numbers) else 1
        end = i + 1
        while end < len(numbers) and numbers[end] - numbers[end - 1] == step:
            end += 1
        runs.append((numbers[i], step, end - i))
        if len(runs) > MOST_RUNS:
            return None
        i = end
    if not runs:
        return [(0, 1, 0)]
    return runs if len(runs) == 1 or len(numbers) >= 3 * len(runs) else None


def _run(value: Value, axis: int, first: int, step: int, count: int) -> Value:
    last = first + step * (count - 1)
    if count == 0 or step > 0:
        return cut(value, axis, first, max(last + 1, first), step)
    if step < 0:
        return cut(value, axis, last, first + 1, -step).rev(axes=(axis,))
    one = cut(value, axis, first, first + 1)
    return broadcast(one, (*value.shape[:axis], count, *value.shape[axis + 1 :]))


# functions


@function(np.take)
@method("take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """Elements (or slices) at integer positions along an axis, or in the flattened array."""
    refuse("take", out=out)
    value, position = flat_or_axis(materialise(a), axis)
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    item = _taken(indices, value.shape[position], position, mode)
    if item.kind == "int":
        return wrapped(indexed(value, (slice(None),) * position + (int(item.positions),)))
    return wrapped(gathered(value, (position,), [item], position))


def _taken(indices: Any, n: int, axis: int, mode: str) -> Fancy:
    x = operand(indices)
    if x.dtype.kind not in "biu" and not (x.known and np.size(x.value) == 0):
        raise InputTypeError(f"indices must be integers, got {x.dtype}")
    if x.known:
        known = np.asarray(x.value).astype(np.int64)
        if known.size and n == 0:
            raise OutOfBoundsError("cannot do a non-empty take from an empty axes.")
        if mode == "wrap" and n:
            known = known % n
        elif mode == "clip":
            known = np.clip(known, 0, max(n - 1, 0))
        found = _in_range(known, n, axis)
        return Fancy(found, axis, "int" if found.ndim == 0 else "array")
    value = materialise(x, INT64)
    if mode == "wrap":
        value = value.mod(n)
    elif mode == "clip":
        value = value.max(0).min(n - 1)
    return Fancy(value, axis)


@function(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """One element per position: the indices go along `axis`, the other axes match."""
    value, x = materialise(arr), operand(indices)
    if x.dtype.kind not in "iu":
        raise OutOfBoundsError("`indices` must be an integer array")
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError("when axis=None, `indices` must have a single dimension.")
        value, axis = reshape(value, (size_of(value.shape),)), 0
    position = normal_axis(axis, value.ndim)
    if x.ndim != value.ndim:
        raise ArgumentError("`indices` and `arr` must have the same number of dimensions")
    n = value.shape[position]
    others = (d for d in range(value.ndim) if d != position)
    pairs = [(value.shape[d], x.shape[d]) for d in others]
    common = [m if k == 1 else k for k, m in pairs]
    if pairs:
        what = "the array and its indices"
        broadcast_shapes(*zip(*pairs, strict=True), what=what, kind=OutOfBoundsError)
    common.insert(position, n)
    wanted = (*common[:position], x.shape[position], *common[position + 1 :])
    value = broadcast(value, tuple(common))
    index = (
        Fancy(_in_range(np.asarray(x.value, np.int64), n, position), position)
        if x.known
        else Fancy(materialise(x, INT64), position)
    )
    index_value = broadcast(_positions(index, n), wanted)
    every = [iota(wanted, d) if d != position else index_value for d in range(value.ndim)]
    return wrapped(value.gather(*every))


@method("compress")
def compress_method(a: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    """As `ndarray.compress`."""
    return compress(condition, a, axis, out)


@function(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """The slices where a known condition holds."""
    refuse("compress", out=out)
    mask = operand(condition)
    if not mask.known:
        _entry(wrapped(materialise(mask, np.bool_)))
    return take(a, np.asarray(mask.value).nonzero()[0], axis)
