"""Factorisations and linear systems: what is built on the ops of `ir.ops.{cholesky,lu,...}`.

Matrices are the last two axes. Integers become float64, as in NumPy; what NumPy finds out when it
runs (a singular matrix) is checked when the program runs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import (
    ArgumentError,
    DTypeError,
    MatrixShapeError,
    ShapeError,
)
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import finfo
from wengert.ir.op import REGISTRY
from wengert.ir.ops.matrices import (
    adjoint,
    diagonal,
    matmul,
    on_diagonal,
    spread_over,
    triangle,
)
from wengert.ir.types import Shape
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    floating,
    full,
    reshape,
    wrapped,
)
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.functions.statistics import squares
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import function

NOT_SINGULAR = "Singular matrix"
NOT_FINITE = "Array must not contain infs or NaNs"
NOT_POSITIVE = "Matrix is not positive definite"
NO_EIGENVALUES = "Eigenvalues did not converge"
NO_SVD = "SVD did not converge"


def matrices(name: str, x: Any, square: bool = True) -> Value:
    """An argument as a batch of float or complex matrices; errors are LinAlgErrors, as NumPy's."""
    value = floating(x)
    if value.ndim < 2:
        raise MatrixShapeError(
            f"{name}: {value.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if square and value.shape[-1] != value.shape[-2]:
        raise MatrixShapeError(
            f"{name}: Last 2 dimensions of the array must be square, got {value.type}"
        )
    if value.dtype.itemsize < 4:
        raise DTypeError(
            f"{name}: array type {value.dtype} is unsupported; use .astype(np.float32)"
        )
    return value


def demand(condition: Value, message: str) -> None:
    """Has the program raise SingularMatrixError where a condition does not hold when it runs."""
    condition.require(message=message, error="SingularMatrixError")


def together(a: Value, b: Value) -> tuple[Value, Value]:
    """Two stacks of matrices with one batch and dtype."""
    dtype = promotion.result_type(a.dtype, b.dtype)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (
        broadcast(a.to(dtype), (*batch, *a.shape[-2:])),
        broadcast(b.to(dtype), (*batch, *b.shape[-2:])),
    )


@functools.cache
def result_type(name: str) -> Any:
    """The named tuple that a function of `np.linalg` returns."""
    return type(getattr(np.linalg, name)(np.eye(1)))


def identity(like: Value) -> Value:
    """The identity for each matrix."""
    return on_diagonal(like).to(like.dtype)


# systems


@function(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """L of a = L L', or, if `upper`, its transpose; the other triangle of a is not read."""
    value = matrices("cholesky", a)
    root = (adjoint(value) if upper else value).cholesky()
    if value.shape[-1]:
        corner = diagonal(root)
        demand(corner.eq(corner), NOT_POSITIVE)
    return wrapped(adjoint(root) if upper else root)


def solved(a: Value, b: Value) -> Value:
    """X of a X = b for stacks of matrices."""
    a, b = together(a, b)
    factors = a.stop_gradient().lu()
    pivots = diagonal(factors[0])
    demand(pivots.ne(pivots.full_like(0)), NOT_SINGULAR)
    return a.linear_solve(b, transpose=False)


@function(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """X of a X = b; a b of one axis is a vector, others are matrices (NumPy 2)."""
    left, right = matrices("solve", a), floating(b)
    if right.ndim == 1:
        column = reshape(right, (*right.shape, 1))
        _check_rows("solve", left, column)
        found = solved(left, column)
        return wrapped(reshape(found, found.shape[:-1]))
    _check_rows("solve", left, right)
    return wrapped(solved(left, right))


def _check_rows(name: str, a: Value, b: Value) -> None:
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"{name}: matrices of {a.type} do not fit right-hand sides of {b.type}")


def inverse(a: Value) -> Value:
    """The inverse of each matrix."""
    return solved(a, identity(a))


@function(np.linalg.inv)
def inv(a: Any) -> Any:
    """The inverse of each matrix."""
    return wrapped(inverse(matrices("inv", a)))


@function(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant of each matrix."""
    return wrapped(matrices("det", a).det())


@function(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign and the logarithm of the size of each matrix's determinant."""
    sign, log = matrices("slogdet", a).slogdet()
    return result_type("slogdet")(wrapped(sign), wrapped(log))


@function(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of an array as a map from its axes after `ind` to those before."""
    value = floating(a)
    if ind <= 0:
        raise ArgumentError("Invalid ind argument.")
    before, after = value.shape[:ind], value.shape[ind:]
    rows = int(np.prod(after, dtype=int))
    square = matrices("tensorinv", wrapped(reshape(value, (rows, value.type.size // max(1, rows)))))
    return wrapped(reshape(inverse(square), (*after, *before)))


@function(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """x of tensordot(a, x, x.ndim) = b."""
    value, right = floating(a), floating(b)
    order = list(range(value.ndim))
    for axis in axes or ():
        order.remove(axis % value.ndim)
        order.append(axis % value.ndim)
    value = value.transpose(perm=tuple(order)) if order != sorted(order) else value
    shape = value.shape[right.ndim :]
    rows = right.type.size
    square = matrices(
        "tensorsolve", wrapped(reshape(value, (rows, int(np.prod(shape, dtype=int)))))
    )
    return wrapped(reshape(solved(square, reshape(right, (rows, 1))), shape))


# spectra


def eigen(name: str, a: Any, uplo: str) -> tuple[Value, Value]:
    """Eigenvalues and eigenvectors of symmetric matrices given by one triangle."""
    value = matrices(name, a)
    if uplo.upper() not in ("L", "U"):
        raise ArgumentError("UPLO argument must be 'L' or 'U'")
    values, vectors = (adjoint(value) if uplo.upper() == "U" else value).eigh()
    demand(values.eq(values), NO_EIGENVALUES)
    return values, vectors


@function(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Ascending eigenvalues and eigenvectors of symmetric matrices."""
    values, vectors = eigen("eigh", a, UPLO)
    return result_type("eigh")(wrapped(values), wrapped(vectors))


@function(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Ascending eigenvalues of symmetric matrices."""
    return wrapped(eigen("eigvalsh", a, UPLO)[0])


def general_eigen(name: str, a: Any) -> tuple[Value, Value]:
    """Complex eigenvalues and eigenvectors of square matrices."""
    value = matrices(name, a)
    demand(call(np.isfinite, value), NOT_FINITE)
    values, vectors = value.eig()
    demand(values.eq(values), NO_EIGENVALUES)
    return values, vectors


@function(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices, always complex: NumPy's are real if all
    eigenvalues are, which is known only when the program runs.
    """
    values, vectors = general_eigen("eig", a)
    return result_type("eig")(wrapped(values), wrapped(vectors))


@function(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """Eigenvalues of square matrices, always complex."""
    return wrapped(general_eigen("eigvals", a)[0])


def reduced_svd(name: str, a: Any) -> tuple[Value, Value, Value]:
    """U, s, V' in the reduced form."""
    u, s, vt = matrices(name, a, square=False).svd()
    demand(s.eq(s), NO_SVD)
    return u, s, vt


def singular_values(x: Value) -> Value:
    """In descending order; the program raises LinAlgError where there are none, as of NaN."""
    s = x.svd()[1]
    demand(s.eq(s), NO_SVD)
    return s


def complement(u: Value) -> Value:
    """Orthonormal columns that complete those of each matrix, m x k, to a basis: m x (m - k).

    They are the eigenvectors C of I - U U' whose eigenvalues are 1; any rotation of them would do.
    The derivative is that of the basis which does not turn within its space: of what does not hang
    on the choice, it is the derivative. With W = U' C, which is 0, and C held,

        (C - U W) (I - W' W)^(-1/2)  =  (C - U W) (I + W' W / 2 + ...)

    is orthonormal, orthogonal to U, and next to C where U moves; the terms left out are of the
    fourth order.
    """
    fixed = u.stop_gradient()
    gram = matmul(fixed, adjoint(fixed))
    _, vectors = (identity(gram) - gram).eigh()
    start = (*(0,) * (u.ndim - 1), u.shape[-1])
    held = vectors.slice(start=start, stop=vectors.shape, step=(1,) * u.ndim)
    along = matmul(adjoint(u), held)
    across = held - matmul(u, along)
    curved = matmul(across, matmul(adjoint(along), along))
    return across + curved * curved.full_like(0.5)


def completed(u: Value) -> Value:
    """The columns of each matrix, and what completes them to a basis."""
    if u.shape[-2] == u.shape[-1]:
        return u
    return u.builder.emit(REGISTRY["concat"], [u, complement(u)], {"axis": u.ndim - 1})[0]


@function(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """The singular value decomposition. With full_matrices=True, of matrices that are not square,
    the vectors beyond the singular values are some basis of the rest: see `complement`.
    """
    u, s, vt = reduced_svd("svd", a)
    if not compute_uv:
        return wrapped(s)
    if full_matrices:
        u, vt = completed(u), adjoint(completed(adjoint(vt)))
    return result_type("svd")(wrapped(u), wrapped(s), wrapped(vt))


@function(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """The singular values of each matrix, in descending order."""
    return wrapped(reduced_svd("svdvals", x)[1])


@function(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Q and R of a = Q R; of wide matrices Q is that of the first columns. The mode "complete" adds
    columns to Q for which R has zeros: see `complement`.
    """
    if mode not in ("reduced", "r", "complete"):
        raise ArgumentError(
            f"qr of traced values has the modes 'reduced', 'complete' and 'r', not {mode!r}"
        )
    value = matrices("qr", a, square=False)
    m, n = value.shape[-2:]
    if m < n:
        batch = (0,) * (value.ndim - 2)
        stop, step = (*value.shape[:-1], m), (1,) * value.ndim
        q, _ = value.slice(start=(*batch, 0, 0), stop=stop, step=step).qr()
        r = triangle_of(matmul(adjoint(q), value))
    else:
        q, r = value.qr()
    if mode == "complete" and m > n:
        none = (0,) * r.ndim
        q, r = completed(q), r.pad(0, low=none, high=(*none[:-2], m - n, 0), interior=none)
    return wrapped(r) if mode == "r" else result_type("qr")(wrapped(q), wrapped(r))


def triangle_of(x: Value) -> Value:
    """The upper triangle of each matrix."""
    return triangle(x, False)


# what singular values tell


def _cutoff(s: Value, rcond: Any, rtol: Any, shape: Shape, default: float | None) -> Value:
    """The singular value of each matrix up to which they count as 0."""
    if rcond is not None and rtol is not None:
        raise ArgumentError("`rtol` and `rcond` can't be both set.")
    given = rtol if rcond is None else rcond
    if given is None:
        given = default or max(shape[-2:]) * float(finfo(s.dtype).eps)
    largest = reduce(np.maximum, s, (s.ndim - 1,), initial=0)
    bound = floating(given).to(s.dtype)
    return (broadcast(bound, largest.shape) * largest).stop_gradient()


@function(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The pseudo-inverse; singular values up to the cut-off count as 0, and stay so nearby."""
    value = matrices("pinv", a, square=False)
    default = 1e-15 if rtol is None else None
    return wrapped(value.pinv(_cutoff(singular_values(value), rcond, rtol, value.shape, default)))


@function(np.linalg.matrix_rank)
def matrix_rank(
    A: Any,
    tol: Any = None,
    hermitian: bool = False,
    *,
    rtol: Any = None,
) -> Any:
    """How many singular values are above the tolerance."""
    value = matrices("matrix_rank", A, square=False)
    s = singular_values(value)
    if tol is None:
        limit = spread_over(_cutoff(s, None, rtol, value.shape, None), s.shape)
    else:
        limit = broadcast(floating(tol).to(s.dtype), s.shape)
    return wrapped(s.gt(limit).to(np.dtype(np.int64)).reduce_sum(axes=(s.ndim - 1,)))


@function(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The least x in norm that minimises |a x - b|, by singular values; and NumPy's other results.

    As the rank is known only when the program runs, residuals are given wherever there are more
    rows than columns, whatever the rank.
    """
    value, right = matrices("lstsq", a, square=False), floating(b)
    column = reshape(right, (*right.shape, 1)) if right.ndim == 1 else right
    if value.ndim != 2 or column.ndim != 2:
        raise ShapeError(f"lstsq takes one matrix, got {value.type} and {right.type}")
    if value.shape[0] != column.shape[0]:
        raise ShapeError(f"lstsq: {value.type} and {right.type} have different numbers of rows")
    value, column = together(value, column)
    s = singular_values(value)
    limit = _cutoff(s, rcond, None, value.shape, None)
    x = matmul(value.pinv(limit), column)
    rest = matmul(value, x) - column
    residuals = squares(rest).reduce_sum(axes=(0,))
    if value.shape[0] <= value.shape[1]:
        residuals = full((0,), 0, s.dtype)
    rank = s.gt(spread_over(limit, s.shape)).to(np.dtype(np.intc)).reduce_sum(axes=(0,))
    if right.ndim == 1:
        x = reshape(x, x.shape[:1])
    return wrapped(x), wrapped(residuals), wrapped(rank), wrapped(s)


def spectral_norm(x: Value, order: Any) -> Value:
    """The norm of each matrix by its singular values: the largest, the least, or their sum."""
    s = singular_values(x)
    if order == "nuc":
        return s.reduce_sum(axes=(s.ndim - 1,))
    if order == 2 and not s.shape[-1]:
        return full(s.shape[:-1], 0, s.dtype)
    place = 0 if order == 2 else s.shape[-1] - 1
    batch = s.shape[:-1]
    zeros = (0,) * len(batch)
    found = s.slice(start=(*zeros, place), stop=(*batch, place + 1), step=(1,) * s.ndim)
    return found.reshape(shape=batch)
