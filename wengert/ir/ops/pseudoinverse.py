"""The op pinv: the pseudo-inverse P of A, with singular values up to a limit taken as 0.

As long as the rank stays,  Ṗ = -P Ȧ P + P P' Ȧ' (I - A P) + (I - P A) Ȧ' P' P.  No derivative of a
singular vector is in it, so equal singular values are like any others. Of complex matrices
transposes are conjugate ones.
G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate", SIAM J. Numer. Anal. 10, 1973, theorem 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import REGISTRY, Sample
from wengert.ir.ops.matrices import (
    adjoint,
    along_rows,
    check_matrix,
    complex_draws,
    draws,
    inverted,
    matmul,
    on_matrices,
    spread_over,
)
from wengert.ir.types import TensorType, real_dtype


def _infer(a: TensorType, limit: TensorType) -> tuple[TensorType]:
    check_matrix("pinv", a)
    if limit != a.with_dtype(real_dtype(a.dtype)).with_shape(a.shape[:-2]):
        raise ShapeError(f"pinv: the limits {limit} do not fit {a}")
    *batch, m, n = a.shape
    return (a.with_shape((*batch, n, m)),)


def _evaluate(a: Any, limit: Any) -> Any:
    u, s, vt = REGISTRY["svd"].evaluate(a)
    large = s > np.asarray(limit)[..., None]
    inverse = np.where(large, 1 / np.where(large, s, 1), 0).astype(a.real.dtype)
    v, back = (np.swapaxes(x, -1, -2).conj() for x in (vt, u))
    return (v * inverse[..., None, :]) @ back


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> list[Value | None]:
    a, p, moved = primals[0], outs[0], tangents[0]
    if moved is None:
        return [None]
    back, turned = adjoint(p), adjoint(moved)
    right = turned - matmul(matmul(turned, a), p)
    left = turned - matmul(p, matmul(a, turned))
    inside = matmul(matmul(p, moved), p)
    return [matmul(p, matmul(back, right)) + matmul(matmul(left, back), p) - inside]


def _expand(values: Sequence[Value]) -> list[Value]:
    a, limit = values
    u, s, vt = a.svd()
    v = adjoint(vt)
    large = s.gt(spread_over(limit, s.shape))
    inverse = along_rows(inverted(s, large), v).to(a.dtype)
    return [matmul(v * inverse, adjoint(u))]


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for m, n, batch in ((3, 3, ()), (4, 2, (2,)), (2, 4, ())):
        a = draws(m + 95).standard_normal((*batch, m, n))
        found.append(Sample((a, np.full(batch, 1e-12)), {}, True, 1e3))
        a = complex_draws(m + 95, (*batch, m, n))
        found.append(Sample((a, np.full(batch, 1e-12)), {}, True, 1e3))
    # of rank 1, and a derivative that stays so is no perturbation of all elements
    a = np.outer([1.0, 2.0, 2.0], [1.0, 0.0])
    found.append(Sample((a, np.array(1e-12)), differentiable=False))
    return found


on_matrices(
    "pinv",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_samples,
    doc="The pseudo-inverse of each matrix; singular values up to its limit count as 0.",
)
