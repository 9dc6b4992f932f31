"""The ops cofactors and cofactors_moved: the derivatives of determinants.

Cofactors C[i, j], the partials of det(A), are polynomials of the elements: they exist whether A is
singular or not. Those of up to 4 by 4 are written out, so that derivatives of any order are those
of polynomials. Larger ones are det(A) A⁻ᵀ as long as no pivot is 0, which keeps its digits however
small pivots are. Otherwise, with A = U S Vᴴ and c = det(U) det(Vᴴ),

    C = c conj(U) diag(p) conj(Vᴴ),    p[i] = the product of all s[k] with k ≠ i.

`cofactors_moved` is the derivative of C along E, symmetric and linear in E. With Y = A⁻ᵀ it is
det(A) (tr(Yᵀ E) Y - Y Eᵀ Y), whose terms cancel where pivots are small. There, with M = Uᴴ E V and
P[i, j] the product of all s[k] with k other than i and j (0 for i = j),

    c conj(U) (diag(P m) - P ∘ Mᵀ) conj(Vᴴ),    m = the diagonal of M,

which are the terms of Leibniz' formula with at most two elements beside the diagonal. Third
derivatives follow from the first form alone, so they need matrices that are not singular.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY, Sample, linear_in
from wengert.ir.ops.matrices import (
    along_columns,
    along_rows,
    check_matrix,
    diagonal,
    draws,
    each_matrix,
    element,
    matmul,
    on_diagonal,
    on_matrices,
    size,
    spread_over,
    stacked,
    take_rows,
    transposed,
    whole_sum,
)
from wengert.ir.ops.structural_family import iota
from wengert.ir.program import Program
from wengert.ir.types import INT64, TensorType

WRITTEN_OUT = 4
SINGULAR = (
    "third and higher derivatives of determinants are there for matrices that are not singular "
    "(up to rounding errors) or no larger than 4 by 4, and this one is"
)


def minors(a: Value) -> Value:
    """The cofactors, by determinants of rows from the last on: of columns `j`, those of the last
    len(j) of the rows that are left."""
    n = a.shape[-1]
    cells = [[element(a, i, j) for j in range(n)] for i in range(n)]
    if n == 1:
        return a.full_like(1)
    found: list[Value] = []
    for i in range(n):
        rows = [cells[k] for k in range(n) if k != i]
        below: dict[tuple[int, ...], Value] = {(j,): rows[-1][j] for j in range(n)}
        for row in reversed(rows[:-1]):
            count = len(next(iter(below))) + 1
            below = {
                columns: _expanded(row, columns, below) for columns in combinations(range(n), count)
            }
        for j in range(n):
            minor = below[tuple([k for k in range(n) if k != j])]
            found.append(-minor if (i + j) % 2 else minor)
    return stacked(found, a.shape)


def _expanded(row: Sequence[Value], columns: tuple[int, ...], below: dict[Any, Value]) -> Value:
    """A determinant by its first row and those of the rows below."""
    total: Value | None = None
    for place, j in enumerate(columns):
        term = row[j] * below[columns[:place] + columns[place + 1 :]]
        signed = -term if place % 2 else term
        total = signed if total is None else total + signed
    assert total is not None
    return total


# cofactors of larger matrices


def _extent(pivots: Value) -> tuple[Value, Value]:
    """The largest and the least size of each matrix's pivots."""
    sizes, last = size(pivots), (pivots.ndim - 1,)
    return sizes.reduce_max(axes=last), sizes.reduce_min(axes=last)


def _limit(a: TensorType) -> float:
    """Pivots down to this part of the largest lose at most as much as eps ** (2 / 3)."""
    return float(np.finfo(a.dtype).eps) ** (1 / 3)


def _inverse_transpose(both: Value, inverse: Value) -> Value:
    """A⁻ᵀ of LU factors."""
    one = on_diagonal(both).to(both.dtype)
    half = both.triangular_solve(one, lower=False, transpose=True, unit=False)
    whole = both.triangular_solve(half, lower=True, transpose=True, unit=True)
    return take_rows(whole, inverse)


def _either(
    good: Value,
    shared: Sequence[Value],
    regular: Callable[..., Value],
    singular: Callable[..., Value],
) -> Value:
    """`regular` of the shared values if all matrices are good, and else `singular`."""

    def region(rule: Callable[..., Value]) -> Program:
        inside = Builder()
        return inside.finish([rule(*[inside.input(v.type) for v in shared])])

    whole = good.reduce_and(axes=tuple(range(good.ndim))) if good.ndim else good
    branches = (region(singular), region(regular))
    return good.builder.emit(
        REGISTRY["branch"], [whole.to(INT64), *shared], {"branches": branches}
    )[0]


def _decomposed(a: Value) -> tuple[Value, Value, Value, Value]:
    """conj(U), s, conj(Vᴴ) and c."""
    u, s, vt = a.svd()
    factor = matmul(u, vt).det()
    return (u.conj(), s, vt.conj(), factor) if a.type.is_complex else (u, s, vt, factor)


def _products_without(s: Value, count: int) -> Value:
    """The products of all s but one, or but two, which are 0 for two equal ones."""
    n, first = s.shape[-1], s.ndim - 1
    shape = (*s.shape[:-1], *(n,) * count, n)
    spread = s.broadcast(shape=shape, dims=(*range(first), first + count))
    k = iota(s.builder, shape, first + count)
    others = [iota(s.builder, shape, first + i) for i in range(count)]
    left_out = k.eq(others[0])
    for other in others[1:]:
        left_out = left_out.bitor(k.eq(other))
    found = left_out.select(spread.full_like(1), spread).reduce_prod(axes=(first + count,))
    return found if count == 1 else on_diagonal(found).select(found.full_like(0), found)


def _cofactors_infer(a: TensorType) -> tuple[TensorType]:
    check_matrix("cofactors", a, square=True)
    return (a,)


def _cofactors_expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    if a.shape[-1] <= WRITTEN_OUT or not a.type.size:
        return [minors(a) if a.type.size else a]
    both, _, inverse, _ = a.lu()
    _, least = _extent(diagonal(both))

    def regular(a: Value, both: Value, inverse: Value, det: Value) -> Value:
        return _inverse_transpose(both, inverse) * spread_over(det, both.shape)

    def singular(a: Value, both: Value, inverse: Value, det: Value) -> Value:
        u, s, vt, factor = _decomposed(a)
        products = along_rows(_products_without(s, 1), u).to(u.dtype)
        return matmul(u * products, vt) * spread_over(factor, a.shape)

    good = least.ne(least.full_like(0))
    return [_either(good, [a, both, inverse, a.det()], regular, singular)]


def _cofactors_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value]:
    return [primals[0].cofactors_moved(tangents[0])]


def _moved_infer(a: TensorType, moved: TensorType) -> tuple[TensorType]:
    check_matrix("cofactors_moved", a, square=True)
    check_matrix("cofactors_moved", moved, square=True)
    return (a,)


def _moved_expand(values: Sequence[Value]) -> list[Value]:
    a, moved = values
    if not a.type.size:
        return [a]
    if a.shape[-1] == 1:
        return [a.full_like(0)]
    both, _, inverse, _ = a.lu()
    most, least = _extent(diagonal(both))

    def regular(a: Value, moved: Value, both: Value, inverse: Value, det: Value) -> Value:
        return _moved_by_inverse(_inverse_transpose(both, inverse), det, moved)

    def singular(a: Value, moved: Value, both: Value, inverse: Value, det: Value) -> Value:
        u, s, vt, factor = _decomposed(a)
        inner = matmul(matmul(transposed(u), moved), transposed(vt))
        products = _products_without(s, 2).to(a.dtype)
        along = (products * along_rows(diagonal(inner), inner)).reduce_sum(axes=(a.ndim - 1,))
        on = on_diagonal(inner)
        turned = on.select(along_columns(along, inner), -(products * transposed(inner)))
        return matmul(matmul(u, turned), vt) * spread_over(factor, a.shape)

    good = least.le(most * most.full_like(_limit(both.type))).bitnot()
    return [_either(good, [a, moved, both, inverse, a.det()], regular, singular)]


def _moved_by_inverse(y: Value, det: Value, moved: Value) -> Value:
    """det(A) (tr(Yᵀ E) Y - Y Eᵀ Y)."""
    along = y * spread_over(whole_sum(y * moved), y.shape)
    return (along - matmul(matmul(y, transposed(moved)), y)) * spread_over(det, y.shape)


def _moved_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> list[Value]:
    """Linear in E; along F, that of the form with Y, for which Ẏ = -Y Fᵀ Y."""
    a, moved = primals
    da, de = tangents
    total = None if de is None else a.cofactors_moved(de)
    if da is not None:
        both = a.stop_gradient().lu()[0]
        most, least = _extent(diagonal(both))
        apart = least.le(most * most.full_like(_limit(both.type))).bitnot()
        apart.require(message=SINGULAR, error="SingularMatrixError")
        y = a.linear_solve(on_diagonal(a).to(a.dtype), transpose=True)
        det = a.det()
        first, second = (spread_over(whole_sum(y * x), y.shape) for x in (moved, da))
        across, back = (matmul(y, transposed(x)) for x in (moved, da))
        there, here = matmul(across, y), matmul(back, y)
        twice = matmul(across, here) + matmul(back, there)
        mixed = spread_over(whole_sum(here * moved), y.shape) * y
        whole = first * second * y - mixed - first * here - second * there + twice
        third = whole * spread_over(det, y.shape)
        total = third if total is None else total + third
    assert total is not None
    return [total]


def _moved_transpose(cotangents: Sequence[Value], inputs: Sequence[Any]) -> list[Value | None]:
    return [None, inputs[0].cofactors_moved(cotangents[0])]


# meanings


def _of_singular_values(a: Any) -> tuple[Any, Any, Any, Any]:
    u, s, vt = np.linalg.svd(a)
    return u.conj(), s, vt.conj(), np.linalg.det(u) * np.linalg.det(vt)


def _without(s: Any, *places: int) -> Any:
    return np.prod(np.delete(s, places))


def _cofactors_of(a: Any) -> Any:
    if not a.size or not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    u, s, vt, factor = _of_singular_values(a)
    return factor * (u * [_without(s, i) for i in range(len(s))]) @ vt


def _moved_of(a: Any, moved: Any) -> Any:
    if not a.size or not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    if len(a) == 1:
        return np.zeros_like(a)
    u, s, vt, factor = _of_singular_values(a)
    inner, n = u.T @ moved @ vt.T, len(s)
    p = np.array([[_without(s, i, j) * (i != j) for j in range(n)] for i in range(n)])
    return factor * u @ (np.diag(p @ np.diag(inner)) - p * inner.T) @ vt


def determinant_samples(count: int) -> list[Sample]:
    """Samples of as many matrices of one shape."""
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, (2,)), (4, ()), (6, ()), (7, (2,))):
        shape = (*batch, n, n)
        rng = draws(n + 110)
        real = [rng.standard_normal(shape) for _ in range(count)]
        found.append(Sample(tuple(real), tolerance=1000.0))
        paired = [x + 1j * rng.standard_normal(shape) for x in real]
        found.append(Sample(tuple(paired), tolerance=1000.0))
    return found


def singular_samples(count: int, differentiable: bool = True) -> list[Sample]:
    """Samples whose first matrix is of rank n - 1 and n - 2."""
    found: list[Sample] = []
    for rank in (3, 4):
        rng = draws(rank + 120)
        a = rng.standard_normal((5, rank)) @ rng.standard_normal((rank, 5))
        more = [rng.standard_normal((5, 5)) for _ in range(count - 1)]
        found.append(Sample((a, *more), {}, differentiable, 1000.0))
    return found


on_matrices(
    "cofactors",
    infer=_cofactors_infer,
    evaluate=lambda a: each_matrix(_cofactors_of, a),
    jvp=_cofactors_jvp,
    expand=_cofactors_expand,
    samples=lambda: [*determinant_samples(1), singular_samples(1, False)[-1]],
    doc="The partial derivatives of each matrix's determinant, for singular matrices too.",
)
on_matrices(
    "cofactors_moved",
    infer=_moved_infer,
    evaluate=lambda a, moved: each_matrix(_moved_of, a, moved),
    jvp=_moved_jvp,
    linear=linear_in(1),
    transpose=_moved_transpose,
    expand=_moved_expand,
    samples=lambda: determinant_samples(2),
    doc="The derivative of each matrix's cofactors along another matrix; symmetric in it.",
)
