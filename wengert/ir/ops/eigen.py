"""The op eigh: A = V diag(w) V' for symmetric A, of which the lower half is read.

With M = V' Ȧ V:  ẇ = diag(M),  V̇ = V (F ∘ M) with F[i, j] = 1 / (w[j] - w[i]) off the diagonal.
Of complex matrices all transposes are conjugate ones. The phase of a complex eigenvector is
arbitrary, and this V̇ is the one that does not turn it: v' v̇ = 0. What depends on no phase (|v|²,
v v', V f(w) V') gets its derivative; what does depend on one has none.
Where eigenvalues are equal, V̇ is only defined if M is 0 there, and the call fails otherwise
(`settled`). What is made of the vectors (A rebuilt, f(A)) may have a derivative all the same, which
no choice of F gives; it takes divided differences (`wengert.linalg.spectral`). Gradients of the
eigenvalues alone use no F.
M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", Oxford 2008, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.matrices import (
    adjoint,
    check_matrix,
    complex_draws,
    draws,
    empty,
    library,
    matmul,
    numbers,
    on_matrices,
    part,
    real_part,
    symmetric,
    transposed,
    width,
)
from wengert.ir.ops.settled import spectral_tangents
from wengert.ir.types import TensorType, real_dtype


def _infer(a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix("eigh", a, square=True)
    return (a.with_dtype(real_dtype(a.dtype)).with_shape(a.shape[:-1]), a)


def _evaluate(a: Any) -> tuple[Any, Any]:
    try:
        found = np.linalg.eigh(a)
    except np.linalg.LinAlgError:
        return np.full(a.shape[:-1], np.nan, a.real.dtype), np.full_like(a, np.nan)
    return found[0], found[1]


def _jvp(primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]) -> list[Value]:
    values, vectors = outs
    inner = matmul(adjoint(vectors), matmul(symmetric(tangents[0]), vectors))
    slopes, turning = spectral_tangents(inner, values)
    return [real_part(slopes), matmul(vectors, turning)]


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        return empty(a, _infer)
    whole = symmetric(a)
    found = library("syevd", transposed(whole) if a.type.is_complex else whole)
    vectors = numbers(found, 0, (n, n), a.dtype)
    return [part(found, width(a.type) * n * n, (n,)), transposed(vectors)]


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (4, (2,))):
        a = draws(n + 60).standard_normal((*batch, n, n))
        found.append(
            Sample((a + np.swapaxes(a, -1, -2) + np.diag(3.0 * np.arange(n)),), {}, True, 1e3)
        )
    a = complex_draws(61, (3, 3))  # phases of its vectors have no derivative
    found.append(Sample((a + a.conj().T + np.diag([0, 3, 6]),), {}, False, 1e3))
    return found  # in float64 alone: rounding decides the vectors' signs


on_matrices(
    "eigh",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_samples,
    doc="Ascending eigenvalues, and orthonormal eigenvectors as columns, of symmetric A.",
)
