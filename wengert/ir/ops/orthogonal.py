"""The ops qr and svd, in their reduced forms.

qr, for matrices that are not wide: with X = Ȧ R⁻¹, C = Q' X, and D the strict lower triangle of C
less its transpose,  Q̇ = Q (D - C) + X  and  Ṙ = (C - D) R.
Of complex matrices transposes are conjugate ones, the diagonal of R is real, and D also has the
imaginary part of C's diagonal. Of square ones X = Q C, so Q̇ = Q D and Ṙ = Q' Ȧ - D R, and of real
ones C's last column, alone made with the last element of R's diagonal, is not in D: that may be 0.
Any other 0 there leaves a column of Q to the rounding errors, and the call fails.
S. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with application in
optimum experimental design", arXiv:1001.1654, section 4.

svd: with P = U' Ȧ V, its symmetric part Y and its skew part Z,
Ṡ = diag(P),  U̇ = U (F ∘ Y + G ∘ Z) + (I - U U') Ȧ V S⁻¹,
V̇ = V (F ∘ Y - G ∘ Z) + (I - V V') Ȧ' U S⁻¹,
with F[i, j] = 1 / (s[j] - s[i]) off the diagonal and G[i, j] = 1 / (s[i] + s[j]). Where F, G or
S⁻¹ is 1 / 0, vectors have derivatives only if its factor is 0: `settled` sees to that.
Of complex matrices transposes are conjugate ones and Ṡ is the real part. A pair of vectors can be
turned by any phase together: these do not turn it, as u' u̇ + v' v̇ = 0.
J. Townsend, "Differentiating the singular value decomposition", 2016, whose F is our F G.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.matrices import (
    adjoint,
    along_columns,
    along_rows,
    check_matrix,
    complex_draws,
    diagonal,
    draws,
    empty,
    library,
    matmul,
    negligible,
    numbers,
    on_diagonal,
    on_matrices,
    part,
    real_part,
    settled_quotient,
    size,
    spread_over,
    transposed,
    triangle,
    width,
)
from wengert.ir.ops.settled import spectral_tangents
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import TensorType, real_dtype

DEFICIENT = (
    "the columns of the matrix are linearly dependent (up to rounding errors), so its QR "
    "factorisation has no derivative, and one is needed here; write the function without it, with "
    "np.linalg.pinv, np.linalg.lstsq or a.T @ a for example"
)


def _qr_infer(a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix("qr", a)
    m, n = a.shape[-2:]
    if m < n:
        raise ShapeError(f"qr takes matrices that are not wide, got {a}")
    return (a, a.with_shape((*a.shape[:-2], n, n)))


def _qr_evaluate(a: Any) -> tuple[Any, Any]:
    found = np.linalg.qr(a)
    return found[0], found[1]


def _qr_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value | None]:
    q, r = outs
    moved = tangents[0]
    if not moved.type.size:
        return [None, None]
    square = moved.shape[-2] == moved.shape[-1]
    spare = square and not r.type.is_complex
    # X R = Ȧ, from the left: R' X' = Ȧ'
    solved = _regular(r, spare).triangular_solve(
        transposed(moved), lower=False, transpose=True, unit=False
    )
    x = transposed(solved)
    inner = matmul(adjoint(q), x)
    below = triangle(inner, True, strict=True)
    turned = below - adjoint(below)
    if inner.type.is_complex:
        im = inner.imag()
        zero = im.full_like(0)
        turned = turned + zero.complex(on_diagonal(im).select(im, zero))
    if square:
        left = matmul(adjoint(q), moved) - matmul(turned, r)
        return [matmul(q, turned), triangle(left, False)]
    return [matmul(q, turned - inner) + x, matmul(inner - turned, r)]


def _regular(r: Value, spare: bool) -> Value:
    """R, of which the last element of the diagonal is not read if it may be 0; the call fails
    where any other one is, up to rounding errors of its column."""
    corner, sizes = diagonal(r), size(r)
    largest = sizes.reduce_max(axes=(r.ndim - 2,))
    limit = 8 * r.shape[-1] * float(np.finfo(largest.dtype).eps)
    zero = size(corner).le(largest * largest.full_like(limit))
    last = iota(corner.builder, corner.shape, corner.ndim - 1).eq(corner.shape[-1] - 1)
    bad = zero.bitand(last.bitnot()) if spare else zero
    bad.bitnot().require(message=DEFICIENT, error="SingularMatrixError")
    if not spare:
        return r
    end = on_diagonal(r).bitand(along_columns(zero, r))
    return end.select(r.full_like(1), r)


def _qr_expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    if not a.type.size:
        return empty(a, _qr_infer)
    m, n = a.shape[-2:]
    found = library("geqrf", transposed(a))
    # the result's first n rows of n, transposed, have R above other numbers
    packed = transposed(numbers(found, 0, (n, m), a.dtype))
    batch = (0,) * (a.ndim - 2)
    top = packed.slice(start=(*batch, 0, 0), stop=(*a.shape[:-2], n, n), step=(1,) * a.ndim)
    q = numbers(found, width(a.type) * m * n, (n, m), a.dtype)
    return [transposed(q), triangle(top, False)]


def _qr_samples() -> list[Sample]:
    found: list[Sample] = []
    for m, n, batch in ((1, 1, ()), (3, 3, ()), (5, 3, (2,))):
        found.append(Sample((draws(m + 70).standard_normal((*batch, m, n)),), {}, True, 1e3))
        found.append(Sample((complex_draws(m + 70, (*batch, m, n)),), {}, True, 1e3))
    return found  # in float64 alone: rounding decides the vectors' signs


on_matrices(
    "qr",
    infer=_qr_infer,
    evaluate=_qr_evaluate,
    jvp=_qr_jvp,
    expand=_qr_expand,
    samples=_qr_samples,
    doc="A = Q R with orthonormal columns of Q and an upper triangle R, for each matrix.",
)


def _svd_infer(a: TensorType) -> tuple[TensorType, TensorType, TensorType]:
    check_matrix("svd", a)
    *batch, m, n = a.shape
    k = min(m, n)
    values = a.with_dtype(real_dtype(a.dtype)).with_shape((*batch, k))
    return (a.with_shape((*batch, m, k)), values, a.with_shape((*batch, k, n)))


def _svd_evaluate(a: Any) -> tuple[Any, Any, Any]:
    k = min(a.shape[-2:])
    try:
        u, s, vt = np.linalg.svd(a, full_matrices=False)
    except np.linalg.LinAlgError:
        *batch, m, n = a.shape
        u, vt = np.full((*batch, m, k), np.nan, a.dtype), np.full((*batch, k, n), np.nan, a.dtype)
        return u, np.full((*batch, k), np.nan, a.real.dtype), vt
    return u, s, vt


def _svd_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value]:
    (da,) = tangents
    u, s, vt = outs
    v, ut = adjoint(vt), adjoint(u)
    moved = matmul(da, v)
    inner = matmul(ut, moved)
    half = inner.full_like(0.5)
    slopes, even = spectral_tangents((inner + adjoint(inner)) * half, s)
    odd = _over((inner - adjoint(inner)) * half, along_rows(s, inner) + along_columns(s, inner), s)
    du, dv = matmul(u, even + odd), matmul(v, even - odd)
    m, n = da.shape[-2:]
    if m > n:
        du = du + _over(moved - matmul(u, inner), along_rows(s, u), s)
    if n > m:
        back = matmul(adjoint(da), u)
        dv = dv + _over(back - matmul(v, matmul(vt, back)), along_rows(s, v), s)
    return [du, real_part(slopes), adjoint(dv)]


def _over(x: Value, divisor: Value, s: Value) -> Value:
    """x / divisor; where the divisor is 0 for singular values s, there must be nothing."""
    return settled_quotient(x, divisor, negligible(divisor, s))


def _svd_expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    if not a.type.size:
        return empty(a, _svd_infer)
    m, n = a.shape[-2:]
    k = min(m, n)
    found, pair = library("gesdd", transposed(a)), width(a.type)
    u = transposed(numbers(found, 0, (k, m), a.dtype))
    v, end = numbers(found, pair * k * m, (n, k), a.dtype), pair * (k * m + n * k)
    status = part(found, end + k, ())
    failed = status.ne(status.full_like(0))  # of what is not finite LAPACK gives nothing
    return [
        spread_over(failed, x.shape).select(x.full_like(np.nan), x)
        for x in (u, part(found, end, (k,)), transposed(v))
    ]


def _svd_samples() -> list[Sample]:
    found: list[Sample] = []
    for m, n, batch in ((1, 1, ()), (3, 3, ()), (4, 2, (2,)), (2, 4, ())):
        found.append(Sample((draws(m + 80).standard_normal((*batch, m, n)),), {}, True, 1e3))
        # phases of complex vectors have no derivative
        found.append(Sample((complex_draws(m + 80, (*batch, m, n)),), {}, False, 1e3))
    return found  # in float64 alone: rounding decides the vectors' signs


on_matrices(
    "svd",
    infer=_svd_infer,
    evaluate=_svd_evaluate,
    jvp=_svd_jvp,
    expand=_svd_expand,
    samples=_svd_samples,
    doc="A = U diag(s) V' in the reduced form, s descending, for each matrix.",
)
