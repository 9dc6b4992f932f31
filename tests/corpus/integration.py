"""Differential equations and quadrature."""

import math

import numpy as np

from corpus.case import Case


def euler(y, rate, steps):
    h = 1.0 / steps
    for _ in range(steps):
        y = y + h * rate * y * (1.0 - y)
    return y


def lorenz(state):
    x, y, z = state
    return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


def runge_kutta(state, steps):
    h = 0.01
    for _ in range(steps):
        k1 = lorenz(state)
        k2 = lorenz(state + 0.5 * h * k1)
        k3 = lorenz(state + 0.5 * h * k2)
        k4 = lorenz(state + h * k3)
        state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return state


def trajectory(y0, steps):
    path = np.empty((steps + 1, len(y0)))
    path[0] = y0
    for k in range(steps):
        position, speed = path[k]
        path[k + 1] = [position + 0.1 * speed, speed - 0.1 * np.sin(position)]
    return path


def leapfrog(q, p, steps):
    for _ in range(steps):
        p -= 0.05 * q
        q += 0.1 * p
        p -= 0.05 * q
    return 0.5 * (p @ p + q @ q)


def adaptive_steps(y, end):
    t = 0.0
    h = 0.1
    steps = 0
    while t < end:
        if t + h > end:
            h = end - t
        k1 = -2.0 * y + np.sin(t)
        k2 = -2.0 * (y + h * k1) + np.sin(t + h)
        error = 0.5 * h * abs(k2 - k1)
        if error < 1e-3:
            t += h
            y += 0.5 * h * (k1 + k2)
            steps += 1
            h *= 1.5
        else:
            h *= 0.5
    return y, steps


def implicit_euler(y, steps):
    for _ in range(steps):
        new = y
        for _ in range(6):
            new = new - (new - y + 0.1 * new**3) / (1.0 + 0.3 * new**2)
        y = new
    return y


def trapezoid(x, y):
    total = 0.0
    for i in range(len(x) - 1):
        total += 0.5 * (x[i + 1] - x[i]) * (y[i + 1] + y[i])
    return total


def simpson(a, b, n):
    h = (b - a) / n
    total = np.exp(a) + np.exp(b)
    for i in range(1, n):
        total += (4.0 if i % 2 else 2.0) * np.exp(a + i * h)
    return total * h / 3.0


def romberg(a, b):
    levels = 5
    r = np.zeros((levels, levels))
    h = b - a
    r[0, 0] = 0.5 * h * (math.sin(a) + math.sin(b))
    for i in range(1, levels):
        h *= 0.5
        total = 0.0
        for k in range(1, 2**i, 2):
            total += math.sin(a + k * h)
        r[i, 0] = 0.5 * r[i - 1, 0] + total * h
        for j in range(1, i + 1):
            r[i, j] = r[i, j - 1] + (r[i, j - 1] - r[i - 1, j - 1]) / (4**j - 1)
    return r[levels - 1, levels - 1]


def adaptive_simpson(f, a, b, depth):
    middle = 0.5 * (a + b)
    whole = (b - a) / 6.0 * (f(a) + 4.0 * f(middle) + f(b))
    if depth == 0:
        return whole
    return adaptive_simpson(f, a, middle, depth - 1) + adaptive_simpson(f, middle, b, depth - 1)


def quadrature_by_recursion(a, b):
    return adaptive_simpson(lambda t: np.exp(-t * t), a, b, 3)


def knots(rng, n):
    return np.arange(n) + rng.uniform(0, 0.5, n), rng.normal(size=n)


CASES = [
    Case(euler, lambda r, n: (0.1, 2.0, n), 8, (0, 1), captured=True),
    Case(runge_kutta, lambda r, n: (r.normal(size=3), n), 8, (0,), captured=True),
    Case(trajectory, lambda r, n: (r.normal(size=2), n), 8, (0,), captured=True, differences=True),
    Case(leapfrog, lambda r, n: (r.normal(size=2), r.normal(size=2), n), 8, (0, 1), captured=True),
    Case(adaptive_steps, lambda r, n: (r.normal(), 1.0), 1, (0,)),
    Case(implicit_euler, lambda r, n: (r.uniform(0.5, 2), n), 8, (0,), captured=True),
    Case(trapezoid, knots, 8, (0, 1), captured=True),
    Case(simpson, lambda r, n: (0.1, 1.0 + r.uniform(), n), 8, (0, 1), captured=True),
    Case(romberg, lambda r, n: (0.1, 1.0 + r.uniform()), 1, (0, 1), differences=True),
    Case(quadrature_by_recursion, lambda r, n: (0.1, 1.0 + r.uniform()), 1, (0, 1)),
]
