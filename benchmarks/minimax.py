"""Minimax polynomials for `wengert/kernels/maths`: `python benchmarks/minimax.py` prints them all.

Weighted Remez exchange (Remez 1934; Muller, "Elementary Functions", 3rd ed., section 3.5) in
mpmath. Coefficients are rounded to the target format one after another, lowest power first, and
the rest fitted again to the remainder, so that the rounding of the leading ones costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

Function = Callable[[Any], Any]
mp.mp.prec = 240


def _remez(f: Function, powers: range, lo: Any, hi: Any, weight: Function) -> tuple[list[Any], Any]:
    """Coefficients of `powers` minimising max |weight * (f - polynomial)|, and that maximum."""
    n = len(powers) + 1
    mid, half = (lo + hi) / 2, (hi - lo) / 2
    grid = [mid - half * mp.cos(mp.pi * mp.mpf(k) / (40 * n)) for k in range(40 * n + 1)]
    table = [(x, f(x), abs(weight(x))) for x in grid]
    reference = [round(40 * n * k / (n - 1)) for k in range(n)]
    coefficients: list[Any] = []
    worst = mp.mpf(0)
    for _ in range(30):
        rows, right = [], []
        for sign, k in enumerate(reference):
            x, y, w = table[k]
            rows.append([w * x**p for p in powers] + [mp.mpf((-1) ** sign)])
            right.append(w * y)
        solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix(right)))
        coefficients, level = solution[:-1], abs(solution[-1])
        errors = [w * (y - x ** powers[0] * mp.polyval(coefficients[::-1], x)) for x, y, w in table]
        worst = max(abs(e) for e in errors)
        if worst <= level * mp.mpf("1.01"):
            break
        peaks = _alternation(errors, n)
        if len(peaks) < n:
            break
        reference = peaks
    return coefficients, worst


def _alternation(errors: list[Any], n: int) -> list[int]:
    """`n` neighbouring extrema of alternating sign, the smaller end dropped while too many."""
    peaks: list[int] = []
    for k, e in enumerate(errors):
        if peaks and (errors[peaks[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[peaks[-1]]):
                peaks[-1] = k
        else:
            peaks.append(k)
    while len(peaks) > n:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks


def fit(
    f: Function, count: int, lo: Any, hi: Any, weight: Function, dtype: Any, exact: int = 0
) -> tuple[list[float], float]:
    """`count` coefficients, constant first, representable in `dtype`; and log2 of the error.

    The first `exact` are rounded one at a time with the rest fitted again.
    """
    lo, hi = mp.mpf(lo), mp.mpf(hi)
    done: list[Any] = []

    def remainder(x: Any) -> Any:
        return f(x) - (mp.polyval(done[::-1], x) if done else 0)

    while len(done) < count:
        found, _ = _remez(remainder, range(len(done), count), lo, hi, weight)
        keep = 1 if len(done) < exact else len(found)
        done += [mp.mpf(_rounded(c, dtype)) for c in found[:keep]]
    points = [lo + (hi - lo) * mp.mpf(k) / 2000 for k in range(2001)]
    worst = max(abs(weight(x) * remainder(x)) for x in points)
    return [float(c) for c in done], float(mp.log(worst, 2))


def _rounded(c: Any, dtype: Any) -> float:
    """`c` to the nearest number of 24 or 53 bits."""
    with mp.workprec(24 if np.dtype(dtype) == np.float32 else 53):
        return float(+c)
