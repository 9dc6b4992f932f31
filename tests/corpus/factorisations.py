"""Factorisations and direct solvers as textbooks print them."""

import numpy as np

from corpus.case import Case, definite, dominant, square


def cholesky_by_elements(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                L[i, j] = np.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    return L


def lu_by_elements(A):
    n = A.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            A[i, k] = A[i, k] / A[k, k]
            for j in range(k + 1, n):
                A[i, j] -= A[i, k] * A[k, j]


def lu_with_pivots(A):
    n = A.shape[0]
    order = np.arange(n)
    for k in range(n - 1):
        pivot = k
        for i in range(k + 1, n):
            if abs(A[i, k]) > abs(A[pivot, k]):
                pivot = i
        for j in range(n):
            A[k, j], A[pivot, j] = A[pivot, j], A[k, j]
        order[k], order[pivot] = order[pivot], order[k]
        for i in range(k + 1, n):
            A[i, k] /= A[k, k]
            A[i, k + 1 :] -= A[i, k] * A[k, k + 1 :]
    return order


def solve_with_swapped_rows(A, b):
    n = len(b)
    for k in range(n):
        p = k + np.argmax(np.abs(A[k:, k]))
        A[[k, p]] = A[[p, k]]
        b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            m = A[i, k] / A[k, k]
            A[i] -= m * A[k]
            b[i] -= m * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - A[i] @ x) / A[i, i]
    return x


def substitution_by_elements(L, b):
    x = b.copy()
    for i in range(len(b)):
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] /= L[i, i]
    for i in reversed(range(len(b))):
        for j in range(i + 1, len(b)):
            x[i] -= L[j, i] * x[j]
        x[i] /= L[i, i]
    return x


def thomas(a, b, c, d):
    n = len(d)
    cp = np.zeros(n)
    dp = np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x = np.zeros(n)
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return x


def tridiagonal(rng, n):
    return rng.normal(size=n), rng.uniform(4, 5, n), rng.normal(size=n), rng.normal(size=n)


def symmetric(rng, n):
    return (definite(rng, n),)


CASES = [
    Case(cholesky_by_elements, symmetric, 6, (0,), captured=True, differences=True),
    Case(lu_by_elements, lambda r, n: (dominant(r, n),), 6, (0,), captured=True),
    Case(lu_with_pivots, square, 6, (0,), captured=True, slow=True),
    Case(
        solve_with_swapped_rows,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)),
        5,
        (0, 1),
        slow=True,
        differences=True,
    ),
    Case(
        substitution_by_elements,
        lambda r, n: (np.tril(dominant(r, n)), r.normal(size=n)),
        6,
        (0, 1),
        captured=True,
    ),
    Case(thomas, tridiagonal, 8, (0, 1, 2, 3), captured=True, differences=True),
]
