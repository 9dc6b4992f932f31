"""The op cholesky: L of A = L L' for symmetric positive definite A; its lower half is read.

With Φ(X) = the lower triangle of X with its diagonal halved:  L̇ = L Φ(L⁻¹ Ȧ L⁻ᵀ).
I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, equation 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.matrices import (
    SMALL,
    check_matrix,
    draws,
    each_matrix,
    element,
    matmul,
    on_diagonal,
    on_matrices,
    part,
    spread_over,
    stacked,
    symmetric,
    transposed,
    triangle,
)
from wengert.ir.types import TensorType

LOWER = {"lower": True, "transpose": False, "unit": False}


def _infer(a: TensorType) -> tuple[TensorType]:
    check_matrix("cholesky", a, square=True)
    return (a,)


def _evaluate(a: Any) -> Any:
    def factor(x: Any) -> Any:
        try:
            return cast(Any, np.linalg.cholesky(x)) if x.size else x
        except np.linalg.LinAlgError:
            return np.full_like(x, np.nan)

    return each_matrix(factor, a)


def _jvp(primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]) -> list[Value]:
    root = outs[0]
    half = root.triangular_solve(symmetric(tangents[0]), **LOWER)
    inner = root.triangular_solve(transposed(half), **LOWER)  # symmetric, so its transpose as well
    halved = on_diagonal(inner).select(inner * inner.full_like(0.5), inner)
    return [matmul(root, triangle(halved, True))]


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        return [a]
    if n <= SMALL:
        return [_written_out(a)]
    found = a.lapack(routine="potrf")
    status = part(found, n * n, ())
    failed = spread_over(status.ne(status.full_like(0)), a.shape)
    whole = triangle(part(found, 0, (n, n)), True)
    return [failed.select(whole.full_like(np.nan), whole)]


def _written_out(a: Value) -> Value:
    """Column by column; a negative pivot gives NaN in all that follows, and then everywhere."""
    n = a.shape[-1]
    root: dict[tuple[int, int], Value] = {}
    for j in range(n):
        pivot = element(a, j, j)
        for k in range(j):
            pivot = pivot - root[j, k] * root[j, k]
        zero = pivot.full_like(0)
        root[j, j] = pivot.gt(zero).select(pivot, pivot.full_like(np.nan)).sqrt()
        for i in range(j + 1, n):
            value = element(a, i, j)
            for k in range(j):
                value = value - root[i, k] * root[j, k]
            root[i, j] = value / root[j, j]
    last = root[n - 1, n - 1]
    spoilt = last.ne(last)
    none, zero = last.full_like(np.nan), last.full_like(0)
    cells = [
        spoilt.select(none, root[i, j]) if j <= i else spoilt.select(none, zero)
        for i in range(n)
        for j in range(n)
    ]
    return stacked(cells, a.shape)


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (4, (3,)), (8, (2,))):
        a = draws(n).standard_normal((*batch, n, n))
        found.append(Sample((a @ np.swapaxes(a, -1, -2) + np.eye(n),), tolerance=10.0))
    found.append(Sample((found[1].args[0].astype(np.float32),)))
    return found


on_matrices(
    "cholesky",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_samples,
    doc="The lower L of A = L L' for each matrix; NaN where there is none.",
)
