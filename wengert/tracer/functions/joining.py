"""Arrays put together and taken apart: concatenate, stack, split, tile, repeat, pad."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.types import Dim, DType, supported_dtype
from wengert.tracer.array import Tracer
from wengert.tracer.functions.cutting import cut, joined
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    expand,
    flat_or_axis,
    holds_tracers,
    integer,
    materialise,
    normal_axis,
    operand,
    refuse,
    reshape,
    shape_argument,
    size_of,
    wrapped,
)
from wengert.tracer.functions.shapes import at_least
from wengert.tracer.tables import function, method, views


def _items(arrays: Any, name: str) -> list[Operand]:
    """The arrays of a sequence (or of the first axis of an array)."""
    if isinstance(arrays, Tracer | Value):
        whole = materialise(arrays)
        if whole.ndim == 0:
            raise InputTypeError(f"np.{name} takes a sequence of arrays, got a 0-d array")
        shape = whole.shape[1:]
        return [operand(reshape(cut(whole, 0, i, i + 1), shape)) for i in range(whole.shape[0])]
    found = [operand(a) for a in arrays]
    if not found:
        raise ArgumentError(f"need at least one array to {name}")
    return found


def _dtype(items: Sequence[Operand], dtype: Any, casting: Any) -> DType:
    """The common dtype; Python scalars count with their own, as they become arrays first."""
    if dtype is None:
        return supported_dtype(promotion.result_type(*(x.dtype for x in items)))
    target = supported_dtype(dtype)
    for x in items:
        if not promotion.can_cast(x.dtype, target, casting):
            raise InputTypeError(
                f"Cannot cast array data from {x.dtype} to {target} according to the rule "
                f"'{casting}'"
            )
    return target


def join(items: Sequence[Value], axis: int) -> Value:
    """Values one after the other; raises ShapeError if another axis differs."""
    first = items[0].shape
    for i, item in enumerate(items):
        if item.ndim != len(first):
            raise ShapeError(
                "all the input array dimensions must match: the array at index 0 has shape "
                f"{first} and the array at index {i} has shape {item.shape}"
            )
        for d, (n, m) in enumerate(zip(first, item.shape, strict=True)):
            if d != axis and n != m:
                raise ShapeError(
                    "all the input array dimensions except for the concatenation axis must match "
                    f"exactly, but along dimension {d}, the array at index 0 has size {n} and the "
                    f"array at index {i} has size {m}"
                )
    return joined(items, axis)


@function(np.concatenate)
def concatenate(
    arrays: Any,
    /,
    axis: Any = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays one after the other along an axis; flattened first with axis None."""
    refuse("concatenate", out=out)
    items = _items(arrays, "concatenate")
    target = _dtype(items, dtype, casting)
    values = [materialise(x, target) for x in items]
    if axis is None:
        return wrapped(join([reshape(v, (size_of(v.shape),)) for v in values], 0))
    if any(v.ndim == 0 for v in values):
        raise ShapeError("zero-dimensional arrays cannot be concatenated")
    return wrapped(join(values, normal_axis(axis, values[0].ndim)))


@function(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Arrays of one shape along a new axis."""
    refuse("stack", out=out)
    items = _items(arrays, "stack")
    if len({x.shape for x in items}) > 1:
        raise ShapeError(
            f"all input arrays must have the same shape, got {[x.shape for x in items]}"
        )
    target = _dtype(items, dtype, casting)
    position = normal_axis(axis, items[0].ndim + 1)
    return wrapped(joined([expand(materialise(x, target), position) for x in items], position))


@views(np.unstack)
@function(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The slices along an axis, as a tuple."""
    value = materialise(x)
    if value.ndim == 0:
        raise ShapeError("Input array must be at least 1-d.")
    position = normal_axis(axis, value.ndim)
    shape = value.shape[:position] + value.shape[position + 1 :]
    return tuple(
        wrapped(reshape(cut(value, position, i, i + 1), shape))
        for i in range(value.shape[position])
    )


def _stacker(ndim: int, axis: int, name: str) -> Callable[..., Any]:
    def stack_up(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
        items = _items(tup, name)
        target = _dtype(items, dtype, casting)
        values = [at_least(materialise(x, target), ndim) for x in items]
        along = 0 if axis == 1 and values[0].ndim == 1 else axis
        return wrapped(join(values, along))

    return stack_up


vstack = function(np.vstack)(_stacker(2, 0, "vstack"))
hstack = function(np.hstack)(_stacker(1, 1, "hstack"))
dstack = function(np.dstack)(_stacker(3, 2, "dstack"))


@function(np.column_stack)
def column_stack(tup: Any) -> Any:
    """1-d arrays as columns, others side by side."""
    items = _items(tup, "column_stack")
    target = _dtype(items, None, "same_kind")
    columns = [materialise(x, target) for x in items]
    turned = [reshape(v, (size_of(v.shape), 1)) if v.ndim < 2 else v for v in columns]
    return wrapped(join(turned, 1))


@function(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """The second array after the first."""
    return concatenate((arr, values), axis=axis)


@function(np.block)
def block(arrays: Any) -> Any:
    """An array from nested lists of blocks: the innermost lists along the last axis."""
    depth = _depth(arrays)
    leaves = [materialise(x) for x in _leaves(arrays)]
    ndim = max([depth, *(v.ndim for v in leaves)])

    def build(part: Any, level: int) -> Value:
        if not isinstance(part, list):
            value = materialise(part)
            return reshape(value, (1,) * (ndim - value.ndim) + value.shape)
        if not part:
            raise ArgumentError("List at arrays cannot be empty")
        pieces = [build(p, level + 1) for p in part]
        target = supported_dtype(promotion.result_type(*(p.dtype for p in pieces)))
        return join([p.to(target) for p in pieces], ndim - depth + level)

    return wrapped(build(arrays, 0))


def _depth(x: Any) -> int:
    if not isinstance(x, list):
        return 0
    depths = {_depth(item) for item in x}
    if len(depths) > 1:
        raise ArgumentError("List depths are mismatched in np.block")
    return 1 + (depths.pop() if depths else 0)


def _leaves(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _leaves(item)] if isinstance(x, list) else [x]


# splitting


@views(np.array_split)
@function(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of nearly equal length, or parts between positions."""
    value = materialise(ary)
    position = normal_axis(axis, value.ndim)
    n = value.shape[position]
    if type(n) is Dim:
        raise ShapeError(
            "an axis whose length depends on the index of a loop cannot be split in parts; use "
            "slices"
        )
    if isinstance(indices_or_sections, int | np.integer | Tracer):
        count = integer(indices_or_sections, "the number of sections")
        if count <= 0:
            raise ArgumentError("number sections must be larger than 0.")
        each, extra = divmod(n, count)
        bounds = np.cumsum([0] + extra * [each + 1] + (count - extra) * [each]).tolist()
        return [wrapped(cut(value, position, a, b)) for a, b in itertools.pairwise(bounds)]
    points = [0, *(integer(i, "a position") for i in indices_or_sections), n]
    ranges = [slice(a, b).indices(n) for a, b in itertools.pairwise(points)]
    return [wrapped(cut(value, position, a, max(a, b))) for a, b, _ in ranges]


@views(np.split)
@function(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of equal length, or parts between positions."""
    value = materialise(ary)
    if isinstance(indices_or_sections, int | np.integer):
        n = value.shape[normal_axis(axis, value.ndim)]
        if indices_or_sections > 0 and n % indices_or_sections:
            raise ShapeError(
                f"array split does not result in an equal division: {n} by {indices_or_sections}"
            )
    return array_split(value, indices_or_sections, axis)


def _splitter(minimum: int, name: str) -> Callable[..., Any]:
    def split_up(ary: Any, indices_or_sections: Any) -> Any:
        value = materialise(ary)
        if value.ndim < minimum:
            raise ShapeError(f"{name} only works on arrays of {minimum} or more dimensions")
        axis = {"hsplit": 0 if value.ndim == 1 else 1, "vsplit": 0, "dsplit": 2}[name]
        return split(value, indices_or_sections, axis)

    return split_up


for _minimum, _split in ((1, np.hsplit), (2, np.vsplit), (3, np.dsplit)):
    views(_split)(function(_split)(_splitter(_minimum, _split.__name__)))


# repetition


@function(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array repeated side by side along each axis."""
    value = materialise(A)
    counts = shape_argument(reps)
    ndim = max(value.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - value.ndim) + value.shape
    if all(c == 1 for c in counts):
        return wrapped(reshape(value, shape))
    pairs = [(c, n) for c, n in zip(counts, shape, strict=True)]
    mixed = tuple(k for pair in pairs for k in pair)
    apart = reshape(value, tuple(k for n in shape for k in (1, n)))
    return wrapped(reshape(broadcast(apart, mixed), tuple(c * n for c, n in pairs)))


@function(np.repeat)
@method("repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element (or slice) repeated."""
    value, position = flat_or_axis(materialise(a), axis)
    if holds_tracers(repeats):
        integer(repeats, "repeats")
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "biu" and counts.ndim:
        raise InputTypeError(f"repeats must be ints, got {counts.dtype}")
    if (counts < 0).any():
        raise ArgumentError("repeats may not contain negative values.")
    n = value.shape[position]
    if counts.size == 1:
        return wrapped(_repeated(value, int(counts.ravel()[0]), position))
    if counts.shape != (n,):
        raise ShapeError(f"repeats of shape {counts.shape} do not fit an axis of length {n}")
    parts = [
        _repeated(cut(value, position, i, i + 1), int(c), position) for i, c in enumerate(counts)
    ]
    return wrapped(joined(parts, position))


def _repeated(value: Value, count: int, axis: int) -> Value:
    shape = value.shape
    target = (*shape[: axis + 1], count, *shape[axis + 1 :])
    dims = tuple(d for d in range(len(target)) if d != axis + 1)
    if count == 1:
        return value
    wide = value.broadcast(shape=target, dims=dims)
    return reshape(wide, (*shape[:axis], shape[axis] * count, *shape[axis + 1 :]))


@function(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinate arrays of a grid."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError("Valid values for `indexing` are 'xy' and 'ij'.")
    lines = [materialise(x) for x in xi]
    ndim = len(lines)
    order = list(range(ndim))
    if indexing == "xy" and ndim > 1:
        order[0], order[1] = 1, 0
    sizes = [size_of(v.shape) for v in lines]
    shape = tuple(sizes[order.index(d)] for d in range(ndim))
    grids: list[Any] = []
    for line, position in zip(lines, order, strict=True):
        apart = [1] * ndim
        apart[position] = size_of(line.shape)
        value = reshape(line, tuple(apart))
        grids.append(wrapped(value if sparse else broadcast(value, shape)))
    return tuple(grids)
