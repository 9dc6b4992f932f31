"""Diagonals and triangles of matrices: diag, diagonal, trace, tril, triu."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.types import INT64, Dim
from wengert.tracer.functions.cutting import cut
from wengert.tracer.functions.operands import (
    integer,
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
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.tables import function, method, views


def diagonal_of(value: Value, offset: int, axis1: int, axis2: int) -> Value:
    """The diagonal of two axes, as a last axis.

    In a row-major matrix of n columns the diagonal's elements are n + 1 apart.
    """
    i, j = normal_axis(axis1, value.ndim, "axis1"), normal_axis(axis2, value.ndim, "axis2")
    if i == j:
        raise ShapeError("axis1 and axis2 cannot be the same")
    rest = [d for d in range(value.ndim) if d not in (i, j)]
    m, n = value.shape[i], value.shape[j]
    lead = tuple(value.shape[d] for d in rest)
    matrix = transpose(value, [*rest, i, j])
    if Dim in map(type, (m, n)):
        if m != n or offset:
            raise ShapeError(
                f"a diagonal of an array of shape {value.shape}, whose lengths depend on the "
                "indices of loops, can only be the main one of a square"
            )
        index = iota((m,), 0)
        front = transpose(value, [i, j, *rest]).gather(index, index)
        return transpose(front, [*range(1, front.ndim), 0])
    length = max(0, min(m + min(offset, 0), n - max(offset, 0)))
    flat = reshape(matrix, (*lead, m * n))
    if length == 0:
        return cut(flat, len(lead), 0, 0)
    start = offset if offset >= 0 else -offset * n
    return cut(flat, len(lead), start, start + (length - 1) * (n + 1) + 1, n + 1)


@views(np.diagonal, "diagonal", locked=True)
@function(np.diagonal)
@method("diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, as a last axis."""
    value = materialise(a)
    if value.ndim < 2:
        raise ShapeError("diag requires an array of at least two dimensions")
    return wrapped(diagonal_of(value, integer(offset, "offset"), axis1, axis2))


@views(np.linalg.diagonal, locked=True)
@function(np.linalg.diagonal)
def matrix_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes."""
    return diagonal(x, offset, -2, -1)


@views(np.diag, locked=True)
@function(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """A diagonal matrix from a vector, or the diagonal of a matrix."""
    value = materialise(v)
    if value.ndim == 1:
        return wrapped(with_diagonal(value, integer(k, "k")))
    if value.ndim == 2:
        return wrapped(diagonal_of(value, integer(k, "k"), 0, 1))
    raise ShapeError("Input must be 1- or 2-d.")


@function(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """A diagonal matrix with all elements of `v`."""
    value = materialise(v)
    return wrapped(with_diagonal(reshape(value, (size_of(value.shape),)), integer(k, "k")))


def with_diagonal(value: Value, k: int) -> Value:
    """A square matrix that is zero off its k-th diagonal."""
    n = value.shape[0] + abs(k)
    zero = value.builder.literal(0, value.dtype)
    ends = {"low": (max(-k, 0),), "high": (max(k, 0),), "interior": (0,)}
    rows = value.pad(zero, **ends) if k else value
    wide = rows.broadcast(shape=(n, n), dims=(0,))
    row, column = iota((n, n), 0), iota((n, n), 1)
    return (row.add(k) if k else row).eq(column).select(wide, zero)


@function(np.trace)
@method("trace")
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """The sum of a diagonal."""
    refuse("trace", out=out)
    value = materialise(a)
    if value.ndim < 2:
        raise ShapeError("diag requires an array of at least two dimensions")
    return wrapped(reduce(np.add, diagonal_of(value, offset, axis1, axis2), -1, dtype))


@function(np.linalg.trace)
def matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The traces of the matrices in the last two axes."""
    return trace(x, offset, -2, -1, dtype)


def _triangle(m: Any, k: Any, lower: bool) -> Any:
    value = materialise(m)
    shift = integer(k, "k")
    if value.ndim == 0:
        raise ShapeError("tril and triu need at least one dimension")
    if value.ndim == 1:
        value = value.broadcast(shape=value.shape * 2, dims=(1,))
    row, column = iota(value.shape, -2), iota(value.shape, -1)
    edge = row.add(shift) if shift else row
    keep = column.le(edge) if lower else column.ge(edge)
    return wrapped(keep.select(value, value.builder.literal(0, value.dtype)))


@function(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The elements on and below the k-th diagonal, zeros elsewhere."""
    return _triangle(m, k, True)


@function(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The elements on and above the k-th diagonal, zeros elsewhere."""
    return _triangle(m, k, False)


@function(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """The indices of a matrix's lower triangle, which its shape tells."""
    return np.tril_indices(*_matrix_shape("tril_indices_from", arr, k))


@function(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """The indices of a matrix's upper triangle."""
    return np.triu_indices(*_matrix_shape("triu_indices_from", arr, k))


def _matrix_shape(name: str, arr: Any, k: int) -> tuple[int, int, int]:
    if np.ndim(arr) != 2:
        raise ShapeError(f"{name}: input array must be 2-d, got shape {np.shape(arr)}")
    rows, columns = np.shape(arr)
    return rows, k, columns


@function(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """The indices of the diagonal of an array whose axes are equally long."""
    shape = np.shape(arr)
    if len(shape) < 2 or len(set(shape)) > 1:
        raise ShapeError(f"diag_indices_from: all axes must be equally long, got {shape}")
    return np.diag_indices(shape[0], len(shape))


@function(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Powers of a vector as columns."""
    v = operand(x)
    if v.ndim != 1:
        raise ShapeError("x must be a one-dimensional array or sequence.")
    value = materialise(v, promotion.result_type(v.dtype, INT64))
    count = v.shape[0] if N is None else integer(N, "N")
    column = reshape(value, (v.shape[0], 1))
    if count == 0:
        return wrapped(cut(column, 1, 0, 0))
    ones = column.full_like(1)
    if count > 1:
        wide = column.broadcast(shape=(v.shape[0], 1, count - 1), dims=(0, 1))
        steps = reshape(wide, (v.shape[0], count - 1))
        ones = ones.concat(steps.cumprod(axis=1, reverse=False), axis=1)
    return wrapped(ones if increasing else ones.rev(axes=(1,)))
