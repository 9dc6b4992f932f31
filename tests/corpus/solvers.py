"""Roots and minima."""

import math

import numpy as np

from corpus.case import Case, number


def newton(a):
    x = 1.0
    for _ in range(8):
        x = x - (x**3 - a) / (3.0 * x**2)
    return x


def newton_until_converged(a):
    x = 2.0
    step = 1.0
    while abs(step) > 1e-12:
        step = (math.exp(x) - a * x * x) / (math.exp(x) - 2.0 * a * x)
        x -= step
    return x


def bisection(low, high, tolerance):
    def f(x):
        return x**3 - x - 2.0

    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if f(low) * f(middle) <= 0:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def secant(a, x0, x1):
    f0, f1 = x0 * x0 - a, x1 * x1 - a
    for _ in range(30):
        if abs(x1 - x0) < 1e-10:
            break
        x0, x1 = x1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f0, f1 = f1, x1 * x1 - a
    return x1


def golden_section(low, high):
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    c, d = high - ratio * (high - low), low + ratio * (high - low)
    turns = 0
    while abs(high - low) > 1e-3 and turns < 100:
        if (c - 1.3) ** 2 < (d - 1.3) ** 2:
            high, d = d, c
            c = high - ratio * (high - low)
        else:
            low, c = c, d
            d = low + ratio * (high - low)
        turns += 1
    return 0.5 * (low + high), turns


def fixed_point(x):
    y = x
    while True:
        new = np.cos(y) * 0.5 + 0.1 * x
        if abs(new - y) < 1e-13:
            return new
        y = new


def kepler(mean_anomaly, eccentricity):
    e = mean_anomaly
    for _ in range(20):
        delta = (e - eccentricity * np.sin(e) - mean_anomaly) / (1 - eccentricity * np.cos(e))
        e -= delta
        if abs(delta) < 1e-12:
            break
    return e


def gradient_descent(w, x, y, steps):
    for _ in range(steps):
        residual = x @ w - y
        w = w - 0.05 * (x.T @ residual) / len(y)
    return w


def adam(w, steps):
    m = np.zeros_like(w)
    v = np.zeros_like(w)
    for t in range(1, steps + 1):
        g = 4.0 * w**3 - 2.0 * w
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def backtracking_line_search(x):
    def f(p):
        return p[0] ** 4 + 2.0 * p[1] ** 2

    gradient = np.array([4.0 * x[0] ** 3, 4.0 * x[1]])
    step = 1.0
    while f(x - step * gradient) > f(x) - 0.3 * step * (gradient @ gradient):
        step *= 0.5
    return x - step * gradient


def regression(rng, n):
    return rng.normal(size=2), rng.normal(size=(5, 2)), rng.normal(size=5), n


CASES = [
    Case(newton, lambda r, n: (r.uniform(1, 5),), 1, (0,)),
    Case(
        newton_until_converged,
        lambda r, n: (r.uniform(2.8, 4),),
        1,
        (0,),
        rtol=1e-5,
        differences=True,
    ),
    Case(bisection, lambda r, n: (1.0 + r.uniform(0, 0.3), 2.1, 1e-3), 1, (0, 1)),
    Case(secant, lambda r, n: (r.uniform(2, 5), 1.0, 2.0), 1, (0,), rtol=1e-5),
    Case(golden_section, lambda r, n: (0.0, 4.0 + r.uniform()), 1, (0, 1)),
    Case(fixed_point, number, 1, (0,), rtol=1e-5),
    Case(kepler, lambda r, n: (r.uniform(0, 3), 0.3), 1, (0, 1), rtol=1e-5),
    Case(gradient_descent, regression, 8, (0, 1, 2), captured=True),
    Case(adam, lambda r, n: (r.uniform(0.5, 1, 2), n), 8, (0,), captured=True),
    Case(backtracking_line_search, lambda r, n: (r.uniform(0.6, 1.2, 2),), 2, (0,)),
]
