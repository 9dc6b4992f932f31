"""Reductions of parts of an array: `np.add.reduceat` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import InputTypeError, OutOfBoundsError, TracerConversionError
from wengert.tracer.functions.folds import ASSOCIATIVE
from wengert.tracer.functions.operands import materialise, normal_axis, operand, refuse, wrapped
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
        *("logical_and", "logical_or", "bitwise_and", "bitwise_or", "gcd", "lcm"),
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
    """Reductions from each of known indices to the next, or of one element where that is before.

    The parts become rows as long as the longest.
    """
    name = ufunc.__name__
    refuse(f"{name}.reduceat", out=out)
    if name not in REDUCIBLE and name not in ASSOCIATIVE:
        raise InputTypeError(f"np.{name}.reduceat is not supported on traced values")
    given = operand(indices)
    if not given.known:
        raise TracerConversionError(
            f"np.{name}.reduceat needs known indices: how long parts are decides shapes"
        )
    x = operand(array)
    position = normal_axis(axis, x.ndim)
    count, starts = x.shape[position], np.asarray(given.value, np.int64).reshape(-1)
    for index in starts.tolist():
        if not 0 <= index < count:
            raise OutOfBoundsError(f"index {index} out-of-bounds in {name}.reduceat [0, {count})")
    lengths = np.maximum(np.append(starts[1:], count) - starts, 1)
    places = np.arange(lengths.max(initial=1))
    rows = starts[:, None] + np.minimum(places, lengths[:, None] - 1)
    loop = None if name.startswith("logical") else reduction_dtype(ufunc, x, dtype)
    taken = FUNCTIONS[np.take](wrapped(materialise(x, loop)), rows, axis=position)
    where: Any = True
    if name not in REPEATABLE:
        mask = places < lengths[:, None]
        where = mask.reshape((*mask.shape, *(1,) * (x.ndim - position - 1)))
    return wrapped(reduce(ufunc, taken, position + 1, loop, where=where))
