"""Indexing with NumPy's rules: x[...], take, take_along_axis.

An index is split in two. The basic part (slices, None, integers, traced ones too) is a view: a
`Window`. The advanced part (integer arrays, known masks) becomes a gather over leading axes,
whose result is moved to where NumPy puts it: in place of the index arrays if they stand together,
else in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, OutOfBoundsError
from wengert.ir.builder import Value
from wengert.ir.types import INT64, Dim
from wengert.tracer.array import Tracer, is_array_of_one
from wengert.tracer.functions.cutting import cut, joined
from wengert.tracer.functions.entries import (
    Fancy,
    NewAxis,
    NoAxes,
    UnknownLengthError,
    Whole,
    checked_positions,
    in_range,
    is_known,
    mask_entry,
    parse,
)
from wengert.tracer.functions.masks import Selection, as_mask, is_number, masked
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    fit,
    flat_or_axis,
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
from wengert.tracer.functions.stretches import Stretch, stretch_of
from wengert.tracer.lift import lift
from wengert.tracer.mutation import adopt, known
from wengert.tracer.stack import open_trace
from wengert.tracer.tables import function, method
from wengert.tracer.views import Part, Window, frame, unread, windowed

MOST_RUNS = 8
"""Known positions that fall into at most so many regular runs become slices."""


# applying


@method("__getitem__")
def getitem(x: Any, index: Any) -> Any:
    """x[index]: a view for basic indices, a scalar if no axes are left, else a new array."""
    if not isinstance(x, Tracer):
        return wrapped(indexed(materialise(x), index))
    index = as_mask(index, x.type.shape)
    if isinstance(index, Selection):
        return Selection(x[np.where(index.mask, index.whole, 0)], index.mask)
    if isinstance(index, Stretch):
        return index.picked(x)
    mask = mask_entry(index)
    if mask is not None:
        return masked(x, mask)
    beside = beside_mask(x, index)
    if beside is not None and beside[2] == 0:
        return masked(beside[0], beside[1])
    try:
        return _regular(x, index)
    except UnknownLengthError as error:
        return stretch_of(x, index, error)


def _regular(x: Tracer, index: Any) -> Any:
    """x[index] whose shape is known."""
    plain = known(x, note=False) is not None and is_known(index)
    entries = index if type(index) is tuple else (index,)
    view = any(e is Ellipsis for e in entries)
    if plain and not view:
        found = known(x)
        if found is not None and np.ndim(picked := found[as_known(index)]) == 0:
            return picked[()]
    items = parse(index, x.type.shape)
    if any(isinstance(i, Fancy) and i.kind in ("array", "mask") for i in items):
        found = known(x) if plain else None
        if found is not None:
            return adopt(found[as_known(index)])
        return wrapped(_advanced(_basic(x, items), items))
    found = section(x, items, view)
    if any(map(is_array_of_one, entries)) and found.shape:  # an integer that makes a copy
        return found.copy()
    return found


def beside_mask(x: Tracer, index: Any) -> tuple[Tracer, Tracer, int] | None:
    """A traced mask beside basic indices: the view by those, with the axes of the mask in front,
    the mask, and how many axes come before it in NumPy's result. None if the index is another one.
    """
    places: list[int] = []
    if type(index) is tuple:
        places = [k for k, e in enumerate(index) if mask_entry(e) is not None]
    if len(places) != 1:
        return None
    place, mask = places[0], index[places[0]]
    rest = [e for k, e in enumerate(index) if k != place]
    if not all(e is None or e is Ellipsis or isinstance(e, slice) or is_number(e) for e in rest):
        return None
    used = mask.ndim + sum(e is not None and e is not Ellipsis for e in rest)
    gap = max(len(x.type.shape) - used, 0) if any(e is Ellipsis for e in rest) else 0
    before = sum(gap if e is Ellipsis else not is_number(e) for e in index[:place])
    whole = (*index[:place], *[slice(None)] * mask.ndim, *index[place + 1 :])
    view = section(x, parse(whole, x.type.shape))
    own = range(before, before + mask.ndim)
    return view.transpose(*own, *(d for d in range(view.ndim) if d not in own)), mask, before


def as_known(index: Any) -> Any:
    """An index without traced arrays in it, whose elements are known."""
    if isinstance(index, tuple):
        return tuple([as_known(e) for e in index])
    return known(index) if isinstance(index, Tracer) else index


def section(x: Tracer, items: list[Any], view: bool = False) -> Any:
    """The view that a basic index gives, or the scalar, unless an ellipsis makes a view of it."""
    base, part = framed(x, parts(items))
    if not part.axes and not view:
        found = unread(base, part, ())
        return wrapped(open_trace(x).read(found))
    return windowed(x, base, part)


def framed(x: Tracer, cuts: Sequence[Part | None]) -> tuple[Tracer, Window]:
    """A part of `x` as a window of the array that `x` is a window of, if it is one."""
    base, window = frame(x)
    part = window.part(cuts)
    if part is None:  # nothing of an axis of length 1 that the base does not have
        base, part = x, Window.whole(x.type.shape).part(cuts)
    assert part is not None
    return base, part


def parts(items: Sequence[Any]) -> list[Part | None]:
    """A basic index as parts of axes; the whole axis for an index array."""
    left_out = lambda i: isinstance(i, NoAxes) or (isinstance(i, Fancy) and i.kind == "mask")  # noqa: E731
    return [_part(item) for item in items if not left_out(item)]


def _part(item: Any) -> Part | None:
    if isinstance(item, NewAxis):
        return None
    if isinstance(item, Whole):
        return Part(item.start, item.step, item.size)
    if item.kind == "int":
        return Part(item.positions, 1, 1, dropped=True)
    return Part(0, 1, item.size)


def indexed(value: Value, index: Any) -> Value:
    """`value[index]` on Values."""
    return materialise(getitem(wrapped(value), index))


def _basic(x: Tracer, items: list[Any]) -> Value:
    """Slices, None and integers applied; axes of index arrays are left alone, 0-d masks new."""
    cuts = [
        None if isinstance(i, Fancy) and i.kind == "mask" else _part(i)
        for i in items
        if not isinstance(i, NoAxes)
    ]
    window = Window.whole(x.type.shape).part(cuts)
    assert window is not None
    return window.read(open_trace(x), materialise(x))


def _advanced(value: Value, items: list[Any]) -> Value:
    """Gathers along the axes of `value` that have index arrays."""
    axes, fancy, target = advanced_axes(items)
    if not fancy:
        return value
    return gathered(value, axes, fancy, target)


def kept_axes(items: list[Any]) -> list[Any]:
    """The items that stand for axes of the result of the basic part."""
    dropped = lambda i: isinstance(i, NoAxes) or (isinstance(i, Fancy) and i.kind == "int")  # noqa: E731
    return [i for i in items if not dropped(i)]


def advanced_axes(items: list[Any]) -> tuple[tuple[int, ...], list[Fancy], int]:
    """The axes with index arrays once the basic part is done, those, and where their axes go."""
    axes = kept_axes(items)
    fancy = [(axis, item) for axis, item in enumerate(axes) if isinstance(item, Fancy)]
    places = [place for place, item in enumerate(items) if isinstance(item, Fancy)]
    target = 0
    if places and places[-1] - places[0] + 1 == len(places):
        target = sum(not isinstance(i, Fancy | NoAxes) for i in items[: places[0]])
    return tuple(axis for axis, _ in fancy), [item for _, item in fancy], target


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
        broadcast(positions_of(item, value.shape[a]), shape)
        for a, item in zip(axes, items, strict=True)
    ]
    result = front.gather(*index)
    count = len(shape)
    order = [count + i for i in range(target)] + list(range(count))
    return transpose(result, order + [count + i for i in range(target, len(rest))])


def positions_of(item: Fancy, size: int) -> Value:
    """Positions along an axis as a Value, checked at run time if they are traced."""
    if isinstance(item.positions, Value):
        return checked_positions(item.positions, size, item.axis)
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
    if x.known and type(n) is not Dim:
        numbers = np.asarray(x.value).astype(np.int64)
        if numbers.size and n == 0:
            raise OutOfBoundsError("cannot do a non-empty take from an empty axes.")
        if mode == "wrap" and n:
            numbers = numbers % n
        elif mode == "clip":
            numbers = np.clip(numbers, 0, max(n - 1, 0))
        found = in_range(numbers, n, axis)
        return Fancy(found, axis, "int" if found.ndim == 0 else "array")
    value = materialise(x, INT64)
    length = fit(lift(n), value.shape)
    if mode == "wrap":
        value = value.mod(length)
    elif mode == "clip":
        value = value.max(0).min(length.sub(1))
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
        Fancy(in_range(np.asarray(x.value, np.int64), n, position), position)
        if x.known
        else Fancy(materialise(x, INT64), position)
    )
    index_value = broadcast(positions_of(index, n), wanted)
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
        parse(wrapped(materialise(mask, np.bool_)), mask.shape)  # raises
    return take(a, np.asarray(mask.value).nonzero()[0], axis)
