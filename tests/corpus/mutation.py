"""Stores into arrays: elements, slices, masks, index arrays; functions that write."""

import numpy as np

from corpus.case import Case, square, two_vectors, vector


def stores_elements(x):
    for i in range(len(x)):
        x[i] = x[i] ** 2 + i


def recurrence_in_place(x):
    for i in range(1, len(x)):
        x[i] = np.sin(x[i - 1]) + 0.5 * x[i]
    return x


def fills_an_array(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[i] * x[-1 - i]
    return y


def fills_an_empty_array(x):
    y = np.empty_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] + x[i]
    return y


def fills_a_matrix(x, y):
    a = np.empty((len(x), len(y)))
    for i in range(len(x)):
        for j in range(len(y)):
            a[i, j] = np.exp(-((x[i] - y[j]) ** 2))
    return a


def adds_to_a_slice(x, y):
    x[1:-1] += y
    x[::2] *= 2.0
    return x[0] + x[1]


def smooths_in_place(u):
    for _ in range(5):
        u[1:-1] = 0.5 * (u[:-2] + u[2:])


def shifts(x):
    x[1:] = x[:-1]
    x[0] = 0.0
    x[:-2] = x[2:]


def reverses(x):
    x[:] = x[::-1]
    x[::-1] += 0.5 * x


def negative_places(x):
    x[-1] = x[-2] * 3.0
    x[-3:-1] -= x[0]
    return x[-1]


def masked_store(x):
    x[x < 0] = 0.1
    x[x > 1] *= 0.5
    return np.sum(x)


def masked_store_of_values(x, y):
    mask = x > 0
    x[mask] = y[mask] ** 2
    x[~mask] += 1.0


def masked_rows(a):
    a[np.array([True, False, True])] = 2.0 * a[0]
    a[a > 1.0] = 1.0
    return a


def repeated_indices(x, y):
    x[np.array([0, 2, 0, 1])] += y
    x[[1, 1]] = y[:2]


def adds_at(x, places, y):
    np.add.at(x, places, y)
    np.subtract.at(x, [0, 0], 1.0)


def other_ufuncs_at(x, y):
    np.maximum.at(x, [0, 1, 0], y)
    np.multiply.at(x, [2, 2], 0.5)
    return x


def out_arguments(x, y):
    work = np.empty(len(x))
    np.multiply(x, y, out=work)
    np.add(work, x, out=work)
    np.exp(work, work)
    return work.sum()


def out_is_an_argument(x, y):
    np.subtract(y, x, out=y)
    np.maximum(x, 0.0, out=x)


def copies_over(x, y):
    np.copyto(x, y)
    np.copyto(y, 2.0, where=y > 0)
    return x + y


def fills_the_diagonal(a, d):
    np.fill_diagonal(a, d)
    return a @ a


def fills_and_sorts(x):
    y = x.copy()
    y.sort()
    z = np.ones(3)
    z.fill(x[0])
    return y * np.arange(len(x)), z


def sorts_the_argument(x):
    x[0] *= 2.0
    x.sort()
    return x[0]


def puts(x):
    np.put(x, [0, 3], [7.0, 8.0])
    np.putmask(x, x > 7.5, x * 0.1)
    np.place(x, x < 0, [0.25])


CASES = [
    Case(stores_elements, vector, 8, (0,), captured=True),
    Case(recurrence_in_place, vector, 8, (0,), captured=True),
    Case(fills_an_array, vector, 8, (0,), captured=True, differences=True),
    Case(fills_an_empty_array, vector, 8, (0,), captured=True),
    Case(fills_a_matrix, two_vectors, 5, (0, 1), captured=True, differences=True),
    Case(adds_to_a_slice, lambda r, n: (r.normal(size=n), r.normal(size=n - 2)), 5, (0, 1)),
    Case(smooths_in_place, vector, 7, (0,)),
    Case(shifts, vector, 6, (0,)),
    Case(reverses, vector, 5, (0,)),
    Case(negative_places, vector, 5, (0,)),
    Case(masked_store, vector, 6, (0,)),
    Case(masked_store_of_values, two_vectors, 6, (0, 1)),
    Case(masked_rows, square, 3, (0,)),
    Case(repeated_indices, lambda r, n: (r.normal(size=3), r.normal(size=4)), 3, (0, 1)),
    Case(
        adds_at,
        lambda r, n: (r.normal(size=4), r.integers(-2, 4, n), r.normal(size=n)),
        6,
        (0, 2),
    ),
    Case(other_ufuncs_at, two_vectors, 3, (0, 1)),
    Case(out_arguments, two_vectors, 4, (0, 1), differences=True),
    Case(out_is_an_argument, two_vectors, 4, (0, 1)),
    Case(copies_over, two_vectors, 4, (0, 1)),
    Case(fills_the_diagonal, lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)), 3, (0, 1)),
    Case(fills_and_sorts, vector, 5, (0,), differences=True),
    Case(sorts_the_argument, vector, 7, (0,)),
    Case(puts, vector, 5, (0,)),
]
