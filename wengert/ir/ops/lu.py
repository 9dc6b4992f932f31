"""The ops lu and linear_solve.

With A[p] = L U, the derivative is that of both triangles in one: for M = L⁻¹ Ȧ[p] and B, the
strict lower triangle of M U⁻¹, L̇ = L B and U̇ = M - B U. The last pivot has no part in B, so it may
be 0, as of most singular matrices; where another one is, nothing determines L, and the call fails.

`linear_solve` solves A X = B. Its derivative A Ẋ = Ḃ - Ȧ X and its cotangents, which solve with A
transposed, need the same factors; they are computed once, as equal equations are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import REGISTRY, Sample, linear_in
from wengert.ir.ops.matrices import (
    along_columns,
    check_matrix,
    complex_draws,
    diagonal,
    draws,
    each_matrix,
    element,
    empty,
    is_small,
    library,
    matmul,
    numbers,
    on_diagonal,
    on_matrices,
    part,
    real_part,
    stacked,
    take_rows,
    transposed,
    triangle,
    width,
)
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import INT64, TensorType, real_dtype

NO_FACTORS = (
    "a pivot of the matrix is 0, so its LU factors have no derivative, and one is needed here ("
    "only the last pivot of a matrix that has no more rows than columns may be 0); np.linalg.det, "
    "for one, has its own"
)
LOWER = {"lower": True, "transpose": False, "unit": True}
UPPER = {"lower": False, "transpose": False, "unit": False}


def _infer(a: TensorType) -> tuple[TensorType, ...]:
    check_matrix("lu", a, square=True)
    rows = TensorType(INT64, a.shape[:-1])
    return (a, rows, rows, TensorType(real_dtype(a.dtype), a.shape[:-2]))


def _evaluate(a: Any) -> tuple[Any, ...]:
    n, pair, kind = a.shape[-1], 1 + (a.dtype.kind == "c"), real_dtype(a.dtype)
    given = np.ascontiguousarray(np.swapaxes(a, -1, -2)).view(kind)
    found = REGISTRY["lapack"].evaluate(given, routine="zgetrf" if pair == 2 else "getrf")
    batch, end = a.shape[:-2], pair * n * n
    packed = np.ascontiguousarray(found[..., :end]).view(a.dtype)
    both = np.swapaxes(packed.reshape(*batch, n, n), -1, -2)
    rest = found[..., end:]
    order, inverse = (rest[..., k * n : (k + 1) * n].astype(np.int64) for k in (0, 1))
    return both, order, inverse, rest[..., 2 * n]


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value | None]:
    both, order = outs[0], outs[1]
    if not both.type.size:
        return [None] * 4
    pivots = diagonal(both)
    zero = pivots.eq(pivots.full_like(0))
    last = iota(pivots.builder, pivots.shape, pivots.ndim - 1).eq(pivots.shape[-1] - 1)
    zero.bitand(last.bitnot()).bitnot().require(message=NO_FACTORS, error="SingularMatrixError")
    moved = both.triangular_solve(take_rows(tangents[0], order), **LOWER)
    # X U = M, from the left: U' X' = M'
    end = on_diagonal(both).bitand(along_columns(zero, both))
    inner = transposed(
        end.select(both.full_like(1), both).triangular_solve(
            transposed(moved), lower=False, transpose=True, unit=False
        )
    )
    below = triangle(inner, True, strict=True)
    lower = triangle(both, True, strict=True)
    above = triangle(moved - matmul(below, triangle(both, False)), False)
    return [below + matmul(lower, below) + above, None, None, None]


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        *arrays, sign = empty(a, _infer)
        return [*arrays, sign + sign.full_like(1)]
    if is_small(a.type):
        return _written_out(a)
    found, end = library("getrf", transposed(a)), width(a.type) * n * n
    order, inverse = (_rows(part(found, end + k * n, (n,)), n) for k in (0, 1))
    both = transposed(numbers(found, 0, (n, n), a.dtype))
    return [both, order, inverse, part(found, end + 2 * n, ())]


def _rows(numbers: Value, n: int) -> Value:
    """Numbers of rows as integers, of which the lowering is told that they are below n."""
    found = numbers.to(INT64)
    return found.min(found.full_like(n - 1)).max(found.full_like(0))


def _written_out(a: Value) -> list[Value]:
    """Elimination with the largest pivot, the first of equal ones; rows change places by choice."""
    n = a.shape[-1]
    rows = [[element(a, i, j) for j in range(n)] for i in range(n)]
    zero = rows[0][0].full_like(0)
    order = [real_part(zero).full_like(i).to(INT64) for i in range(n)]
    sign = real_part(zero).full_like(1)
    for k in range(n):
        at = _largest(rows, order[0], k)
        for i in range(k + 1, n):
            here = at.eq(order[0].full_like(i))
            rows[k], rows[i] = _exchanged(here, rows[k], rows[i])
            (order[k],), (order[i],) = _exchanged(here, [order[k]], [order[i]])
            sign = here.select(-sign, sign)
        _eliminate(rows, k)
    inverse = [_place_of(i, order) for i in range(n)]
    vector = a.shape[:-1]
    cells = [x for row in rows for x in row]
    return [stacked(cells, a.shape), stacked(order, vector), stacked(inverse, vector), sign]


def _largest(rows: Sequence[Sequence[Value]], like: Value, k: int) -> Value:
    """The row from k on whose element in column k is the largest, as an integer `like` others."""
    best, at = _size(rows[k][k]), like.full_like(k)
    for i in range(k + 1, len(rows)):
        size = _size(rows[i][k])
        larger = size.gt(best)
        best, at = larger.select(size, best), larger.select(like.full_like(i), at)
    return at


def _size(x: Value) -> Value:
    """What LAPACK compares: of complex numbers, the sum of the sizes of their parts."""
    return x.real().abs() + x.imag().abs() if x.type.is_complex else x.abs()


def _exchanged(
    where: Value, first: Sequence[Value], second: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """Two rows, in the other order `where` that holds."""
    pairs = list(zip(first, second, strict=True))
    return [where.select(y, x) for x, y in pairs], [where.select(x, y) for x, y in pairs]


def _eliminate(rows: list[list[Value]], k: int) -> None:
    """Column k below its pivot; where that is 0 the column is 0 already."""
    pivot = rows[k][k]
    divisor = pivot.eq(pivot.full_like(0)).select(pivot.full_like(1), pivot)
    for row in rows[k + 1 :]:
        row[k] = row[k] / divisor
        for j in range(k + 1, len(rows)):
            row[j] = row[j] - row[k] * rows[k][j]


def _place_of(number: int, order: Sequence[Value]) -> Value:
    """Where a number stands among `order`."""
    place = order[0].full_like(0)
    for k in range(1, len(order)):
        place = order[k].eq(place.full_like(number)).select(place.full_like(k), place)
    return place


def _lu_samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (4, (3,)), (9, (2,))):
        a = draws(n + 20).standard_normal((*batch, n, n))
        found.append(Sample((a,), tolerance=1000.0))
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    found.append(Sample((singular,), differentiable=False))
    found.append(Sample((np.zeros((3, 3)),), differentiable=False))
    found.append(Sample((found[1].args[0].astype(np.float32),), tolerance=10.0))
    found += [Sample((complex_draws(n + 20, (2, n, n)),), tolerance=1000.0) for n in (3, 8)]
    return found


on_matrices(
    "lu",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_lu_samples,
    doc="L and U of A[p] = L U in one matrix, p, its inverse, and its sign, for each matrix.",
)


# linear_solve


def _solve_infer(a: TensorType, b: TensorType, *, transpose: bool) -> tuple[TensorType]:
    check_matrix("linear_solve", a, square=True)
    check_matrix("linear_solve", b)
    if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
        raise ShapeError(f"linear_solve: the right-hand side {b} does not fit {a}")
    return (b,)


def _solve_evaluate(a: Any, b: Any, *, transpose: bool) -> Any:
    def solve(x: Any, y: Any) -> Any:
        try:
            return cast(Any, np.linalg.solve(x.T if transpose else x, y))
        except np.linalg.LinAlgError:
            return np.full_like(y, np.nan)

    return each_matrix(solve, a, b)


def _solve_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    *,
    transpose: bool,
) -> list[Value]:
    da, right = tangents
    if da is not None:
        through = matmul(transposed(da) if transpose else da, outs[0])
        right = -through if right is None else right - through
    assert right is not None
    return [primals[0].linear_solve(right, transpose=transpose)]


def _solve_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], *, transpose: bool
) -> list[Value | None]:
    return [None, inputs[0].linear_solve(cotangents[0], transpose=not transpose)]


def _solve_expand(values: Sequence[Value], *, transpose: bool) -> list[Value]:
    a, b = values
    both, order, inverse, _ = a.lu()
    if not transpose:
        half = both.triangular_solve(take_rows(b, order), **LOWER)
        return [both.triangular_solve(half, **UPPER)]
    half = both.triangular_solve(b, **{**UPPER, "transpose": True})
    return [take_rows(both.triangular_solve(half, **{**LOWER, "transpose": True}), inverse)]


def _solve_samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((3, ()), (4, (3,)), (9, ())):
        a = draws(n + 40).standard_normal((*batch, n, n)) + 2 * np.eye(n)
        b = draws(n + 50).standard_normal((*batch, n, 2))
        found += [Sample((a, b), {"transpose": t}, tolerance=1000.0) for t in (False, True)]
        c = a + 1j * complex_draws(n + 60, (*batch, n, n))
        found.append(Sample((c, b + 1j * b), {"transpose": n == 4}, tolerance=1000.0))
    return found


on_matrices(
    "linear_solve",
    params=("transpose",),
    infer=_solve_infer,
    evaluate=_solve_evaluate,
    jvp=_solve_jvp,
    linear=linear_in(1),
    transpose=_solve_transpose,
    expand=_solve_expand,
    samples=_solve_samples,
    doc="X of A X = B (or A' X = B), by elimination with row exchanges.",
)
