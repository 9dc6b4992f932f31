"""LU factors as SciPy passes them on: both in one matrix, and which rows were exchanged.

`pivots[k]` is the row that took the place of row k, when row k was worked on. The op `lu` gives the
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


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """L and U of each square matrix in one matrix, and the exchanges of rows (int32).

    As `scipy.linalg.lu_factor`, for shapes (..., n, n). The derivative takes the exchanges as
    constant. Singular matrices have factors; `lu_solve` raises for them.
    """
    both, order, _, _ = matrices("lu_factor", a).lu()
    return wrapped(both), _exchanges(wrapped(order))


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


def _exchanges(order: Any) -> Any:
    """The exchanges, one after the other, that bring rows into an order."""
    n = order.shape[-1]
    places = np.arange(n)

    def exchange(present: Any, turn: Any) -> Any:
        k, wanted = turn
        at = np.argmax(present == wanted[..., None], axis=-1)
        here = np.take(present, k, axis=-1)
        moved = np.where(places == at[..., None], here[..., None], present)
        return np.where(places == k, wanted[..., None], moved), at

    start = np.zeros_like(order) + places
    _, found = scan(exchange, start, (places, np.moveaxis(stop_gradient(order), -1, 0)))
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
