"""Minima of functions of one variable and of many."""

from __future__ import annotations

from typing import Any

import numpy as np

GOLDEN = 0.3819660112501051


def downhill(f: Any, a: Any, b: Any, limit: float, most: int) -> Any:
    """Three places, the middle one of which has the least value: by steps that grow."""
    swapped = f(b) > f(a)
    a, b = np.where(swapped, b, a), np.where(swapped, a, b)
    c = b + 1.618034 * (b - a)
    count = 0
    while f(c) < f(b) and count < most:
        a, b, c = b, c, c + 1.618034 * np.clip(c - b, -limit, limit)
        count = count + 1
    return np.minimum(a, c), b, np.maximum(a, c)


def lowest(f: Any, low: Any, start: Any, high: Any, xtol: float, rtol: float, most: int) -> Any:
    """The minimum between two places, by parabolas through three points, else golden sections.

    R. P. Brent, Algorithms for Minimization without Derivatives, 1973, chapter 5.
    """
    a, b = low, high
    x = w = v = start
    fx = fw = fv = f(start)
    step = before = 0.0 * start
    going = True
    count = 0
    while going and count < most:
        middle = 0.5 * (a + b)
        tolerance = rtol * np.abs(x) + xtol
        going = np.abs(x - middle) > 2.0 * tolerance - 0.5 * (b - a)
        r, q = (x - w) * (fx - fv), (x - v) * (fx - fw)
        p = (x - v) * q - (x - w) * r
        q = 2.0 * (q - r)
        p = np.where(q > 0, -p, p)
        q = np.abs(q)
        bent = (np.abs(before) > tolerance) & (np.abs(p) < np.abs(0.5 * q * before))
        bent = bent & (p > q * (a - x)) & (p < q * (b - x))
        far = np.where(x < middle, b - x, a - x)
        parabola = p / np.where(bent, q, 1.0)
        near = bent & ((x + parabola - a < 2 * tolerance) | (b - x - parabola < 2 * tolerance))
        moved = np.where(near, np.where(x < middle, tolerance, -tolerance), parabola)
        before = np.where(bent, step, far)
        step = np.where(bent, moved, GOLDEN * far)
        least = np.where(np.abs(step) >= tolerance, step, np.where(step > 0, tolerance, -tolerance))
        u = x + np.where(going, least, 0.0)
        fu = f(u)
        better = fu <= fx
        a = np.where(better, np.where(u >= x, x, a), np.where(u < x, u, a))
        b = np.where(better, np.where(u >= x, b, x), np.where(u < x, b, u))
        second = (fu <= fw) | (w == x)
        third = second | (fu <= fv) | (v == x) | (v == w)
        v, fv = (
            np.where(better | second, w, np.where(third, u, v)),
            np.where(better | second, fw, np.where(third, fu, fv)),
        )
        w, fw = (
            np.where(better, x, np.where(second, u, w)),
            np.where(better, fx, np.where(second, fu, fw)),
        )
        x, fx = np.where(better, u, x), np.where(better, fu, fx)
        count = count + 1
    return x, fx, count


def descended(f: Any, start: Any, tol: float, most: int) -> Any:
    """The minimum of a function of a vector, by the method of Broyden, Fletcher, Goldfarb, Shanno.

    `f` gives value and gradient. Steps are halved, or doubled, until they give enough and the
    slope has fallen (Wolfe's conditions, found by bisection). J. Nocedal, S. J. Wright, Numerical
    Optimization, 2nd edition, 2006, chapters 3 and 6.
    """
    x = start
    value, slope = f(x)
    n = x.shape[0]
    inverse = np.eye(n)
    first = True
    count = 0
    going = np.max(np.abs(slope)) > tol
    while going and count < most:
        way = -(inverse @ slope)
        fall = way @ slope
        if fall >= 0:
            inverse, way = np.eye(n), -slope
            fall = way @ slope
        size = np.where(first, np.minimum(1.0, 1.0 / np.sqrt(slope @ slope)), 1.0)
        shortest, longest = 0.0, np.inf
        new, other, bent = x, value, slope
        tries, good = 0, False
        while tries < 50 and not good:
            new = x + size * way
            other, bent = f(new)
            high = (other > value + 1e-4 * size * fall) | (other != other)
            steep = bent @ way < 0.9 * fall
            longest = np.where(high, size, longest)
            shortest = np.where(high | (steep == 0), shortest, size)
            good = (high | steep) == 0
            middle = 0.5 * (shortest + np.where(longest < np.inf, longest, shortest))
            size = np.where(good, size, np.where(longest < np.inf, middle, 2.0 * size))
            tries = tries + 1
        step, change = new - x, bent - slope
        curve = step @ change
        if curve > 0:
            scale = np.where(first, curve / (change @ change), 1.0)
            inverse = _updated(inverse * scale, step, change, curve)
            first = False
        better = (other <= value) & good
        going = better & (np.max(np.abs(bent)) > tol)
        x = np.where(better, new, x)
        value, slope = np.where(better, other, value), np.where(better, bent, slope)
        count = count + 1
    return x, value, slope, count


def _updated(inverse: Any, step: Any, change: Any, curve: Any) -> Any:
    """The inverse Hessian that maps the change of slope to the step; `curve` is their product."""
    turned = inverse @ change
    more = (1.0 + change @ turned / curve) / curve
    both = np.outer(step, turned)
    return inverse + more * np.outer(step, step) - (both + both.T) / curve
