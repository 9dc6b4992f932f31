"""Branches inside loops, around loops, and on what is concrete."""

import math

import numpy as np

from corpus.case import Case, integers, vector


def clips_by_hand(x):
    out = np.zeros(len(x))
    for i in range(len(x)):
        if x[i] > 1.0:
            out[i] = 1.0
        elif x[i] < -1.0:
            out[i] = -1.0
        else:
            out[i] = x[i]
    return out


def huber(x, delta):
    total = 0.0
    for value in x:
        if abs(value) <= delta:
            total += 0.5 * value**2
        else:
            total += delta * (abs(value) - 0.5 * delta)
    return total


def counts_signs(x):
    negative = zero = positive = 0
    for value in x:
        if value < 0:
            negative += 1
        elif value == 0:
            zero += 1
        else:
            positive += 1
    return negative, zero, positive


def returns_from_every_branch(x):
    if x > 1:
        return x * x, 1
    elif x > 0:
        return np.sqrt(x), 2
    else:
        if x < -1:
            return -x, 3
        y = x + 1.0
    return y * 2.0, 4


def early_return_then_loop(x):
    if x[0] < 0:
        return x[0] * 5.0
    total = 0.0
    for value in x:
        total += value * value
    return total


def guard_against_nan(x):
    if x != x:
        return 0.0
    if math.isinf(x):
        return 1.0
    return x * 2.0


def where_with_a_safe_branch(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] > 0:
            total += math.sqrt(x[i]) + math.log(x[i])
    return total


def flags(x):
    rising = True
    seen = False
    for i in range(1, len(x)):
        if x[i] < x[i - 1]:
            rising = False
        seen = seen or x[i] > 1.0
    return rising, seen, rising and not seen


def toggles(x):
    on = False
    total = 0.0
    for value in x:
        if value > 0.3:
            on = not on
        if on:
            total += value
    return total, on


def concrete_choice(x, kind, bias=None):
    if kind == "exp":
        y = np.exp(x)
    elif kind in ("sin", "cos"):
        y = getattr(np, kind)(x)
    else:
        y = x
    return y if bias is None else y + bias


def odd_or_even_turns(x):
    total = 0.0
    for i in range(len(x)):
        if i % 2 == 0:
            total += x[i]
        else:
            total -= 0.5 * x[i]
    return total


def first_and_last_turn_differ(x):
    total = 0.0
    n = len(x)
    for i in range(n):
        if i == 0:
            slope = x[1] - x[0]
        elif i == n - 1:
            slope = x[n - 1] - x[n - 2]
        else:
            slope = 0.5 * (x[i + 1] - x[i - 1])
        total += slope * slope
    return total


def branch_around_loops(x, sign):
    if sign > 0:
        total = 0.0
        for i in range(len(x)):
            total += x[i] ** 2
    else:
        total = 1.0
        for i in range(len(x) - 1, -1, -1):
            total = total * 0.5 - x[i]
    return total


def integer_branches(n):
    if n % 15 == 0:
        return 15
    if n % 5 == 0:
        return 5
    if n % 3 == 0:
        return 3
    return n


def membership(k):
    if k in (1, 3, 5):
        return k * 10
    if k not in [2, 4]:
        return -k
    return 0


def any_and_all(x):
    if np.any(x > 2.0):
        return np.max(x)
    if np.all(x > -1.0):
        return np.sum(x)
    return np.min(x) * 2.0


def pass_and_assert(x):
    assert len(x) > 1, "needs two numbers"
    if x[0] > 100.0:
        pass
    else:
        assert x[1] < 1000.0, "too large"
        x = x + 1.0
    return x


def an_integer(rng, n):
    return (np.int64(rng.integers(0, 60)),)


CASES = [
    Case(clips_by_hand, vector, 8, (0,), captured=True, differences=True),
    Case(huber, lambda r, n: (r.normal(size=n), 0.7), 8, (0, 1), captured=True, differences=True),
    Case(counts_signs, integers, 9, captured=True),
    Case(returns_from_every_branch, lambda r, n: (1.5 * r.normal(),), 1, (0,)),
    Case(early_return_then_loop, vector, 8, (0,), captured=True),
    Case(guard_against_nan, lambda r, n: (r.choice([np.nan, np.inf, 1.5]),), 1),
    Case(where_with_a_safe_branch, vector, 8, (0,), captured=True, differences=True),
    Case(flags, vector, 8, captured=True),
    Case(toggles, vector, 8, (0,), captured=True),
    Case(concrete_choice, lambda r, n: (r.normal(size=n), "cos", 0.3), 4, (0,)),
    Case(odd_or_even_turns, vector, 9, (0,), captured=True),
    Case(first_and_last_turn_differ, vector, 9, (0,), captured=True),
    Case(branch_around_loops, lambda r, n: (r.normal(size=n), r.normal()), 6, (0,), captured=True),
    Case(integer_branches, an_integer),
    Case(membership, lambda r, n: (np.int64(r.integers(0, 8)),)),
    Case(any_and_all, vector, 3, (0,)),
    Case(pass_and_assert, vector, 3, (0,)),
]
