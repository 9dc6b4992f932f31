"""Cholesky and LU factors, written with slices whose length depends on the loop."""

from __future__ import annotations

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload


def cholesky(a):
    n = a.shape[0]
    low = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            low[i, j] = (a[i, j] - low[i, :j] @ low[j, :j]) / low[j, j]
        low[i, i] = np.sqrt(a[i, i] - low[i, :i] @ low[i, :i])
    return low


def cholesky_square(a, weights):
    low = cholesky(a)
    return np.sum(weights * low * low)


def lu(a):
    """Both factors in one array, without pivoting; the lower one has ones on its diagonal."""
    f = a.copy()
    n = f.shape[0]
    for i in range(n):
        for j in range(i):
            f[i, j] = (f[i, j] - f[i, :j] @ f[:j, j]) / f[j, j]
        for j in range(i, n):
            f[i, j] -= f[i, :i] @ f[:i, j]
    return f


def lu_square(a, weights):
    f = lu(a)
    return np.sum(weights * f * f)


def cholesky_gradient() -> Function:
    """By hand, after I. Murray, "Differentiation of the Cholesky decomposition", 2016, eq. 10.

    This loop reads the lower triangle of `a` alone, so all of the gradient is there.
    """
    from scipy.linalg import cholesky as factor
    from scipy.linalg import solve_triangular

    def gradient(a, weights):
        low = factor(a, lower=True)
        inner = np.tril(low.T @ (2.0 * weights * low))
        np.fill_diagonal(inner, 0.5 * np.diagonal(inner))
        half = solve_triangular(low, inner + inner.T, lower=True, trans=1)
        whole = solve_triangular(low, half.T, lower=True, trans=1).T  # of a symmetric `a`
        return np.tril(whole) - 0.5 * np.diag(np.diagonal(whole))

    return gradient


def lu_gradient() -> Function:
    """By hand: with L'P and QU' of the gradients P of L and Q of U, triangle by triangle.

    From dA = dL U + L dU: L^-1 dA U^-1 = L^-1 dL + dU U^-1, strictly lower plus upper.
    """
    from scipy.linalg import solve_triangular

    def gradient(a, weights):
        both = lu_by_rows(a)
        low, up = np.tril(both, -1) + np.eye(len(a)), np.triu(both)
        outer = 2.0 * weights * both
        inner = np.tril(low.T @ np.tril(outer, -1), -1) + np.triu(np.triu(outer) @ up.T)
        half = solve_triangular(low, inner, lower=True, trans=1, unit_diagonal=True)
        return solve_triangular(up, half.T).T

    return gradient


def lu_by_rows(a):
    """Elimination of one column after the other, for NumPy."""
    f = a.copy()
    for k in range(len(a) - 1):
        f[k + 1 :, k] /= f[k, k]
        f[k + 1 :, k + 1 :] -= np.outer(f[k + 1 :, k], f[k, k + 1 :])
    return f


def positive_definite(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 7 if tiny else 400
    root = rng.standard_normal((n, n))
    return (root @ root.T / n + np.eye(n),)


def diagonally_dominant(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 7 if tiny else 400
    return (rng.standard_normal((n, n)) + 2.0 * np.sqrt(n) * np.eye(n),)


def with_weights(make):
    """The gradients get a different weight for each element."""

    def make_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
        (a,) = make(rng, tiny)
        return a, rng.uniform(0.5, 1.5, a.shape)

    return make_inputs


WORKLOADS = tuple(
    workload
    for name, plain, square, by_hand, make in (
        ("cholesky", cholesky, cholesky_square, cholesky_gradient, positive_definite),
        ("lu", lu, lu_square, lu_gradient, diagonally_dominant),
    )
    for workload in (
        Workload(
            f"loops/{name}/value",
            {"plain": lambda plain=plain: plain},
            make,
            by_hand={"numba": numba_twin(plain)},
            targets={"numba": 0.9},
            compile_targets={"numba": 2},
        ),
        Workload(
            f"loops/{name}/gradient",
            {"plain": lambda square=square: square},
            with_weights(make),
            mode="grad",
            by_hand={"numpy by hand": by_hand},
            compile_targets={},
            tolerance=10.0,
        ),
    )
)
