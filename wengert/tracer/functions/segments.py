"""Reductions of parts of an array: `np.add.reduceat` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import DTypeError, OutOfBoundsError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64
from wengert.tracer.functions.folds import ASSOCIATIVE, between, part
from wengert.tracer.functions.operands import (
    Operand,
    materialise,
    normal_axis,
    operand,
    refuse,
    wrapped,
)
from wengert.tracer.functions.reductions import (
    REDUCIBLE,
    WITHOUT_IDENTITY,
    reduce,
    reduction_dtype,
)
from wengert.tracer.tables import FUNCTIONS, ufunc_method

REPEATABLE = frozenset(
    {
        *WITHOUT_IDENTITY,
        *("logical_and", "logical_or", "bitwise_and", "bitwise_or"),
    }
)
"""Which are the same with an element taken again."""


@ufunc_method("reduceat")
def ufunc_reduceat(
    ufunc: np.ufunc,
    array: Any,
    indices: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    """Reductions from each index to the next, or of one element where that is before.

    Parts between known indices become rows as long as the longest, if their order does not count.
    """
    name = ufunc.__name__
    refuse(f"{name}.reduceat", out=out)
    x, given = operand(array), operand(indices)
    position = normal_axis(axis, x.ndim)
    if given.ndim != 1:
        raise ShapeError(f"{name}.reduceat needs a vector of indices, got shape {given.shape}")
    if given.dtype.kind not in "iu" and given.shape[0]:
        raise DTypeError(f"{name}.reduceat needs integers as indices, got {given.dtype}")
    if given.known:
        _check(name, np.asarray(given.value, np.int64), x, position)
    loop = BOOL if name.startswith("logical") else reduction_dtype(ufunc, x, dtype)
    value = materialise(x, loop)
    if not given.known:
        return wrapped(_by_loop(ufunc, value, position, materialise(given, INT64)))
    starts = np.asarray(given.value, np.int64)
    if name in ("gcd", "lcm") or (name not in REDUCIBLE and name not in ASSOCIATIVE):
        return wrapped(_by_loop(ufunc, value, position, value.builder.constant(starts)))
    return wrapped(_by_rows(ufunc, value, position, starts))


def _check(name: str, starts: np.ndarray[Any, Any], x: Operand, axis: int) -> None:
    for index in starts.tolist():
        if not 0 <= index < x.shape[axis]:
            raise OutOfBoundsError(
                f"index {index} out-of-bounds in {name}.reduceat [0, {x.shape[axis]})"
            )


def _by_rows(ufunc: np.ufunc, x: Value, axis: int, starts: np.ndarray[Any, Any]) -> Value:
    lengths = np.maximum(np.append(starts[1:], x.shape[axis]) - starts, 1)
    places = np.arange(lengths.max(initial=1))
    rows = starts[:, None] + np.minimum(places, lengths[:, None] - 1)
    taken = FUNCTIONS[np.take](wrapped(x), rows, axis=axis)
    where: Any = True
    if ufunc.__name__ not in REPEATABLE:
        mask = places < lengths[:, None]
        where = mask.reshape((*mask.shape, *(1,) * (x.ndim - axis - 1)))
    loop = None if ufunc.__name__.startswith("logical") else x.dtype
    return reduce(ufunc, taken, axis + 1, loop, where=where)


def _by_loop(ufunc: np.ufunc, x: Value, axis: int, starts: Value) -> Value:
    """One element after the other: of parts whose lengths are known only at run time, too."""
    length, count = x.shape[axis], starts.shape[0]
    if not count:
        return part(x, axis, 0, 0)
    message = f"an index of {ufunc.__name__}.reduceat is out of bounds for length {length}"
    inside = (
        starts.ge(0)
        .bitand(starts.lt(length))
        .require(message=message, error=OutOfBoundsError.__name__)
    )
    end = starts.builder.literal(length, INT64).broadcast(shape=(1,), dims=())
    stops = starts.slice(start=(1,), stop=(count,), step=(1,)).concat(end, axis=0)
    if not length:
        raise OutOfBoundsError(f"{ufunc.__name__}.reduceat of an axis without elements")
    return between(ufunc, x, axis, inside.select(starts, 0), stops)
