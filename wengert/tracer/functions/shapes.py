"""Shapes and axes: reshape, transpose, squeeze, broadcast_to, flip, roll and their kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, AxisRangeError, DTypeError, ShapeError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import dtype_of
from wengert.ir.types import Dim, Shape, supported_dtype
from wengert.tracer.functions.cutting import cut, joined
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    expand,
    holds_tracers,
    integer,
    materialise,
    normal_axes,
    normal_axis,
    operand,
    refuse,
    reshape,
    shape_argument,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.lift import dimension
from wengert.tracer.tables import function, method, views


def target_shape(shape: Any, size: int, what: Shape) -> Shape:
    """A shape argument with -1 filled in; raises ShapeError if the sizes differ."""
    wanted = shape_argument(shape)
    if any(type(n) is Dim for n in (*what, *wanted)):
        return _moving_shape(wanted, what)
    rest = math.prod(n for n in wanted if n != -1)
    unknown = wanted.count(-1)
    fits = unknown <= 1 and all(n >= -1 for n in wanted)
    if unknown:
        fits = fits and rest > 0 and size % rest == 0
        found = tuple(size // rest if n == -1 else n for n in wanted) if fits else wanted
    else:
        fits, found = fits and rest == size, wanted
    if not fits:
        hint = " (at most one entry may be -1)" if unknown > 1 else ""
        raise ShapeError(f"cannot reshape array of shape {what} (size {size}) into {shape}{hint}")
    return found


def _moving_shape(wanted: Shape, what: Shape) -> Shape:
    """The same where lengths depend on loop indices, and may be multiplied by numbers alone."""

    def total(lengths: Shape) -> int | None:
        return math.prod(lengths) if sum(type(n) is Dim for n in lengths) < 2 else None

    rest = [n for n in wanted if n != -1]
    if sorted(map(str, (n for n in rest if n != 1))) == sorted(
        map(str, (n for n in what if n != 1))
    ):
        return tuple(1 if n == -1 else n for n in wanted)
    size, given = total(what), total(tuple(rest))
    if size is not None and given is not None:
        if -1 not in wanted and size == given:
            return wanted
        if wanted.count(-1) == 1 and (missing := _quotient(size, given)) is not None:
            return tuple(missing if n == -1 else n for n in wanted)
    raise ShapeError(
        f"cannot reshape array of shape {what} into {wanted}, as lengths that depend on the "
        "indices of loops can only be multiplied by numbers"
    )


def _quotient(size: int, by: int) -> int | None:
    """size / by, if that is whole for all loop indices."""
    if type(size) is not Dim:
        return size // by if type(by) is not Dim and by and size % by == 0 else None
    if type(by) is Dim:
        factor = size.const // by.const if by.const else size.terms[0][1] // by.terms[0][1]
        return factor if by * factor == size else None
    parts = [size.const, *(c for _, c in size.terms)]
    if not by or any(p % by for p in parts):
        return None
    return Dim.make({s: c // by for s, c in size.terms}, size.const // by)


def reordered(value: Value, shape: Shape, order: str | None) -> Value:
    """reshape in C or Fortran order."""
    if order in (None, "C", "A", "K"):
        return reshape(value, shape)
    if order != "F":
        raise ArgumentError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    backwards = tuple(reversed(range(value.ndim)))
    flipped = reshape(transpose(value, backwards), shape[::-1])
    return transpose(flipped, tuple(reversed(range(len(shape)))))


# the functions


@views(np.reshape)
@function(np.reshape)
def reshape_(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """The same elements in another shape."""
    value = materialise(a)
    found = target_shape(shape, size_of(value.shape), value.shape)
    return wrapped(reordered(value, found, order))


@views("reshape")
@method("reshape")
def reshape_method(a: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    """As `ndarray.reshape`: the shape as one tuple or as several ints."""
    single = len(shape) == 1 and not isinstance(shape[0], int | np.integer)
    return reshape_(a, shape[0] if single else shape, order)


@views(np.ravel, "ravel")
@function(np.ravel)
@method("ravel", "flatten")
def ravel(a: Any, order: str = "C") -> Any:
    """One axis with all elements."""
    value = materialise(a)
    return wrapped(reordered(value, (size_of(value.shape),), order))


@views(np.transpose)
@function(np.transpose)
def transpose_(a: Any, axes: Any = None) -> Any:
    """The axes reordered; reversed by default."""
    value = materialise(a)
    if axes is None:
        return wrapped(transpose(value, tuple(reversed(range(value.ndim)))))
    if len(tuple(axes)) != value.ndim:
        raise ShapeError(f"axes {tuple(axes)} don't match array of {value.ndim} dimensions")
    perm = tuple(normal_axis(a, value.ndim) for a in axes)
    if len(set(perm)) != len(perm):
        raise ShapeError(f"repeated axis in transpose: {tuple(axes)}")
    return wrapped(transpose(value, perm))


@views("transpose")
@method("transpose")
def transpose_method(a: Any, *axes: Any) -> Any:
    """As `ndarray.transpose`."""
    if len(axes) == 1 and not isinstance(axes[0], int | np.integer):
        return transpose_(a, axes[0])
    return transpose_(a, axes or None)


@views(np.matrix_transpose, np.linalg.matrix_transpose)
@function(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes swapped."""
    value = materialise(x)
    if value.ndim < 2:
        raise ShapeError(f"matrix_transpose needs at least 2 dimensions, got shape {value.shape}")
    return swapaxes(value, -1, -2)


@views(np.moveaxis)
@function(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new positions, the others in order."""
    value = materialise(a)
    from_, to = (
        normal_axes(x if isinstance(x, tuple | list) else np.ravel(x).tolist(), value.ndim, name)
        for x, name in ((source, "source"), (destination, "destination"))
    )
    if len(from_) != len(to):
        raise ShapeError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [i for i in range(value.ndim) if i not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return wrapped(transpose(value, order))


@views(np.rollaxis)
@function(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved to stand before `start`."""
    value = materialise(a)
    n = value.ndim
    source = normal_axis(axis, n)
    start = integer(start, "start")
    if not -n <= start <= n:
        raise AxisRangeError(f"'start' {start} is out of range for {n} dimensions")
    target = start + n if start < 0 else start
    order = [i for i in range(n) if i != source]
    order.insert(target - (source < target), source)
    return wrapped(transpose(value, order))


@views(np.swapaxes, "swapaxes")
@function(np.swapaxes)
@method("swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    value = materialise(a)
    i, j = normal_axis(axis1, value.ndim, "axis1"), normal_axis(axis2, value.ndim, "axis2")
    order = list(range(value.ndim))
    order[i], order[j] = j, i
    return wrapped(transpose(value, order))


@views(np.squeeze, "squeeze")
@function(np.squeeze)
@method("squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    """Axes of length 1 removed."""
    value = materialise(a)
    if axis is None:
        return wrapped(reshape(value, tuple(n for n in value.shape if n != 1)))
    axes = normal_axes(axis, value.ndim)
    long = [a for a in axes if value.shape[a] != 1]
    if long:
        raise ShapeError(
            f"cannot select an axis to squeeze out which has size not equal to one: axes {long} "
            f"of shape {value.shape}"
        )
    return wrapped(reshape(value, tuple(n for a, n in enumerate(value.shape) if a not in axes)))


@views(np.expand_dims)
@function(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length 1, at these positions of the result."""
    value = materialise(a)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    return wrapped(expand(value, *normal_axes(axis, value.ndim + count)))


@views(np.broadcast_to, locked=True)
@function(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """The array repeated to `shape`."""
    target = shape_argument(shape)
    if any(n < 0 for n in target):
        raise ArgumentError("all elements of broadcast shape must be non-negative")
    value = materialise(array)
    if value.ndim > len(target):
        raise ShapeError(f"shape {value.shape} has more dimensions than {target}")
    return wrapped(broadcast(value, target))


@function(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """All of them repeated to their common shape."""
    items = [materialise(a) for a in args]
    shape = broadcast_shapes(*(v.shape for v in items))
    return tuple(wrapped(broadcast(v, shape)) for v in items)


@views(np.flip)
@function(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """The elements in reverse order along axes (all by default)."""
    value = materialise(m)
    axes = normal_axes(axis, value.ndim)
    return wrapped(value.rev(axes=tuple(sorted(axes))) if axes else value)


@views(np.fliplr)
@function(np.fliplr)
def fliplr(m: Any) -> Any:
    """The columns in reverse order."""
    if operand(m).ndim < 2:
        raise ShapeError("Input must be >= 2-d.")
    return flip(m, 1)


@views(np.flipud)
@function(np.flipud)
def flipud(m: Any) -> Any:
    """The rows in reverse order."""
    if operand(m).ndim < 1:
        raise ShapeError("Input must be >= 1-d.")
    return flip(m, 0)


@views(np.rot90)
@function(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """A plane turned by quarters."""
    value = materialise(m)
    if len(tuple(axes)) != 2:
        raise ArgumentError("len(axes) must be 2.")
    if value.ndim < 2:
        raise ShapeError("Input must be >= 2-d.")
    i, j = (normal_axis(a, value.ndim) for a in axes)
    if i == j:
        raise ArgumentError("Axes must be different.")
    turns = integer(k, "k") % 4
    if turns == 0:
        return wrapped(value)
    if turns == 2:
        return flip(value, (i, j))
    if turns == 1:
        return swapaxes(flip(value, j), i, j)
    return flip(swapaxes(value, i, j), j)


@function(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """The elements moved around, those that leave at one end coming in at the other."""
    value = materialise(a)
    if holds_tracers(shift):
        return _rolled_by(wrapped(value), wrapped(materialise(shift)), axis)
    if axis is None:
        flat = reshape(value, (size_of(value.shape),))
        return wrapped(reshape(rolled(flat, int(np.sum(shift)), 0), value.shape))
    shifts, axes = np.broadcast_arrays(shift, axis)
    if shifts.ndim > 1:
        raise ArgumentError("'shift' and 'axis' should be scalars or 1D sequences")
    for count, position in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        value = rolled(value, count, normal_axis(position, value.ndim))
    return wrapped(value)


def _rolled_by(x: Any, shift: Any, axis: Any) -> Any:
    """np.roll by traced numbers: each element is read from where it was."""
    if shift.dtype.kind not in "iub":
        raise DTypeError(f"np.roll moves by whole numbers, got {shift.dtype}")
    shift = np.astype(shift, np.int64)
    if axis is None:
        return np.reshape(_rolled_by(np.ravel(x), np.sum(shift), 0), x.shape)
    axes = np.ravel(axis).tolist()
    if shift.ndim > 1:
        raise ArgumentError("'shift' and 'axis' should be scalars or 1D sequences")
    count = max(len(axes), shift.size)
    shifts, axes = np.broadcast_to(shift, (count,)), np.broadcast_to(axes, (count,)).tolist()
    for k, position in enumerate(axes):
        along = normal_axis(position, x.ndim)
        if n := x.shape[along]:
            x = np.take(x, (np.arange(n) - shifts[k]) % n, axis=along)
    return x


def rolled(value: Value, shift: int, axis: int) -> Value:
    """np.roll along one axis: its two parts exchanged."""
    n = value.shape[axis]
    if type(n) is not Dim:
        shift = shift % n if n else 0
    elif shift < 0:
        shift += n
    if shift == 0:
        return value
    return joined([cut(value, axis, n - shift, n), cut(value, axis, 0, n - shift)], axis)


def _at_least(ndim: int) -> Any:
    def promote(*arys: Any) -> Any:
        results = [wrapped(at_least(materialise(a), ndim)) for a in arys]
        return results[0] if len(results) == 1 else tuple(results)

    return promote


def at_least(value: Value, ndim: int) -> Value:
    """NumPy's atleast_1d, _2d, _3d."""
    if value.ndim >= ndim:
        return value
    if ndim == 3 and value.ndim == 2:
        return expand(value, 2)
    if ndim == 3 and value.ndim == 1:
        return expand(value, 0, 2)
    return reshape(value, (1,) * (ndim - value.ndim) + value.shape)


for _ndim, _function in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d)):
    views(_function)(function(_function)(_at_least(_ndim)))


@function(np.shape)
def shape(a: Any) -> Shape:
    """The lengths of the axes: known while tracing."""
    return tuple(map(dimension, operand(a).shape))


@function(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes: known while tracing."""
    return operand(a).ndim


@function(np.size)
def size(a: Any, axis: Any = None) -> int:
    """The number of elements, or the length of axes: known while tracing."""
    known = operand(a).shape
    return math.prod(dimension(known[i]) for i in normal_axes(axis, len(known)))


@function(np.result_type)
def result_type_(*arrays_and_dtypes: Any) -> Any:
    """The dtype that NumPy combines these in: known while tracing."""
    plain = (np.dtype, type, str)
    known = [x if isinstance(x, plain) else _example(operand(x)) for x in arrays_and_dtypes]
    return promotion.result_type(*known)


def _example(x: Operand) -> Any:
    """What stands for an operand's dtype: a Python number if it is weakly typed."""
    return {int: 0, float: 0.0}.get(x.spec, x.dtype)


@function(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether a cast is allowed: known while tracing."""
    return promotion.can_cast(operand(from_).dtype, dtype_of(to), casting)


@function(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements repeated until the new shape is full."""
    value = materialise(a)
    target = shape_argument(new_shape)
    total, have = size_of(target), size_of(value.shape)
    flat = reshape(value, (have,))
    if have == 0 or total == 0:
        return wrapped(value.builder.full(target, 0, value.dtype))
    whole = broadcast(expand(flat, 0), (-(-total // have), have))
    return wrapped(reshape(cut(reshape(whole, (size_of(whole.shape),)), 0, 0, total), target))


@method("astype")
def astype(
    a: Any,
    dtype: Any,
    order: str = "K",
    casting: Any = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    """Cast as NumPy casts."""
    x = operand(a)
    target = supported_dtype(dtype)
    if not promotion.can_cast(x.dtype, target, casting):
        raise DTypeError(f"cannot cast from {x.dtype} to {target} with casting {casting!r}")
    return wrapped(materialise(x, target))


@function(np.astype)
def astype_function(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Cast as NumPy casts."""
    refuse("astype", device=None if device == "cpu" else device)
    return astype(x, dtype)
