"""Indices as numbers and as tuples, orders by several keys, functions of lines; polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir.types import INT64
from wengert.tracer.functions.operands import materialise, normal_axis, wrapped
from wengert.tracer.tables import function, method


@function(np.ravel_multi_index)
def ravel_multi_index(
    multi_index: Sequence[Any], dims: Sequence[int], mode: Any = "raise", order: str = "C"
) -> Any:
    """The number of each element whose indices are given, in an array of shape `dims`.

    With mode="raise" indices are not checked: reading by the result does that.
    """
    modes = [mode] * len(dims) if isinstance(mode, str) else list(mode)
    pairs = list(zip(multi_index, dims, modes, strict=True))
    if order == "F":
        pairs.reverse()
    found: Any = 0
    for index, size, how in pairs:
        found = found * size + _within(index, size, how)
    return found


def _within(index: Any, size: int, mode: str) -> Any:
    if mode == "raise":
        return index
    if mode == "wrap":
        return index % size
    if mode == "clip":
        return np.clip(index, 0, size - 1)
    raise ArgumentError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")


@function(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """The indices of elements given by their numbers in an array of this shape."""
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    rest: Any = wrapped(materialise(indices, INT64))
    found: list[Any] = []
    for size in reversed(sizes) if order == "C" else sizes:
        found.append(rest % size)
        rest = rest // size
    return tuple(reversed(found) if order == "C" else found)


@function(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """The indices that sort by the last key, then by the one before it, and so on."""
    lines = [wrapped(materialise(k)) for k in keys]
    if not lines:
        raise ArgumentError("need sequence of keys with len > 0 in lexsort")
    order = np.argsort(lines[0], axis=axis, stable=True)
    for key in lines[1:]:
        again = np.argsort(np.take_along_axis(key, order, axis), axis=axis, stable=True)
        order = np.take_along_axis(order, again, axis)
    return order


@function(np.argpartition)
@method("argpartition")
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The indices that sort the elements, which is more than is asked."""
    return np.argsort(a, axis=axis, stable=True)


@function(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`func1d` of each line along an axis, one after the other."""
    value = wrapped(materialise(arr))
    along = normal_axis(axis, value.ndim)
    lines = np.moveaxis(value, along, -1)
    around = lines.shape[:-1]
    flat = np.reshape(lines, (-1, lines.shape[-1]))
    found = np.stack([func1d(line, *args, **kwargs) for line in flat])
    shaped = np.reshape(found, (*around, *found.shape[1:]))
    own = found.ndim - 1
    order = [*range(along), *range(len(around), len(around) + own), *range(along, len(around))]
    return np.transpose(shaped, order)


@function(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """`func(a, axis)` along one axis after the other, with lost axes put back as 1."""
    value = wrapped(materialise(a))
    for axis in np.ravel(axes).tolist():
        along = normal_axis(axis, value.ndim)
        found = func(value, along)
        value = found if found.ndim == value.ndim else np.expand_dims(found, along)
    return value


@function(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Vectors of indices, each along an axis of its own."""
    lines = [wrapped(materialise(x)) for x in args]
    if any(x.ndim != 1 for x in lines):
        raise ShapeError("Cross index must be 1 dimensional")
    return tuple(
        np.reshape(x, [1] * k + [-1] + [1] * (len(lines) - k - 1)) for k, x in enumerate(lines)
    )


@function(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of polynomials, their coefficients from the highest power on."""
    first, second = _aligned(a1, a2)
    return first + second


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """The coefficients of two polynomials, as many of each."""
    first, second = np.atleast_1d(a1), np.atleast_1d(a2)
    n = max(len(first), len(second))
    return np.pad(first, (n - len(first), 0)), np.pad(second, (n - len(second), 0))


@function(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of polynomials."""
    first, second = _aligned(a1, a2)
    return first - second


@function(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of polynomials."""
    return np.convolve(np.atleast_1d(a1), np.atleast_1d(a2))


@function(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The derivative of a polynomial, m times."""
    value = np.atleast_1d(p)
    if m < 0:
        raise ArgumentError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        value = value[:-1] * np.arange(len(value) - 1, 0, -1)
    return value


@function(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The antiderivative of a polynomial, m times, with constants k."""
    value = np.atleast_1d(p)
    if m < 0:
        raise ArgumentError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else np.atleast_1d(k)
    if len(constants) == 1:
        constants = np.broadcast_to(constants, (m,))
    if len(constants) < m:
        raise ArgumentError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        powers = np.arange(len(value), 0, -1)
        value = np.concatenate([value / powers, np.reshape(constants[i], (1,))])
    return value
