"""The op lapack: one routine of LAPACK or BLAS, its results as one row of numbers.

Factorisations are made of it before lowering; it has no derivative. Matrices are row-major in
memory, LAPACK's are column-major, so some routines are given transposes. Results, in order:

- potrf(a): a matrix with L in its lower triangle, the status (0 if a is positive definite).
- getrf(a'): U and the unit L of a[p] = L U, transposed; p; the inverse of p; p's sign; the status.
- syevd(a'), a symmetric or Hermitian: the eigenvectors as rows, the eigenvalues in ascending
  order, the status.
- geev(a'): the eigenvectors as rows; the eigenvalues, of real a first their real parts and then
  the imaginary ones; the status. Of two eigenvectors of real a that are conjugates of each other,
  the first row has the real and the second the imaginary part.
- gees(a'): T and Z of a = Z T Z', both transposed; the status.
- geqrf(a'): R above Householder vectors, transposed; Q, transposed; the status.
- gesdd(a'): U' of a = U S V', V, the singular values in descending order, the status.
- syevd_N(a') and gesdd_N(a'): the values alone, the status.
- trsm_xyz(a, b): X of a X = b, where x tells the triangle of a (L, U), y whether a is transposed
  (T, N), z whether its diagonal is taken as 1 (U, N).

With a z in front (zpotrf) they are for complex matrices, whose rows are twice as many floats: a
real part, its imaginary part, and so on. Their results are the same numbers, with pairs of floats
for those that are complex; primes are transposes without conjugates.

E. Anderson et al., LAPACK Users' Guide, 3rd edition, SIAM 1999.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.forms import Library
from wengert.ir.op import Op, Sample, register
from wengert.ir.ops.matrices import COST, batch_all, check_matrix, draws, each_matrix
from wengert.ir.types import TensorType, complex_dtype, real_dtype

Array = Any
SQUARE = ("potrf", "getrf", "syevd", "geev", "gees")
VALUED = ("syevd", "gesdd")
"""Routines that can leave out the vectors."""


def _taken_apart(routine: str) -> tuple[str, str, int]:
    """A routine's name for real matrices, its flags, and how many floats a number is."""
    name, _, flags = routine.partition("_")
    return name.removeprefix("z"), flags, 2 if name.startswith("z") else 1


def values_from(routine: str, matrix: TensorType) -> int | None:
    """How many numbers stand before the values in a row of results, if it begins with vectors that
    the routine can leave out, for the operand `matrix`."""
    name, flags, pair = _taken_apart(routine)
    if flags or name not in VALUED:
        return None
    rows, columns = matrix.shape[-2], matrix.shape[-1] // pair
    return _count(name, "", pair, rows, columns, 0) - _count(name, "N", pair, rows, columns, 0)


def _count(name: str, flags: str, pair: int, rows: int, columns: int, right: int) -> int:
    """How many floats a row of results has; `right` is the number of right-hand sides."""
    least = min(rows, columns)
    if name in VALUED and flags == "N":
        return least + 1
    match name:
        case "potrf":
            return pair * rows * rows + 1
        case "getrf":
            return pair * rows * rows + 2 * rows + 2
        case "syevd":
            return pair * rows * rows + rows + 1
        case "geev":
            return pair * rows * rows + 2 * rows + 1
        case "gees":
            return 2 * pair * rows * rows + 1
        case "geqrf":
            return pair * (rows * columns + columns * least) + 1
        case "gesdd":
            return pair * (least * columns + rows * least) + least + 1
        case _:
            return pair * rows * right


def _infer(*types: TensorType, routine: str) -> tuple[TensorType]:
    name, flags, pair = _taken_apart(routine)
    for t in types:
        check_matrix(routine, t)
        if t.is_complex or t.shape[-1] % pair:
            raise DTypeError(f"{routine} takes matrices as rows of floats, got {t}")
    rows, columns = types[0].shape[-2], types[0].shape[-1] // pair
    if rows != columns and (name in SQUARE or len(types) == 2):
        raise ShapeError(f"{routine} takes square matrices, got {types[0]}")
    if len(types) == 2 and types[1].shape[:-1] != types[0].shape[:-1]:
        raise ShapeError(f"{routine}: {types[1]} does not fit {types[0]}")
    count = _count(name, flags, pair, rows, columns, types[-1].shape[-1] // pair)
    return (types[0].with_shape((*types[0].shape[:-2], count)),)


def _evaluate(*stacks: Array, routine: str) -> Array:
    name, flags, pair = _taken_apart(routine)
    function = functools.partial(_trsm, flags) if name == "trsm" else _BY_NAME[name + flags]
    if pair == 1:
        return each_matrix(function, *stacks)
    paired = complex_dtype(stacks[0].dtype)
    given = [np.ascontiguousarray(x).view(paired) for x in stacks]
    return each_matrix(function, *given, real=True)


def _lapack(name: str, a: Array, module: str = "lapack") -> Any:
    """SciPy's function of the routine in the precision of `a`."""
    found: Any = importlib.import_module(f"scipy.linalg.{module}")
    return getattr(found, {"f": "s", "d": "d", "F": "c", "D": "z"}[a.dtype.char] + name)


def _row(*parts: Any) -> Array:
    """All numbers in a row, complex ones as two."""
    flat: list[Array] = [np.ravel(p) for p in parts]
    return np.concatenate([p.view(real_dtype(p.dtype)) for p in flat])


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


def _syevd(transposed: Array) -> Array:
    values, vectors = np.linalg.eigh(transposed.T)
    return _row(vectors.T, values, 0)


def _syevd_values(transposed: Array) -> Array:
    return _row(np.linalg.eigvalsh(transposed.T), 0)


def _gesdd_values(transposed: Array) -> Array:
    return _row(np.linalg.svd(transposed.T, compute_uv=False), 0)


def _geev(transposed: Array) -> Array:
    found: Any = np.linalg.eig(transposed.T)
    values, vectors = found
    if transposed.dtype.kind == "c":
        return _row(vectors.T, values, 0)
    packed = vectors.T.real.copy()
    second = np.flatnonzero(values.imag < 0)
    packed[second] = vectors.T[second - 1].imag
    return _row(packed, values.real, values.imag, 0)


def schur_form(a: Array) -> tuple[Array, Array, int]:
    """T, Z and the status for a matrix that has elements; NaN where LAPACK found none."""
    t, _, *_, z, _, status = _lapack("gees", a)(lambda *_: None, a)
    return (t, z, status) if status == 0 else (np.full_like(a, np.nan), np.full_like(a, np.nan), 1)


def _gees(transposed: Array) -> Array:
    t, z, status = schur_form(transposed.T)
    return _row(t.T, z.T, status)


def _geqrf(transposed: Array) -> Array:
    a = transposed.T
    raw, _ = np.linalg.qr(a, mode="raw")
    return _row(raw, np.linalg.qr(a).Q.T, 0)


def _gesdd(transposed: Array) -> Array:
    u, s, vt = np.linalg.svd(transposed.T, full_matrices=False)
    return _row(u.T, vt.T, s, 0)


def _trsm(flags: str, a: Array, b: Array) -> Array:
    uplo, trans, diag = flags
    solve = _lapack("trsm", a, "blas")
    if not b.size:
        return _row(np.zeros(b.size, b.dtype))
    return _row(solve(1.0, a, b, lower=uplo == "L", trans_a=trans == "T", diag=diag == "U"))


_BY_NAME: dict[str, Callable[[Array], Array]] = {
    "potrf": _potrf,
    "getrf": _getrf,
    "syevd": _syevd,
    "syevdN": _syevd_values,
    "geev": _geev,
    "gees": _gees,
    "geqrf": _geqrf,
    "gesdd": _gesdd,
    "gesddN": _gesdd_values,
}


def _samples() -> list[Sample]:
    found: list[Sample] = []

    def add(routine: str, *args: Array) -> None:
        """A sample of real or, with their rows as pairs, of complex matrices."""
        if args[0].dtype.kind == "c":
            routine, args = "z" + routine, tuple([a.view(a.real.dtype) for a in args])
        found.append(Sample(args, {"routine": routine}, differentiable=False, tolerance=1000.0))

    for dtype in (float, complex):
        for n, shape in ((3, (3, 3)), (4, (2, 4, 4)), (12, (12, 12))):
            a = draws(n).standard_normal(shape).astype(dtype)
            a += 1j * draws(n + 1).standard_normal(shape) if dtype is complex else 0
            square = a @ np.swapaxes(a, -1, -2).conj() + np.eye(n)
            for routine in ("potrf", "syevd", "syevd_N"):
                add(routine, square)
            for routine in ("getrf", "geev", "gees"):
                add(routine, a)
            add("trsm_LTN", a, a[..., :2].copy())
        wide = draws(1).standard_normal((2, 3, 5)).astype(dtype)
        for routine in ("geqrf", "gesdd", "gesdd_N"):
            add(routine, wide)
        add("potrf", square.astype(np.complex64 if dtype is complex else np.float32))
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
