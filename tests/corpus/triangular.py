"""Linear algebra with slices whose length depends on the index of a loop."""

import numpy as np

from corpus.case import Case, definite, dominant, vector


def suffix_sums(x):
    y = np.zeros(len(x))
    for k in range(len(x)):
        y[k] = np.sum(x[k:])
    return y


def prefix_means(x):
    y = np.empty(len(x))
    for i in range(1, len(x) + 1):
        y[i - 1] = x[:i].mean()
    return y


def growing_prefix(u):
    for i in range(1, len(u)):
        u[i] = 0.3 * np.sum(u[:i]) + np.sin(u[i])
    return u[-1]


def forward_substitution(L, b):
    x = np.zeros(len(b))
    for i in range(len(b)):
        x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]
    return x


def back_substitution(U, b):
    n = len(b)
    x = b.copy()
    for i in range(n - 1, -1, -1):
        x[i] = (x[i] - U[i, i + 1 :] @ x[i + 1 :]) / U[i, i]
    return x


def cholesky_by_rows(A):
    n = len(A)
    L = np.zeros_like(A)
    for i in range(n):
        for j in range(i):
            L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j]
        L[i, i] = np.sqrt(A[i, i] - L[i, :i] @ L[i, :i])
    return L


def cholesky_by_columns(A):
    n = A.shape[0]
    for j in range(n):
        A[j, j] = np.sqrt(A[j, j] - np.dot(A[j, :j], A[j, :j]))
        A[j + 1 :, j] = (A[j + 1 :, j] - A[j + 1 :, :j] @ A[j, :j]) / A[j, j]


def lu_by_outer_products(A):
    n = A.shape[0]
    for k in range(n - 1):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return A


def householder_qr(A):
    R = A.copy()
    m, n = R.shape
    Q = np.eye(m)
    for k in range(n):
        v = R[k:, k].copy()
        v[0] += np.copysign(np.linalg.norm(v), v[0])
        v /= np.sqrt(v @ v)
        R[k:, k:] -= 2.0 * np.outer(v, v @ R[k:, k:])
        Q[:, k:] -= 2.0 * np.outer(Q[:, k:] @ v, v)
    return Q, R


def gauss_elimination(A, b):
    n = len(b)
    for k in range(n):
        for i in range(k + 1, n):
            m = A[i, k] / A[k, k]
            A[i, k:] -= m * A[k, k:]
            b[i] -= m * b[k]
    x = np.empty(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - np.sum(A[i, i + 1 :] * x[i + 1 :])) / A[i, i]
    return x


def lower_system(rng, n):
    return np.tril(dominant(rng, n)), rng.normal(size=n)


def upper_system(rng, n):
    return np.triu(dominant(rng, n)), rng.normal(size=n)


def system(rng, n):
    return dominant(rng, n), rng.normal(size=n)


def symmetric(rng, n):
    return (definite(rng, n),)


CASES = [
    Case(suffix_sums, vector, 7, (0,), captured=True, differences=True),
    Case(prefix_means, vector, 7, (0,), captured=True, differences=True),
    Case(growing_prefix, vector, 7, (0,), captured=True),
    Case(forward_substitution, lower_system, 6, (0, 1), captured=True, differences=True),
    Case(back_substitution, upper_system, 6, (0, 1), captured=True),
    Case(cholesky_by_rows, symmetric, 6, (0,), captured=True),
    Case(cholesky_by_columns, symmetric, 6, (0,), captured=True),
    Case(lu_by_outer_products, lambda r, n: (dominant(r, n),), 6, (0,), captured=True),
    Case(
        householder_qr,
        lambda r, n: (r.normal(size=(n + 1, n)),),
        5,
        (0,),
        captured=True,
        slow=True,
        differences=True,
    ),
    Case(gauss_elimination, system, 6, (0, 1), captured=True, slow=True, differences=True),
]
