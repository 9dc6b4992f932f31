"""Eigenvalues, singular values, QR and norms by the names and arguments of `scipy.linalg`.

They are `numpy.linalg`'s, whose derivatives and errors `docs/linear-algebra.md` describes; only the
generalised symmetric problem is made here. What SciPy checks by values is not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.floats import finfo, kind_of
from wengert.ir.ops.matrices import adjoint
from wengert.ir.types import complex_dtype, real_dtype
from wengert.tracer.functions.factorisations import NOT_FINITE, demand, matrices
from wengert.tracer.functions.operands import materialise, wrapped
from wengert.tracer.functions.scipy_linalg import cholesky, solve_triangular
from wengert.tracer.functions.ufuncs import call


def _without(name: str, **given: Any) -> None:
    """Raises ArgumentError for arguments that have no traced form, unless they are None or off."""
    for argument, value in given.items():
        if value is not None and value is not False:
            raise ArgumentError(
                f"{name}: {argument} is not taken for traced matrices; leave it out"
            )


def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,  # noqa: A002
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    """w and V of a V = V diag(w), or of a V = b V diag(w) with V' b V = 1, for symmetric a.

    Both are of shape (..., n, n), and of both the same triangle is read; b is positive definite,
    or SingularMatrixError is raised when the program runs. Parts of the spectrum, and other `type`
    of problems, raise ArgumentError.
    """
    _without("eigh", subset_by_index=subset_by_index, subset_by_value=subset_by_value)
    if type != 1:
        raise ArgumentError(f"eigh: type is 1 for traced matrices, not {type}")
    uplo = "L" if lower else "U"
    if b is None:
        return np.linalg.eigvalsh(a, uplo) if eigvals_only else np.linalg.eigh(a, uplo)
    root = cholesky(b if lower else _adjoint(b), lower=True)
    # C = L⁻¹ A L⁻ᴴ has the same eigenvalues, and vectors Lᴴ V
    half = solve_triangular(root, _hermitian(a, lower), lower=True)
    whole = solve_triangular(root, _adjoint(half), lower=True)
    if eigvals_only:
        return np.linalg.eigvalsh(whole)
    values, vectors = np.linalg.eigh(whole)
    return values, solve_triangular(root, vectors, trans="C", lower=True)


def _adjoint(x: Any) -> Any:
    return wrapped(adjoint(matrices("eigh", x)))


def _hermitian(a: Any, lower: bool) -> Any:
    """The matrix of which one triangle is given."""
    value: Value = matrices("eigh", a)
    half = np.tril(wrapped(value)) if lower else np.triu(wrapped(value))
    strict = np.tril(half, -1) if lower else np.triu(half, 1)
    return np.where(np.eye(value.shape[-1], dtype=bool), np.real(half), half) + _adjoint(strict)


def eigvalsh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,  # noqa: A002
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    """The eigenvalues that `eigh` gives."""
    subset = {"subset_by_index": subset_by_index, "subset_by_value": subset_by_value}
    return eigh(a, b, lower=lower, eigvals_only=True, type=type, **subset)


def eig(
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    """The complex eigenvalues of any square matrices, and their vectors if `right`."""
    _without("eig", b=b, left=left, homogeneous_eigvals=homogeneous_eigvals)
    found = np.linalg.eig(a) if right else np.linalg.eigvals(a)
    return tuple(found) if right else found


def eigvals(
    a: Any,
    b: Any = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    """The complex eigenvalues of any square matrices."""
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """U, s and V' of a = U diag(s) V', or s; `full_matrices` for square matrices only."""
    found = np.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The singular values, in descending order."""
    return np.linalg.svd(a, compute_uv=False)


def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Q and R of a = Q R, for matrices that are not wide; `mode` "full" for square ones only.

    Raises ArgumentError for `pivoting` and for other modes than "full" and "economic".
    """
    _without("qr", pivoting=pivoting)
    if mode not in ("full", "economic"):
        raise ArgumentError(f"qr: mode is 'full' or 'economic' for traced matrices, not {mode!r}")
    return tuple(np.linalg.qr(a, mode="complete" if mode == "full" else "reduced"))


def norm(
    a: Any,
    ord: Any = None,  # noqa: A002
    axis: Any = None,
    keepdims: bool = False,
    check_finite: bool = True,
) -> Any:
    """The norm of vectors or matrices, as `numpy.linalg.norm`."""
    return np.linalg.norm(a, ord, axis, keepdims)


def pinv(
    a: Any,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """The pseudoinverse; singular values up to `rtol` of the largest count as 0.

    Raises ArgumentError for `atol` and `return_rank`.
    """
    _without("pinv", atol=atol, return_rank=return_rank)
    value = materialise(a)
    rounding = finfo(value.dtype).eps if kind_of(value.dtype) in "fc" else finfo(np.float64).eps
    least = max(value.shape[-2:]) * float(rounding) if rtol is None else rtol
    return np.linalg.pinv(a, least)


def schur(
    a: Any,
    output: str = "real",
    lwork: int | None = None,
    overwrite_a: bool = False,
    sort: Any = None,
    check_finite: bool = True,
) -> tuple[Any, Any]:
    """T and the unitary Z of a = Z T Z' for any square matrices, T upper triangular.

    T of real matrices has 2 by 2 blocks for pairs of complex eigenvalues, unless `output` is
    "complex". Raises ArgumentError for `sort`. Derivatives are described in
    `docs/linear-algebra.md`; where eigenvalues are equal they raise DegenerateSpectrumError.
    """
    _without("schur", sort=sort)
    if output not in ("real", "r", "complex", "c"):
        raise ArgumentError(f"schur: output is 'real' or 'complex', not {output!r}")
    value = matrices("schur", a)
    demand(call(np.isfinite, value), NOT_FINITE)
    if output in ("complex", "c"):
        value = value.to(complex_dtype(real_dtype(value.dtype)))
    triangular, vectors = value.schur()
    demand(vectors.eq(vectors), "Schur form not found. Possibly ill-conditioned.")
    return wrapped(triangular), wrapped(vectors)


SPECTRA: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (eig, eigh, eigvals, eigvalsh, norm, pinv, qr, schur, svd, svdvals)
}
"""By the name of SciPy's function."""
