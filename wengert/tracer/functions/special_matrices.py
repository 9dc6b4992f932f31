"""Matrices of few numbers, by SciPy's names: Toeplitz, Hankel and circulant ones, products of them.

Each is its numbers at constant places, so its derivative adds up what stands at equal ones.
Vectors may have leading axes, which are a batch; a matrix that SciPy would make of a flattened
array is not made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.tracer.functions.operands import floating, materialise, wrapped
from wengert.tracer.functions.scipy_linalg import solve

Array = Any


def _numbers(name: str, x: Any) -> Any:
    """A vector or a batch of vectors."""
    value = materialise(x)
    if not value.ndim:
        raise ShapeError(f"{name} takes vectors, got a number")
    return wrapped(value)


def _joined(name: str, first: Any, second: Any) -> Any:
    """Two batches of vectors, one behind the other."""
    if first.shape[:-1] != second.shape[:-1]:
        raise ShapeError(f"{name}: vectors of shapes {first.shape} and {second.shape} do not fit")
    return np.concatenate([first, second], axis=-1)


def _places(rows: int, columns: int) -> tuple[Array, Array]:
    return np.arange(rows)[:, None], np.arange(columns)


def toeplitz(c: Any, r: Any = None) -> Any:
    """T[..., i, j] = c[..., i - j] below and on the diagonal, r[..., j - i] above it.

    `r` is c's conjugate if it is not given; its first element is not read.
    """
    column = _numbers("toeplitz", c)
    row = np.conj(column) if r is None else _numbers("toeplitz", r)
    both = _joined("toeplitz", np.flip(column, -1), row[..., 1:])
    i, j = _places(column.shape[-1], row.shape[-1])
    return both[..., column.shape[-1] - 1 - i + j]


def circulant(c: Any) -> Any:
    """C[..., i, j] = c[..., (i - j) mod n]."""
    column = _numbers("circulant", c)
    i, j = _places(column.shape[-1], column.shape[-1])
    return column[..., (i - j) % max(1, column.shape[-1])]


def hankel(c: Any, r: Any = None) -> Any:
    """H[..., i, j] = c[..., i + j], and behind c's end what follows the first element of r.

    `r` is 0 if it is not given.
    """
    column = _numbers("hankel", c)
    row = np.zeros_like(column) if r is None else _numbers("hankel", r)
    both = _joined("hankel", column, row[..., 1:])
    i, j = _places(column.shape[-1], row.shape[-1])
    return both[..., i + j]


def khatri_rao(a: Any, b: Any) -> Any:
    """The Kronecker products of the columns of (..., m, n) and (..., p, n), as (..., m p, n)."""
    left, right = (wrapped(materialise(x)) for x in (a, b))
    if left.ndim < 2 or right.ndim < 2 or left.shape[-1] != right.shape[-1]:
        raise ShapeError(
            f"khatri_rao takes matrices of as many columns, got shapes {left.shape}, {right.shape}"
        )
    whole = left[..., :, None, :] * right[..., None, :, :]
    return np.reshape(whole, (*whole.shape[:-3], -1, whole.shape[-1]))


def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """X of toeplitz(c, r) X = b for any such matrix that is not singular, by its elimination.

    The first argument is c or (c, r); shapes and errors are those of `solve`.
    """
    return solve(_toeplitz_of(c_or_cr), b)


def matmul_toeplitz(
    c_or_cr: Any, x: Any, check_finite: bool = False, workers: int | None = None
) -> Any:
    """toeplitz(c, r) @ x, by the whole matrix; the first argument is c or (c, r)."""
    return _toeplitz_of(c_or_cr) @ wrapped(floating(x))


def _toeplitz_of(c_or_cr: Any) -> Any:
    pair = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    return toeplitz(*pair)


def companion(a: Any) -> Any:
    """The matrix whose eigenvalues are the roots of a polynomial, a[..., 0] of the highest power.

    Raises ShapeError for fewer than two coefficients.
    """
    value = wrapped(floating(a))
    n = value.shape[-1] if value.ndim else 0
    if n < 2:
        raise ShapeError(f"companion takes at least two coefficients, got shape {value.shape}")
    top = (-value[..., 1:] / value[..., :1])[..., None, :]
    below = np.broadcast_to(
        np.eye(n - 2, n - 1, dtype=value.dtype), (*top.shape[:-2], n - 2, n - 1)
    )
    return np.concatenate([top, below], axis=-2)


MATRICES: dict[str, Callable[..., Any]] = {
    "circulant": circulant,
    "companion": companion,
    "hankel": hankel,
    "khatri_rao": khatri_rao,
    "matmul_toeplitz": matmul_toeplitz,
    "solve_toeplitz": solve_toeplitz,
    "toeplitz": toeplitz,
}
"""By the name of SciPy's function."""
