"""Functions of `scipy.linalg` on traced values, with SciPy's signatures and meanings, batched.

SciPy's own compute on arrays alone. `capture.array_api` puts these in their place where arguments
are traced, and `wengert.linalg` exports them. What SciPy checks by values (`check_finite`) is not
checked; `overwrite_a` and `overwrite_b` change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.ops.matrices import adjoint, diagonal, triangle
from wengert.ir.ops.matrices import transposed as swapped
from wengert.tracer.functions.factorisations import (
    NOT_SINGULAR,
    demand,
    matrices,
    solved,
    together,
)
from wengert.tracer.functions.factorisations import (
    cholesky as lower_or_upper,
)
from wengert.tracer.functions.operands import floating, reshape, wrapped

TRACED: dict[str, Callable[..., Any]] = {}
"""By the name of SciPy's function."""


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enters a function in the table."""
    TRACED[function.__name__] = function
    return function


@traced
def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """X of a X = b for a of shape (..., n, n), of which one triangle is read.

    b has the shape (n,) or (..., n, m), the result that of b with a's batch.
    `trans` 1 or "T" solves with a's transpose, 2 or "C" with its conjugate one. Raises
    SingularMatrixError, a `numpy.linalg.LinAlgError`, when the program runs.
    """
    kind = {0: "N", 1: "T", 2: "C"}.get(trans, trans) if isinstance(trans, int) else trans
    if kind not in ("N", "T", "C"):
        raise ArgumentError(f"solve_triangular: trans is 0, 1, 2, 'N', 'T' or 'C', not {trans!r}")
    value = matrices("solve_triangular", a)

    def substituted(left: Value, right: Value) -> Value:
        if not unit_diagonal:
            corner = diagonal(left.stop_gradient())
            demand(corner.ne(corner.full_like(0)), NOT_SINGULAR)
        left = left.conj() if kind == "C" and left.type.is_complex else left
        flags = {"lower": bool(lower), "transpose": kind != "N", "unit": bool(unit_diagonal)}
        return left.triangular_solve(right, **flags)

    return _with_columns("solve_triangular", value, b, substituted)


def _with_columns(name: str, a: Value, b: Any, solve: Callable[[Value, Value], Value]) -> Any:
    """What `solve` gives for right-hand sides that may be one vector."""
    right = floating(b)
    columns = reshape(right, (*right.shape, 1)) if right.ndim == 1 else right
    if columns.ndim < 2 or a.shape[-1] != columns.shape[-2]:
        raise ShapeError(
            f"{name}: matrices of {a.type} do not fit right-hand sides of {right.type}"
        )
    found = solve(*together(a, columns))
    return wrapped(reshape(found, found.shape[:-1]) if right.ndim == 1 else found)


@traced
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Any:
    """X of a X = b, or of a' X = b if `transposed`, for any square matrices; b as above.

    Raises SingularMatrixError when the program runs, and ArgumentError for other `assume_a`.
    """
    if assume_a not in (None, "gen", "general"):
        raise ArgumentError(
            f"solve: assume_a={assume_a!r} is not taken for traced matrices; leave it out, or use "
            "cho_factor and cho_solve, or solve_triangular"
        )
    value = matrices("solve", a)
    return _with_columns("solve", swapped(value) if transposed else value, b, solved)


@traced
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The inverse of each matrix."""
    return np.linalg.inv(a)


@traced
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The determinant of each matrix."""
    return np.linalg.det(a)


@traced
def cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """U of a = U' U, or, if `lower`, L of a = L L', for each matrix; one triangle is read."""
    return lower_or_upper(a, upper=not lower)


@traced
def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Any, bool]:
    """The factor that `cholesky` gives, with zeros beside its triangle, and `lower`."""
    return cholesky(a, lower), bool(lower)


@traced
def cho_solve(
    c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """X of a X = b, with what `cho_factor` gives for a."""
    c, lower = c_and_lower
    value = matrices("cho_solve", c)
    below = triangle(value, True) if lower else adjoint(triangle(value, False))

    def substituted(left: Value, right: Value) -> Value:
        half = left.triangular_solve(right, lower=True, transpose=False, unit=False)
        return adjoint(left).triangular_solve(half, lower=False, transpose=False, unit=False)

    return _with_columns("cho_solve", below, b, substituted)


@traced
def block_diag(*arrays: Any) -> Any:
    """A matrix with these ones along its diagonal; one with fewer axes is a row."""
    blocks: list[Any] = [np.atleast_2d(x) for x in arrays]
    width = sum(x.shape[-1] for x in blocks)
    rows: list[Any] = []
    before = 0
    for block in blocks:
        after = width - before - block.shape[-1]
        rows.append(np.pad(block, ((0, 0), (before, after))))
        before += block.shape[-1]
    return np.concatenate(rows, axis=0)
