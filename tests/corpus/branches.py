"""Branches: `if`, conditional expressions, `and`, `or`, `not`, chained comparisons."""

import numpy as np

from corpus.case import Case, number, two_vectors, vector


def absolute(x):
    if x < 0:
        return -x
    return x


def piecewise(x):
    if x < -1:
        y = x * x
    elif x < 0:
        y = np.sin(x)
    elif x < 1:
        y = 3.0 * x
    else:
        y = np.exp(-x)
    return y


def nested_branches(x, y):
    if x > 0:
        if y > 0:
            z = x * y
        else:
            z = x - y
    else:
        if y > 0:
            z = x + 2 * y
        else:
            z = np.cos(x * y)
    return z


def conditional_expression(x):
    return x * x if x > 0 else 2.0 * x


def chain_of_conditional_expressions(x):
    return 1.0 * x if x > 1 else -x if x < -1 else x**3


def chained_comparison(x):
    if -0.5 < x <= 0.5:
        return 10.0 * x
    return x


def comparison_evaluates_once(x):
    calls = []

    def middle():
        calls.append(1)
        return x[1]

    if x[0] < middle() < x[2]:
        y = x[1] * 2.0
    else:
        y = x[1]
    return y, len(calls)


def and_or_not(x, y):
    if x > 0 and y > 0:
        z = x * y
    elif x > 0 or not (y > -0.5):
        z = x - y
    else:
        z = 0.5 * (x + y)
    return z


def value_of_and_or(x, n):
    limit = n or 3
    flag = x > 0 and n
    return x * limit, bool(flag)


def guarded_index(x, i):
    if i < len(x) and x[i] > 0:
        return x[i] * 2.0
    return -1.0


def branch_without_else(x):
    y = x * 2.0
    if y > 1.0:
        y = y * y
    return y


def reads_what_it_replaces(x):
    a, b = x[0], x[1]
    if a > b:
        a, b = b, a
    return b - a, a * 3.0


def sorts_three(x):
    a, b, c = x
    if a > b:
        a, b = b, a
    if b > c:
        b, c = c, b
    if a > b:
        a, b = b, a
    return np.array([a, b, c])


def arrays_in_branches(x):
    if np.sum(x) > 0:
        y = np.exp(-x)
    else:
        y = x * x
    return y + x


def stores_in_a_branch(x):
    if x[0] > 0:
        x[1] = x[0] * 2.0
        x[2:] *= 0.5
    return np.sum(x)


def stores_in_both_branches(x, y):
    if x[0] > y[0]:
        x[0] = y[0]
    else:
        y[1:] = x[1:] * 3.0
    return x @ y


def two_numbers(rng, n):
    return rng.normal(), rng.normal()


def tests_that_assign(x):
    total, i = 0.0, 0
    while i < len(x) and (y := 2 * x[i]) < 3:
        if y < 1 or not (z := np.sin(y)) > 0.99:
            total += y
        elif i > 0 and (w := z + 1) > 1.5:
            total += z * w
        else:
            total -= 1
        i += 1
    else:
        total += 10
    return total, i


CASES = [
    Case(absolute, number, 1, (0,)),
    Case(piecewise, lambda r, n: (2 * r.normal(),), 1, (0,)),
    Case(nested_branches, two_numbers, 1, (0, 1)),
    Case(conditional_expression, number, 1, (0,)),
    Case(chain_of_conditional_expressions, lambda r, n: (2 * r.normal(),), 1, (0,)),
    Case(chained_comparison, number, 1, (0,)),
    Case(comparison_evaluates_once, vector, 3, (0,)),
    Case(and_or_not, two_numbers, 1, (0, 1)),
    Case(value_of_and_or, lambda r, n: (r.normal(), 0), 1, (0,)),
    Case(guarded_index, lambda r, n: (r.normal(size=n), np.int64(r.integers(0, n + 3))), 3, (0,)),
    Case(branch_without_else, number, 1, (0,)),
    Case(tests_that_assign, lambda r, n: (np.linspace(0, 1, n),), 9, (0,)),
    Case(reads_what_it_replaces, vector, 2, (0,)),
    Case(sorts_three, vector, 3, (0,)),
    Case(arrays_in_branches, vector, 4, (0,)),
    Case(stores_in_a_branch, vector, 4, (0,)),
    Case(stores_in_both_branches, two_vectors, 3, (0, 1)),
]
