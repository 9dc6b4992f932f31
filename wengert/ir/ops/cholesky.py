"""The op cholesky: L of A = L L' for symmetric positive definite A; its lower half is read.

With Φ(X) = the lower triangle of X with its diagonal halved:  L̇ = L Φ(L⁻¹ Ȧ L⁻ᵀ).
Of complex matrices all transposes are conjugate ones, and L has a real diagonal.
I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, equation 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.matrices import (
    adjoint,
    check_matrix,
    complex_draws,
    draws,
    each_matrix,
    element,
    is_small,
    library,
    matmul,
    numbers,
    on_diagonal,
    on_matrices,
    part,
    real_part,
    spread_over,
    stacked,
    symmetric,
    triangle,
    width,
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
    inner = root.triangular_solve(adjoint(half), **LOWER)  # its own adjoint
    halved = on_diagonal(inner).select(inner * inner.full_like(0.5), inner)
    return [matmul(root, triangle(halved, True))]


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        return [a]
    if is_small(a.type):
        return [_written_out(a)]
    found = library("potrf", a)
    status = part(found, width(a.type) * n * n, ())
    failed = spread_over(status.ne(status.full_like(0)), a.shape)
    whole = triangle(numbers(found, 0, (n, n), a.dtype), True)
    return [failed.select(whole.full_like(np.nan), whole)]


def _written_out(a: Value) -> Value:
    """Column by column; a negative pivot gives NaN in all that follows, and then everywhere."""
    n = a.shape[-1]
    root: dict[tuple[int, int], Value] = {}
    for j in range(n):
        pivot = real_part(element(a, j, j))
        for k in range(j):
            pivot = pivot - _square(root[j, k])
        zero = pivot.full_like(0)
        whole = pivot.gt(zero).select(pivot, pivot.full_like(np.nan)).sqrt()
        root[j, j] = whole.to(a.dtype)
        for i in range(j + 1, n):
            value = element(a, i, j)
            for k in range(j):
                other = root[j, k].conj() if a.type.is_complex else root[j, k]
                value = value - root[i, k] * other
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


def _square(x: Value) -> Value:
    """|x|²."""
    if not x.type.is_complex:
        return x * x
    re, im = x.real(), x.imag()
    return re * re + im * im


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (4, (3,)), (8, (2,))):
        a = draws(n).standard_normal((*batch, n, n))
        found.append(Sample((a @ np.swapaxes(a, -1, -2) + np.eye(n),), tolerance=10.0))
    found.append(Sample((found[1].args[0].astype(np.float32),)))
    for n in (3, 8):
        a = complex_draws(n, (n, n))
        found.append(Sample((a @ a.conj().T + np.eye(n),), tolerance=100.0))
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
