"""Least sums of squares, by the method of Levenberg and Marquardt."""

from __future__ import annotations

from typing import Any

import numpy as np

LEAST, MOST = 1e-16, 1e16
"""Of the damping, in units of the squares of columns."""


def fitted(
    residuals: Any, jacobian: Any, damped: Any, start: Any, bounds: Any, tolerances: Any, most: int
) -> Any:
    """Where the sum of squares of residuals is least, and whether it was found.

    `damped(matrix, right, weight)` minimises |matrix p + right|^2 + weight |p|^2. The damping goes
    by how much of what the linear model promises is kept: J. J. Moré, "The Levenberg-Marquardt
    algorithm: implementation and theory", Lecture Notes in Mathematics 630, 1978; the factors are
    those of H. B. Nielsen, 1999. Unknowns are in units in which their columns have length 1, or
    had a few steps ago, so that it does not matter what they are measured in. Those at a bound that
    would leave it stay there. `tolerances` are of the cost, of the step and of the gradient, all
    relative to what is there.
    """
    low, high = bounds
    x = np.clip(start, low, high)
    r, matrix = residuals(x), jacobian(x)
    cost = np.sum(r * r)
    weight, growth = 1e-3, 2.0
    scale = 0.0 * x
    going, found, count = cost == cost, False, 0
    while going and count < most:
        slope = r @ matrix
        fixed = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        free = np.where(fixed, 0.0, 1.0)
        scale = np.maximum(0.1 * scale, np.sqrt(np.sum(matrix * matrix, axis=0)))
        unit = np.where(scale > 0, scale, 1.0)
        step = damped(matrix * free / unit, r, weight) * free / unit
        new = np.clip(x + step, low, high)
        step = new - x
        other = residuals(new)
        other_cost = np.sum(other * other)
        promised, gained = cost - np.sum((r + matrix @ step) ** 2), cost - other_cost
        kept = gained / np.where(promised > 0, promised, 1.0)
        short = _norm(unit * step) <= tolerances[1] * (tolerances[1] + _norm(unit * x))
        flat = np.max(np.abs(slope * free) / unit) <= tolerances[2] * np.sqrt(cost)
        small = (np.abs(gained) <= tolerances[0] * cost) & (promised <= tolerances[0] * cost)
        found = short | flat | small | (cost == 0)
        going = found == 0
        if (gained >= 0) & (other_cost == other_cost):
            x, r, cost = new, other, other_cost
            matrix = jacobian(x)
            factor = 1.0 - (2.0 * kept - 1.0) ** 3
            weight = np.clip(weight * np.maximum(factor, 0.1), LEAST, MOST)
            growth = 2.0
        else:
            weight = np.clip(weight * growth, LEAST, MOST)
            growth = np.minimum(2.0 * growth, 1e8)
        count = count + 1
    return x, found, count


def _norm(x: Any) -> Any:
    return np.sqrt(np.sum(x**2))
