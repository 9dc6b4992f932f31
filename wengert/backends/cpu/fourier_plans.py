"""Plans of Fourier transforms: radices, roots of unity, and the order in which results are left.

Made by NumPy when a program is loaded, once for each length; programs know them by their symbols.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from wengert.backends.cpu.routines.fourier_passes import RADICES
from wengert.kernels.fourier import LANES, factors

Array = np.ndarray[Any, Any]


def address(routine: str) -> int:
    """The address of a plan: `f64_n`, or `f64_n_of_whole` of the first step of a longer one.

    `f64_2_of_whole` has the roots that lead to real numbers, so many, and back.
    """
    return int(_plan(routine)[0].ctypes.data)


def name(dtype: np.dtype[Any], n: int, whole: int = 0) -> str:
    """What a plan is called."""
    return f"f{8 * dtype.itemsize}_{n}" + (f"_of_{whole}" if whole else "")


def radices(n: int) -> list[int]:
    """The factors of a length, those of two put together to fours and eights."""
    found = factors(n)
    twos = found.count(2)
    fours = (-twos) % 3 if twos > 1 else 0
    eights, rest = divmod(twos - 2 * fours, 3)
    return [x for x in found if x != 2] + [4] * fours + [8] * eights + [2] * rest


@functools.cache
def _plan(routine: str) -> tuple[Array, list[Array]]:
    """The words of a plan, and all that they point to.

    The length, the number of levels, the address of the order, the bytes of a room, what a first
    step needs (`fourier_layouts.TURNS`); then, for each level, its radix, m, and where roots are.
    """
    suffix, size, *rest = routine.split("_")
    dtype = np.dtype(suffix[0] + str(int(suffix[1:]) // 8))
    n, whole = int(size), int(rest[1]) if rest else 0
    lanes = LANES[dtype.itemsize]
    kept: list[Array] = []

    def kept_at(array: Array) -> int:
        kept.append(array)
        return int(array.ctypes.data)

    chosen = radices(n)
    padded = -(-n // lanes) * lanes
    words = [n, len(chosen), kept_at(_order(n, chosen)), padded * 2 * lanes * dtype.itemsize + 64]
    if whole:
        bits = whole.bit_length() // 2
        k = np.arange(n)[:, None] * np.arange(lanes)
        near = np.stack(_parts(k, whole), 1)  # a row for each k
        fine = np.stack(_parts(np.arange(1 << bits), whole), -1)
        coarse = np.stack(_parts(np.arange((whole >> bits) + 1) << bits, whole), -1)
        words += [kept_at(x.astype(dtype)) for x in (near, fine, coarse)] + [bits]
    else:
        words += [0] * 4
    m = n
    for radix in chosen:
        m //= radix
        words += [radix, m, kept_at(_roots(radix, m).astype(dtype))]
    table = np.array(words, np.int64)
    return table, kept


def _parts(powers: Array, n: int) -> tuple[Array, Array]:
    """Real and imaginary parts of w**powers, w = exp(-2 pi i / n).

    A turn is so many eighths and at most a sixteenth, so that the angle is as exact in all of them.
    """
    turns = 8 * (powers % n)
    eighths = np.rint(turns / n).astype(np.int64)
    rest = (turns - eighths * n) * (math.pi / (4 * n))
    cosine, sine = np.cos(rest), np.sin(rest)
    half = math.sqrt(0.5)
    c = np.array([1.0, half, 0.0, -half, -1.0, -half, 0.0, half])[eighths % 8]
    s = np.array([0.0, half, 1.0, half, 0.0, -half, -1.0, -half])[eighths % 8]
    return cosine * c - sine * s, -(sine * c + cosine * s)


def _order(n: int, chosen: list[int]) -> Array:
    """Where passes in place leave each output.

    After a pass of radix r over blocks of m r rows, block k has the outputs whose remainder by r
    is k.
    """
    places = np.zeros(1, np.int64)
    size = 1
    for radix in reversed(chosen):  # outputs of blocks of `size` rows become those of radix ones
        blocks = np.arange(radix) * size
        places = (places[:, None] + blocks).reshape(-1)
        size *= radix
    assert size == n
    return places


def _roots(radix: int, m: int) -> Array:
    """The roots of a level; before them, of a radix that is not written out, those of its own."""
    powers = np.arange(m)[:, None] * np.arange(1, radix)
    found = np.stack(_parts(powers, radix * m), -1).reshape(-1)
    if radix in RADICES:
        return found
    own = np.stack(_parts(-np.arange(radix), radix), -1).reshape(-1)
    return np.concatenate([own, found])
