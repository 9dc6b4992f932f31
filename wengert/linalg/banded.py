"""Systems with band matrices, in time that is linear in their size.

Row i of a matrix with l diagonals below the main one and u above is kept as its l + u + 1 numbers
from column i - l on. Elimination holds l + 1 rows at a time, moves on by one row and one column,
and brings the row with the largest first number to the top: partial pivoting, by which rows of U
get l more numbers to their right, for which these windows have room. Substitution then runs upwards
with the last l + u solutions at hand.
G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition, sections 4.3.3 and 4.3.5.

Derivatives are those of the system, by systems with the same or the transposed band matrix:
A Ẋ = Ḃ - Ȧ X, and in reverse A' Λ = X̄, B̄ = Λ, Ā[i, j] = -Λ[i] X[j]' on the band.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.api.control import scan
from wengert.api.custom import custom_jvp
from wengert.api.mapping import vmap
from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.promotion import result_type
from wengert.ir.types import COMPLEX
from wengert.linalg.square import WIDE
from wengert.tracer.array import Tracer
from wengert.tracer.functions.factorisations import NOT_POSITIVE, NOT_SINGULAR, demand
from wengert.tracer.lift import lift

Solver = Callable[[Any, Any], Any]


def solve_banded(
    l_and_u: tuple[int, int],
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """X of A X = b, with a[i, j] in ab[..., u + i - j, j], as `scipy.linalg.solve_banded`.

    `ab` has the shape (..., l + u + 1, n), b (n,) or (..., n, m). Raises SingularMatrixError, a
    `numpy.linalg.LinAlgError`, when the program runs, ShapeError and DTypeError before.
    """
    below, above = (int(x) for x in l_and_u)
    bands, right = _operands("solve_banded", ab, b)
    _check_bands("solve_banded", bands, below + above + 1, right)
    n = bands.shape[-1]
    wide = np.pad(bands, [*[(0, 0)] * (bands.ndim - 1), (below, above)])
    rows = [wide[..., below + above - d, d : d + n] for d in range(below + above + 1)]
    return _solved(_solver(below, above, False), np.stack(rows, axis=-1), right)


def solveh_banded(
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Any:
    """X of A X = b for Hermitian positive definite A, as `scipy.linalg.solveh_banded`.

    a[i, j] is ab[..., u + i - j, j] of the upper form, for i <= j, and ab[..., i - j, j] of the
    lower one, for i >= j. Shapes and errors are those of `solve_banded`; what is not positive
    definite raises SingularMatrixError.
    """
    bands, right = _operands("solveh_banded", ab, b)
    most = bands.shape[-2] - 1 if bands.ndim > 1 else 0
    _check_bands("solveh_banded", bands, most + 1, right)
    n = bands.shape[-1]
    if lower:
        diagonals = [bands[..., d, : max(0, n - d)] for d in range(most + 1)]
    else:
        diagonals = [bands[..., most - d, d:] for d in range(most + 1)]
    # those above the main one, then those below; what the main one has of imaginary parts is noise
    mirrored = [np.conj(x) for x in diagonals]
    diagonals[0] = mirrored[0] = diagonals[0].real.astype(bands.dtype)
    below, above = (diagonals, mirrored) if lower else (mirrored, diagonals)
    before = [(0, 0)] * (bands.ndim - 2)
    rows = [
        np.pad(
            (below if d < 0 else above)[abs(d)], [*before, (min(n, max(0, -d)), min(n, max(0, d)))]
        )
        for d in range(-most, most + 1)
    ]
    return _solved(_solver(most, most, True), np.stack(rows, axis=-1), right)


def solve_tridiagonal(lower: Any, diagonal: Any, upper: Any, b: Any) -> Any:
    """X of A X = b for A of its diagonals, of shapes (..., n - 1), (..., n) and (..., n - 1).

    Rows are exchanged as in `solve_banded`, whose shapes of `b` and whose errors these are.
    """
    parts = [x if isinstance(x, Tracer) else np.asarray(x) for x in (lower, diagonal, upper)]
    n = parts[1].shape[-1] if parts[1].ndim else 0
    lengths = tuple(x.shape[-1] if x.ndim else -1 for x in parts)
    if not n or lengths != (n - 1, n, n - 1):
        fail(ShapeError(f"solve_tridiagonal takes n - 1, n and n - 1 numbers, got {lengths}"))
    batch = np.broadcast_shapes(*(x.shape[:-1] for x in parts))
    below, main, above = (np.broadcast_to(x, (*batch, x.shape[-1])) for x in parts)
    before = [(0, 0)] * len(batch)
    bands = [
        np.pad(above, [*before, (1, 0)]),
        main,
        np.pad(below, [*before, (0, 1)]),
    ]
    return solve_banded((1, 1), np.stack(bands, axis=-2), b)


def _operands(name: str, ab: Any, b: Any) -> tuple[Any, Any]:
    """Both in one dtype, of floats or complex numbers."""
    found = [x if isinstance(x, Tracer) else np.asarray(x) for x in (ab, b)]
    dtype = result_type(*(x.dtype for x in found))
    dtype = np.dtype(np.float64) if dtype.kind in "bui" else dtype
    if dtype not in (*WIDE, *COMPLEX):
        fail(DTypeError(f"{name} takes no {dtype} where it is traced; use .astype(float)"))
    return found[0].astype(dtype), found[1].astype(dtype)


def _check_bands(name: str, bands: Any, count: int, right: Any) -> None:
    if bands.ndim < 2 or bands.shape[-2] != count or not bands.shape[-1]:
        fail(ShapeError(f"{name} takes {count} diagonals (..., {count}, n), got {bands.shape}"))
    rows = right.shape[0] if right.ndim == 1 else right.shape[-2] if right.ndim else 0
    if rows != bands.shape[-1]:
        fail(ShapeError(f"{name}: bands of {bands.shape} do not fit b of {right.shape}"))
    if count < 1:
        fail(ArgumentError(f"{name}: the numbers of diagonals must not be negative"))


def _solved(solution: Solver, rows: Any, right: Any) -> Any:
    """X for a batch of matrices, given by rows, and right-hand sides that may be one vector."""
    columns = right[:, None] if right.ndim == 1 else right
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    given = [np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (rows, columns)]
    for _ in batch:
        solution = vmap(solution)
    found = solution(*given)
    return found[..., 0] if right.ndim == 1 else found


@functools.cache
def _solver(below: int, above: int, definite: bool) -> Any:
    """X of A X = B as a function of A's rows and of B, with the derivatives of the system."""

    @custom_jvp
    def solution(rows: Any, right: Any) -> Any:
        return _eliminated(rows, right, below, definite)

    @solution.defjvp
    def forward(primals: Any, tangents: Any) -> Any:
        rows, right = primals
        x = solution(rows, right)
        return x, solution(rows, tangents[1] - _product(tangents[0], x, below))

    def first(rows: Any, right: Any) -> Any:
        x = solution(rows, right)
        return x, (rows, x)

    def second(saved: Any, bar: Any) -> Any:
        rows, x = saved
        across = _solver(above, below, definite)
        multiplier = across(_transposed(rows, above), bar)
        shifted = _shifted(x, below, rows.shape[-1])
        change = np.stack([-np.sum(multiplier * part, axis=-1) for part in shifted], axis=-1)
        return change, multiplier

    solution.defvjp(first, second)
    return solution


def _shifted(x: Any, below: int, count: int) -> list[Any]:
    """For each number of a row, what of x it is multiplied by: x[i + d - below], or 0."""
    wide = np.pad(x, ((below, count - 1 - below), (0, 0)))
    return [wide[d : d + x.shape[0]] for d in range(count)]


def _product(rows: Any, x: Any, below: int) -> Any:
    """A x."""
    shifted = _shifted(x, below, rows.shape[-1])
    parts = [rows[:, d, None] * part for d, part in enumerate(shifted)]
    return functools.reduce(np.add, parts)


def _transposed(rows: Any, above: int) -> Any:
    """The rows of A': number e of row i is A[i + e - above, i]."""
    n, count = rows.shape
    wide = np.pad(rows, ((above, count - 1 - above), (0, 0)))
    return np.stack([wide[e : e + n, count - 1 - e] for e in range(count)], axis=-1)


def _eliminated(rows: Any, right: Any, below: int, definite: bool) -> Any:
    """X by elimination, with exchanges of rows unless A is to be positive definite."""
    if rows.shape[1] == 1:
        _demand_pivots(rows[:, 0], definite)
        return right / rows
    rows_after = np.pad(rows, ((0, below + 1), (0, 0)))
    right_after = np.pad(right, ((0, below + 1), (0, 0)))
    # at first the rows that begin left of the first column, without what they have there
    moved = [np.pad(rows_after[i, below - i :], (0, below - i)) for i in range(below + 1)]
    start = np.stack(moved), right_after[: below + 1]
    step = functools.partial(_step, definite)
    given = rows_after[below + 1 :], right_after[below + 1 :]
    _, (upper, sides) = scan(step, start, given)
    _demand_pivots(upper[:, 0], definite)
    after = np.zeros((rows.shape[1] - 1, right.shape[1]), right.dtype)
    _, x = scan(_substituted, after, (upper, sides), reverse=True)
    return x


def _step(definite: bool, state: Any, entering: Any) -> Any:
    """Eliminates the first column of some rows; gives the row of U, and that of the other side."""
    rows, sides = state
    if definite or rows.shape[0] == 1:
        row, side = rows[0], sides[0]
    else:
        best = np.argmax(np.abs(rows[:, 0]))
        row, side = rows[best], sides[best]
        there = (np.arange(rows.shape[0]) == best)[:, None]
        rows, sides = np.where(there, rows[0], rows), np.where(there, sides[0], sides)
    factors = rows[1:, :1] / row[0]
    left = (rows[1:] - factors * row)[:, 1:]
    whole = np.concatenate([np.pad(left, ((0, 0), (0, 1))), entering[0][None]])
    return (whole, np.concatenate([sides[1:] - factors * side, entering[1][None]])), (row, side)


def _substituted(after: Any, given: Any) -> Any:
    """A row of X, from those after it."""
    row, side = given
    x = (side - row[1:] @ after) / row[0]
    return np.concatenate([x[None], after[:-1]]), x


def _demand_pivots(pivots: Any, definite: bool) -> None:
    if definite:
        demand(lift(pivots.real > 0), NOT_POSITIVE)
    else:
        demand(lift(pivots != 0), NOT_SINGULAR)
