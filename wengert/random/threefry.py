"""Threefry-2x32, a random function of a key and a counter: J. K. Salmon et al., "Parallel Random
Numbers: As Easy as 1, 2, 3", SC 2011, with 20 rounds.

It has no state: sample i of an array depends on the key and on i alone, so that samples are
computed inside the loops that use them, in any order, with the same bits on every back end.
Counters and keys are used as JAX uses them (jax_threefry_partitionable, its default), so the bits
are JAX's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.tracer.functions.operands import iota, wrapped
from wengert.tracer.stack import current

U32, U64 = np.uint32, np.uint64

# Rounds come in groups of four; each round turns one word by so many bits.
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
GROUPS = 5
# From the Skein hash: keeps an all-zero key from being weak.
PARITY = U32(0x1BD11BDA)


def _rotated(x: Any, distance: int) -> Any:
    return (x << U32(distance)) | (x >> U32(32 - distance))


def threefry(key: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Two random words for each counter; `key` is uint32[2], counters are uint32 arrays."""
    first, second = key[0:1], key[1:2]
    words = (first, second, first ^ second ^ PARITY)
    x, y = high + first, low + second
    for group in range(GROUPS):
        for distance in ROTATIONS[group % 2]:
            x = x + y
            y = _rotated(y, distance) ^ x
        x = x + words[(group + 1) % 3]
        y = y + words[(group + 2) % 3] + U32(group + 1)
    return x, y


def counters(size: int) -> tuple[Any, Any]:
    """The numbers below `size`: their high and low 32 bits."""
    number: Any = np.arange(size) if current() is None else wrapped(iota((size,), 0))
    if size <= 1 << 32:
        return np.zeros(1, U32), number.astype(U32)
    return (number >> np.int64(32)).astype(U32), (number & np.int64(0xFFFF_FFFF)).astype(U32)


def words(key: Any, size: int) -> tuple[Any, Any]:
    """Two random words for each of the numbers below `size`."""
    return threefry(key, *counters(size))


def random_bits(key: Any, width: int, shape: Sequence[int]) -> Any:
    """Unsigned integers of 8, 16, 32 or 64 random bits."""
    high, low = words(key, math.prod(shape))
    if width == 64:
        found = (high.astype(U64) << U64(32)) | low.astype(U64)
    else:
        found = (high ^ low).astype(np.dtype(f"uint{width}"))
    return found.reshape(tuple(shape))
