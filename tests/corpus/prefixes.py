"""Prefixes, suffixes and windows whose bounds depend on the index of a loop."""

import numpy as np

from corpus.case import Case, square, two_vectors, vector


def pascal(x):
    row = np.zeros(len(x))
    row[0] = x[0]
    for i in range(1, len(x)):
        row[1 : i + 1] += row[:i].copy() * x[i]
    return row


def reversed_prefix_convolution(a, b):
    n = len(a)
    c = np.zeros(n)
    for i in range(n):
        c[i] = a[: i + 1] @ b[i::-1]
    return c


def reversed_prefix_of_fixed_end(a, b):
    n = len(a)
    c = np.zeros(n)
    for i in range(1, n):
        c[i] = np.sum(a[:i] * b[n - i :])
    return c


def levinson_durbin(r):
    n = len(r)
    a = np.zeros(n)
    e = r[0]
    for k in range(1, n):
        reflection = r[k]
        for j in range(1, k):
            reflection += a[j] * r[k - j]
        reflection = -reflection / e
        old = a.copy()
        for j in range(1, k):
            a[j] = old[j] + reflection * old[k - j]
        a[k] = reflection
        e = e * (1.0 - reflection * reflection)
    return a, e


def shrinking_both_ends(x):
    total = 0.0
    n = len(x)
    for k in range(n // 2):
        total += np.sum(x[k : n - k] ** 2) / (k + 1)
    return total


def window_sums(x):
    y = np.zeros(len(x))
    for i in range(1, len(x) - 1):
        y[i] = np.sum(x[i - 1 : i + 2]) / 3.0
    return y


def prefix_maximum(x):
    y = x.copy()
    for i in range(1, len(x) + 1):
        y[i - 1] = np.max(x[:i])
    return y


def prefix_work_arrays(x):
    total = 0.0
    for i in range(1, len(x)):
        weights = np.arange(i) + 1.0
        work = np.zeros(i)
        work[:] = weights * x[:i]
        total += np.sum(work) / len(work)
    return total


def elementwise_on_prefixes(a):
    for i in range(1, a.shape[0]):
        a[i, :i] = np.exp(-np.abs(a[i, :i])) + a[:i, i]
    return a


def lower_triangle_by_broadcast(a, x):
    for i in range(a.shape[0]):
        a[i:, i] *= x[i]
        a[i, :i] = 0.0
    return a.sum(axis=1)


def matrix_on_a_leading_block(A, x):
    total = 0.0
    for k in range(1, len(x)):
        total += x[:k] @ A[:k, :k] @ x[:k]
    return total


def prefix_norms(x):
    y = np.empty(len(x))
    for i in range(len(x)):
        y[i] = np.linalg.norm(x[: i + 1])
    return y


def triangular_double_sum(a):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(i, a.shape[1]):
            total += a[i, i : j + 1].sum()
    return total


def stride_two_prefixes(x):
    total = 0.0
    for i in range(1, len(x) // 2):
        total += np.sum(x[: 2 * i : 2]) * i
    return total


def divided_differences(x, y):
    n = len(x)
    c = y.copy()
    for k in range(1, n):
        c[k:] = (c[k:] - c[k - 1 : -1]) / (x[k:] - x[: n - k])
    return c


def gram_matrix_of_prefixes(a):
    n = a.shape[1]
    g = np.zeros((n, n))
    for i in range(n):
        g[i, : i + 1] = a[:, i] @ a[:, : i + 1]
        g[: i + 1, i] = g[i, : i + 1]
    return g


CASES = [
    Case(pascal, vector, 6, (0,), captured=True, differences=True),
    Case(reversed_prefix_convolution, two_vectors, 6, (0, 1), captured=True, differences=True),
    Case(reversed_prefix_of_fixed_end, two_vectors, 6, (0, 1), captured=True, differences=True),
    Case(
        levinson_durbin,
        lambda r, n: (np.cumsum(r.uniform(0.1, 1, n))[::-1].copy() + n * np.eye(n)[0],),
        6,
        (0,),
        captured=True,
        differences=True,
    ),
    Case(shrinking_both_ends, vector, 12, (0,), captured=True),
    Case(window_sums, vector, 8, (0,), captured=True, differences=True),
    Case(prefix_maximum, vector, 7, (0,), captured=True),
    Case(prefix_work_arrays, vector, 7, (0,), captured=True, differences=True),
    Case(elementwise_on_prefixes, square, 6, (0,), captured=True, differences=True),
    Case(
        lower_triangle_by_broadcast,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)),
        6,
        (0, 1),
        captured=True,
    ),
    Case(
        matrix_on_a_leading_block,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)),
        12,
        (0, 1),
        captured=True,
    ),
    Case(prefix_norms, vector, 6, (0,), captured=True, differences=True),
    Case(triangular_double_sum, square, 6, (0,), captured=True),
    # a slice with a step and a traced bound has no affine length: the loop stays Python
    Case(stride_two_prefixes, vector, 16, (0,)),
    Case(
        divided_differences,
        lambda r, n: (np.sort(r.normal(size=n)) + np.arange(n), r.normal(size=n)),
        6,
        (0, 1),
        captured=True,
    ),
    Case(
        gram_matrix_of_prefixes,
        lambda r, n: (r.normal(size=(3, n)),),
        6,
        (0,),
        captured=True,
        differences=True,
    ),
]
