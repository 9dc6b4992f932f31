"""Polynomials, interpolation, series."""

import math

import numpy as np

from corpus.case import Case, number


def cubic_spline(x, y):
    n = len(x)
    h = x[1:] - x[:-1]
    u = np.zeros(n)
    m = np.zeros(n)
    for i in range(1, n - 1):
        s = h[i - 1] / (x[i + 1] - x[i - 1])
        p = s * m[i - 1] + 2.0
        m[i] = (s - 1.0) / p
        u[i] = (y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1]
        u[i] = (6.0 * u[i] / (x[i + 1] - x[i - 1]) - s * u[i - 1]) / p
    for k in range(n - 2, -1, -1):
        m[k] = m[k] * m[k + 1] + u[k]
    return m


def interpolation_table(x, xs, ys):
    out = np.zeros(len(x))
    for i in range(len(x)):
        k = 0
        while k < len(xs) - 2 and x[i] > xs[k + 1]:
            k += 1
        t = (x[i] - xs[k]) / (xs[k + 1] - xs[k])
        out[i] = (1.0 - t) * ys[k] + t * ys[k + 1]
    return out


def lagrange(xs, ys, x):
    total = 0.0
    for i in range(len(xs)):
        basis = 1.0
        for j in range(len(xs)):
            if j == i:
                continue
            basis *= (x - xs[j]) / (xs[i] - xs[j])
        total += ys[i] * basis
    return total


def clenshaw(c, x):
    b1 = b2 = 0.0
    for k in range(len(c) - 1, 0, -1):
        b1, b2 = c[k] + 2.0 * x * b1 - b2, b1
    return c[0] + x * b1 - b2


def legendre(x, n):
    before, value = 1.0, x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value


def continued_fraction(x, terms):
    value = 0.0
    for k in range(terms, 0, -1):
        value = x * x / (2 * k + 1 + value)
    return x / (1.0 + value)


def arithmetic_geometric_mean(a, b):
    while abs(a - b) > 1e-14 * a:
        a, b = 0.5 * (a + b), math.sqrt(a * b)
    return a


def cordic(angle):
    x, y = 0.6072529350088814, 0.0
    for i in range(40):
        power = 2.0**-i
        if angle >= 0:
            x, y = x - y * power, y + x * power
            angle -= math.atan(power)
        else:
            x, y = x + y * power, y - x * power
            angle += math.atan(power)
    return x, y


def logistic_map(r, x, steps):
    for _ in range(steps):
        x = r * x * (1.0 - x)
    return x


def series_until_small(x):
    term = 1.0
    total = 1.0
    n = 0
    while abs(term) > 1e-16:
        n += 1
        term *= x / n
        total += term
    return total, n


def polynomial_derivatives(c, x):
    p, dp, ddp = c[-1], 0.0, 0.0
    for i in range(len(c) - 2, -1, -1):
        ddp = ddp * x + 2.0 * dp
        dp = dp * x + p
        p = p * x + c[i]
    return p, dp, ddp


def knots(rng, n):
    return np.arange(n) + rng.uniform(0, 0.5, n), rng.normal(size=n)


def table(rng, n):
    return rng.uniform(0, 3, n), np.array([0.0, 1.0, 2.0, 3.0]), rng.normal(size=4)


CASES = [
    Case(cubic_spline, knots, 8, (0, 1), captured=True, differences=True),
    Case(interpolation_table, table, 6, (0, 2), captured=True, differences=True),
    Case(lagrange, lambda r, n: (*knots(r, n), 2.2), 5, (0, 1, 2), captured=True),
    Case(clenshaw, lambda r, n: (r.normal(size=n), 0.4), 7, (0, 1), captured=True),
    Case(legendre, lambda r, n: (r.uniform(-1, 1), n), 8, (0,), captured=True),
    Case(continued_fraction, lambda r, n: (r.uniform(0, 1), n), 8, (0,), captured=True),
    Case(
        arithmetic_geometric_mean,
        lambda r, n: (2.0, r.uniform(0.5, 1)),
        1,
        (0, 1),
        rtol=1e-5,
        differences=True,
    ),
    Case(cordic, lambda r, n: (r.uniform(-1, 1),), 1, value_rtol=1e-9),
    Case(logistic_map, lambda r, n: (3.2, 0.4, n), 8, (0, 1), captured=True),
    Case(series_until_small, number, 1, (0,)),
    Case(polynomial_derivatives, lambda r, n: (r.normal(size=n), 0.7), 7, (0, 1), captured=True),
]
