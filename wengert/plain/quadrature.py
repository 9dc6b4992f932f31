"""Adaptive quadrature: the interval with the largest error is halved, again and again."""

from __future__ import annotations

from typing import Any

import numpy as np


def halved(rule: Any, low: Any, high: Any, value: Any, error: Any, used: int, enough: Any) -> Any:
    """The integral and an estimate of its error, of intervals that are halved as needed.

    `rule(low, high)` gives values and errors of two intervals. The arrays begin with `used`
    intervals, of values and errors that are known, and have room for as many as there may be.
    `enough(integral)` is the error that may be left.
    """
    low, high, value, error = low.copy(), high.copy(), value.copy(), error.copy()
    count = used
    total = np.sum(value, axis=0)
    while count < low.shape[0] and np.sum(error) > enough(total):
        worst = np.argmax(error)
        end = high[worst]
        middle = 0.5 * (low[worst] + end)
        values, errors = rule(np.stack([low[worst], middle]), np.stack([middle, end]))
        low[count], high[count], high[worst] = middle, end, middle
        value[worst], error[worst] = values[0], errors[0]
        value[count], error[count] = values[1], errors[1]
        count = count + 1
        total = np.sum(value, axis=0)
    return total, np.sum(error)
