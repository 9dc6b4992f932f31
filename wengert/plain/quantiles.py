"""Searches for quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST = 1100
"""Doublings: more than there are powers of 2."""


def enclosed(rest: Any, low: Any, high: Any, inside: Any) -> Any:
    """Places at which a rising function has different signs, inside of a support; its values there.

    `rest` takes both places as one array, and is called in one place alone: it may be an integral,
    all of whose code comes with each call.
    """
    ends = np.stack([inside, inside])
    values = np.zeros_like(ends)
    width = 1.0
    count = 0
    moving = np.any(inside == inside)  # of data, else the first turn is a copy of its own
    while moving and count < MOST:
        values = rest(ends)
        above, below = values[0] > 0, values[1] < 0
        first = np.where(above, np.maximum(low, inside - width), ends[0])
        last = np.where(below, np.minimum(high, inside + width), ends[1])
        moving = np.any((above & (first != ends[0])) | (below & (last != ends[1])))
        ends = np.stack([first, last])
        width = width * 2.0
        count = count + 1
    return ends, values


def counted(rest: Any, low: Any, high: Any) -> Any:
    """The first whole number from low on where a rising function is not negative."""
    start = np.where(low > -np.inf, low, 0.0)
    width = 1.0
    count = 0
    under = np.where(low > -np.inf, low - 1.0, -1.0)
    over = np.minimum(start + width, high)
    while count < MOST and not np.all((rest(over) >= 0) | (over >= high)):
        less = rest(over) < 0
        under, over = np.where(less, over, under), np.where(less, start + width, over)
        over = np.minimum(over, high)
        width = width * 2.0
        count = count + 1
    width = 1.0
    while count < MOST and not np.all((rest(under) < 0) | (under < low)):
        under = np.where((rest(under) >= 0) & (under >= low), start - width, under)
        width = width * 2.0
        count = count + 1
    while count < MOST and not np.all(over - under <= 1.0):
        middle = np.floor(0.5 * (under + over))
        enough = rest(middle) >= 0
        more = over - under > 1.0
        over = np.where(more & enough, middle, over)
        under = np.where(more & ~enough, middle, under)
        count = count + 1
    return over
