"""LU factors with SciPy's names and meanings, of matrices of any shape.

The op `lu` takes square matrices. Of wide ones [A B] its factors of A are all but the last columns
of U, L⁻¹ B[p]. Of tall ones the order of the rows is found first, by an elimination that nothing is
differentiated through; then A[p] = [T; R] has the factors of T, and R U⁻¹ as the rest of L.

`pivots[k]` is the row that took the place of row k, when row k was worked on. The op gives the
permutation that all exchanges make together, so they are found by making them again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.api.control import scan
from wengert.api.derivatives import stop_gradient
from wengert.errors import ArgumentError, ShapeError
from wengert.tracer.array import Tracer
from wengert.tracer.functions.factorisations import matrices
from wengert.tracer.functions.operands import wrapped
from wengert.tracer.functions.scipy_linalg import solve_triangular


def lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    """P, L and U of a = P L U for each matrix; (P L, U) if `permute_l`.

    For shapes (..., m, n), of which k is the lesser, L is (..., m, k) and U is (..., k, n). With
    `p_indices` the first is the vector p of a = L[p] U. The derivative takes P as constant.
    """
    below, upper, _, places = _factors("lu", a)
    k = upper.shape[-2]
    lower = below + np.eye(below.shape[-2], k, dtype=below.dtype)
    if p_indices and not permute_l:
        return places.astype(np.int32), lower, upper
    if permute_l:
        return _rows(lower, places[..., :, None]), upper
    unmoved = np.eye(places.shape[-1], dtype=np.real(lower).dtype)
    return _rows(unmoved, places[..., :, None]), lower, upper


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """L and U of each matrix in one matrix, and the exchanges of rows (int32).

    As `scipy.linalg.lu_factor`, for shapes (..., m, n). The derivative takes the exchanges as
    constant. Singular matrices have factors; `lu_solve` raises for them.
    """
    below, upper, order, _ = _factors("lu_factor", a)
    m, n, k = below.shape[-2], upper.shape[-1], upper.shape[-2]
    batch = [(0, 0)] * (below.ndim - 2)
    both = np.pad(below, [*batch, (0, 0), (0, n - k)]) + np.pad(upper, [*batch, (0, m - k), (0, 0)])
    return both, _exchanges(order, k)


def _factors(name: str, a: Any) -> tuple[Any, Any, Any, Any]:
    """What of L is below the diagonal, U, the p of a[p] = L U, and its inverse."""
    value = matrices(name, a, square=False)
    m, n = value.shape[-2:]
    if m > n:
        return _tall(wrapped(value))
    whole = wrapped(value)
    both, order, inverse, _ = (wrapped(x) for x in matrices(name, whole[..., :m]).lu())
    below, upper = np.tril(both, -1), np.triu(both)
    if m < n:
        moved = _rows(whole[..., m:], order[..., None])
        rest = solve_triangular(both, moved, lower=True, unit_diagonal=True)
        upper = np.concatenate([upper, rest], axis=-1)
    return below, upper, order, inverse


def _tall(a: Any) -> tuple[Any, Any, Any, Any]:
    """The same of matrices with more rows than columns.

    The rows below the first n are R U⁻¹, where a column of which U has the pivot 0 is 0. Then
    nothing determines the derivative, whichever pivot it is: T gets one more row and column, of the
    identity, since the derivative of `lu` demands all pivots but the last one.
    """
    m, n = a.shape[-2:]
    batch = a.shape[:-2]
    order = _pivoted(stop_gradient(a))
    moved = _rows(a, order[..., None])
    corner = np.diag(np.arange(n + 1) == n).astype(a.dtype)
    top = np.pad(moved[..., :n, :], [*[(0, 0)] * len(batch), (0, 1), (0, 1)]) + corner
    factors, again, _, _ = (wrapped(x) for x in matrices("lu", top).lu())
    both = factors[..., :n, :n]
    # rounding may have the op choose otherwise among pivots of one size
    rest = np.broadcast_to(np.arange(n, m), (*batch, m - n))
    chosen = np.concatenate([np.minimum(again[..., :n], max(n - 1, 0)), rest], axis=-1)
    order = np.take_along_axis(order, chosen, axis=-1)
    upper, one = np.triu(both), np.eye(n, dtype=a.dtype)
    divisor = np.where((one != 0) & (both == 0), one, upper)
    rest = np.swapaxes(moved[..., n:, :], -1, -2)
    last = np.swapaxes(solve_triangular(divisor, rest, trans=1), -1, -2)
    below = np.concatenate([np.tril(both, -1), last], axis=-2)
    return below, upper, order, np.argsort(order, axis=-1)


def _pivoted(a: Any) -> Any:
    """The order of rows in which elimination with the largest pivot, the first of equal ones, takes
    those of tall matrices; LAPACK compares complex numbers by the sum of the sizes of their parts.
    """
    m, n = a.shape[-2:]
    places = np.arange(m)

    def eliminate(carry: Any, k: Any) -> Any:
        rows, order = carry
        column = np.take(rows, k, axis=-1)
        size = np.abs(np.real(column)) + np.abs(np.imag(column))
        at = np.argmax(np.where(places < k, -1, size), axis=-1)[..., None]
        moves = np.where(places == k, at, np.where(places == at, k, places))
        rows = _rows(rows, moves[..., None])
        pivots = np.take(rows, k, axis=-2)[..., None, :]
        column, pivot = np.take(rows, k, axis=-1), np.take(pivots, k, axis=-1)
        divisor = np.where(pivot == 0, 1, pivot)
        times = np.where(places > k, column / divisor, 0)[..., None]
        return (rows - times * pivots, np.take_along_axis(order, moves, axis=-1)), None

    start = np.broadcast_to(places, (*a.shape[:-2], m))
    if not n:
        return start
    (_, order), _ = scan(eliminate, (a, start), np.arange(n))
    return order


def lu_solve(
    lu_and_piv: tuple[Any, Any],
    b: Any,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """X of a X = b with what `lu_factor` gives for a; of a' X = b if `trans` is 1, and of a's
    conjugate transpose if it is 2.

    b has the shape (n,) or (..., n, m). Raises SingularMatrixError, a `numpy.linalg.LinAlgError`,
    when the program runs.
    """
    if trans not in (0, 1, 2):
        fail(ArgumentError(f"lu_solve: trans is 0, 1 or 2, not {trans!r}"))
    factors, pivots, right = (
        x if isinstance(x, Tracer) else np.asarray(x) for x in (*lu_and_piv, b)
    )
    columns = right[:, None] if right.ndim == 1 else right
    if factors.ndim < 2 or factors.shape[-2] != factors.shape[-1]:
        fail(ShapeError(f"lu_solve: factors of {factors.shape} are not those of a square matrix"))
    if columns.ndim < 2 or columns.shape[-2] != factors.shape[-1]:
        fail(ShapeError(f"lu_solve: factors of {factors.shape} do not fit b of {right.shape}"))
    order = _order(pivots)[..., None]
    if trans == 0:
        half = solve_triangular(factors, _rows(columns, order), lower=True, unit_diagonal=True)
        found = solve_triangular(factors, half)
    else:
        half = solve_triangular(factors, columns, trans=trans)
        whole = solve_triangular(factors, half, trans=trans, lower=True, unit_diagonal=True)
        found = _rows(whole, np.argsort(order, axis=-2))
    return found[..., 0] if right.ndim == 1 else found


def _rows(x: Any, order: Any) -> Any:
    """The rows of each matrix in another order; one of both may have no batch."""
    batch = np.broadcast_shapes(x.shape[:-2], order.shape[:-2])
    x, order = (np.broadcast_to(v, (*batch, *v.shape[-2:])) for v in (x, order))
    return np.take_along_axis(x, order, axis=-2)


def _exchanges(order: Any, count: int) -> Any:
    """The first `count` exchanges, one after the other, of those that bring rows into an order."""
    n = order.shape[-1]
    places = np.arange(n)

    def exchange(present: Any, turn: Any) -> Any:
        k, wanted = turn
        at = np.argmax(present == wanted[..., None], axis=-1)
        here = np.take(present, k, axis=-1)
        moved = np.where(places == at[..., None], here[..., None], present)
        return np.where(places == k, wanted[..., None], moved), at

    start = np.zeros_like(order) + places
    wanted = np.moveaxis(stop_gradient(order)[..., :count], -1, 0)
    _, found = scan(exchange, start, (places[:count], wanted))
    return np.moveaxis(found, 0, -1).astype(np.int32)


def _order(pivots: Any) -> Any:
    """The order of rows that exchanges make together."""
    n = pivots.shape[-1]
    places = np.arange(n)

    def exchange(present: Any, turn: Any) -> Any:
        k, other = turn
        at = places == other[..., None]
        here = np.take(present, k, axis=-1)[..., None]
        there = np.sum(np.where(at, present, 0), axis=-1, keepdims=True)
        return np.where(places == k, there, np.where(at, here, present)), None

    whole = pivots.astype(np.int64)
    start = np.zeros_like(whole) + places
    found, _ = scan(exchange, start, (places, np.moveaxis(whole, -1, 0)))
    return found
