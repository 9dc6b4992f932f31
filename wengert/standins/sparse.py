"""Sparse matrices of SciPy in products and systems with traced arrays: `scipy.sparse`.

A matrix that is known is a constant of the program. One with traced elements (a known one times a
traced number, `csr_array((data, (rows, columns)))`) has a pattern that is known. Products add up
what each element gives; systems with a known matrix use its factors, which are found once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.implicit import custom_linear_solve
from wengert.capture.convert import convert
from wengert.errors import ArgumentError, MissingRuleError, ShapeError
from wengert.numpy import asarray, zeros
from wengert.plain.sparse import substituted
from wengert.standins.functions import is_known, refused
from wengert.standins.tables import METHODS, in_floats, stands_in
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import holds_tracers


class Sparse:
    """A matrix by its elements in the places (rows, columns); those in one place are added up.

    `as_matrix` says that `*` is the matrix product, as of SciPy's `csr_matrix` and unlike its
    `csr_array`.
    """

    __array_ufunc__ = None
    __array_priority__ = 20.0

    def __init__(
        self, rows: Any, columns: Any, data: Any, shape: tuple[int, int], as_matrix: bool = False
    ) -> None:
        self.rows, self.columns, self.data, self.shape = rows, columns, data, shape
        self.ndim, self.dtype, self.as_matrix = 2, data.dtype, as_matrix

    def _with(self, data: Any) -> Sparse:
        return Sparse(self.rows, self.columns, data, self.shape, self.as_matrix)

    @property
    def T(self) -> Sparse:  # noqa: N802
        turned = self.shape[1], self.shape[0]
        return Sparse(self.columns, self.rows, self.data, turned, self.as_matrix)

    def transpose(self) -> Sparse:
        """The matrix with rows for columns."""
        return self.T

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Sparse) or _is_sparse(other):
            raise MissingRuleError(
                "products of two sparse matrices with traced elements are not available; make one "
                "of them dense by .toarray()"
            )
        return product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return product(self.T, asarray(other).T).T

    def dot(self, other: Any) -> Any:
        """The product with an array, or a number."""
        return self @ other if np.ndim(other) else self.multiply(other)

    def __mul__(self, other: Any) -> Any:
        return self @ other if self.as_matrix and np.ndim(other) else self.multiply(other)

    def __rmul__(self, other: Any) -> Any:
        if self.as_matrix and np.ndim(other):
            return self.__rmatmul__(other)
        return self.multiply(other)

    def multiply(self, other: Any) -> Sparse:
        """The product of elements with those of an array, or with a number."""
        if isinstance(other, Sparse) or _is_sparse(other):
            raise MissingRuleError(
                "products of the elements of two sparse matrices, one of them traced, are not "
                "available; make one of them dense by .toarray()"
            )
        other = asarray(other)
        if other.ndim > 2:
            raise ShapeError(f"a sparse matrix is multiplied by numbers or rows, not {other.shape}")
        if other.ndim:
            wide = np.broadcast_to(other, np.broadcast_shapes(other.shape, self.shape))
            other = wide[self.rows, self.columns]
        return self._with(self.data * other)

    def __truediv__(self, other: Any) -> Sparse:
        return self.multiply(1.0 / in_floats(other))

    def __neg__(self) -> Sparse:
        return self._with(-self.data)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Sparse) and not _is_sparse(other):
            if not np.ndim(other) and not holds_tracers([other]) and not other:
                return self
            return self.toarray() + other
        second = of(other)
        if second.shape != self.shape:
            raise ShapeError(f"inconsistent shapes: {self.shape} and {second.shape}")
        rows = np.concatenate([self.rows, second.rows])
        columns = np.concatenate([self.columns, second.columns])
        data = np.concatenate([self.data, second.data])
        return Sparse(rows, columns, data, self.shape, self.as_matrix)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + (-of(other) if _is_sparse(other) else -other)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def toarray(self) -> Any:
        """The dense array."""
        found = zeros(self.shape, self.data.dtype)
        np.add.at(found, (self.rows, self.columns), asarray(self.data))
        return found

    todense = toarray

    def tocsr(self) -> Sparse:
        """The matrix itself, which has no format."""
        return self

    tocsc = tocoo = asformat = copy = tocsr

    def sum(self, axis: Any = None) -> Any:
        """The sum of all elements, or along an axis, which a matrix keeps."""
        if axis is None:
            return np.sum(self.data)
        return np.sum(self.toarray(), axis, keepdims=self.as_matrix)

    def diagonal(self, k: int = 0) -> Any:
        """The elements on a diagonal."""
        return np.diagonal(self.toarray(), k)


def _is_sparse(x: Any) -> bool:
    return type(x).__module__.startswith("scipy.sparse") and hasattr(x, "tocoo")


def of(matrix: Any) -> Sparse:
    """SciPy's matrix as one of these."""
    if isinstance(matrix, Sparse):
        return matrix
    if matrix.ndim != 2:
        raise ShapeError(f"sparse arrays beside traced ones are matrices, not {matrix.shape}")
    csr = matrix.tocsr().tocoo()
    places = csr.row.astype(np.int64), csr.col.astype(np.int64)
    return Sparse(*places, csr.data, matrix.shape, type(matrix).__name__.endswith("_matrix"))


def product(matrix: Sparse, x: Any) -> Any:
    """The product with a vector or the columns of a matrix."""
    x = asarray(x)
    if x.ndim not in (1, 2):
        raise ShapeError(f"a sparse matrix takes vectors and matrices, got the shape {x.shape}")
    if x.shape[0] != matrix.shape[1]:
        raise ShapeError(
            f"matmul: dimension mismatch with signature (n,k={matrix.shape[1]}),"
            f"(k={x.shape[0]},m)->(n,m)"
        )
    data = asarray(matrix.data)
    terms = (data if x.ndim == 1 else data[:, None]) * x[matrix.columns]
    found = zeros((matrix.shape[0], *x.shape[1:]), terms.dtype)
    np.add.at(found, matrix.rows, terms)
    return found


def _of_matrix(matrix: Any, name: str) -> Callable[..., Any] | None:
    """What stands in for a method of SciPy's matrix beside a traced array."""
    return getattr(of(matrix), name, None) if matrix.ndim == 2 else None


METHODS["scipy.sparse", "_spbase"] = _of_matrix


# Making matrices of traced elements.

FORMATS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")


def _making(form: str, as_matrix: bool) -> Callable[..., Any]:
    def matrix(arg1: Any, shape: Any = None, dtype: Any = None, **_: Any) -> Any:
        found = arg1 if isinstance(arg1, Sparse) else placed(arg1, shape)
        data = found.data if dtype is None else asarray(found.data).astype(dtype)
        return Sparse(found.rows, found.columns, data, found.shape, as_matrix)

    def placed(arg1: Any, shape: Any) -> Sparse:
        if not isinstance(arg1, tuple):
            return _of_dense(asarray(arg1))
        if len(arg1) == 2 and form != "dia":
            data, (rows, columns) = arg1[0], map(_whole, arg1[1])
        elif len(arg1) == 3 and form in ("csr", "csc"):
            data, inner, starts = arg1[0], *map(_whole, arg1[1:])
            outer = np.repeat(np.arange(starts.size - 1), np.diff(starts))
            rows, columns = (outer, inner) if form == "csr" else (inner, outer)
            if shape is None:
                both = starts.size - 1, int(inner.max(initial=-1)) + 1
                shape = both if form == "csr" else both[::-1]
        else:
            raise ArgumentError(
                "sparse matrices with traced elements are made of (data, (rows, columns)) or, as "
                f"csr and csc, of (data, indices, starts); not as {form} of {len(arg1)} arrays"
            )
        if shape is None:
            shape = tuple(int(k.max(initial=-1)) + 1 for k in (rows, columns))
        return Sparse(rows, columns, in_floats(data), tuple(shape))

    return matrix


for _form in FORMATS:
    stands_in("sparse", f"{_form}_array")(_making(_form, False))
    stands_in("sparse", f"{_form}_matrix")(_making(_form, True))


def _whole(x: Any) -> Any:
    if not is_known(x):
        raise ArgumentError("the rows and columns of a sparse matrix must be known")
    return np.asarray(x, np.int64)


def _of_dense(x: Any) -> Sparse:
    if x.ndim != 2:
        raise ShapeError(f"sparse matrices are made of arrays of two dimensions, not {x.ndim}")
    rows, columns = (k.reshape(-1) for k in np.indices(x.shape))
    return Sparse(rows, columns, x.reshape(-1), x.shape)


@stands_in("sparse")
def diags(diagonals: Any, offsets: Any = 0, shape: Any = None, **_: Any) -> Any:
    """The matrix with these diagonals, whose `*` is the matrix product."""
    found = diags_array(diagonals, offsets=offsets, shape=shape)
    return Sparse(found.rows, found.columns, found.data, found.shape, True)


@stands_in("sparse")
def diags_array(diagonals: Any, *, offsets: Any = 0, shape: Any = None, **_: Any) -> Sparse:
    """The array with these diagonals."""
    if not np.ndim(offsets):
        listed = isinstance(diagonals, list | tuple) and np.ndim(diagonals[0])
        diagonals, offsets = (diagonals if listed else [diagonals]), [offsets]
    if len(diagonals) != len(offsets):
        raise ArgumentError("Different number of diagonals and offsets.")
    parts = [in_floats(d).reshape(-1) for d in diagonals]
    if shape is None:
        n = parts[0].shape[0] + abs(int(offsets[0]))
        shape = (n, n)
    rows, columns, data = [], [], []
    for part, k in zip(parts, map(int, offsets), strict=True):
        below, right = max(-k, 0), max(k, 0)
        count = max(min(shape[0] - below, shape[1] - right), 0)
        if part.shape[0] not in (1, count) and part.shape[0] < count:
            raise ShapeError(f"Diagonal length (offset {k}) does not agree with the size {shape}")
        places = np.arange(count)
        rows.append(places + below)
        columns.append(places + right)
        data.append(np.broadcast_to(part, (count,)) if part.shape[0] == 1 else part[:count])
    both = np.concatenate(rows), np.concatenate(columns)
    return Sparse(*both, np.concatenate(data), tuple(shape))


# Systems.


def _lower(matrix: Any) -> Callable[[Any], Any]:
    """Solves a known lower triangular system."""
    csr = matrix.tocsr()
    csr.sort_indices()
    sparse = importlib.import_module("scipy.sparse")
    strict = sparse.tril(csr, -1).tocsr()
    parts = [asarray(x) for x in (strict.indptr.astype(np.int64), strict.indices.astype(np.int64))]
    values, diagonal = asarray(strict.data), asarray(csr.diagonal())
    return lambda b: convert(substituted)(*parts, values, diagonal, b)


def _upper(matrix: Any) -> Callable[[Any], Any]:
    turned = _lower(matrix.tocsr()[::-1, ::-1])
    return lambda b: turned(b[::-1])[::-1]


def _by_factors(factors: Any, b: Any, transposed: bool) -> Any:
    """The solution by SciPy's factors: of rows and columns in other orders."""
    rows, columns = factors.perm_r, factors.perm_c
    first, second = _lower(factors.L), _upper(factors.U)
    if transposed:
        rows, columns = columns, rows
        first, second = _lower(factors.U.T), _upper(factors.L.T)
    return second(first(b[np.argsort(rows)]))[columns]


def solved(factors: Any, matrix: Sparse, b: Any) -> Any:
    """The solution of a system with a known matrix and its factors."""
    b = in_floats(b)
    if b.shape[0] != matrix.shape[0]:
        raise ShapeError(f"b has {b.shape[0]} rows, and the matrix is {matrix.shape}")
    dtype = np.result_type(b.dtype, matrix.dtype, np.float64)
    return custom_linear_solve(
        lambda x: product(matrix, x),
        b.astype(dtype),
        lambda _, right: _by_factors(factors, right, False),
        lambda _, right: _by_factors(factors, right, True),
    )


@stands_in("sparse", "spsolve")
def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """The solution of a sparse system; one with traced elements is solved as a dense one."""
    if isinstance(A, Sparse | Tracer):
        dense, right = A.toarray() if isinstance(A, Sparse) else A, in_floats(b)
        found = np.linalg.solve(dense, right)
        return found.reshape(-1) if right.ndim == 2 and right.shape[1] == 1 else found
    factors = importlib.import_module("scipy.sparse.linalg").splu(A.tocsc())
    flat = b.ndim == 2 and b.shape[1] == 1
    found = solved(factors, of(A), b)
    return found.reshape(-1) if flat else found


@stands_in("sparse", "spsolve_triangular")
def spsolve_triangular(
    A: Any, b: Any, lower: bool = True, overwrite_A: bool = False, overwrite_b: bool = False,
    unit_diagonal: bool = False,
) -> Any:  # fmt: skip
    """The solution of a sparse triangular system; one with traced elements is solved as dense."""
    refused("spsolve_triangular", unit_diagonal=unit_diagonal)
    if isinstance(A, Sparse):
        return np.linalg.solve((np.tril if lower else np.triu)(A.toarray()), in_floats(b))
    known, right = A.tocsr(), in_floats(b)
    ways = (_lower, _upper) if lower else (_upper, _lower)
    return custom_linear_solve(
        lambda x: product(of(A), x),
        right.astype(np.result_type(right.dtype, known.dtype, np.float64)),
        lambda _, right: ways[0](known)(right),
        lambda _, right: ways[1](known.T)(right),
    )


def _of_factors(factors: Any, name: str) -> Callable[..., Any] | None:
    if name != "solve":
        return None

    def solve(rhs: Any, trans: str = "N") -> Any:
        if trans not in ("N", "T"):
            raise ArgumentError(f"solve of traced values takes trans 'N' or 'T', not {trans!r}")
        rhs = in_floats(rhs)
        return _by_factors(factors, rhs.astype(np.float64), trans == "T")

    return solve


METHODS["builtins", "SuperLU"] = _of_factors


def _iterative(A: Any, b: Any, *args: Any, **options: Any) -> Any:
    """What iterations would come to, and that they have."""
    if not (isinstance(A, Sparse) or _is_sparse(A) or np.ndim(A) == 2):
        raise MissingRuleError("operators that are no matrices: use wg.custom_linear_solve")
    if not isinstance(A, Sparse) and not _is_sparse(A):
        return np.linalg.solve(A, in_floats(b)), 0
    return spsolve(A, in_floats(b)), 0


stands_in("sparse", "cg", "gmres", "bicg", "bicgstab", "minres", "lgmres", "cgs", "gcrotmk", "qmr")(
    _iterative
)
