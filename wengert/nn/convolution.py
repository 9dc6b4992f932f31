"""Convolution and pooling over one, two or three dimensions, channels first.

A convolution is a matrix product of the filters with all windows of the input side by side, which
the op `shear` reads. Each example of a batch has one of its own, whose windows stay in the cache,
unless the filters are larger than its windows: then there is one product for all.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api.mapping import vmap
from wengert.errors import ArgumentError, ShapeError
from wengert.ir.op import REGISTRY
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap

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
    space = _space(padded.shape[2:], window, steps, gaps)
    outputs, size = filters.shape[0], math.prod(space)
    flat = np.reshape(filters, (groups, outputs // groups, -1))

    def examples(x: Any) -> Any:
        """The results of some examples, (..., groups, outputs of a group, places)."""
        lead = (*x.shape[: x.ndim - dims - 1], groups, flat.shape[2])
        return flat @ np.reshape(_sliding(x, window, space, steps, gaps), (*lead, size))

    apart = x.shape[0] > 1 and outputs // groups <= size
    found = vmap(examples, apart=True)(padded) if apart else examples(padded)
    return np.reshape(found, (x.shape[0], outputs, *space))


def _sliding(
    x: Any,
    window: Sequence[int],
    space: Sequence[int],
    steps: Sequence[int],
    gaps: Sequence[int],
) -> Any:
    """All windows of x (..., *space), as (..., *window, *space)."""
    dims = len(window)
    lead, rest = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
    given = {"sizes": tuple(space), "starts": (0,) * dims, "steps": steps, "gaps": gaps}
    rows = np.broadcast_to(np.reshape(x, (*lead, *(1,) * dims, *rest)), (*lead, *window, *rest))
    if not isinstance(rows, Tracer):
        return REGISTRY["shear"].evaluate(rows, **given)
    return wrap(lift(rows).shear(**given))


def max_pool(x: Any, window: Sizes, stride: Sizes | None = None, padding: Any = 0) -> Any:
    """The largest element of each window of x (batch, channels, *space); steps of a window.

    Where several are the largest, the derivative is shared out among them.
    """
    tiles = _tiles(x, window, stride, padding, -np.inf)
    if tiles is not None:
        return np.max(tiles, axis=tuple(range(3, tiles.ndim, 2)))
    places, _ = _pooled(x, window, stride, padding, -np.inf)
    return functools.reduce(np.maximum, places)


def avg_pool(x: Any, window: Sizes, stride: Sizes | None = None, padding: Any = 0) -> Any:
    """The mean of each window of x (batch, channels, *space), zeros of the padding included."""
    tiles = _tiles(x, window, stride, padding, 0)
    if tiles is not None:
        return np.mean(tiles, axis=tuple(range(3, tiles.ndim, 2)))
    places, _ = _pooled(x, window, stride, padding, 0)
    return functools.reduce(np.add, places) / len(places)


def _tiles(x: Any, window: Sizes, stride: Sizes | None, padding: Any, fill: float) -> Any:
    """x as (batch, channels, n, w, n, w, ...) with windows of w that do not meet; None if they do.

    What is left over at the end belongs to no window.
    """
    dims = x.ndim - 2
    sizes = _each(window, dims, "window")
    steps = sizes if stride is None else _each(stride, dims, "stride")
    if steps != sizes:
        return None
    padded = _padded(x, padding, sizes, steps, (1,) * dims, fill)
    space = _space(padded.shape[2:], sizes, steps, (1,) * dims)
    whole = tuple(slice(0, n * w) for n, w in zip(space, sizes, strict=True))
    pairs = [each for pair in zip(space, sizes, strict=True) for each in pair]
    return np.reshape(padded[(slice(None), slice(None), *whole)], (*x.shape[:2], *pairs))


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


def _space(
    shape: Sequence[int], window: Sequence[int], steps: Sequence[int], gaps: Sequence[int]
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    space = tuple(
        (n - (w - 1) * gap - 1) // step + 1
        for n, w, step, gap in zip(shape, window, steps, gaps, strict=True)
    )
    if min(space) < 1:
        raise ShapeError(f"a window of {tuple(window)} does not fit into {tuple(shape)}")
    return space


def _windows(
    x: Any, window: Sequence[int], steps: Sequence[int], gaps: Sequence[int]
) -> tuple[list[Any], tuple[int, ...]]:
    """For each place in a window, what all windows have there; and how many windows there are."""
    space = _space(x.shape[2:], window, steps, gaps)
    found: list[Any] = []
    for place in itertools.product(*(range(w) for w in window)):
        cuts = [
            slice(p * gap, p * gap + (n - 1) * step + 1, step)
            for p, gap, n, step in zip(place, gaps, space, steps, strict=True)
        ]
        found.append(x[(slice(None), slice(None), *cuts)])
    return found, space
