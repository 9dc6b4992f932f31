"""Zeros of functions of one variable, for scalars and for arrays of them alike.

All elements take turns together; those that have ended stay where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def bracketed(f: Any, ends: Any, values: Any, xtol: float, rtol: float, max_steps: int) -> Any:
    """The place where `f` changes its sign between two, with its values there; and if it was found.

    Where `f` is not a number, neither is the place.

    Inverse quadratic interpolation where three values are on a smooth curve, else halving: T. R.
    Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
    function without using derivatives", Advances in Engineering Software 28, 1997.
    """
    x1, x2, x3 = ends[0], ends[1], ends[1]
    f1, f2, f3 = values[0], values[1], values[1]
    best = np.where(np.abs(f1) < np.abs(f2), x1, x2)
    share = 0.5 + 0.0 * x1
    done = (f1 == 0) | (f2 == 0) | (f1 != f1) | (f2 != f2)
    count = 0
    while count < max_steps and not np.all(done):
        x = np.where(done, x1, x1 + share * (x2 - x1))
        fx = f(x)
        same = np.sign(fx) == np.sign(f1)
        x3, f3 = np.where(done, x3, np.where(same, x1, x2)), np.where(same, f1, f2)
        x2, f2 = np.where(done | same, x2, x1), np.where(done | same, f2, f1)
        x1, f1 = np.where(done, x1, x), np.where(done, f1, fx)
        best = np.where(done, best, np.where(np.abs(f1) < np.abs(f2), x1, x2))
        width = np.abs(x2 - x1)
        tolerance = xtol + rtol * np.abs(best)
        done = done | (width <= tolerance) | (f1 == 0) | (f1 != f1)
        least = np.where(done, 0.0, 0.5 * tolerance / np.where(width > 0, width, 1.0))
        share = np.clip(_share(x1, x2, x3, f1, f2, f3), least, 1.0 - least)
        count = count + 1
    return np.where((f1 != f1) | (f2 != f2), np.nan, best), done


def _share(x1: Any, x2: Any, x3: Any, f1: Any, f2: Any, f3: Any) -> Any:
    """How far from x1 to x2 the next place is."""
    across = np.where(x3 == x2, 1.0, x3 - x2)
    rise = np.where(f3 == f2, 1.0, f3 - f2)
    xi, phi = (x1 - x2) / across, (f1 - f2) / rise
    smooth = (phi * phi < xi) & ((1.0 - phi) * (1.0 - phi) < 1.0 - xi)
    smooth = smooth & (x3 != x2) & (f3 != f2) & (f3 != f1) & (f2 != f1) & (x2 != x1)
    d21, d31, d32 = (np.where(smooth, d, 1.0) for d in (f2 - f1, f3 - f1, f3 - f2))
    first = -f1 / d21 * f3 / d32
    second = (x3 - x1) / np.where(x2 == x1, 1.0, x2 - x1) * f1 / d31 * f2 / d32
    return np.where(smooth, first + second, 0.5)


def by_slopes(f: Any, start: Any, tol: float, rtol: float, max_steps: int) -> Any:
    """Newton's or Halley's method: `f` gives value, slope and half of the second slope."""
    x = start
    done = x != x
    count = 0
    while count < max_steps and not np.all(done):
        value, slope, curve = f(x)
        flat = slope == 0
        step = value / np.where(flat, 1.0, slope)
        bent = curve * step / np.where(flat, 1.0, slope)
        step = step / np.where(np.abs(bent) < 1, 1.0 - bent, 1.0)
        step = np.where(flat & (value != 0), np.nan, step)
        new = np.where(done, x, x - step)
        done = done | (np.abs(new - x) <= tol + rtol * np.abs(x)) | (new != new)
        x = new
        count = count + 1
    return x, done & (x == x)


def by_secants(f: Any, start: Any, other: Any, tol: float, rtol: float, max_steps: int) -> Any:
    """The secant method from two places."""
    x0, x1 = start, other
    f0, f1 = f(x0), f(x1)
    worse = np.abs(f1) > np.abs(f0)
    x0, x1 = np.where(worse, x1, x0), np.where(worse, x0, x1)
    f0, f1 = np.where(worse, f1, f0), np.where(worse, f0, f1)
    done = f1 == 0
    count = 0
    while count < max_steps and not np.all(done):
        flat = f1 == f0
        moved = (x1 - x0) * f1 / np.where(flat, 1.0, f1 - f0)
        new = np.where(done, x1, np.where(flat, 0.5 * (x0 + x1), x1 - moved))
        value = f(new)
        done = done | flat | (np.abs(new - x1) <= tol + rtol * np.abs(new)) | (value == 0)
        x0, f0, x1, f1 = x1, f1, new, value
        count = count + 1
    return x1, done & (x1 == x1)


def accelerated(f: Any, start: Any, tol: float, max_steps: int, squared: bool) -> Any:
    """Places that `f` leaves where they are: by iteration, or by Aitken's squared differences."""
    x = start
    done = x != x
    count = 0
    while count < max_steps and not np.all(done):
        first = f(x)
        new = first
        if squared:
            second = f(first)
            bent = second - 2.0 * first + x
            flat = bent == 0
            step = (first - x) ** 2 / np.where(flat, 1.0, bent)
            new = np.where(flat, second, x - step)
        near = np.where(x != 0, np.abs((new - x) / np.where(x != 0, x, 1.0)), np.abs(new))
        new = np.where(done, x, new)
        done = done | (near < tol)
        x = new
        count = count + 1
    return x, done
