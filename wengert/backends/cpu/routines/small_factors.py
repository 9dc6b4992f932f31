"""Factorisations and triangular systems of small real matrices, in plain loops over vectors.

For small matrices most of LAPACK's time goes into what surrounds its loops. A vector holds either
the columns of one matrix (`getrf`, `trsm`) or one element of as many matrices as it has lanes
(`potrf`, and `syevd` in `lane_eigen`). Triangular systems of some hundred rows are solved here too,
for which LAPACK takes four times as long. Lanes know nothing of one another, and lanes without a
matrix hold zeros: so the bits of a result do not depend on the place in the batch. Each sum runs
over rows in groups of four, that as many fused products are under way as the units take.

G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition, sections 3.1, 3.4.4 and 4.2.5.

`plain_text` makes native code of the functions. Matrices are flat and row-major, as those that
`ir.ops.lapack` says the routines have.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from wengert.backends.cpu.routines import lane_eigen, small_copies
from wengert.backends.cpu.routines.gemm_kernels import F32, F64
from wengert.backends.cpu.routines.plain_text import Numbers, Scalars, module
from wengert.backends.cpu.routines.small_copies import lines, rows
from wengert.ir.types import DType
from wengert.kernels.staging.library import VECTOR_BYTES


def potrf(source: Scalars, out: Scalars, work: Numbers, n: int, many: int, lanes: int) -> None:
    """L of up to `lanes` matrices and their status; `work` has room for n * n + 1 vectors."""
    lines(source, n * n, many, n * n, work, lanes, lanes)
    cholesky(work, n)
    lines(work, lanes, n * n + 1, many, out, n * n + 1, n * n + 1)


def cholesky(a: Numbers, n: int) -> None:
    """L in the place of A's lower triangle, column by column; a[n * n] is 1 where there is none."""
    failed = 0.0 if a[0] > 0.0 else 1.0
    for j in range(n):
        i = j
        while i + 3 < n:
            w = a[i * n + j]
            x = a[(i + 1) * n + j]
            y = a[(i + 2) * n + j]
            z = a[(i + 3) * n + j]
            for k in range(j):
                other = a[j * n + k]
                w -= a[i * n + k] * other
                x -= a[(i + 1) * n + k] * other
                y -= a[(i + 2) * n + k] * other
                z -= a[(i + 3) * n + k] * other
            a[i * n + j] = w
            a[(i + 1) * n + j] = x
            a[(i + 2) * n + j] = y
            a[(i + 3) * n + j] = z
            i += 4
        while i < n:
            w = a[i * n + j]
            for k in range(j):
                w -= a[i * n + k] * a[j * n + k]
            a[i * n + j] = w
            i += 1
        pivot = a[j * n + j]
        failed = failed if pivot > 0.0 else 1.0
        root = sqrt(pivot)
        inverse = 1.0 / root
        a[j * n + j] = root
        for m in range(j + 1, n):
            a[m * n + j] *= inverse
    a[n * n] = failed


def getrf(
    source: Scalars, out: Scalars, x: Numbers, a: Scalars, tiny: float, n: int, wide: int, v: int
) -> None:
    """L and U of the transpose of the source, transposed; the permutation, its inverse and sign.

    `x` and `a` are the same memory, for n + 1 rows of v vectors or `wide` numbers; `tiny` is the
    least normal number.
    """
    lines(source, n, n, n, x, wide, wide)
    number = 0.0
    for i in range(wide):
        a[n * wide + i] = number
        number += 1.0
    for i in range(n):
        out[n * n + i] = a[n * wide + i]
    eliminate(x, a, out[n * n :], tiny, n, wide, v)
    lines(x, wide, n, n, out, n, n)
    for i in range(n):
        out[n * n + n + int(out[n * n + i])] = a[n * wide + i]


def eliminate(
    x: Numbers, a: Scalars, order: Scalars, tiny: float, n: int, wide: int, v: int
) -> None:
    """Elimination row by row, with the largest pivot, the first of equal ones.

    The last row of `x` numbers the columns. Behind the n numbers of the order stand, after n
    others, its sign and the status: the first column without a pivot, from 1 on, or 0.
    """
    sign = 1.0
    status = 0.0
    first = 0
    for k in range(n):
        step = a[n * wide + k]
        first = first + 1 if (first + 1) * wide == k * v else first
        at = k
        best = abs(a[k * wide + k])
        for i in range(k + 1, n):
            size = abs(a[i * wide + k])
            at = i if size > best else at
            best = size if size > best else best
        if at != k:
            sign = -sign
            number = order[k]
            order[k] = order[at]
            order[at] = number
            for j in range(v):
                row = x[k * v + j]
                x[k * v + j] = x[at * v + j]
                x[at * v + j] = row
        pivot = a[k * wide + k]
        if pivot == 0.0:
            status = step + 1.0 if status == 0.0 else status
        else:
            if abs(pivot) < tiny:  # its inverse may be infinite
                for i in range(k + 1, n):
                    a[i * wide + k] /= pivot
                pivot = 1.0
            inverse = 1.0 / pivot
            subtract(x, a, step, inverse, k, first, n, wide, v)
    order[2 * n] = sign
    order[2 * n + 1] = status


def subtract(
    x: Numbers,
    a: Scalars,
    step: float,
    inverse: float,
    k: int,
    first: int,
    n: int,
    wide: int,
    v: int,
) -> None:
    """Takes multiples of row k from all rows below, whose column k becomes the factors.

    Column k is the float `step`, and in vector `first`, which is the first one with work to do.
    """
    columns = x[n * v + first]
    row = x[k * v + first] if columns > step else 0.0
    for i in range(k + 1, n):
        factor = a[i * wide + k] * inverse
        x[i * v + first] = factor if columns == step else x[i * v + first] - row * factor
    for j in range(first + 1, v):
        row = x[k * v + j]
        for i in range(k + 1, n):
            x[i * v + j] -= row * a[i * wide + k]


def trsm(
    a: Scalars,
    b: Scalars,
    out: Scalars,
    x: Numbers,
    first: int,
    down: int,
    along: int,
    begin: int,
    step: int,
    unit: int,
    n: int,
    m: int,
    wide: int,
    lanes: int,
) -> None:
    """X of A X = B for m columns, as many at a time as there are lanes; `x` has n vectors.

    Rows of B and X are `wide` numbers apart.

    Row i and column k of A, in the order of substitution, is a[first + i * down + k * along], and
    that row of X is x[begin + i * step].
    """
    c = 0
    while c < m:
        valid = m - c if m - c < lanes else lanes
        rows(b[c:], wide, valid, n, x, lanes, lanes)
        substitute(a, x, first, down, along, begin, step, unit, n)
        rows(x, lanes, valid, n, out[c:], valid, wide)
        c += lanes


def substitute_last(
    a: Scalars,
    x: Numbers,
    first: int,
    down: int,
    along: int,
    begin: int,
    step: int,
    unit: int,
    done: int,
    n: int,
) -> None:
    """The rows that are no four of their own: those after `done` of them."""
    p = 1.0
    for i in range(done, n):
        w = x[begin + i * step]
        for k in range(i):
            w -= a[first + i * down + k * along] * x[begin + k * step]
        if unit == 0:
            p = 1.0 / a[first + i * (down + along)]
        x[begin + i * step] = w * p


def substitute(
    a: Scalars,
    x: Numbers,
    first: int,
    down: int,
    along: int,
    begin: int,
    step: int,
    unit: int,
    n: int,
) -> None:
    """X in the place of B; with `unit`, A's diagonal is taken as 1."""
    p = 1.0
    q = 1.0
    r = 1.0
    s = 1.0
    i = 0
    while i + 3 < n:
        u = begin + i * step
        at = first + i * down
        w = x[u]
        y = x[u + step]
        z = x[u + 2 * step]
        t = x[u + 3 * step]
        for k in range(i):
            other = x[begin + k * step]
            w -= a[at + k * along] * other
            y -= a[at + down + k * along] * other
            z -= a[at + 2 * down + k * along] * other
            t -= a[at + 3 * down + k * along] * other
        at += i * along
        if unit == 0:
            p = 1.0 / a[at]
            q = 1.0 / a[at + down + along]
            r = 1.0 / a[at + 2 * (down + along)]
            s = 1.0 / a[at + 3 * (down + along)]
        w *= p
        y = (y - a[at + down] * w) * q
        z = (z - a[at + 2 * down] * w - a[at + 2 * down + along] * y) * r
        t = t - a[at + 3 * down] * w - a[at + 3 * down + along] * y
        t = (t - a[at + 3 * down + 2 * along] * z) * s
        x[u] = w
        x[u + step] = y
        x[u + 2 * step] = z
        x[u + 3 * step] = t
        i += 4
    substitute_last(a, x, first, down, along, begin, step, unit, i, n)


_PARTS: dict[str, tuple[Any, ...]] = {
    "potrf": (cholesky, potrf),
    "getrf": (subtract, eliminate, getrf),
    "trsm": (substitute_last, substitute, trsm),
    "syevd": lane_eigen.PARTS,
}
ROUTINES = tuple(_PARTS)
"""The routines that have loops here."""

PARAMETERS = {
    "potrf": "ptr, ptr, ptr, i64, i64, i64",
    "getrf": "ptr, ptr, ptr, ptr, {kind}, i64, i64, i64",
    "trsm": f"ptr, ptr, ptr, ptr, {', '.join(['i64'] * 10)}",
    "syevd": lane_eigen.PARAMETERS,
}


def name(routine: str, dtype: DType) -> str:
    """The function's symbol."""
    return f"wg.small.{routine}.{dtype.char}"


def substitution(n: int, lower: bool, transpose: bool) -> tuple[int, int, int, int, int]:
    """What `trsm` is told of the order: where it begins, and its strides, in A and in X."""
    down, along = (1, n) if transpose else (n, 1)
    return (0, down, along, 0, 1) if lower != transpose else (n * n - 1, -down, -along, n - 1, -1)


def lanes(dtype: DType) -> int:
    """How many numbers a vector is."""
    return VECTOR_BYTES // dtype.itemsize


def texts(symbol: str, dtype: DType) -> Sequence[str]:
    """The module with a function."""
    kind = F64 if dtype.itemsize == 8 else F32
    parts = _PARTS[symbol.split(".")[2]]
    plain = module(parts, kind.scalar, symbol, kind.lanes, small_copies.GIVEN)
    return ["\n".join([kind.declarations(), *small_copies.texts(kind), plain])]
