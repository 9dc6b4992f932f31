"""Functions whose results have a length given beforehand: unique, the sets, nonzero, and top_k.

NumPy's lengths depend on the elements; these take `size` and give the first `size` of what NumPy
gives, with `fill_value` in the places behind the last. They are written in NumPy's functions, so
they are for arrays and traced values alike. Places of marked elements come from a binary search in
the running count of marks, which needs no scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir import promotion
from wengert.ir.floats import kind_of
from wengert.tracer.functions.operands import integer, normal_axis


def length(size: Any) -> int:
    """A length given as `size`."""
    found = integer(size, "size")
    if found < 0:
        raise ArgumentError(f"size must not be negative, got {found}")
    return found


def _places(marks: Any, size: int) -> tuple[Any, Any]:
    """Where the first `size` marked elements of a vector stand, and which of these there are."""
    if not size or not marks.shape[0]:
        return np.zeros(size, np.int64), np.zeros(size, bool)
    found = np.searchsorted(np.cumsum(marks), np.arange(1, size + 1))
    there = found < marks.shape[0]
    return np.where(there, found, 0), there


def _filled(values: Any, there: Any, fill: Any) -> Any:
    """Rows that are there, and `fill` in the place of others; by default the first row, or 0."""
    if not there.shape[0]:
        return values
    there = there.reshape(there.shape[0], *(1 for _ in values.shape[1:]))
    if fill is None:
        fill = np.where(there[0], values[0], values.dtype.type(0))
    return np.where(there, values, np.asarray(fill).astype(values.dtype) if _known(fill) else fill)


def _known(fill: Any) -> bool:
    return isinstance(fill, int | float | complex | bool | np.generic | np.ndarray)


# nonzero


def flatnonzero(a: Any, *, size: int, fill_value: Any = 0) -> Any:
    """The first `size` indices of elements that are not 0, in the flattened array."""
    places, there = _places(np.ravel(a) != 0, length(size))
    return _filled(places, there, fill_value)


def nonzero(a: Any, *, size: int, fill_value: Any = 0) -> tuple[Any, ...]:
    """The indices of the first `size` elements that are not 0, for each axis."""
    if not a.ndim:
        raise ShapeError("nonzero takes an array of one axis or more, got a number")
    places, there = _places(np.ravel(a) != 0, length(size))
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value,) * a.ndim
    indices = np.unravel_index(places, a.shape)
    return tuple(_filled(i, there, fill) for i, fill in zip(indices, fills, strict=True))


def argwhere(a: Any, *, size: int, fill_value: Any = 0) -> Any:
    """The same as rows of a matrix."""
    return np.stack(nonzero(a, size=size, fill_value=fill_value), axis=-1)


def extract(condition: Any, arr: Any, *, size: int, fill_value: Any = 0) -> Any:
    """The first `size` elements for which the condition holds."""
    places, there = _places(np.ravel(condition) != 0, length(size))
    return _filled(np.ravel(arr)[places], there, fill_value)


# unique


@dataclass(frozen=True, slots=True)
class _Runs:
    """Rows in order: `order` sorts them, and runs of equal ones begin where `first` is set."""

    rows: Any
    order: Any
    first: Any


def _runs(rows: Any, equal_nan: bool = True) -> _Runs:
    """Rows of a vector, or of a matrix by their first elements, then their second ..."""
    if rows.ndim == 1:
        order = np.argsort(rows, stable=True)
    else:
        order = np.lexsort(tuple(rows[:, k] for k in reversed(range(rows.shape[1]))))
    ordered = rows[order]
    before, after = ordered[:-1], ordered[1:]
    changes = before != after
    if equal_nan and kind_of(ordered.dtype) in "fc":
        changes = changes & ~(np.isnan(before) & np.isnan(after))
    if rows.ndim > 1:
        changes = np.any(changes, axis=1)
    start = np.ones(min(1, rows.shape[0]), bool)
    return _Runs(ordered, order, np.concatenate([start, changes]))


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,  # noqa: A002 - NumPy's name
    size: int,
    fill_value: Any = None,
) -> Any:
    """The first `size` distinct elements in order, or rows along an axis; 0 for missing counts.

    Behind them stands `fill_value`, the least element by default. An element's inverse is the place
    that its value has or would have.
    """
    count, rows, lines = length(size), _as_rows(ar, axis), _lines(ar, axis)
    runs = _runs(rows, equal_nan)
    places, there = _places(runs.first, count + 1)
    kept = there[:count]
    found = [_filled(lines[runs.order[places[:count]]], kept, fill_value)]
    if axis is not None:
        found[0] = np.moveaxis(found[0], 0, axis)
    if return_index:
        found.append(_filled(runs.order[places[:count]], kept, None))
    if return_inverse:
        ranks = (np.cumsum(runs.first) - 1)[np.argsort(runs.order)]
        found.append(np.reshape(ranks, ar.shape) if axis is None else ranks)
    if return_counts:
        ends = np.where(there, places, rows.shape[0])
        found.append(np.where(kept, ends[1:] - ends[:-1], 0))
    return tuple(found) if len(found) > 1 else found[0]


def _lines(ar: Any, axis: int | None) -> Any:
    return np.ravel(ar) if axis is None else np.moveaxis(ar, normal_axis(axis, ar.ndim), 0)


def _as_rows(ar: Any, axis: int | None) -> Any:
    lines = _lines(ar, axis)
    return lines if lines.ndim == 1 else np.reshape(lines, (lines.shape[0], -1))


def unique_values(x: Any, /, *, size: int, fill_value: Any = None) -> Any:
    """The distinct elements; NaNs are distinct, as in the array API."""
    return unique(x, size=size, fill_value=fill_value, equal_nan=False)


def _results(name: str, *parts: Any) -> Any:
    """The named tuple of a function of NumPy's."""
    return type(getattr(np, name)(np.zeros(1)))(*parts)


def unique_counts(x: Any, /, *, size: int, fill_value: Any = None) -> Any:
    """The distinct elements and how often they occur."""
    options: dict[str, Any] = {"size": size, "fill_value": fill_value, "equal_nan": False}
    return _results("unique_counts", *unique(x, return_counts=True, **options))


def unique_inverse(x: Any, /, *, size: int, fill_value: Any = None) -> Any:
    """The distinct elements and the place of each element among them."""
    options: dict[str, Any] = {"size": size, "fill_value": fill_value, "equal_nan": False}
    return _results("unique_inverse", *unique(x, return_inverse=True, **options))


def unique_all(x: Any, /, *, size: int, fill_value: Any = None) -> Any:
    """The distinct elements, their first indices, the inverse and the counts."""
    options: dict[str, Any] = {"size": size, "fill_value": fill_value, "equal_nan": False}
    return _results("unique_all", *unique(x, True, True, True, **options))


# sets


def _members(x: Any, other: Any) -> tuple[Any, Any]:
    """Whether elements are in a sorted vector, and where they first stand there."""
    n = other.shape[0]
    if not n:
        return np.zeros(x.shape, bool), np.zeros(x.shape, np.int64)
    place = np.minimum(np.searchsorted(other, x), n - 1)
    return other[place] == x, place


def _promoted(ar1: Any, ar2: Any) -> tuple[Any, Any]:
    dtype = promotion.result_type(ar1, ar2)
    return np.ravel(ar1).astype(dtype), np.ravel(ar2).astype(dtype)


def union1d(ar1: Any, ar2: Any, *, size: int, fill_value: Any = None) -> Any:
    """The distinct elements of both."""
    return unique(np.concatenate(_promoted(ar1, ar2)), size=size, fill_value=fill_value)


def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int,
    fill_value: Any = None,
) -> Any:
    """The distinct elements that are in both, and where they first stand in each."""
    x, y = (_runs(v) for v in _promoted(ar1, ar2))
    inside, where = _members(x.rows, y.rows)
    places, there = _places(x.first & inside, length(size))
    found = _filled(x.rows[places], there, fill_value)
    if not return_indices:
        return found
    indices = (x.order[places], y.order[where[places]] if y.rows.shape[0] else places)
    return (found, *(_filled(i, there, None) for i in indices))


def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int, fill_value: Any = None
) -> Any:
    """The distinct elements of the first that are not in the second."""
    x, y = _promoted(ar1, ar2)
    runs = _runs(x)
    inside, _ = _members(runs.rows, np.sort(y))
    places, there = _places(runs.first & ~inside, length(size))
    return _filled(runs.rows[places], there, fill_value)


def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int, fill_value: Any = None
) -> Any:
    """The distinct elements that are in one only."""
    x, y = (_runs(v) for v in _promoted(ar1, ar2))
    alone = [x.first & ~_members(x.rows, y.rows)[0], y.first & ~_members(y.rows, x.rows)[0]]
    both, marks = np.concatenate([x.rows, y.rows]), np.concatenate(alone)
    order = np.argsort(both, stable=True)
    places, there = _places(marks[order], length(size))
    return _filled(both[order][places], there, fill_value)


SIZED: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(flatnonzero, nonzero, argwhere, extract, unique, unique_values, unique_counts),
        *(unique_inverse, unique_all, union1d, intersect1d, setdiff1d, setxor1d),
    )
}
"""By the name of the NumPy function that each is with `size`."""


# top_k


def top_k(x: Any, k: int, /, *, axis: int = -1) -> tuple[Any, Any]:
    """The k largest elements along an axis in descending order, and their indices.

    Of equal ones the first comes first, and NaN counts as the largest. Derivatives follow the
    elements. Raises ArgumentError if there are fewer than k.
    """
    position, count = normal_axis(axis, x.ndim), integer(k, "k")
    n = x.shape[position]
    if not 0 <= count <= n:
        raise ArgumentError(f"top_k takes k from 0 to {n}, the length of the axis, got {count}")
    order = np.flip(np.argsort(np.flip(x, position), axis=position, stable=True), position)
    indices = n - 1 - np.take(order, np.arange(count), axis=position)
    return np.take_along_axis(x, indices, position), indices
