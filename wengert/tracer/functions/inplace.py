"""Functions and methods that change an array in place: copyto, put, fill, fill_diagonal, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import INT64
from wengert.tracer.array import Tracer
from wengert.tracer.functions.assignment import assign, overwrite, stored, target
from wengert.tracer.functions.entries import Fancy
from wengert.tracer.functions.indexing import positions_of
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    materialise,
    normal_axis,
    operand,
    reshape,
    size_of,
    wrapped,
)
from wengert.tracer.mutation import write
from wengert.tracer.tables import changing, function, method


@changing(np.copyto)
@function(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """As `numpy.copyto`."""
    overwrite(target(dst, "np.copyto"), src, casting, None if where is True else where)


@changing("fill")
@method("fill")
def fill(x: Any, value: Any) -> None:
    """As `ndarray.fill`."""
    overwrite(target(x, "x.fill"), value)


@changing(np.put)
@function(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Values, repeated as needed, at positions in the flattened array."""
    x = target(a, "np.put")
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    index = operand(ind)
    if index.dtype.kind not in "biu" and size_of(index.shape):
        raise DTypeError(f"np.put needs integer positions, got {index.dtype}")
    count = size_of(index.shape)
    values = stored(v, x.dtype)
    if count == 0 or size_of(values.shape) == 0:
        return
    places = reshape(materialise(index, INT64), (count,))
    if mode == "clip":
        places = places.max(0).min(x.type.size - 1)
    elif mode == "wrap":
        places = places.mod(x.type.size)
    else:
        places = positions_of(Fancy(places, 0), x.type.size)
    flat = reshape(materialise(x), (x.type.size,))
    updates = _cycled(materialise(values, x.dtype), count)
    write(x, reshape(flat.scatter_set(updates, places), x.type.shape))


def _cycled(value: Value, count: int) -> Value:
    """The elements in row-major order, begun again until there are `count`."""
    have = size_of(value.shape)
    flat = reshape(value, (have,))
    if have == 1:
        return broadcast(flat, (count,))
    turns = -(-count // have)
    if turns > 1:
        flat = reshape(flat.broadcast(shape=(turns, have), dims=(1,)), (turns * have,))
    return flat if turns * have == count else flat.slice(start=(0,), stop=(count,), step=(1,))


@changing("put")
@method("put")
def put_method(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    """As `ndarray.put`."""
    put(x, indices, values, mode)


@changing(np.putmask)
@function(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Where the mask holds, the element of `values`, repeated, at the same flat position."""
    x = target(a, "np.putmask")
    condition = operand(mask)
    if size_of(condition.shape) != x.type.size:
        raise ShapeError("putmask: mask and data must be the same size")
    given = _as_its_dtype(values, x)
    if size_of(given.shape) == 0:
        return
    whole = _cycled(materialise(given, x.dtype), x.type.size)
    where = reshape(materialise(condition, np.bool_), x.type.shape)
    overwrite(x, wrapped(reshape(whole, x.type.shape)), where=wrapped(where))


def _as_its_dtype(values: Any, x: Tracer) -> Operand:
    """Values for `x`: arrays by safe casts alone, numbers and lists of them as they are stored."""
    typed = isinstance(values, Tracer | np.ndarray | np.generic)
    return stored(values, x.dtype, "safe" if typed and not operand(values).weak else "unsafe")


@changing(np.place)
@function(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """The values, repeated as needed, one after the other where the mask holds."""
    x = target(arr, "np.place")
    condition = operand(mask)
    if size_of(condition.shape) != x.type.size:
        raise ShapeError("place: mask and data must be the same size")
    given = _as_its_dtype(vals, x)
    count = size_of(given.shape)
    if count == 0:
        if x.type.size:
            raise ArgumentError("Cannot insert from an empty array!")
        return
    flat = reshape(materialise(condition, np.bool_), (x.type.size,))
    number = flat.to(INT64).cumsum(axis=0, reverse=False).sub(1)
    values = reshape(materialise(given, x.dtype), (count,))
    whole = values.gather(number.max(0).mod(count))
    where = wrapped(reshape(flat, x.type.shape))
    overwrite(x, wrapped(reshape(whole, x.type.shape)), where=where)


@changing(np.fill_diagonal)
@function(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Values, repeated as needed, on the main diagonal."""
    x = target(a, "np.fill_diagonal")
    if x.ndim < 2:
        raise ArgumentError("array must be at least 2-d")
    if x.ndim == 2:
        step = x.type.shape[1] + 1
        end = x.type.size if wrap else x.type.shape[1] * x.type.shape[1]
    else:
        if len(set(x.type.shape)) > 1:
            raise ArgumentError("All dimensions of input must be of equal length")
        step = 1 + int(np.cumprod(x.type.shape[:-1]).sum())
        end = x.type.size
    count = len(range(0, min(end, x.type.size), step))
    values = stored(val, x.dtype)
    if not count or not size_of(values.shape):
        return
    flat = reshape(materialise(x), (x.type.size,))
    zero = flat.builder.literal(0, INT64)
    updates = _cycled(materialise(values, x.dtype), count)
    write(x, reshape(flat.window_set(updates, zero, steps=(step,)), x.type.shape))


@changing(np.put_along_axis)
@function(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """The counterpart of take_along_axis."""
    x = target(arr, "np.put_along_axis")
    index = operand(indices)
    if axis is None:
        flat = wrapped(reshape(materialise(x), (x.type.size,)))
        assign(flat, (wrapped(materialise(index, INT64)),), values)
        write(x, reshape(materialise(flat), x.type.shape))
        return
    position = normal_axis(axis, x.ndim)
    grid: list[Any] = []
    for d, n in enumerate(x.type.shape):
        shape = [1] * x.ndim
        shape[d] = n
        along = np.arange(n).reshape(shape)
        grid.append(wrapped(materialise(index, INT64)) if d == position else along)
    assign(x, tuple(grid), values)
