"""The op triangular_solve: X of A X = B with a triangular A.

A Ẋ = Ḃ - Ȧ X, and it is linear in B: the cotangent of B is the solution with A transposed.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import Sample, linear_in
from wengert.ir.ops.matrices import (
    check_matrix,
    complex_draws,
    draws,
    each_matrix,
    element,
    is_small,
    library,
    matmul,
    numbers,
    on_matrices,
    row_of,
    transposed,
    triangle,
)
from wengert.ir.types import TensorType


def _infer(a: TensorType, b: TensorType, **params: Any) -> tuple[TensorType]:
    check_matrix("triangular_solve", a, square=True)
    check_matrix("triangular_solve", b)
    if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
        raise ShapeError(f"triangular_solve: the right-hand side {b} does not fit {a}")
    return (b,)


def _evaluate(a: Any, b: Any, *, lower: bool, transpose: bool, unit: bool) -> Any:
    scipy_linalg: Any = importlib.import_module("scipy.linalg")

    def solve(x: Any, y: Any) -> Any:
        if not y.size:
            return y
        if not unit and (np.diag(x) == 0).any():
            return np.full_like(y, np.nan)
        return scipy_linalg.solve_triangular(
            x, y, trans=int(transpose), lower=lower, unit_diagonal=unit, check_finite=False
        )

    return each_matrix(solve, a, b)


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value], **params: Any
) -> list[Value]:
    a = primals[0]
    da, db = tangents
    right = db
    if da is not None:
        moved = triangle(da, params["lower"], strict=params["unit"])
        moved = transposed(moved) if params["transpose"] else moved
        through = matmul(moved, outs[0])
        right = -through if right is None else right - through
    assert right is not None
    return [a.triangular_solve(right, **params)]


def _transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], *, transpose: bool, **params: Any
) -> list[Value | None]:
    return [None, inputs[0].triangular_solve(cotangents[0], transpose=not transpose, **params)]


def _expand(values: Sequence[Value], *, lower: bool, transpose: bool, unit: bool) -> list[Value]:
    a, b = values
    if is_small(a.type):
        return [_written_out(transposed(a) if transpose else a, b, lower != transpose, unit)]
    flags = f"{'L' if lower else 'U'}{'T' if transpose else 'N'}{'U' if unit else 'N'}"
    return [numbers(library(f"trsm_{flags}", a, b), 0, b.shape[-2:], b.dtype)]


def _written_out(a: Value, b: Value, lower: bool, unit: bool) -> Value:
    """Substitution, row by row."""
    n = a.shape[-1]
    rows: dict[int, Value] = {}
    for i in range(n) if lower else reversed(range(n)):
        row = row_of(b, i)
        for k, x in rows.items():
            row = row - _element(a, i, k, row) * x
        rows[i] = row if unit else row / _element(a, i, i, row)
    parts = [rows[i].reshape(shape=(*b.shape[:-2], 1, b.shape[-1])) for i in range(n)]
    return parts[0].concat(*parts[1:], axis=b.ndim - 2) if n > 1 else parts[0] if n else b


def _element(a: Value, i: int, j: int, row: Value) -> Value:
    """Element (i, j) of each matrix, repeated along a row."""
    return element(a, i, j).broadcast(shape=row.shape, dims=tuple(range(row.ndim - 1)))


def _samples() -> list[Sample]:
    found: list[Sample] = []
    settings = (
        (True, False, False),
        (False, False, False),
        (True, True, False),
        (False, True, True),
    )
    for k, (lower, transpose, unit) in enumerate(settings):
        params = {"lower": lower, "transpose": transpose, "unit": unit}
        for n, batch in ((3, ()), (2, (2,)), (9, ())):
            a = 0.3 * draws(k).standard_normal((*batch, n, n)) + 2 * np.eye(n)
            b = draws(k).standard_normal((*batch, n, 2))
            found.append(Sample((a, b), params, tolerance=10.0))
        a = 0.3 * complex_draws(k, (n, n)) + 2 * np.eye(n)
        found.append(Sample((a, complex_draws(k + 1, (n, 2))), params, tolerance=10.0))
    a, b = found[0].args
    found.append(Sample((a.astype(np.float32), b.astype(np.float32)), found[0].params))
    return found


on_matrices(
    "triangular_solve",
    params=("lower", "transpose", "unit"),
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=linear_in(1),
    transpose=_transpose,
    expand=_expand,
    samples=_samples,
    doc="X of A X = B (or A' X = B) for each triangular A; only its triangle is read.",
)
