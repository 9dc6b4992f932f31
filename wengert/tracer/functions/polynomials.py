"""Polynomials from and to their roots, fits, and division; coefficients begin with the highest.

Roots are eigenvalues of the companion matrix, as in NumPy, and so are their derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir import promotion
from wengert.ir.floats import finfo
from wengert.tracer.functions.factorisations import demand
from wengert.tracer.functions.operands import floating, integer, materialise, wrapped
from wengert.tracer.functions.special_matrices import toeplitz
from wengert.tracer.tables import function


@function(np.roots)
def roots(p: Any) -> Any:
    """The complex roots of a polynomial, whose first coefficient must not be 0.

    NumPy leaves leading zeros out; how many there are is known only when the program runs, so they
    raise SingularMatrixError then.
    """
    value = floating(p)
    if value.ndim != 1:
        raise ShapeError("Input must be a rank-1 array.")
    found = wrapped(value)
    n = value.shape[0]
    if n < 2:
        return np.zeros(0, promotion.result_type(value.dtype, np.complex64))
    demand(
        materialise(found[0]).ne(0.0),
        "the first coefficient of the polynomial given to np.roots is 0",
    )
    top = np.reshape(-found[1:] / found[0], (1, n - 1))
    return np.linalg.eigvals(np.concatenate([top, np.eye(n - 2, n - 1, dtype=value.dtype)]))


@function(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with these roots, or the characteristic one of a matrix.

    Complex roots give complex coefficients, also where they come in conjugate pairs.
    """
    value = floating(seq_of_zeros)
    zeros: Any = wrapped(value)
    if value.ndim == 2 and value.shape[0] == value.shape[1] and value.shape[0]:
        zeros = np.linalg.eigvals(zeros)
    elif value.ndim != 1:
        raise ArgumentError("input must be 1d or non-empty square 2d array.")
    found = np.ones(1, zeros.dtype)
    for k in range(zeros.shape[0]):
        found = np.convolve(found, np.stack([zeros.dtype.type(1), -zeros[k]]))
    return found if value.type.is_complex or value.ndim == 1 else found.real


@function(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial of least squares, by scaled columns and singular values as in NumPy."""
    degree = integer(deg, "deg")
    points, wanted = wrapped(floating(x)), wrapped(floating(y))
    if degree < 0:
        raise ArgumentError("expected deg >= 0")
    if points.ndim != 1 or not points.size:
        raise InputTypeError("expected non-empty 1D vector for x")
    if wanted.ndim not in (1, 2) or wanted.shape[0] != points.shape[0]:
        raise InputTypeError(f"expected x and y to have same length, got {x.shape}, {y.shape}")
    columns = np.vander(points, degree + 1)
    if w is not None:
        weights = wrapped(floating(w))
        columns = columns * weights[:, None]
        wanted = wanted * (weights[:, None] if wanted.ndim == 2 else weights)
    scale = np.sqrt(np.sum(columns * columns, axis=0))
    limit = len(points) * finfo(points.dtype).eps if rcond is None else rcond
    scaled = columns / scale
    c, rest, rank, s = np.linalg.lstsq(scaled, wanted, limit)
    found = (c.T / scale).T
    if full:
        return found, rest, rank, s, limit
    if not cov:
        return found
    base = np.linalg.inv(scaled.T @ scaled) / np.outer(scale, scale)
    factor = np.ones(1, base.dtype)
    if cov != "unscaled":
        if len(points) <= degree + 1:
            raise ArgumentError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        factor = rest / (len(points) - degree - 1)
    return found, base[:, :, None] * factor if wanted.ndim == 2 else base * factor[0]


@function(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """The quotient and the remainder of polynomials, by a triangular system for the quotient.

    The remainder has as many coefficients as v allows it. NumPy leaves out those at its beginning
    that are nearly 0, which is known only when the program runs.
    """
    above, below = (np.atleast_1d(wrapped(floating(x))) for x in (u, v))
    dtype = promotion.result_type(above.dtype, below.dtype)
    above, below = above.astype(dtype), below.astype(dtype)
    if above.ndim != 1 or below.ndim != 1 or not len(above) or not len(below):
        raise ShapeError("polydiv takes polynomials with one axis of coefficients, and not empty")
    count = len(above) - len(below) + 1
    if count < 1:
        return np.zeros(1, dtype), above
    column = np.pad(below[:count], (0, max(0, count - len(below))))
    system, right = (materialise(x) for x in (toeplitz(column, column), above[:count, None]))
    quotient = wrapped(system.triangular_solve(right, lower=True, transpose=False, unit=False))[
        :, 0
    ]
    rest = above - np.convolve(quotient, below)
    return quotient, rest[min(count, len(above) - 1) :]


def _at(x: Any, c: Any, tensor: bool = True) -> Any:
    """Polynomials, with coefficients of rising powers along the first axis of c, by Horner's rule.

    With `tensor` each is taken at all of x, else x runs along with the polynomials.
    """
    if tensor:
        c = np.reshape(c, (*c.shape, *(1,) * np.ndim(x)))
    found = c[-1] + x * 0
    for k in range(c.shape[0] - 2, -1, -1):
        found = c[k] + found * x
    return found


def _series(c: Any, axes: int) -> Any:
    value = wrapped(floating(c))
    if value.ndim < axes:
        raise ShapeError(f"the coefficients need {axes} axes, one for each variable")
    return value


@function(np.polynomial.polynomial.polyval2d)
def polyval2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial in two variables at points (x, y)."""
    x, y = (wrapped(materialise(p)) for p in (x, y))
    if x.shape != y.shape:
        raise ArgumentError(f"x, y are incompatible: their shapes are {x.shape} and {y.shape}")
    return _at(y, _at(x, _series(c, 2)), tensor=False)


@function(np.polynomial.polynomial.polygrid2d)
def polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial in two variables at each x with each y."""
    x, y = (wrapped(materialise(p)) for p in (x, y))
    return _at(y, _at(x, _series(c, 2)))


@function(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Angles with jumps of more than half a period taken out, by whole periods.

    Integers with an integer period stay integers.
    """
    value = wrapped(materialise(p))
    steps = np.diff(value, axis=axis)
    half, odd = period / 2, 0
    if promotion.result_type(steps.dtype, period).kind in "iu":
        half, odd = divmod(period, 2)
    moved = np.mod(steps + half, period) - half
    if not odd:
        moved = np.where((moved == -half) & (steps > 0), half, moved)
    limit = period / 2 if discont is None else discont
    change = np.where(np.abs(steps) < limit, 0, moved - steps)
    shift = np.cumsum(change, axis=axis)
    none = np.zeros_like(np.take(shift, np.arange(min(1, value.shape[axis])), axis=axis))
    return value + np.concatenate([none, shift], axis=axis)


@function(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Complex numbers by their real parts, and equal ones by their imaginary parts."""
    value = materialise(a)
    found = wrapped(value)
    if not value.type.is_complex:
        short = value.dtype.kind in "iu" and value.dtype.itemsize < 4
        found = found.astype(np.complex64 if short else np.complex128)
    return np.sort(found)
