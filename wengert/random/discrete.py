"""Random integers, choices and orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import numpy as wnp
from wengert.errors import ArgumentError, DTypeError
from wengert.random.continuous import gumbel, uniform
from wengert.random.keys import require_key, split
from wengert.random.threefry import random_bits

Shape = Sequence[int]


def bits(key: Any, shape: Shape = (), dtype: Any = np.uint32) -> Any:
    """Unsigned integers all of whose bits are random."""
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind != "u":
        raise DTypeError(f"random bits are of an unsigned dtype, not of {kind}")
    return random_bits(require_key(key), 8 * kind.itemsize, shape)


def randint(key: Any, shape: Shape, minval: Any, maxval: Any, dtype: Any = np.int64) -> Any:
    """Integers in [minval, maxval).

    The remainder of twice as many bits as the dtype has, and of 64 at least: unless the range is
    nearly all of the dtype's, all integers are as good as equally likely.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind not in "iu":
        raise DTypeError(f"random integers are of an integer dtype, not of {kind}")
    width = max(32, 8 * kind.itemsize)
    unsigned = np.dtype(f"uint{width}").type
    low, high = wnp.asarray(minval, kind), wnp.asarray(maxval, kind)
    first, second = split(require_key(key))
    upper, lower = random_bits(first, width, shape), random_bits(second, width, shape)
    span = np.where(high > low, high - low, kind.type(1)).astype(unsigned)
    # what the upper bits count in, as a remainder: 2**width mod span
    half = np.reshape(unsigned(1 << width // 2) % span, (-1,) if span.ndim == 0 else span.shape)
    factor = half * half % span
    offset = (upper % span * factor + lower % span) % span
    return low + offset.astype(kind)


def bernoulli(key: Any, p: Any = 0.5, shape: Shape | None = None) -> Any:
    """Booleans that are true with probability p; by default one for each p."""
    wanted = wnp.asarray(p, float) if isinstance(p, (int, float)) else p
    return uniform(key, np.shape(wanted) if shape is None else shape, dtype=wanted.dtype) < wanted


def rademacher(key: Any, shape: Shape = (), dtype: Any = np.int64) -> Any:
    """-1 and 1, equally likely."""
    kind: np.dtype[Any] = np.dtype(dtype)
    return np.where(bernoulli(key, 0.5, shape), kind.type(1), kind.type(-1))


def categorical(key: Any, logits: Any, axis: int = -1, shape: Shape | None = None) -> Any:
    """Positions along `axis`, with probabilities proportional to exp(logits) (Gumbel's trick).

    By default one for each row; a longer `shape` ends with that of the rows.
    """
    rows = list(np.shape(logits))
    size = rows.pop(axis % len(rows))
    wanted = tuple(rows) if shape is None else tuple(shape)
    if wanted[len(wanted) - len(rows) :] != tuple(rows):
        raise ArgumentError(f"shape {wanted} does not end with that of the rows, {tuple(rows)}")
    noise = gumbel(key, (*wanted, size), logits.dtype)
    return np.argmax(noise + np.moveaxis(logits, axis, -1), axis=-1)


def permutation(key: Any, x: Any, axis: int = 0) -> Any:
    """The numbers below an int `x`, or the entries of an array along an axis, in random order.

    They are sorted by random words, often enough that equal words do not matter.
    """
    size = x if isinstance(x, int) else np.shape(x)[axis]
    order: Any = np.arange(size)
    rounds = math.ceil(3 * math.log(max(1, size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        key, own = split(require_key(key))
        order = wnp.take(order, np.argsort(random_bits(own, 32, (size,)), kind="stable"))
    return order if isinstance(x, int) else wnp.take(x, order, axis=axis)


def choice(key: Any, a: Any, shape: Shape = (), replace: bool = True, p: Any = None) -> Any:
    """Entries of `a`, or numbers below an int `a`, equally likely or with probabilities `p`.

    Without replacement and with `p`, the largest sums of log p and Gumbel noise are taken.
    """
    size, count = a if isinstance(a, int) else np.shape(a)[0], math.prod(shape)
    if not replace and count > size:
        raise ArgumentError(f"{count} different entries cannot be chosen of {size}")
    if replace and p is None:
        found = randint(key, (count,), 0, size)
    elif replace:
        total = np.cumsum(p)
        found = wnp.searchsorted(total, total[-1] * (1 - uniform(key, (count,), dtype=p.dtype)))
    elif p is None:
        found = permutation(key, size)[:count]
    else:
        found = np.argsort(-gumbel(key, (size,), p.dtype) - np.log(p), kind="stable")[:count]
    found = found.reshape(tuple(shape))
    return found if isinstance(a, int) else wnp.take(a, found, axis=0)
