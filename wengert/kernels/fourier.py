"""Long Fourier transforms in two steps, and what the steps mean.

With n = pq, j = q j1 + j2 and k = k1 + p k2, w**(jk) is (w**q)**(j1 k1) w**(j2 k1) (w**p)**(j2 k2).
So the columns of a p by q matrix are transformed, their elements turned by w**(j2 k1), and its rows
transformed; the result, read column by column, is the transform (Gentleman and Sande, "Fast Fourier
transforms: for fun and profit", AFIPS 1966). Each step is many short transforms, which keep to the
caches, fill the lanes of vectors, and are shared out to the threads.

The transform X of n = 2h real numbers is made from that of h pairs of neighbours, Z, with w =
exp(-2 pi i / n) and Z[h] = Z[0]:

    X[k] = (Z[k] + conj Z[h - k] - i w**k (Z[k] - conj Z[h - k])) / 2

The other way round, the pairs are the transform of

    Y[k] = X[h - k] + conj X[k] - i w**k (X[h - k] - conj X[k])

which is the inverse transform of Y[h - k] (Cooley, Lewis and Welch, "The fast Fourier transform
algorithm", J. Sound Vib. 12, 1970).

Between the steps, numbers stand as the second step reads them: in strips, each of as many rows k1
as vectors have lanes, for each column j2 a vector of real parts and one of imaginary parts.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LANES = {4: 16, 8: 8}
"""How many transforms are done side by side, by the bytes of a float: as vectors of 512 bits have
lanes. Where vectors are shorter, several take their place."""
LARGEST = 128
"""The largest prime factor of lengths that are transformed by factors: each takes as many products
for a number."""


@functools.cache
def factors(n: int) -> list[int]:
    """The prime factors of a length, the largest ones first."""
    found: list[int] = []
    prime = 2
    while prime * prime <= n:
        while n % prime == 0:
            found.append(prime)
            n //= prime
        prime += 1
    return sorted([*found, *[n] * (n > 1)], reverse=True)


def is_smooth(n: int) -> bool:
    """Whether a length has small factors only."""
    return n > 1 and factors(n)[0] <= LARGEST


@functools.cache
def cut(n: int, lanes: int) -> tuple[int, int] | None:
    """Both factors p and q of a length: near its root, whole vectors if they can be, or None."""
    if not is_smooth(n):
        return None
    least, most = max(lanes, math.isqrt(n // SLIM)), min(n // lanes, math.isqrt(n * SLIM))
    near = [(p, n // p) for p in range(least, most + 1) if n % p == 0]

    def dear(pair: tuple[int, int]) -> float:
        """Lanes that are not in use, and the longer rows of a matrix that is not square."""
        waste = sum((-x % lanes) / x for x in pair)
        return waste + 0.1 * abs(math.log2(pair[0] / pair[1]))

    return min(near, key=dear, default=None)


SLIM = 16
"""About how many times as long as the other one a factor may be."""


def strips(p: int, lanes: int) -> int:
    """How many strips there are of p rows."""
    return -(-p // lanes)


def step(routine: str, given: Array, first: int, count: int) -> Array:
    """What a step gives: `columns_pxq` for some columns from `first` on, pairs of floats, strips
    (in lanes that are not in use the last row again); `rows_pxq` for strips, the columns of the
    transform that are their rows from `first` on, pairs of floats.

    `halves_n` and `pairs_n` give so many numbers of X and Y from `first` on, pairs of floats."""
    kind, _, sizes = routine.partition("_")
    if kind in ("halves", "pairs"):
        found = _real(kind, int(sizes), given[0, ::2] + 1j * given[0, 1::2], first, count)
        return np.stack([found.real, found.imag], -1).reshape(1, -1).astype(given.dtype)
    p, q = (int(x) for x in sizes.split("x"))
    lanes, floats = LANES[given.dtype.itemsize], given.dtype
    if kind == "columns":
        numbers = given[:, ::2] + 1j * given[:, 1::2]
        columns = int(given.shape[1]) // 2
        turns = np.outer(np.arange(p), np.arange(first, first + columns))
        found = np.fft.fft(numbers, axis=0) * np.exp(-2j * np.pi / (p * q) * turns)
        rows = found[np.minimum(np.arange(strips(p, lanes) * lanes), p - 1)]
        split = rows.reshape(-1, lanes, rows.shape[1]).transpose(0, 2, 1)
        return np.stack([split.real, split.imag], 2).reshape(len(split), -1).astype(floats)
    split = given.reshape(-1, q, 2, lanes)
    numbers = (split[:, :, 0] + 1j * split[:, :, 1]).transpose(1, 0, 2).reshape(q, -1)
    found = np.fft.fft(numbers[:, : p - first], axis=0)
    return np.stack([found.real, found.imag], 2).reshape(q, -1).astype(floats)


def _real(kind: str, n: int, numbers: Array, first: int, count: int) -> Array:
    """X from Z, or Y from X."""
    h, k = n // 2, np.arange(first, first + count)
    if kind == "pairs":
        numbers = numbers.copy()
        numbers[[0, h]] = numbers[[0, h]].real
        left, right = numbers[h - k], numbers[k].conj()
    else:
        left, right = numbers[k % h], numbers[(h - k) % h].conj()
    found = left + right - 1j * np.exp(-2j * np.pi / n * k) * (left - right)
    return found if kind == "pairs" else found / 2
