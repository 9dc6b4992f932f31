"""Loops over ranges and arrays."""

import itertools

import numpy as np

from corpus.case import Case, two_vectors, vector


def sum_of_squares(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


def every_third(x):
    total = 0.0
    for i in range(1, len(x), 3):
        total = total * 0.5 + np.sin(x[i])
    return total


def horner(coefficients, x):
    value = 0.0
    for i in range(len(coefficients) - 1, -1, -1):
        value = value * x + coefficients[i]
    return value


def odd_places_downwards(x):
    total = 1.0
    for i in range(len(x) - 1, 0, -2):
        total = total * 0.7 + x[i] * i
    return total


def traced_bounds(x, start, stop):
    total = 0.0
    for i in range(start, stop):
        total += x[i] * i
    return total


def traced_step(x, step):
    total = 0.0
    for i in range(0, len(x), step):
        total += x[i] * x[i]
    return total


def traced_step_downwards(x, start, step):
    total = 1.0
    for i in range(start, -1, step):
        total = total * 0.5 + x[i]
    return total


def perhaps_no_turn(x, turns):
    y = x * 2.0
    for _ in range(turns):
        y = np.sin(y) + x
    return y


def empty_range(x):
    total = x[0]
    for i in range(5, 2):
        total += x[i]
    for i in range(0, 4, -1):
        total += x[i]
    return total


def over_values(x):
    product = 1.0
    for value in x:
        product *= 1.0 + 0.1 * value
    return product


def over_rows(a):
    total = np.zeros(a.shape[1])
    for row in a:
        total = np.cos(total) + row * row
    return total


def over_columns(a):
    total = 0.0
    for column in a.T:
        total = total * 0.5 + column @ column
    return total


def enumerated(x):
    total = 0.0
    for i, value in enumerate(x):
        total += i * value * value
    return total


def enumerated_from_one(x):
    total = 0.0
    for k, value in enumerate(x, start=1):
        total += value / k
    return total


def zipped(x, y):
    total = 0.0
    for a, b in zip(x, y):
        total = 0.9 * total + a * b
    return total


def neighbours(x):
    total = 0.0
    for left, right in zip(x[:-1], x[1:]):
        total += (right - left) ** 2
    return total


def enumerated_pairs(x, y):
    total = 0.0
    for i, (a, b) in enumerate(zip(x, y)):
        total += a * b * (i + 1)
    return total


def zipped_with_a_range(x):
    total = 0.0
    for k, value in zip(range(1, 100), x):
        total += value**2 / k
    return total


def reversed_range(x):
    value = 0.0
    for i in reversed(range(len(x))):
        value = 0.3 * value + x[i]
    return value


def reversed_values(x):
    value = 0.0
    for entry in reversed(x):
        value = np.tanh(value + entry)
    return value


def over_an_arange(x):
    total = 0.0
    for k in np.arange(1, len(x)):
        total += x[k] * x[k - 1]
    return total


def product_by_hand(a, b):
    c = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]
    return c


def pairs_below_the_diagonal(x):
    energy = 0.0
    for i in range(len(x)):
        for j in range(i):
            energy += 1.0 / (1.0 + (x[i] - x[j]) ** 2)
    return energy


def inner_bounds_from_data(x, counts):
    total = 0.0
    for i in range(len(counts)):
        for j in range(counts[i]):
            total += x[j] * (i + 1)
    return total


def loop_variable_afterwards(x):
    total = 0.0
    for i in range(len(x)):
        last = x[i] * 2.0
        total += last
    return total * last + i


def changed_loop_variable(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * i
        i = i + 100
        total += 0.01 * i
    return total


def many_states(x):
    a, b, c = 0.0, 1.0, 2.0
    for i in range(len(x)):
        a, b, c = b * 0.5 + x[i], c - a * 0.1, a
    return a + 2.0 * b + 3.0 * c


def loop_after_loop(x):
    mean = 0.0
    for i in range(len(x)):
        mean += x[i]
    mean /= len(x)
    variance = 0.0
    for i in range(len(x)):
        variance += (x[i] - mean) ** 2
    return mean, variance / len(x)


def index(rng, n):
    return rng.normal(size=n), np.int64(1), np.int64(n - 1)


def over_products_and_combinations(x):
    """Loops in loops, of which a `break` leaves both."""
    n, total, close = len(x), 0.0, 0
    for i, j in itertools.product(range(n), repeat=2):
        total += x[i] * x[j] * (i - j) ** 2
    for i, j in itertools.combinations(range(n), 2):
        if np.abs(x[i] - x[j]) < 0.05:
            break
        close += 1
    for a, b in itertools.combinations_with_replacement(x, 2):
        total += np.sin(a * b)
    grid = np.outer(x, x)
    for place in np.ndindex(grid.shape):
        if grid[place] > 0:
            grid[place] = np.sqrt(1 + grid[place])
    return total, close, i, j, grid.sum()


def over_pairs_and_parts(x):
    total = 0.0
    for a, b in itertools.pairwise(x):
        total += a * np.exp(b)
    for k, (a, b) in enumerate(itertools.pairwise(range(len(x)))):
        total += k * x[a] * x[b]
    for a in itertools.islice(x, 1, None, 2):
        total = 0.5 * total + a
    for a, b in itertools.product(x, (1.0, 0.25)):
        total = 0.5 * total + a * b
    return total + sum(x[i] * x[j] for i, j in itertools.combinations(range(len(x)), 2))


def counts_without_end(x):
    s, names = 4.0 + x[0], itertools.count(5)
    for k in itertools.count(1, 2):
        s = 0.5 * s + 0.01 * k
        if s < 0.3:
            break
    for k, v in zip(itertools.count(2), x):
        s += k * v
    for n in itertools.count():
        if n * n > 20:
            break
    return s, k, np.zeros(n) + s, next(names) + next(names)


CASES = [
    Case(sum_of_squares, vector, 8, (0,), captured=True),
    Case(every_third, vector, 20, (0,), captured=True),
    Case(horner, lambda r, n: (r.normal(size=n), 0.8), 7, (0, 1), captured=True),
    Case(odd_places_downwards, vector, 12, (0,), captured=True),
    Case(traced_bounds, index, 9, (0,), captured=True),
    Case(
        traced_step,
        lambda r, n: (r.normal(size=n), np.int64(2 + r.integers(2))),
        9,
        (0,),
        captured=True,
    ),
    Case(
        traced_step_downwards,
        lambda r, n: (r.normal(size=n), np.int64(n - 2), np.int64(-2)),
        9,
        (0,),
        captured=True,
    ),
    Case(perhaps_no_turn, lambda r, n: (r.normal(size=n), r.integers(0, 3)), 3, (0,)),
    Case(empty_range, vector, 4, (0,)),
    Case(over_values, vector, 8, (0,), captured=True),
    Case(over_rows, lambda r, n: (r.normal(size=(n, 3)),), 7, (0,), captured=True),
    Case(over_columns, lambda r, n: (r.normal(size=(3, n)),), 7, (0,), captured=True),
    Case(enumerated, vector, 8, (0,), captured=True),
    Case(enumerated_from_one, vector, 8, (0,), captured=True),
    Case(zipped, two_vectors, 8, (0, 1), captured=True),
    Case(neighbours, vector, 8, (0,), captured=True),
    Case(enumerated_pairs, two_vectors, 8, (0, 1), captured=True),
    Case(zipped_with_a_range, vector, 8, (0,), captured=True),
    Case(reversed_range, vector, 8, (0,), captured=True),
    Case(reversed_values, vector, 8, (0,), captured=True),
    Case(over_an_arange, vector, 8, (0,), captured=True),
    Case(
        product_by_hand,
        lambda r, n: (r.normal(size=(n, 5)), r.normal(size=(5, n))),
        6,
        (0, 1),
        captured=True,
        differences=True,
    ),
    Case(pairs_below_the_diagonal, vector, 8, (0,), captured=True),
    Case(
        inner_bounds_from_data,
        lambda r, n: (r.normal(size=4), r.integers(0, 5, n)),
        7,
        (0,),
        captured=True,
    ),
    Case(loop_variable_afterwards, vector, 8, (0,), captured=True),
    Case(changed_loop_variable, vector, 8, (0,), captured=True),
    Case(many_states, vector, 8, (0,), captured=True),
    Case(loop_after_loop, vector, 8, (0,), captured=True),
    Case(over_products_and_combinations, vector, 7, (0,), captured=True, differences=True),
    Case(over_pairs_and_parts, vector, 14, (0,), captured=True),
    Case(counts_without_end, vector, 7, (0,), captured=True),
]
