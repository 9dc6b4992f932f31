"""The op lapack: one routine of LAPACK or BLAS, its results as one row of numbers.

Factorisations are made of it before lowering; it has no derivative. Matrices are row-major in
memory, LAPACK's are column-major, so some routines are given transposes. Results, in order:

- potrf(a): a matrix with L in its lower triangle, the status (0 if a is positive definite).
- getrf(a'): U and the unit L of a[p] = L U, transposed; p; the inverse of p; p's sign; the status.
- syevd(a), a symmetric: the eigenvectors as rows, the eigenvalues in ascending order, the status.
- geqrf(a'): R above Householder vectors, transposed; Q, transposed; the status.
- gesdd(a'): U' of a = U S V', V, the singular values in descending order, the status.
- trsm_xyz(a, b): X of a X = b, where x tells the triangle of a (L, U), y whether a is transposed
  (T, N), z whether its diagonal is taken as 1 (U, N).

E. Anderson et al., LAPACK Users' Guide, 3rd edition, SIAM 1999.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.forms import Library
from wengert.ir.op import Op, Sample, register
from wengert.ir.ops.matrices import COST, batch_all, check_matrix, draws, each_matrix
from wengert.ir.types import TensorType

Array = Any
SQUARE = ("potrf", "getrf", "syevd")


def _count(routine: str, *types: TensorType) -> int:
    rows, columns = types[0].shape[-2:]
    least = min(rows, columns)
    match routine:
        case "potrf":
            return rows * rows + 1
        case "getrf":
            return rows * rows + 2 * rows + 2
        case "syevd":
            return rows * rows + rows + 1
        case "geqrf":
            return rows * columns + columns * least + 1
        case "gesdd":
            return least * columns + rows * least + least + 1
        case _:
            return rows * types[1].shape[-1]


def _infer(*types: TensorType, routine: str) -> tuple[TensorType]:
    for t in types:
        check_matrix(routine, t)
    if types[0].shape[-1] != types[0].shape[-2] and (routine in SQUARE or len(types) == 2):
        raise ShapeError(f"{routine} takes square matrices, got {types[0]}")
    batch = types[0].shape[:-2]
    if len(types) == 2 and types[1].shape[:-1] != types[0].shape[:-1]:
        raise ShapeError(f"{routine}: {types[1]} does not fit {types[0]}")
    return (types[0].with_shape((*batch, _count(routine, *types))),)


def _evaluate(*stacks: Array, routine: str) -> Array:
    name, _, flags = routine.partition("_")
    if name == "trsm":
        return each_matrix(lambda a, b: _solved(a, b, flags), *stacks)
    return each_matrix(_BY_NAME[name], *stacks)


def _lapack(name: str, a: Array) -> Any:
    """SciPy's function of the routine in the precision of `a`."""
    module: Any = importlib.import_module("scipy.linalg.lapack")
    return getattr(module, ("d" if a.dtype == np.float64 else "s") + name)


def _row(*parts: Any) -> Array:
    return np.concatenate([np.ravel(p) for p in parts])


def _potrf(a: Array) -> Array:
    try:
        return _row(np.linalg.cholesky(a) + np.triu(a, 1), 0)
    except np.linalg.LinAlgError:
        return _row(a, 1)


def _getrf(transposed: Array) -> Array:
    a, n = transposed.T, len(transposed)
    found, pivots, status = _lapack("getrf", a)(a) if n else (a, np.zeros(0, int), 0)
    order = np.arange(n)
    for k, other in enumerate(pivots):
        order[[k, other]] = order[[other, k]]
    sign = (-1.0) ** np.sum(pivots != np.arange(n))
    return _row(found.T, order, np.argsort(order), sign, status)


# NumPy's own functions call the very library that compiled code does: signs are the same.


def _syevd(a: Array) -> Array:
    values, vectors = np.linalg.eigh(a)
    return _row(vectors.T, values, 0)


def _geqrf(transposed: Array) -> Array:
    a = transposed.T
    raw, _ = np.linalg.qr(a, mode="raw")
    return _row(raw, np.linalg.qr(a).Q.T, 0)


def _gesdd(transposed: Array) -> Array:
    u, s, vt = np.linalg.svd(transposed.T, full_matrices=False)
    return _row(u.T, vt.T, s, 0)


def _solved(a: Array, b: Array, flags: str) -> Array:
    uplo, trans, diag = flags
    blas: Any = importlib.import_module("scipy.linalg.blas")
    solve = blas.dtrsm if a.dtype == np.float64 else blas.strsm
    if not b.size:
        return np.zeros(b.size)
    return np.ravel(solve(1.0, a, b, lower=uplo == "L", trans_a=trans == "T", diag=diag == "U"))


_BY_NAME = {
    "potrf": _potrf,
    "getrf": _getrf,
    "syevd": _syevd,
    "geqrf": _geqrf,
    "gesdd": _gesdd,
}


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for n, shape in ((3, (3, 3)), (4, (2, 4, 4)), (12, (12, 12))):
        a = draws(n).standard_normal(shape)
        square = a @ np.swapaxes(a, -1, -2) + np.eye(n)
        for routine in ("potrf", "syevd"):
            found.append(
                Sample((square,), {"routine": routine}, differentiable=False, tolerance=1000.0)
            )
        found.append(Sample((a,), {"routine": "getrf"}, differentiable=False, tolerance=1000.0))
        found.append(
            Sample((a, a[..., :2]), {"routine": "trsm_LTN"}, differentiable=False, tolerance=1000.0)
        )
    wide = draws(1).standard_normal((2, 3, 5))
    found.append(Sample((wide,), {"routine": "geqrf"}, differentiable=False, tolerance=1000.0))
    found.append(Sample((wide,), {"routine": "gesdd"}, differentiable=False, tolerance=1000.0))
    found.append(
        Sample(
            (square.astype(np.float32),),
            {"routine": "potrf"},
            differentiable=False,
            tolerance=1000.0,
        )
    )
    return found


register(
    Op(
        name="lapack",
        family="linear algebra",
        params=("routine",),
        infer=_infer,
        evaluate=_evaluate,
        jvp=lambda primals, tangents, outs, **params: [None],
        batch=batch_all("lapack"),
        form=lambda types, *, routine: Library(routine),
        samples=_samples,
        cost=COST,
        doc="What a routine of LAPACK gives for each matrix, in one row; without derivatives.",
    )
)
