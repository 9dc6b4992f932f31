"""Least sums of squares, by the method of Levenberg and Marquardt."""

from __future__ import annotations

from typing import Any

import numpy as np

LEAST, MOST = 1e-16, 1e16
"""Of the damping, in units of the largest square of a column."""


def fitted(
    residuals: Any, jacobian: Any, damped: Any, start: Any, bounds: Any, tolerances: Any, most: int
) -> Any:
    """Where the sum of squares of residuals is least, and whether it was found.

    `damped(matrix, right, weight)` minimises |matrix p + right|^2 + weight |p|^2. The damping goes
    by how much of what the linear model promises is kept: J. J. Moré, "The Levenberg-Marquardt
    algorithm: implementation and theory", Lecture Notes in Mathematics 630, 1978; the factors are
    those of H. B. Nielsen, 1999. Unknowns at a bound that would leave it stay there. `tolerances`
    are of the cost, of the step and of the gradient, all relative to what is there.
    """
    low, high = bounds
    x = np.clip(start, low, high)
    r = residuals(x)
    matrix = jacobian(x)
    cost = np.sum(r * r)
    weight = 1e-3
    growth = 2.0
    going = cost == cost
    found = False
    count = 0
    while going and count < most:
        slope = r @ matrix
        fixed = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        free = np.where(fixed, 0.0, 1.0)
        inner = matrix * free
        unit = np.max(np.sum(inner * inner, axis=0))
        unit = np.where(unit > 0, unit, 1.0)
        step = damped(inner, r, weight * unit) * free
        new = np.clip(x + step, low, high)
        step = new - x
        other = residuals(new)
        other_cost = np.sum(other * other)
        linear = r + matrix @ step
        promised = cost - np.sum(linear * linear)
        gained = cost - other_cost
        kept = gained / np.where(promised > 0, promised, 1.0)
        short = np.sqrt(np.sum(step * step)) <= tolerances[1] * (
            tolerances[1] + np.sqrt(np.sum(x * x))
        )
        flat = np.max(np.abs(slope * free)) <= tolerances[2] * np.sqrt(unit * cost)
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
