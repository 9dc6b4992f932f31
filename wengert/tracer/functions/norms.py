"""Norms of vectors and of matrices. Orders that need singular values are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.tracer.functions.operands import (
    expand,
    floating,
    normal_axes,
    wrapped,
)
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.functions.statistics import safe_sqrt
from wengert.tracer.tables import function


@function(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two); of all elements by default."""
    value = floating(x)
    if axis is None and ord is None:
        axes = tuple(range(value.ndim))
    else:
        axes = normal_axes(axis, value.ndim)
    if (axis is None and ord is None) or len(axes) == 1:
        result = vector_norm_of(value, 2 if ord is None else ord, axes)
    elif len(axes) == 2:
        result = matrix_norm_of(value, ord, axes)
    else:
        raise ShapeError(f"Improper number of dimensions to norm: {len(axes)}")
    return wrapped(expand(result, *axes) if keepdims else result)


def vector_norm_of(x: Value, ord: Any, axes: tuple[int, ...]) -> Value:
    """sum(|x|**ord)**(1/ord) and its limits; the derivative at 0 is 0."""
    if isinstance(ord, str):
        raise ArgumentError(f"Invalid norm order '{ord}' for vectors")
    if ord == np.inf:
        return reduce(np.maximum, x.abs(), axes)
    if ord == -np.inf:
        return reduce(np.minimum, x.abs(), axes)
    if ord == 0:
        return x.ne(0.0).to(x.dtype).reduce_sum(axes=axes)
    if ord == 1:
        return x.abs().reduce_sum(axes=axes)
    if ord == 2:
        return safe_sqrt(x.mul(x).reduce_sum(axes=axes))
    power = float(ord)
    total = x.abs().pow(power).reduce_sum(axes=axes)
    if power < 0:
        return total.pow(1.0 / power)
    zero = total.eq(0.0)
    return zero.select(0.0, zero.select(1.0, total).pow(1.0 / power))


def matrix_norm_of(x: Value, ord: Any, axes: tuple[int, ...]) -> Value:
    """The Frobenius norm, and the row and column sums; axes are (rows, columns)."""
    rows, columns = axes
    if rows == columns:
        raise ShapeError("Duplicate axes given.")
    if ord in (None, "fro", "f"):
        return safe_sqrt(x.mul(x).reduce_sum(axes=tuple(sorted(axes))))
    if ord in (2, -2, "nuc"):
        raise InputTypeError(
            f"the matrix norm of order {ord!r} needs singular values, which are not available on "
            "traced values yet; the orders 'fro', 1, -1, inf and -inf are"
        )
    if ord not in (1, -1, np.inf, -np.inf):
        raise ArgumentError(f"Invalid norm order {ord!r} for matrices.")
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = x.abs().reduce_sum(axes=(first,))
    extreme = np.maximum if ord > 0 else np.minimum
    return reduce(extreme, sums, second - (second > first))


@function(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of the vectors along axes; of all elements by default."""
    value = floating(x)
    axes = normal_axes(axis, value.ndim)
    result = vector_norm_of(value, ord, axes)
    return wrapped(expand(result, *axes) if keepdims else result)


@function(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)
