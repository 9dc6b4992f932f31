"""Iterations on matrices."""

import numpy as np

from corpus.case import Case, definite, dominant


def power_iteration(A, turns):
    v = np.ones(A.shape[0])
    for _ in range(turns):
        w = A @ v
        v = w / np.sqrt(w @ w)
    return v @ A @ v, v


def power_iteration_until_converged(A):
    v = np.ones(A.shape[0])
    value = 0.0
    change = 1.0
    while change > 1e-13:
        w = A @ v
        new = np.sqrt(w @ w)
        v = w / new
        change = abs(new - value)
        value = new
    return value


def gram_schmidt(A):
    Q = np.zeros_like(A)
    for j in range(A.shape[1]):
        v = A[:, j].copy()
        for i in range(j):
            v -= (Q[:, i] @ A[:, j]) * Q[:, i]
        Q[:, j] = v / np.linalg.norm(v)
    return Q


def modified_gram_schmidt(A):
    n = A.shape[1]
    R = np.zeros((n, n))
    for j in range(n):
        R[j, j] = np.sqrt(np.sum(A[:, j] ** 2))
        A[:, j] /= R[j, j]
        for k in range(j + 1, n):
            R[j, k] = A[:, j] @ A[:, k]
            A[:, k] -= R[j, k] * A[:, j]
    return R


def givens_rotations(A):
    m, n = A.shape
    for j in range(n):
        for i in range(m - 1, j, -1):
            r = np.hypot(A[i - 1, j], A[i, j])
            c, s = A[i - 1, j] / r, A[i, j] / r
            upper = c * A[i - 1] + s * A[i]
            A[i] = c * A[i] - s * A[i - 1]
            A[i - 1] = upper
    return A


def jacobi_rotations(A):
    n = A.shape[0]
    for _ in range(3):
        for p in range(n - 1):
            for q in range(p + 1, n):
                theta = 0.5 * np.arctan(2.0 * A[p, q] / (A[p, p] - A[q, q]))
                c, s = np.cos(theta), np.sin(theta)
                row_p, row_q = A[p].copy(), A[q].copy()
                A[p] = c * row_p + s * row_q
                A[q] = c * row_q - s * row_p
                column_p, column_q = A[:, p].copy(), A[:, q].copy()
                A[:, p] = c * column_p + s * column_q
                A[:, q] = c * column_q - s * column_p
    return np.diag(A)


def gauss_jordan_inverse(A):
    n = A.shape[0]
    M = np.concatenate([A, np.eye(n)], axis=1)
    for k in range(n):
        M[k] /= M[k, k]
        for i in range(n):
            if i != k:
                M[i] -= M[i, k] * M[k]
    return M[:, n:]


def gauss_seidel(A, b, turns):
    x = np.zeros(len(b))
    for _ in range(turns):
        for i in range(len(b)):
            s = b[i]
            for j in range(len(b)):
                if j != i:
                    s -= A[i, j] * x[j]
            x[i] = s / A[i, i]
    return x


def jacobi_iteration(A, b):
    d = np.diag(A)
    x = np.zeros_like(b)
    turns = 0
    while np.max(np.abs(A @ x - b)) > 1e-10:
        x = (b - (A @ x - d * x)) / d
        turns += 1
    return x, turns


def conjugate_gradients(A, b):
    x = np.zeros(len(b))
    r = b.copy()
    p = r.copy()
    rr = r @ r
    for _ in range(len(b)):
        Ap = A @ p
        alpha = rr / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        p = r + (new / rr) * p
        rr = new
    return x


def matrix_power_by_squaring(A, n):
    result = np.eye(A.shape[0])
    while n > 0:
        if n & 1:
            result = result @ A
        A = A @ A
        n >>= 1
    return result


def determinant(A):
    A = A.copy()
    n = A.shape[0]
    value = 1.0
    for k in range(n):
        value *= A[k, k]
        for i in range(k + 1, n):
            A[i] -= A[i, k] / A[k, k] * A[k]
    return value


def matrix_exponential(A, terms):
    result = np.eye(A.shape[0])
    term = np.eye(A.shape[0])
    for k in range(1, terms):
        term = term @ A / k
        result += term
    return result


def kronecker(a, b):
    m, n = a.shape
    p, q = b.shape
    out = np.zeros((m * p, n * q))
    for i in range(m):
        for j in range(n):
            out[i * p : (i + 1) * p, j * q : (j + 1) * q] = a[i, j] * b
    return out


def lanczos(A, v):
    n = len(v)
    alpha = np.zeros(3)
    beta = np.zeros(3)
    q = v / np.linalg.norm(v)
    previous = np.zeros(n)
    b = 0.0
    for k in range(3):
        w = A @ q - b * previous
        alpha[k] = q @ w
        w -= alpha[k] * q
        b = np.linalg.norm(w)
        beta[k] = b
        previous, q = q, w / b
    return alpha, beta


def system(rng, n):
    return dominant(rng, n), rng.normal(size=n)


def system_and_turns(rng, n):
    return dominant(rng, 4), rng.normal(size=4), n


def definite_system(rng, n):
    return definite(rng, n), rng.normal(size=n)


def tall(rng, n):
    return (rng.normal(size=(n + 2, n)),)


def symmetric(rng, n):
    return (definite(rng, n),)


CASES = [
    Case(power_iteration, lambda r, n: (definite(r, 3), n), 7, (0,), captured=True),
    Case(power_iteration_until_converged, symmetric, 3, (0,), rtol=1e-5, differences=True),
    Case(gram_schmidt, tall, 5, (0,), captured=True, differences=True),
    Case(modified_gram_schmidt, tall, 5, (0,), captured=True, differences=True),
    Case(givens_rotations, tall, 5, (0,), captured=True, slow=True, differences=True),
    Case(jacobi_rotations, symmetric, 6, (0,), captured=True, slow=True),
    Case(gauss_jordan_inverse, lambda r, n: (dominant(r, n),), 6, (0,), captured=True),
    Case(gauss_seidel, system_and_turns, 6, (0, 1), captured=True, differences=True),
    Case(jacobi_iteration, system, 4, (0, 1), rtol=1e-5),
    Case(
        conjugate_gradients,
        definite_system,
        5,
        (0, 1),
        rtol=1e-5,
        value_rtol=1e-9,
        differences=True,
    ),
    Case(matrix_power_by_squaring, lambda r, n: (r.normal(size=(3, 3)) / 2, np.int64(13)), 3, (0,)),
    Case(determinant, lambda r, n: (dominant(r, n),), 5, (0,), captured=True),
    Case(
        matrix_exponential,
        lambda r, n: (r.normal(size=(3, 3)), n),
        8,
        (0,),
        captured=True,
        differences=True,
    ),
    Case(
        kronecker,
        lambda r, n: (r.normal(size=(n, 2)), r.normal(size=(2, 3))),
        5,
        (0, 1),
        captured=True,
        differences=True,
    ),
    Case(lanczos, lambda r, n: (definite(r, 5), r.normal(size=5)), 5, (0, 1), differences=True),
]
