"""Norms of vectors and of matrices, and condition numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, MatrixShapeError, ShapeError
from wengert.ir.builder import Value
from wengert.tracer.functions.factorisations import inverse, matrices, spectral_norm
from wengert.tracer.functions.operands import (
    expand,
    floating,
    normal_axes,
    transpose,
    wrapped,
)
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.functions.statistics import safe_sqrt, squares
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import function


@function(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
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


def vector_norm_of(x: Value, order: Any, axes: tuple[int, ...]) -> Value:
    """sum(|x|**order)**(1/order) and its limits; the derivative at 0 is 0."""
    if isinstance(order, str):
        raise ArgumentError(f"Invalid norm order '{order}' for vectors")
    if order == 2:
        return safe_sqrt(squares(x).reduce_sum(axes=axes))
    size = call(np.absolute, x)
    if order == np.inf:
        return reduce(np.maximum, size, axes, initial=0)
    if order == -np.inf:
        return reduce(np.minimum, size, axes)
    if order == 0:
        return x.ne(0.0).to(size.dtype).reduce_sum(axes=axes)
    if order == 1:
        return size.reduce_sum(axes=axes)
    power = float(order)
    total = size.pow(power).reduce_sum(axes=axes)
    if power < 0:
        return total.pow(1.0 / power)
    zero = total.eq(0.0)
    return zero.select(0.0, zero.select(1.0, total).pow(1.0 / power))


def matrix_norm_of(x: Value, order: Any, axes: tuple[int, ...]) -> Value:
    """The Frobenius norm, and the row and column sums; axes are (rows, columns)."""
    rows, columns = axes
    if rows == columns:
        raise ShapeError("Duplicate axes given.")
    if order in (None, "fro", "f"):
        return safe_sqrt(squares(x).reduce_sum(axes=tuple(sorted(axes))))
    if order in (2, -2, "nuc"):
        others = [a for a in range(x.ndim) if a not in axes]
        return spectral_norm(transpose(x, (*others, *axes)), order)
    if order not in (1, -1, np.inf, -np.inf):
        raise ArgumentError(f"Invalid norm order {order!r} for matrices.")
    first, second = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = call(np.absolute, x).reduce_sum(axes=(first,))
    axis = second - (second > first)
    if order > 0:
        return reduce(np.maximum, sums, axis, initial=0)
    return reduce(np.minimum, sums, axis)


@function(np.linalg.vector_norm)
def vector_norm(
    x: Any,
    /,
    *,
    axis: Any = None,
    keepdims: bool = False,
    ord: Any = 2,  # noqa: A002
) -> Any:
    """The norm of the vectors along axes; of all elements by default."""
    value = floating(x)
    axes = normal_axes(axis, value.ndim)
    result = vector_norm_of(value, 2 if ord is None else ord, axes)
    return wrapped(expand(result, *axes) if keepdims else result)


@function(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002
    """The norm of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


@function(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition number: that of singular values, or |x| |x⁻¹| in another matrix norm."""
    if 0 in np.shape(x)[-2:]:
        raise MatrixShapeError(f"cond is not defined on empty arrays, as {floating(x).type} is")
    if p in (None, 2, -2):
        value = matrices("cond", x, square=False)
        largest, least = (spectral_norm(value, order) for order in (2, -2))
        return wrapped(least / largest if p == -2 else largest / least)
    value = matrices("cond", x)
    axes = (value.ndim - 2, value.ndim - 1)
    return wrapped(matrix_norm_of(value, p, axes) * matrix_norm_of(inverse(value), p, axes))
