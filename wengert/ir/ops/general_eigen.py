"""The op eig: A = V diag(w) V⁻¹ for square A; w and V are complex, whatever A is.

With M = V⁻¹ Ȧ V:  ẇ = diag(M),  V̇ = V (F ∘ M) + V diag(c), F[i, j] = 1 / (w[j] - w[i]) off the
diagonal. Any c keeps A V = V diag(w); LAPACK's vectors have length 1 and their largest element (the
first of them) real, which fixes it: with u = V (F ∘ M), for each vector v with largest element v[k]

    Re c = -Re(v' u),   Im c = -Im(u[k]) / v[k].

So these are the derivatives of what is computed, and not only of what no c changes. Where
eigenvalues are equal their vectors have no derivative (`settled`), and where A has no basis of
eigenvectors not even the eigenvalues do: they move as roots of the perturbation.
M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", Oxford 2008, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import DegenerateSpectrumError
from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.matrices import (
    along_columns,
    along_rows,
    check_matrix,
    complex_draws,
    draws,
    empty,
    library,
    matmul,
    numbers,
    on_diagonal,
    on_matrices,
    part,
    size,
    spread_over,
    transposed,
    width,
)
from wengert.ir.ops.settled import spectral_tangents
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import TensorType, complex_dtype, real_dtype

DEFECTIVE = (
    "the matrix has no basis of eigenvectors (up to rounding errors), so its eigenvalues and "
    "eigenvectors have no derivative, and one is needed here; write the function without them, "
    "with np.trace, np.linalg.det, np.linalg.matrix_power or wengert.linalg.expm for example"
)


def _infer(a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix("eig", a, square=True)
    paired = a.with_dtype(complex_dtype(real_dtype(a.dtype)))
    return (paired.with_shape(a.shape[:-1]), paired)


def _evaluate(a: Any) -> tuple[Any, Any]:
    dtype = complex_dtype(real_dtype(a.dtype))
    try:
        found: Any = np.linalg.eig(a)
    except np.linalg.LinAlgError:
        return np.full(a.shape[:-1], np.nan, dtype), np.full(a.shape, np.nan, dtype)
    return found[0].astype(dtype), found[1].astype(dtype)


def _jvp(primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]) -> list[Value]:
    values, vectors = outs
    inner = matmul(matmul(_inverse(vectors), tangents[0].to(vectors.dtype)), vectors)
    slopes, turning = spectral_tangents(inner, values)
    return [slopes, _kept_normal(vectors, matmul(vectors, turning))]


def _inverse(vectors: Value) -> Value:
    """V⁻¹; the call fails if V is singular up to rounding errors, its columns being of length 1."""
    n = vectors.shape[-1]
    one = on_diagonal(vectors).to(vectors.dtype)
    found = vectors.linear_solve(one, transpose=False)
    largest = size(found).reduce_max(axes=(found.ndim - 2, found.ndim - 1)) if n else None
    if largest is not None:
        limit = 1 / (8 * n * float(np.finfo(vectors.dtype).eps))
        regular = largest.le(largest.full_like(limit))
        regular.require(message=DEFECTIVE, error=DegenerateSpectrumError.__name__)
    return found


def _kept_normal(v: Value, u: Value) -> Value:
    """u + v c with the c of the module's text, for each column of v and u."""
    if not v.type.size:
        return u
    rows = v.ndim - 2
    real = v.imag().eq(v.imag().full_like(0))
    place = real.select(size(v), size(v).full_like(-1)).argmax(axis=rows)
    chosen = iota(v.builder, v.shape, rows).eq(along_rows(place, v))

    def at_chosen(x: Value) -> Value:
        return chosen.select(x, x.full_like(0)).reduce_sum(axes=(rows,))

    along = (v.real() * u.real() + v.imag() * u.imag()).reduce_sum(axes=(rows,))
    turned = at_chosen(u.imag()) / at_chosen(v.real())
    return u - v * along_rows(along.complex(turned), v)


def _expand(values: Sequence[Value]) -> list[Value]:
    (a,) = values
    n = a.shape[-1]
    if not a.type.size:
        return empty(a, _infer)
    found, end = library("geev", transposed(a)), width(a.type) * n * n
    rows, parts = numbers(found, 0, (n, n), a.dtype), part(found, end, (2, n))
    status = part(found, end + 2 * n, ())
    if a.type.is_complex:
        spectrum = numbers(found, end, (n,), a.dtype)
    else:
        re, im = (_row(parts, k) for k in (0, 1))
        spectrum, rows = re.complex(im), _unpacked(rows, along_columns(im, rows))
    failed = status.ne(status.full_like(0))
    results = [spectrum, transposed(rows)]
    return [
        spread_over(failed, x.shape).select(x.full_like(complex(np.nan, np.nan)), x)
        for x in results
    ]


def _row(x: Value, k: int) -> Value:
    """Row k of each matrix."""
    return _rows(x, k, k + 1).reshape(shape=(*x.shape[:-2], x.shape[-1]))


def _rows(x: Value, first: int, last: int) -> Value:
    batch = (0,) * (x.ndim - 2)
    stop = (*x.shape[:-2], last, x.shape[-1])
    return x.slice(start=(*batch, first, 0), stop=stop, step=(1,) * x.ndim)


def _unpacked(rows: Value, im: Value) -> Value:
    """The eigenvectors of a real matrix, as rows, from LAPACK's real and imaginary parts.

    `im` has the imaginary parts of eigenvalues, all along their vectors' rows. Of a pair, which are
    neighbours, the first has the positive one.
    """
    n, axis, zero = rows.shape[-2], rows.ndim - 2, im.full_like(0)
    none = _rows(zero, 0, 1)
    before = none.concat(_rows(rows, 0, n - 1), axis=axis) if n > 1 else none
    after = _rows(rows, 1, n).concat(none, axis=axis) if n > 1 else none
    first, second = im.gt(zero), im.lt(zero)
    return second.select(before, rows).complex(first.select(after, second.select(-rows, zero)))


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, batch in ((1, ()), (3, ()), (4, (2,))):
        a = draws(n + 30).standard_normal((*batch, n, n))
        b = complex_draws(n + 31, (*batch, n, n))
        found += [Sample((a,), {}, True, 1e4), Sample((b,), {}, True, 1e4)]
    return found  # in float64 alone: rounding decides the vectors' signs


on_matrices(
    "eig",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    expand=_expand,
    samples=_samples,
    doc="Complex eigenvalues, and eigenvectors of length 1 as columns, of each square matrix.",
)
