"""The same for devices with many threads: what runs along an axis in order, in independent parts.

*A running combination* of n elements in blocks of L (Blelloch, Prefix sums and their applications,
1990): within each block; of the blocks' totals, which is one of n / L elements; then each block's
own, combined with what comes before it.

Floats are added in another order than one after the other, by shapes alone.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.floats import is_half, kind_of

# A scan is cut into blocks where it is as long as this, and has fewer rows than that.
LEAST_SCANNED, MOST_ROWS = 1024, 16_384
BLOCK = 64
COMBINED = {"cumsum": "add", "cummax": "max", "cummin": "min"}


def running(name: str, x: Value, axis: int, reverse: bool) -> list[Value] | None:
    """cumsum and its kin along an axis, in blocks."""
    n = x.shape[axis]
    fixed = all(type(m) is int for m in x.shape)
    # float16 is rounded at each step, as NumPy rounds it
    if not fixed or x.dtype.kind == "b" or is_half(x.dtype) or n < LEAST_SCANNED:
        return None
    if prod(x.shape) // n >= MOST_ROWS:
        return None
    blocks = -(-n // BLOCK)
    padded = _padded(x, axis, 0, blocks * BLOCK - n, _empty(name, x.dtype))
    split = (*x.shape[:axis], blocks, BLOCK, *x.shape[axis + 1 :])
    scan = {"reverse": reverse}
    within = getattr(padded.reshape(shape=split), name)(axis=axis + 1, **scan)
    totals = _one(within, axis + 1, 0 if reverse else BLOCK - 1)
    upto = getattr(totals, name)(axis=axis, **scan)
    before = _one_on(upto, axis, reverse, _empty(name, x.dtype))
    dims = tuple(k for k in range(len(split)) if k != axis + 1)
    whole = getattr(within, COMBINED[name])(before.broadcast(shape=split, dims=dims))
    flat = whole.reshape(shape=(*x.shape[:axis], blocks * BLOCK, *x.shape[axis + 1 :]))
    return [_part(flat, axis, 0, n)]


def _empty(name: str, dtype: Any) -> Any:
    """What leaves every number unchanged."""
    if name == "cumsum":
        return 0
    lowest = name == "cummax"
    if kind_of(dtype) == "f":
        return -np.inf if lowest else np.inf
    limits = np.iinfo(dtype)
    return limits.min if lowest else limits.max


def _padded(x: Value, axis: int, low: int, high: int, fill: Any) -> Value:
    if not low and not high:
        return x
    before, after = [0] * x.ndim, [0] * x.ndim
    before[axis], after[axis] = low, high
    none = (0,) * x.ndim
    return x.pad(fill, low=tuple(before), high=tuple(after), interior=none)


def _part(x: Value, axis: int, first: int, last: int) -> Value:
    if (first, last) == (0, x.shape[axis]):
        return x
    start, stop = [0] * x.ndim, list(x.shape)
    start[axis], stop[axis] = first, last
    return x.slice(start=tuple(start), stop=tuple(stop), step=(1,) * x.ndim)


def _one(x: Value, axis: int, place: int) -> Value:
    """The elements at one place of an axis, without that axis."""
    found = _part(x, axis, place, place + 1)
    return found.reshape(shape=(*x.shape[:axis], *x.shape[axis + 1 :]))


def _one_on(x: Value, axis: int, reverse: bool, fill: Any) -> Value:
    """Each element replaced by the one before it in the order of the scan."""
    n = x.shape[axis]
    kept = _part(x, axis, 1, n) if reverse else _part(x, axis, 0, n - 1)
    return _padded(kept, axis, int(not reverse), int(reverse), fill)
