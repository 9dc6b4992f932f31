"""`while`, `break`, `continue`, `return` inside loops, `else` after loops."""

from corpus.case import Case, vector


def double_while_below(x, limit):
    y = abs(x) + 0.1
    steps = 0
    while y < limit:
        y = y * 2.0 + 0.01 * x
        steps += 1
    return y, steps


def countdown(x, n):
    total = 0.0
    while n > 0:
        total = total * 0.5 + x[n - 1]
        n -= 1
    return total, n


def while_in_range_and_positive(x):
    i = 0
    total = 0.0
    while i < len(x) and x[i] > -0.5:
        total += x[i]
        i += 1
    return total, i


def nested_while(x):
    total = 0.0
    i = 0
    while i < len(x):
        y = x[i]
        while y > 0.1:
            y = y * 0.5
            total += y
        i += 1
    return total


def while_true_with_break(x):
    y = x
    steps = 0
    while True:
        y = 0.5 * (y + x / y)
        steps += 1
        if abs(y * y - x) < 1e-12 or steps >= 50:
            break
    return y


def break_at_the_first_negative(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0.0:
            break
        total += x[i] * x[i]
    return total, i


def skip_negatives(x):
    total = 0.0
    for value in x:
        if value < 0:
            continue
        total = total * 0.9 + value
    return total


def break_out_of_the_inner_loop(a, limit):
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += abs(a[i, j])
            if row > limit:
                break
        total += row
    return total


def break_and_continue(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] > 1.0:
            continue
        if total > 2.0:
            break
        total += x[i] ** 2
    return total


def index_of_first(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            return i
    return -1


def return_from_a_nested_loop(a, limit):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] > limit:
                return a[i, j] * (i + 1), i, j
    return limit, -1, -1


def return_from_while(x):
    y = 1.0
    while y < 1000.0:
        y = y * 2.0 + x
        if y > 50.0 + x:
            return y * 3.0
    return y


def for_with_else(x, limit):
    total = 0.0
    for value in x:
        if value > limit:
            break
        total += value
    else:
        total = total + 100.0
    return total


def while_with_else(x, limit):
    i = 0
    while i < len(x):
        if x[i] > limit:
            found = x[i] * 2.0
            break
        i += 1
    else:
        found = limit
    return found


def matrix_and_limit(rng, n):
    return rng.normal(size=(n, n)), 1.2


def vector_and_limit(rng, n):
    return rng.normal(size=n), 0.9


CASES = [
    Case(double_while_below, lambda r, n: (r.normal(), 30.0), 1, (0,), differences=True),
    Case(countdown, lambda r, n: (r.normal(size=n), r.integers(1, n)), 8, (0,), captured=True),
    Case(while_in_range_and_positive, vector, 8, (0,), captured=True),
    Case(nested_while, vector, 8, (0,)),
    Case(while_true_with_break, lambda r, n: (r.uniform(1, 9),), 1, (0,)),
    Case(break_at_the_first_negative, lambda r, n: (1 + r.normal(size=n),), 8, (0,), captured=True),
    Case(skip_negatives, vector, 8, (0,), captured=True),
    Case(break_out_of_the_inner_loop, matrix_and_limit, 6, (0,), captured=True, differences=True),
    Case(break_and_continue, vector, 9, (0,), captured=True),
    Case(index_of_first, vector_and_limit, 8, captured=True),
    Case(return_from_a_nested_loop, matrix_and_limit, 6, (0,), captured=True),
    Case(return_from_while, lambda r, n: (r.uniform(0, 5),), 1, (0,)),
    Case(for_with_else, vector_and_limit, 6, (0,), captured=True),
    Case(while_with_else, vector_and_limit, 6, (0, 1)),
]
