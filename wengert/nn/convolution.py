"""Convolution and pooling over one, two or three dimensions, channels first.

A convolution is one matrix product of the filters with all windows of the input side by side.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError

Sizes = int | Sequence[int]


def conv(
    x: Any,
    filters: Any,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """The correlation of x (batch, channels, *space) with filters.

    These are (outputs, channels / groups, *window). `padding` is a number of zeros for each side, a
    pair for each dimension, or "valid" or "same". The result is (batch, outputs, *space).
    """
    dims = x.ndim - 2
    if dims not in (1, 2, 3) or filters.ndim != x.ndim:
        raise ShapeError(f"conv takes 1 to 3 dimensions, got {x.shape} and filters {filters.shape}")
    if x.shape[1] != filters.shape[1] * groups or filters.shape[0] % groups:
        raise ShapeError(
            f"conv: {x.shape[1]} channels in {groups} groups do not fit filters of shape "
            f"{filters.shape} (outputs, channels / groups, *window)"
        )
    window = filters.shape[2:]
    steps, gaps = _each(stride, dims, "stride"), _each(dilation, dims, "dilation")
    padded = _padded(x, padding, window, steps, gaps, 0)
    places, space = _windows(padded, window, steps, gaps)
    batch, channels = x.shape[:2]
    stacked = np.stack(places, axis=2)  # (batch, channels, window, *space)
    count, size = len(places), math.prod(space)
    rows = np.reshape(stacked, (batch, groups, channels // groups * count, size))
    flat = np.reshape(filters, (groups, filters.shape[0] // groups, -1))
    return np.reshape(flat @ rows, (batch, filters.shape[0], *space))


def max_pool(x: Any, window: Sizes, stride: Sizes | None = None, padding: Any = 0) -> Any:
    """The largest element of each window of x (batch, channels, *space); steps of a window."""
    places, _ = _pooled(x, window, stride, padding, -np.inf)
    return functools.reduce(np.maximum, places)


def avg_pool(x: Any, window: Sizes, stride: Sizes | None = None, padding: Any = 0) -> Any:
    """The mean of each window of x (batch, channels, *space), zeros of the padding included."""
    places, _ = _pooled(x, window, stride, padding, 0)
    return functools.reduce(np.add, places) / len(places)


def _pooled(
    x: Any, window: Sizes, stride: Sizes | None, padding: Any, fill: float
) -> tuple[list[Any], tuple[int, ...]]:
    dims = x.ndim - 2
    sizes = _each(window, dims, "window")
    steps = sizes if stride is None else _each(stride, dims, "stride")
    gaps = (1,) * dims
    return _windows(_padded(x, padding, sizes, steps, gaps, fill), sizes, steps, gaps)


def _each(value: Sizes, dims: int, name: str) -> tuple[int, ...]:
    found = (value,) * dims if isinstance(value, int | np.integer) else tuple(value)
    if len(found) != dims or any(v < 1 for v in found):
        raise ArgumentError(f"{name} is a positive number, or {dims} of them, not {value!r}")
    return tuple(int(v) for v in found)


def _padded(
    x: Any,
    padding: Any,
    window: Sequence[int],
    steps: Sequence[int],
    gaps: Sequence[int],
    fill: float,
) -> Any:
    dims = x.ndim - 2
    if padding == "valid":
        pairs: list[Any] = [(0, 0)] * dims
    elif padding == "same":
        pairs = []
        for n, w, step, gap in zip(x.shape[2:], window, steps, gaps, strict=True):
            total = max(0, (-(-n // step) - 1) * step + (w - 1) * gap + 1 - n)
            pairs.append((total // 2, total - total // 2))
    elif isinstance(padding, int | np.integer):
        pairs = [(int(padding), int(padding))] * dims
    else:
        pairs = [(p, p) if isinstance(p, int | np.integer) else tuple(p) for p in padding]
    if len(pairs) != dims:
        raise ArgumentError(f"padding needs an entry for each of {dims} dimensions: {padding!r}")
    if not any(map(sum, pairs)):
        return x
    widths: Any = [(0, 0), (0, 0), *pairs]
    return np.pad(x, widths, constant_values=fill)


def _windows(
    x: Any, window: Sequence[int], steps: Sequence[int], gaps: Sequence[int]
) -> tuple[list[Any], tuple[int, ...]]:
    """For each place in a window, what all windows have there; and how many windows there are."""
    space = tuple(
        (n - (w - 1) * gap - 1) // step + 1
        for n, w, step, gap in zip(x.shape[2:], window, steps, gaps, strict=True)
    )
    if min(space) < 1:
        raise ShapeError(f"a window of {tuple(window)} does not fit into {x.shape[2:]}")
    found: list[Any] = []
    for place in itertools.product(*(range(w) for w in window)):
        cuts = [
            slice(p * gap, p * gap + (n - 1) * step + 1, step)
            for p, gap, n, step in zip(place, gaps, space, steps, strict=True)
        ]
        found.append(x[(slice(None), slice(None), *cuts)])
    return found, space
