"""Keys: what random numbers are a function of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError
from wengert.random.threefry import threefry, words

U32 = np.uint32


def require_key(key: Any) -> Any:
    """`key`, if it is one; else raises ArgumentError or DTypeError."""
    shape, dtype = getattr(key, "shape", None), getattr(key, "dtype", None)
    if dtype != U32 and shape is not None:
        raise DTypeError(f"a random key is uint32[2], and this is {dtype}; make one by random.key")
    if shape != (2,):
        found = type(key).__name__ if shape is None else f"an array of shape {shape}"
        raise ArgumentError(
            f"a random key is uint32[2], and this is {found}; make one by random.key(seed), and "
            "take one of several by keys[i] or vmap"
        )
    return key


def key(seed: Any) -> Any:
    """The key of a seed, an integer: uint32[2]."""
    if isinstance(seed, (int, np.integer)):
        number = int(seed) % (1 << 64)
        return np.array([number >> 32, number & 0xFFFF_FFFF], U32)
    if getattr(seed, "shape", None) != () or seed.dtype.kind not in "iu":
        raise ArgumentError("the seed of a random key is one integer")
    wide = seed.astype(np.int64)
    both = [(wide >> np.int64(32)).astype(U32), (wide & np.int64(0xFFFF_FFFF)).astype(U32)]
    return np.stack(both)


def split(key: Any, num: int | tuple[int, ...] = 2) -> Any:
    """`num` new keys that are independent of one another and of `key`: uint32[num, 2].

    A key whose numbers have been used should not be split: give each use a key of its own.
    """
    shape = (num,) if isinstance(num, int) else tuple(num)
    first, second = words(require_key(key), math.prod(shape))
    return np.stack([first, second], axis=-1).reshape((*shape, 2))


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and an integer, the number of a step, say; it may be traced.

    `fold_in(key, i)` is `split(key, n)[i]`: use one or the other with a key.
    """
    if isinstance(data, (int, np.integer)):
        low: Any = np.array([int(data) % (1 << 32)], U32)
    else:
        low = data.astype(U32).reshape((1,))
    first, second = threefry(require_key(key), np.zeros(1, U32), low)
    return np.concatenate([first, second])
