"""Operators in place, helpers that mutate, arrays made inside, global tables."""

import numpy as np

from corpus.case import Case, integers, square, two_vectors, vector

TABLE = np.array([0.5, -1.0, 2.0, 4.0])


def swaps_elements(x):
    n = len(x)
    for i in range(n // 2):
        x[i], x[n - 1 - i] = x[n - 1 - i] * 2.0, x[i]


def swaps_rows(a):
    a[[0, 2]] = a[[2, 0]]
    a[0], a[1] = a[1].copy(), a[0].copy()
    return a[:, 0] * a[:, 1]


def all_operators(x, y):
    x += y
    x -= 0.5
    x *= x
    x /= 1.0 + y * y
    x **= 2
    return x.sum()


def operators_of_integers(k, m):
    k += m
    k *= 3
    k //= 2
    k %= 7
    k <<= 2
    k |= m
    k ^= 5
    k &= 62
    return k.sum()


def matrix_product_in_place(a, b):
    a @= b
    a[0] @= b
    return a


def scalars_are_rebound(x):
    a = x[0]
    b = a
    a += 1.0
    a *= x[1]
    return a, b


def arrays_are_shared(x):
    y = x
    y += 1.0
    z = x + 0.0
    z *= 2.0
    return x.sum() + z[0]


def stores_with_ellipsis_and_newaxis(a):
    a[..., 0] = 1.5
    a[1, ...] *= 2.0
    a[:, None, 1] += a[:, :1]
    return a


def broadcasts_on_store(a, x):
    a[:] = x
    a[:, 1] = a[0, 0] * 2.0
    a[1:] += x[:, None].T
    return a


def stores_columns(a):
    for j in range(1, a.shape[1]):
        a[:, j] -= a[:, j - 1] * 0.5


def truncates_on_store(x):
    k = np.zeros(len(x), dtype=np.int64)
    k[:] = x * 3.0
    k[0] = x[0] * 10.0
    return k


def integer_arrays(k):
    for i in range(1, len(k)):
        k[i] = k[i] - k[i - 1] // 2
    return k


def scatter_with_given_places(x, order):
    y = np.zeros(len(x))
    for rank in range(len(x)):
        y[order[rank]] = rank * x[order[rank]]
    return y


def gathers_with_stored_places(x, places):
    total = 0.0
    for i in range(len(places)):
        total += x[places[i]] * (i + 1)
        places[i] += 1
    return total


def helper_that_mutates(v, factor):
    v *= factor
    v[0] += 1.0


def mutates_through_a_helper(x, y):
    helper_that_mutates(x, 2.0)
    helper_that_mutates(y[1:], x[1])


def made_in_every_turn(x):
    total = np.zeros(3)
    for i in range(len(x)):
        work = np.zeros(3)
        work[0] = x[i]
        work[1:] += x[i] * x[i]
        total += work
    return total


def made_from_lists(x):
    a = np.array([[x[0], 1.0], [x[1], x[0] * x[1]]])
    a[0, 1] += a[1, 1]
    b = np.full((2, 2), x[2])
    b[1] = np.asarray([x[0], 3])
    return a @ b


def reads_a_global_table(x):
    total = 0.0
    for i in range(len(x)):
        total += TABLE[i % 4] * x[i]
    return total


def histogram(x, bins):
    counts = np.zeros(bins, dtype=int)
    for value in x:
        k = int((value + 3.0) / 6.0 * bins)
        if 0 <= k < bins:
            counts[k] += 1
    return counts


def weighted_histogram(places, weights):
    sums = np.zeros(4)
    for i in range(len(places)):
        sums[places[i]] += weights[i] ** 2
    return sums


def float32_array(x):
    y = np.zeros(len(x), np.float32)
    for i in range(len(x)):
        y[i] = x[i] * np.float32(0.5)
    y += 1
    return y


def deletes_and_rebinds(x):
    y = x * 2.0
    del x
    x = y[1:]
    x[0] = 5.0
    return y


def overwritten_before_it_is_read(x):
    y = np.ones(4)
    for i in range(len(x)):
        y[:] = x[i]
        y[1] = y[0] * y[2]
    return y


CASES = [
    Case(swaps_elements, vector, 12, (0,), captured=True),
    Case(swaps_rows, square, 3, (0,)),
    Case(all_operators, two_vectors, 4, (0, 1)),
    Case(operators_of_integers, lambda r, n: (r.integers(1, 9, n), r.integers(0, 9, n)), 5),
    Case(
        matrix_product_in_place,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=(n, n))),
        3,
        (0, 1),
    ),
    Case(scalars_are_rebound, vector, 2, (0,)),
    Case(arrays_are_shared, vector, 3, (0,)),
    Case(stores_with_ellipsis_and_newaxis, square, 3, (0,)),
    Case(broadcasts_on_store, lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)), 3, (0, 1)),
    Case(stores_columns, lambda r, n: (r.normal(size=(3, n)),), 6, (0,), captured=True),
    Case(truncates_on_store, vector, 4),
    Case(integer_arrays, integers, 8, captured=True),
    Case(
        scatter_with_given_places,
        lambda r, n: (r.normal(size=n), r.permutation(n)),
        6,
        (0,),
        True,
        differences=True,
    ),
    Case(
        gathers_with_stored_places,
        lambda r, n: (r.normal(size=4), r.integers(0, 4, n)),
        7,
        (0,),
        captured=True,
    ),
    Case(mutates_through_a_helper, two_vectors, 3, (0, 1)),
    Case(made_in_every_turn, vector, 6, (0,), captured=True, differences=True),
    Case(made_from_lists, vector, 3, (0,)),
    Case(reads_a_global_table, vector, 7, (0,), captured=True),
    Case(histogram, lambda r, n: (r.normal(size=n), 5), 12, captured=True),
    Case(
        weighted_histogram,
        lambda r, n: (r.integers(0, 4, n), r.normal(size=n)),
        9,
        (1,),
        captured=True,
        differences=True,
    ),
    Case(float32_array, lambda r, n: (r.normal(size=n).astype(np.float32),), 7, captured=True),
    Case(deletes_and_rebinds, vector, 4, (0,)),
    Case(overwritten_before_it_is_read, vector, 6, (0,), captured=True, differences=True),
]
