"""Python's built-in functions and the module math, on traced values."""

import math

import numpy as np

from corpus.case import Case, number, square, vector


def smallest_and_largest_of_some(x):
    return min(x[0], x[1]), max(x[0], x[1], 0.0), max(x[0] * 2.0, x[2])


def smallest_and_largest_of_an_array(x):
    return min(x) * 2.0, max(x)


def running_extremes(x):
    low = math.inf
    high = -math.inf
    for value in x:
        low = min(low, value)
        high = max(high, value)
    return low, high, high - low


def largest_with_a_default(x):
    return max([x[0], x[1]], default=0.0) + max((x[2], 0.1))


def absolute_values(x):
    return abs(x[0]) + abs(x).sum()


def sum_of_an_array(x):
    return sum(x), sum(x, 1.5)


def sum_of_rows(a):
    return sum(a)


def sum_of_a_generator(x):
    return sum(v * v for v in x)


def sum_of_a_list(x):
    return sum([x[i] * x[i + 1] for i in range(len(x) - 1)])


def lengths(a):
    return a.sum() / len(a) + len(a[0]) * a[0, 0] + a.ndim * a.size * a.shape[1]


def conversions(x):
    whole = int(x[0] * 10.0)
    real = float(whole)
    flag = bool(x[1] > 0)
    return whole, real * 0.5, flag, float(flag), int(flag) + 1


def float_keeps_derivatives(x):
    total = float(0)
    for v in x:
        total += float(v) * float(v)
    return total


def rounded(x):
    return round(x[0]), round(x[1], 2), round(x[2] * 100.0) / 100


def half_to_even(x):
    total = 0
    for v in x:
        total += round(v)
    return total


def powers(x, n):
    return pow(x, 3), pow(x, 2.5), x**n, 2.0**x, x**-1


def powers_of_integers(k, m):
    return k**3, pow(k, 2), pow(k, m, 7) if isinstance(k, int) else k**2 % 7


def quotients(k, m):
    q, r = divmod(k, m)
    return q, r, k // m, k % m, -k // m, -k % m


def quotients_of_floats(x, y):
    q, r = divmod(x, y)
    return q, r, x // y, x % y, math.fmod(x, y)


def true_division_of_integers(k, m):
    return k / m, (k + m) / 2


def elementary(x):
    return math.exp(-x) + math.sin(x) * math.cos(x) + math.tan(0.1 * x) + math.tanh(x)


def more_elementary(x):
    y = math.log(x) + math.log1p(x) + math.log2(x) + math.log10(x) + math.log(x, 3)
    return y + math.expm1(x) + math.sqrt(x) + math.sinh(x) / math.cosh(x) + math.cbrt(x)


def angles(x, y):
    return math.atan2(y, x) + math.hypot(x, y) + math.asin(0.5 * math.sin(x)) + math.atan(x)


def special_functions(x):
    return math.erf(x) + math.erfc(0.5 * x) + math.gamma(x) + math.lgamma(x)


def constants_of_math(x):
    return math.pi * x + math.e, math.tau - x, math.degrees(x), math.radians(x)


def whole_parts(x):
    return math.floor(x), math.ceil(x), math.trunc(x), math.fabs(x), math.copysign(2.0, x)


def floor_as_an_index(x, table):
    total = 0.0
    for v in x:
        position = min(max(v, 0.0), 2.999)
        k = math.floor(position)
        t = position - k
        total += (1.0 - t) * table[k] + t * table[k + 1]
    return total


def int_as_an_index(x, table):
    k = int(abs(x) * 2.0) % len(table)
    return table[k] * x + table[-k]


def any_and_all_of_generators(x):
    if all(v > -2.0 for v in x):
        y = x[0] * 3.0
    else:
        y = x[0]
    if any(v > 1.0 for v in x):
        y = y + 1.0
    return y


def mapped(x):
    return sum(map(lambda v: v * v, x)) + sum(map(math.sin, x))


def comprehension(x):
    y = [v * i for i, v in enumerate(x)]
    return np.array(y), y[1] + y[-1]


def checks_types(x, k):
    assert isinstance(x, np.ndarray)
    assert not isinstance(x, list)
    if isinstance(k, int):
        return x * k
    return x


def asks_for_shapes(a):
    rows, columns = a.shape
    out = np.zeros((columns, rows), dtype=a.dtype)
    for i in range(rows):
        for j in range(columns):
            out[j, i] = a[i, j] if i <= j else 0.0
    return out


def tests_for_special_values(x):
    bad = 0
    for v in x:
        if math.isnan(v) or math.isinf(v):
            bad += 1
    return bad, math.isfinite(x[0])


def strided_zip_and_enumerate(x):
    total = 0.0
    for i, (even, odd) in enumerate(zip(x[::2], x[1::2])):
        total += even * odd + i
    return total


def scalar_methods(x):
    return x.sum() + x.max() * x.min(), x.argmax(), x.mean().item() if x.ndim == 0 else x.mean()


def bits(k):
    count = 0
    while k:
        count += k & 1
        k >>= 1
    return count


def two_integers(rng, n):
    return np.int64(rng.integers(-20, 20)), np.int64(rng.choice([-7, -3, 2, 5]))


def table(rng, n):
    return rng.uniform(-1, 4, n), rng.normal(size=4)


CASES = [
    Case(smallest_and_largest_of_some, vector, 3, (0,)),
    Case(smallest_and_largest_of_an_array, vector, 4, (0,)),
    Case(running_extremes, vector, 8, (0,), captured=True),
    Case(largest_with_a_default, vector, 3, (0,)),
    Case(absolute_values, vector, 3, (0,), differences=True),
    Case(sum_of_an_array, vector, 4, (0,)),
    Case(sum_of_rows, square, 3, (0,)),
    Case(sum_of_a_generator, vector, 4, (0,)),
    Case(sum_of_a_list, vector, 5, (0,)),
    Case(lengths, square, 3, (0,)),
    Case(conversions, vector, 2),
    Case(float_keeps_derivatives, vector, 7, (0,), captured=True, differences=True),
    Case(rounded, vector, 3),
    Case(half_to_even, lambda r, n: (r.integers(-5, 6, n) + 0.5,), 7, captured=True),
    Case(powers, lambda r, n: (r.uniform(0.5, 2), 4), 1, (0,)),
    Case(powers_of_integers, lambda r, n: (np.int64(r.integers(1, 9)), 3), 1),
    Case(quotients, two_integers, 1),
    Case(
        quotients_of_floats,
        lambda r, n: (4 * r.normal(), r.choice([-1.5, 0.7])),
        1,
        (0,),
        differences=True,
    ),
    Case(true_division_of_integers, two_integers, 1),
    Case(elementary, number, 1, (0,), differences=True),
    Case(more_elementary, lambda r, n: (r.uniform(0.5, 2),), 1, (0,), differences=True),
    Case(angles, lambda r, n: (r.normal(), r.normal()), 1, (0, 1), differences=True),
    Case(special_functions, lambda r, n: (r.uniform(0.5, 2),), 1, value_rtol=1e-10),
    Case(constants_of_math, number, 1, (0,), differences=True),
    Case(whole_parts, lambda r, n: (4 * r.normal(),), 1),
    Case(floor_as_an_index, table, 7, (0, 1), captured=True),
    Case(int_as_an_index, lambda r, n: (r.normal(), r.normal(size=4)), 1, (0, 1)),
    Case(any_and_all_of_generators, vector, 3, (0,)),
    Case(mapped, vector, 3, (0,), differences=True),
    Case(comprehension, vector, 4, (0,)),
    Case(checks_types, lambda r, n: (r.normal(size=n), 3), 3, (0,)),
    Case(asks_for_shapes, lambda r, n: (r.normal(size=(n, n + 1)),), 6, (0,), captured=True),
    Case(tests_for_special_values, lambda r, n: (r.choice([1.0, np.nan, np.inf], n),), 7),
    Case(strided_zip_and_enumerate, vector, 12, (0,), captured=True),
    Case(scalar_methods, vector, 3, (0,)),
    Case(bits, lambda r, n: (np.int64(r.integers(0, 1000)),), 1),
]
