"""Minima of functions of one variable."""

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
