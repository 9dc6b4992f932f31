"""Reductions by ufuncs that no op is made for: pairs are combined, then pairs of these.

That is the same as NumPy's order for ufuncs that are associative, but for roundings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.tracer.functions.ufuncs import call

ASSOCIATIVE: dict[str, Any] = {
    "logaddexp": -np.inf,
    "logaddexp2": -np.inf,
    "hypot": 0.0,
    "bitwise_and": -1,
    "bitwise_or": 0,
    "bitwise_xor": 0,
    "gcd": 0,
    "lcm": 1,
}
"""The number that changes nothing."""
FROM_FIRST = {"subtract": "add", "divide": "multiply"}
"""Where all elements but the first are joined by another ufunc."""


def part(x: Value, axis: int, start: int, stop: int) -> Value:
    """The elements from one place to another along an axis."""
    starts = tuple(start if d == axis else 0 for d in range(x.ndim))
    stops = tuple(stop if d == axis else n for d, n in enumerate(x.shape))
    return x.slice(start=starts, stop=stops, step=(1,) * x.ndim)


def folded(ufunc: np.ufunc, x: Value, axis: int) -> Value:
    """All elements along an axis of one element or more combined; the axis has one then."""
    while x.shape[axis] > 1:
        n = x.shape[axis]
        half = n // 2
        joined = call(ufunc, part(x, axis, 0, half), part(x, axis, half, 2 * half)).to(x.dtype)
        x = joined if n == 2 * half else joined.concat(part(x, axis, n - 1, n), axis=axis)
    return x


def running_fold(ufunc: np.ufunc, x: Value, axis: int) -> Value:
    """Each element combined with all before it: W. D. Hillis, G. L. Steele, Data parallel
    algorithms, Communications of the ACM 29, 1986."""
    n, apart = x.shape[axis], 1
    while apart < n:
        joined = call(ufunc, part(x, axis, 0, n - apart), part(x, axis, apart, n)).to(x.dtype)
        x = part(x, axis, 0, apart).concat(joined, axis=axis)
        apart *= 2
    return x
