"""Tables for `wengert/kernels/maths`: `python -m benchmarks.maths_tables` prints its tables.py.

A table's entries are rounded, and that would be felt in every result made from them. So their
places are chosen (within a part in a million and less) such that all of the exact entries are near
numbers of the format, by trying a million places (S. Gal, "Computing elementary functions: a new
approach for achieving high accuracy and good performance", LNCS 235, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

from benchmarks.minimax import fit

BITS = {"f4": 24, "f8": 53}
EXP_SIZE = 16
LOG_SIZE = {"f4": 32, "f8": 16}
ERF_SIZE = {"f4": 32, "f8": 16}
TANH_SIZE = 32  # in float32 alone: tanh has poles near 0, and float64 would need too many terms
# coefficients of each polynomial
EXP_TERMS = {"f4": 4, "f8": 7}
LOG_TERMS = {"f4": 4, "f8": 10}
ERF_TERMS = {"f4": 5, "f8": 12}
TANH_TERMS = 7
# the tables of erf and tanh reach half a step beyond their last place, to where these are 1
TANH_STEP = 0.292
ERF_STEP = {"f4": 0.1285, "f8": 0.3845}
# for places up to these, the polynomial is one of |x| itself, since sums would cancel
ERF_NEAR = {"f4": 4, "f8": 1}
TANH_NEAR = 2
# 1/c has so many steps from 0 to 1, so that r is exact, or has no bit more than it can hold
LOG_GRID = {"f4": 64, "f8": 128}
# log's products of exponents have this many bits after the point, and are exact
LOG_POINT = {"f4": 16, "f8": 42}
_TRIES = {"f4": 100_000, "f8": 2_000_000}
_NEAR_0 = mp.mpf("1e-12")  # stands for 0, where the fitted functions are limits


def rounded(x: Any, dtype: str) -> float:
    """`x` to the nearest number of a format."""
    with mp.workprec(BITS[dtype]):
        return float(+x)


def _nearest(dtype: str, exact: Sequence[Any], first: Sequence[Any], second: Sequence[Any]) -> int:
    """The k for which all exact + first k + second k**2 are nearest to whole numbers."""
    parts = np.array([float(v - mp.floor(v)) for v in exact])[:, None]
    slopes, curves = (np.array([float(v) for v in x])[:, None] for x in (first, second))
    best, found = 1.0, 0
    for low in range(-_TRIES[dtype], _TRIES[dtype], 100_000):
        k = np.arange(low, low + 100_000, dtype=float)[None, :]
        values = parts + slopes * k + curves * k * k
        worst = np.abs(values - np.rint(values)).max(axis=0)
        at = int(worst.argmin())
        if worst[at] < best:
            best, found = float(worst[at]), int(k[0, at])
    return found


def _unit(x: Any, dtype: str) -> Any:
    """The unit in the last place of a positive number."""
    return mp.mpf(2) ** (int(mp.floor(mp.log(x, 2))) + 1 - BITS[dtype])


def exp_table(dtype: str) -> tuple[list[float], list[float], list[float]]:
    """F 2**(j/16) for a factor F near 1; exp(r)/F - 1; 2**r/F - 1."""
    steps = [mp.mpf(2) ** (mp.mpf(j) / EXP_SIZE) for j in range(EXP_SIZE)]
    fine = mp.mpf(2) ** (-BITS[dtype] - 6)
    scaled = [v / _unit(v, dtype) for v in steps]
    k = _nearest(dtype, scaled, [v * fine for v in scaled], [mp.mpf(0)] * EXP_SIZE)
    factor = 1 + k * fine
    table = [rounded(v * factor, dtype) for v in steps]
    end = mp.mpf("1.01") / (2 * EXP_SIZE)
    terms = EXP_TERMS[dtype]

    def base_e(r: Any) -> Any:
        return mp.exp(r) / factor - 1

    def base_2(r: Any) -> Any:
        return mp.mpf(2) ** r / factor - 1

    ln2 = mp.log(2)
    polynomial, _ = fit(base_e, terms, -end * ln2, end * ln2, lambda _: mp.mpf(1), dtype)
    binary, _ = fit(base_2, terms, -end, end, lambda _: mp.mpf(1), dtype)
    return table, polynomial, binary


def log_table(dtype: str) -> tuple[list[list[float]], list[float]]:
    """For m in [1 + j/N, 1 + (j+1)/N): 1/c of few bits, log(c) in two parts; the polynomial
    (log1p(r) - r) / r**2 for r = m/c - 1. c is 1 at the start and 2 at the end."""
    size, columns = LOG_SIZE[dtype], list[list[float]]()
    least, most = mp.mpf(0), mp.mpf(0)
    for j in range(size):
        low, high = 1 + mp.mpf(j) / size, 1 + mp.mpf(j + 1) / size
        inverse = mp.nint(LOG_GRID[dtype] * 2 / (low + high)) / LOG_GRID[dtype]
        inverse = {0: mp.mpf(1), size - 1: mp.mpf(1) / 2}.get(j, inverse)
        least, most = min(least, low * inverse - 1), max(most, high * inverse - 1)
        first = mp.nint(-mp.log(inverse) * 2 ** LOG_POINT[dtype]) / 2 ** LOG_POINT[dtype]
        second = -mp.log(inverse) - first
        columns.append([float(inverse), float(first), rounded(second, dtype)])

    def tail(r: Any) -> Any:
        return (mp.log1p(r) - r) / r**2

    polynomial, _ = fit(tail, LOG_TERMS[dtype], least, most, lambda r: r * r / mp.log1p(r), dtype)
    return [list(row) for row in zip(*columns, strict=True)], polynomial


@dataclass(frozen=True)
class Places:
    """An odd function by pieces: f(j w) and polynomials around these places, j < size.

    `move` has the first derivative of f, and half of its second one, as functions of x and f(x).
    """

    f: Callable[[Any], Any]
    move: tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]
    dtype: str
    size: int
    terms: int
    start: float
    near: int

    def width(self) -> Any:
        """The step between places, near `start`."""
        step = mp.mpf(2) ** (-BITS[self.dtype] + (4 if self.dtype == "f8" else -3))
        start = mp.nint(mp.mpf(self.start) / step) * step
        exact, first, second = list[Any](), list[Any](), list[Any]()
        for j in range(self.near + 1, self.size):
            x, y = j * start, self.f(j * start)
            unit = _unit(y, self.dtype)
            exact.append(y / unit)
            first.append(self.move[0](x, y) * j * step / unit)
            second.append(self.move[1](x, y) * (j * step) ** 2 / unit)
        return start + _nearest(self.dtype, exact, first, second) * step

    def piece(self, j: int, width: Any) -> list[float]:
        """Coefficients of (f(j w + h) - f(j w))/h, or for the first j of f(h)/h - 1, h = |x|."""
        near = j <= self.near
        c = mp.mpf(0) if near else j * width
        low, high = max((j - mp.mpf("0.505")) * width, 0) - c, (j + mp.mpf("0.505")) * width - c

        def quotient(h: Any) -> Any:
            h = h or _NEAR_0
            return (self.f(c + h) - self.f(c)) / h - int(near)

        def weight(h: Any) -> Any:
            return (h or _NEAR_0) / self.f(c + (h or _NEAR_0))

        return fit(quotient, self.terms, low, high, weight, self.dtype)[0]

    def table(self) -> tuple[float, list[float], list[list[float]]]:
        """The step w, all f(j w), and the coefficients of each power of h."""
        width = self.width()
        pieces = [self.piece(j, width) for j in range(self.size)]
        places = [rounded(self.f(j * width), self.dtype) for j in range(self.size)]
        return float(width), places, [list(column) for column in zip(*pieces, strict=True)]


def _normal(x: Any, _: Any) -> Any:
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


def erf_table(dtype: str) -> tuple[float, list[float], list[list[float]]]:
    """The table of erf."""
    numbers = (ERF_SIZE[dtype], ERF_TERMS[dtype], ERF_STEP[dtype], ERF_NEAR[dtype])
    moves = (_normal, lambda x, y: -x * _normal(x, y))
    return Places(mp.erf, moves, dtype, *numbers).table()


def tanh_table() -> tuple[float, list[float], list[list[float]]]:
    """The table of tanh in float32."""
    moves = (lambda _, y: 1 - y * y, lambda _, y: -y * (1 - y * y))
    return Places(mp.tanh, moves, "f4", TANH_SIZE, TANH_TERMS, TANH_STEP, TANH_NEAR).table()


def _text(value: Any, indent: str = "") -> str:
    """A number, or numbers in rows of as many as fit."""
    if isinstance(value, float):
        return repr(value)
    parts = [_text(v, indent + "    ") for v in value]
    if isinstance(value[0], list):
        return "(\n" + "".join(f"{indent}    {p},\n" for p in parts) + f"{indent})"
    lines, line = list[str](), ""
    for part in parts:
        if len(indent) + len(line) + len(part) > 90:
            lines, line = [*lines, line], ""
        line += f" {part},"
    return "(\n" + "".join(f"{indent}    {x.strip()}\n" for x in (*lines, line)) + f"{indent})"


def main() -> None:
    print('"""Tables of the maths functions, made by benchmarks/maths_tables.py."""\n')
    print("# fmt: off")
    for dtype, name in (("f4", "SINGLE"), ("f8", "DOUBLE")):
        made = (*exp_table(dtype), *log_table(dtype), *erf_table(dtype))
        names = ("EXP", "EXP_TERMS", "EXP2_TERMS", "LOG", "LOG_TERMS")
        for key, value in zip((*names, "ERF_STEP", "ERF", "ERF_TERMS"), made, strict=True):
            print(f"{key}_{name} = {_text(value)}")
    for key, value in zip(("TANH_STEP", "TANH", "TANH_TERMS"), tanh_table(), strict=True):
        print(f"{key}_SINGLE = {_text(value)}")


if __name__ == "__main__":
    main()
