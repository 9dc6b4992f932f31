"""The op schur: A = Z T Zᴴ for square A, Z unitary, T of A's dtype and upper triangular.

T of a real matrix has 2 by 2 blocks on its diagonal, one for each pair of conjugate eigenvalues, in
LAPACK's form [[a, b], [c, a]] with b c < 0. With M = Zᴴ Ȧ Z and the skew-Hermitian Ω = Zᴴ Ż

    M = Ω T - T Ω + Ṫ,    Ż = Z Ω,

where Ṫ is 0 below T's diagonal (blocks), which determines L, the part of Ω there. Let T be
triangular and T X = X diag(d), with an upper triangular X. Neither upper triangular matrices nor
factors change what is below the diagonal, so with "low" for the part of a matrix there

    low(X⁻¹ L X)[i, j] = low(X⁻¹ M X)[i, j] / (d[j] - d[i]),    L = low(X low(X⁻¹ L X) X⁻¹).

- A triangular T of complex A leaves the phases of Z's columns open; Ω is the one that does not turn
  them, with zeros on its diagonal. What depends on no phase has its derivative.
- Blocks of real A are made triangular by a unitary Q, and L is that part of Q L Qᴴ which is below
  the blocks. A turn by ω within a block keeps its diagonal equal:
  2 ω (b + c) = the difference of the diagonal of M - Ω T + T Ω there.

X comes of T's blocks of 1, 2, 4, ...: if X diagonalises neighbours T1 and T2, then X (1 + W) does
so for both together, W = -(X⁻¹ T X)[i, j] / (d[i] - d[j]) in the rows of the first and the columns
of the second; and its inverse is (1 - W) X⁻¹.

Equal eigenvalues have no order, so where some are, or where a block is normal (c = -b), there is no
derivative, and the call fails. G. Golub, C. Van Loan, Matrix Computations, 4th edition, Johns
Hopkins 2013, sections 7.1.3, 7.4.1 and 7.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import DegenerateSpectrumError
from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.lapack import schur_form
from wengert.ir.ops.matrices import (
    adjoint,
    along_columns,
    along_rows,
    check_matrix,
    complex_draws,
    diagonal,
    draws,
    each_matrix,
    empty,
    inverted,
    library,
    matmul,
    negligible,
    numbers,
    on_diagonal,
    on_matrices,
    part,
    real_part,
    spread_over,
    transposed,
    triangle,
    width,
)
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import TensorType, complex_dtype

EQUAL = (
    "the Schur form of a matrix with equal eigenvalues (up to rounding errors) has no derivative, "
    "and one is needed here; write the function without it, with np.trace, np.linalg.det or "
    "wengert.linalg.expm for example, or for symmetric matrices with wengert.linalg.funm_symmetric"
)
NORMAL = (
    "a pair of complex eigenvalues has a normal block ([[a, b], [-b, a]]) in the real Schur form, "
    "which any rotation leaves as it is, so it has no derivative, and one is needed here; "
    "scipy.linalg.schur(a, output='complex') has one"
)


def _infer(a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix("schur", a, square=True)
    return a, a


def _evaluate(a: Any) -> tuple[Any, Any]:
    n = a.shape[-1]
    both = each_matrix(lambda x: np.stack(schur_form(x)[:2]), a) if n else np.stack([a, a], -3)
    return both[..., 0, :, :], both[..., 1, :, :]


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        return empty(a, _infer)
    count = width(a.type) * n * n
    found = library("gees", transposed(a))
    status = part(found, 2 * count, ())
    failed = spread_over(status.ne(status.full_like(0)), a.shape)
    results = [transposed(numbers(found, k * count, (n, n), a.dtype)) for k in (0, 1)]
    return [failed.select(x.full_like(np.nan), x) for x in results]


def _jvp(primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]) -> list[Value]:
    t, z = outs
    if not t.type.size:
        return [t.full_like(0), z.full_like(0)]
    moved = matmul(matmul(adjoint(z), tangents[0]), z)
    if t.type.is_complex:
        below = _below(t, moved)
        turning = below - adjoint(below)
        return [triangle(_left(t, moved, turning), False), matmul(z, turning)]
    blocks = _Blocks.of(t)
    below = blocks.below(moved)
    turning = below - transposed(below)
    inner = blocks.inner(_left(t, moved, turning))
    turning = turning + inner - transposed(inner)
    return [blocks.upper(_left(t, moved, turning)), matmul(z, turning)]


def _left(t: Value, moved: Value, turning: Value) -> Value:
    """Ṫ = M - Ω T + T Ω."""
    return moved - matmul(turning, t) + matmul(t, turning)


def _below(t: Value, moved: Value) -> Value:
    """L of a triangular T."""
    values = diagonal(t)
    gap = along_columns(values, t) - along_rows(values, t)
    apart = negligible(gap, values).bitand(on_diagonal(t).bitnot()).bitnot()
    _demand(apart, EQUAL)
    ratio = inverted(gap, apart.bitand(on_diagonal(t).bitnot()))
    vectors, inverse = _eigenvectors(t, ratio)
    inner = matmul(matmul(inverse, moved), vectors)
    below = triangle(-inner * ratio, True, strict=True)
    return triangle(matmul(matmul(vectors, below), inverse), True, strict=True)


def _eigenvectors(t: Value, ratio: Value) -> tuple[Value, Value]:
    """X and its inverse, by blocks; `ratio` is 1 / (d[i] - d[j])."""
    row, column = (iota(t.builder, t.shape, t.ndim - k) for k in (2, 1))
    vectors = inverse = on_diagonal(t).to(t.dtype)
    size = 1
    while size < t.shape[-1]:
        first, second = (x.floordiv(x.full_like(size)) for x in (row, column))
        even = first.mod(first.full_like(2)).eq(first.full_like(0))
        pair = even.bitand(second.eq(first + first.full_like(1)))
        joined = matmul(matmul(inverse, t), vectors) * ratio
        joined = pair.select(-joined, joined.full_like(0))
        vectors, inverse = vectors + matmul(vectors, joined), inverse - matmul(joined, inverse)
        size *= 2
    return vectors, inverse


def _demand(holds: Value, message: str) -> None:
    holds.require(message=message, error=DegenerateSpectrumError.__name__)


@dataclass(frozen=True)
class _Blocks:
    """The 2 by 2 blocks of a real T. What belongs to a block stands where its c does."""

    t: Value
    at: Value
    b: Value
    c: Value

    @staticmethod
    def of(t: Value) -> _Blocks:
        row, column = (iota(t.builder, t.shape, t.ndim - k) for k in (2, 1))
        zero = t.full_like(0)
        at = row.eq(column + column.full_like(1)).bitand(t.ne(zero))
        return _Blocks(t, at, at.select(transposed(t), zero), at.select(t, zero))

    def upper(self, x: Value) -> Value:
        """The part of a matrix that is not 0 in T."""
        return self.at.select(x, triangle(x, False))

    def below(self, moved: Value) -> Value:
        """L, from T and M made triangular by Q."""
        paired = complex_dtype(self.t.dtype)
        q = self._unitary()

        def turned(x: Value) -> Value:
            return matmul(matmul(adjoint(q), x.to(paired)), q)

        found = _below(triangle(turned(self.t), False), turned(moved))
        back = real_part(matmul(matmul(q, found), adjoint(q)))
        return self.at.select(back.full_like(0), triangle(back, True, strict=True))

    def _unitary(self) -> Value:
        """Q: [[σ x, i y], [i y, σ x]] in each block, σ the sign of b, x² and y² = |b|, |c| over
        their sum; its first column is an eigenvector."""
        b, c, zero = self.b, self.c, self.t.full_like(0)
        share = inverted(b.abs() + c.abs(), self.at)
        x = self.at.select((b.abs() * share).sqrt() * b.sign(), zero)
        y = self.at.select((c.abs() * share).sqrt(), zero)
        rows, columns = (x.reduce_sum(axes=(x.ndim - k,)) for k in (1, 2))
        along = along_rows(rows + columns, x)
        outside = along.eq(zero)
        real = on_diagonal(x).select(outside.select(x.full_like(1), along), zero)
        return real.complex(y + transposed(y))

    def inner(self, left: Value) -> Value:
        """ω of each block."""
        both = self.b + self.c
        moves = self.at.bitand(negligible(both, diagonal(self.t)).bitnot())
        _demand(moves.eq(self.at), NORMAL)
        corner = diagonal(left)
        difference = along_columns(corner, left) - along_rows(corner, left)
        return difference * inverted(both + both, moves)


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (5, (2,))):
        found.append(Sample((draws(n + 40).standard_normal((*batch, n, n)),), {}, True, 1e4))
    found.append(Sample((complex_draws(41, (4, 4)),), {}, False, 1e4))  # phases have no derivative
    return found  # in float64 alone: rounding decides the vectors' signs


on_matrices(
    "schur",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_samples,
    doc="T and unitary Z of A = Z T Z', T upper triangular, with 2 by 2 blocks if A is real.",
)
