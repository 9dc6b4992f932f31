"""Linear matrix equations and a few decompositions of SciPy that others lead to.

A X + X B = Q is a linear system for the elements of X, whose matrix is I x A + B' x I: for small
matrices, as its work grows with n^6. A. J. Laub, "Matrix Analysis for Scientists and Engineers",
SIAM 2005, section 13.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.linalg import exponential
from wengert.numpy import asarray


def _kron(a: Any, b: Any) -> Any:
    return np.kron(asarray(a), asarray(b))


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """X of a X + X b = q."""
    a, b, q = (asarray(x) for x in (a, b, q))
    m, n = q.shape
    rows = _kron(a, np.eye(n)) + _kron(np.eye(m), b.T)
    return np.linalg.solve(rows, q.reshape(m * n)).reshape(m, n)


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """X of a X + X a^H = q."""
    return solve_sylvester(a, np.conj(asarray(a)).T, q)


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """X of a X a^H - X + q = 0."""
    a, q = asarray(a), asarray(q)
    n = a.shape[0]
    rows = np.eye(n * n) - _kron(a, np.conj(a))
    return np.linalg.solve(rows, q.reshape(n * n)).reshape(n, n)


def eigh_tridiagonal(
    d: Any,
    e: Any,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Any:
    """Eigenvalues and vectors of a symmetric tridiagonal matrix, as those of the whole matrix."""
    if select != "a":
        raise ArgumentError("eigh_tridiagonal of traced values gives all eigenvalues: select='a'")
    d, e = asarray(d), asarray(e)
    whole = np.diag(d) + np.diag(e, -1) + np.diag(e, 1)
    return np.linalg.eigvalsh(whole) if eigvals_only else np.linalg.eigh(whole)


def eigvalsh_tridiagonal(d: Any, e: Any, select: str = "a", **options: Any) -> Any:
    """The eigenvalues that `eigh_tridiagonal` gives."""
    return eigh_tridiagonal(d, e, eigvals_only=True, select=select)


def pinvh(
    a: Any,
    atol: float | None = None,
    rtol: float | None = None,
    lower: bool = True,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """The pseudoinverse of a symmetric matrix, of which one triangle is read."""
    if return_rank or atol is not None:
        raise ArgumentError("pinvh of traced values takes neither atol nor return_rank")
    half = np.tril(asarray(a)) if lower else np.triu(asarray(a))
    strict = np.tril(half, -1) if lower else np.triu(half, 1)
    whole = half + np.conj(np.swapaxes(strict, -1, -2))
    return np.linalg.pinv(whole) if rtol is None else np.linalg.pinv(whole, rtol)


def expm_frechet(
    A: Any,
    E: Any,
    method: str | None = None,
    compute_expm: bool = True,
    check_finite: bool = True,
) -> Any:
    """exp(A) and its derivative along E: both are in the exponential of [[A, E], [0, A]]."""
    a, along = asarray(A), asarray(E)
    n = a.shape[-1]
    whole = exponential.expm(np.block([[a, along], [np.zeros_like(a), a]]))
    slope = whole[:n, n:]
    return (whole[:n, :n], slope) if compute_expm else slope


TRACED_HERE: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        eigh_tridiagonal,
        eigvalsh_tridiagonal,
        expm_frechet,
        pinvh,
        solve_continuous_lyapunov,
        solve_discrete_lyapunov,
        solve_sylvester,
    )
}
"""By the name of SciPy's function."""
