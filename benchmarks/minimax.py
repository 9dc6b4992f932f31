"""Minimax polynomials for `wengert/kernels/maths`.

`python benchmarks/minimax.py [NAME...]` prints the tables whose names start so, or all of them,
each with log2 of its largest error.

Weighted Remez exchange (Remez 1934; Muller, "Elementary Functions", 3rd ed., section 3.5) in
mpmath. Coefficients are rounded to nearest in the target format.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

Function = Callable[[Any], Any]
mp.mp.prec = 320
_NEAR_0 = mp.mpf("1e-12")  # stands for 0, where the fitted functions are limits


def horner(coefficients: list[Any], x: Any) -> Any:
    """The polynomial with these coefficients, lowest first, at `x`."""
    value = mp.mpf(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def _remez(f: Function, count: int, lo: Any, hi: Any, weight: Function) -> list[Any]:
    """Coefficients minimising max |weight * (f - polynomial)|.

    Where the weight vanishes inside the interval the exchange may lose its way, so it starts from
    several references, and the best polynomial met is kept.
    """
    n = count + 1
    mid, half = (lo + hi) / 2, (hi - lo) / 2
    grid = [mid - half * mp.cos(mp.pi * mp.mpf(k) / (40 * n)) for k in range(40 * n + 1)]
    points = [(x, f(x or _NEAR_0), abs(weight(x or _NEAR_0))) for x in grid]
    best: list[Any] = []
    least = mp.inf
    for start in (0.0, 0.2, 0.37, 0.5):
        reference = [int(40 * (n * k / (n - 1) if start == 0 else k + start)) for k in range(n)]
        for _ in range(15):
            coefficients, level = _levelled([points[k] for k in reference], count)
            errors = [w * (y - horner(coefficients, x)) for x, y, w in points]
            worst = max(abs(e) for e in errors)
            if worst < least:
                least, best = worst, coefficients
            reference = _alternation(errors, n)
            if worst <= level * mp.mpf("1.01") or len(reference) < n:
                break
    return best


def _levelled(points: list[tuple[Any, Any, Any]], count: int) -> tuple[list[Any], Any]:
    """The polynomial whose weighted errors at `points` alternate in sign, and their size."""
    rows = [
        [w * x**p for p in range(count)] + [mp.mpf((-1) ** k)] for k, (x, _, w) in enumerate(points)
    ]
    solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix([w * y for _, y, w in points])))
    return solution[:-1], abs(solution[-1])


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
    f: Function, count: int, lo: Any, hi: Any, weight: Function, dtype: str
) -> tuple[list[float], float]:
    """`count` coefficients, constant first, representable in `dtype`; and log2 of the error.

    The error is `weight` times the difference.
    """
    lo, hi = mp.mpf(lo), mp.mpf(hi)
    coefficients = [_rounded(c, dtype) for c in _remez(f, count, lo, hi, weight)]
    points = [lo + (hi - lo) * mp.mpf(k) / 2000 or _NEAR_0 for k in range(2001)]
    errors = [weight(x) * (f(x) - horner(coefficients, x)) for x in points]
    return coefficients, float(mp.log(max(map(abs, errors)), 2))


def _rounded(c: Any, dtype: Any) -> float:
    """`c` to the nearest number of 24 or 53 bits."""
    with mp.workprec(24 if np.dtype(dtype) == np.float32 else 53):
        return float(+c)


# The functions that are fitted. Each is smooth, and of a series that begins where its name says;
# differences that cancel near 0 are taken with hundreds of bits to spare.


def _exp(x: Any) -> Any:
    return (mp.expm1(x) - x) / x**2


def _exp2(x: Any) -> Any:
    return mp.expm1(x * mp.log(2)) / x


def _log(x: Any) -> Any:
    return (mp.log1p(x) - x + x * x / 2) / x**3


def _odd(f: Function) -> Function:
    """(f(r) - r) / r**3 in z = r**2."""
    return lambda z: (f(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3


def _log_quotient(z: Any) -> Any:
    return 2 * (mp.atanh(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3


def _log2_tail(z: Any) -> Any:
    c0 = 2 / mp.log(2)
    return ((c0 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - c0) / z - c0 / 3) / z


def _cos(z: Any) -> Any:
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def _erf(z: Any) -> Any:
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1


def _log_erfc(x: Any) -> Any:
    return -mp.log(mp.erfc(x)) / x - 1


def _erfc_share(x: Any) -> Any:
    return x * mp.erfc(x) / mp.erf(x)


def _erfcx(centre: int) -> Function:
    def f(q: Any) -> Any:
        x = centre * (1 + q) / (1 - q)
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)

    return f


_LN2 = mp.log(2) / 2 * mp.mpf("1.002")
_ROOT = mp.sqrt(2)
_S = ((_ROOT - 1) / (_ROOT + 1)) ** 2 * mp.mpf("1.001")
_QUARTER = (mp.pi / 4 * mp.mpf("1.01")) ** 2
_EIGHTH = (_ROOT - 1) ** 2 * mp.mpf("1.001")

# name: function, interval, weight, (format, number of coefficients)...
_TABLES: dict[str, tuple[Function, Any, Any, Function, tuple[tuple[str, int], ...]]] = {
    "expm1": (_exp, -_LN2, _LN2, lambda x: x, (("f4", 5), ("f8", 11))),
    "exp2": (_exp2, -0.501, 0.501, lambda x: x / 2**x / 2, (("f4", 7), ("f8", 12))),
    "log": (_log, 1 / _ROOT - 1, _ROOT - 1, lambda x: x**3 / mp.log1p(x), (("f4", 9),)),
    "log quotient": (_log_quotient, _NEAR_0, _S, lambda z: z / 2, (("f8", 7),)),
    "log2 tail": (_log2_tail, _S / 1000, _S, lambda z: z * z * mp.log(2) / 2, (("f8", 7),)),
    "log2 quotient": (
        lambda z: (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z * 2 / mp.log(2),
        *(_NEAR_0, mp.mpf("0.0736") ** 2, lambda z: z * mp.log(2) / 2, (("f4", 3),)),
    ),
    "sin": (_odd(mp.sin), _NEAR_0, _QUARTER, lambda z: z, (("f4", 3), ("f8", 6))),
    "cos": (_cos, _NEAR_0, _QUARTER, lambda z: z * z, (("f4", 3), ("f8", 6))),
    "asin": (_odd(mp.asin), _NEAR_0, 0.25, lambda z: z, (("f4", 5), ("f8", 13))),
    "atan": (_odd(mp.atan), _NEAR_0, _EIGHTH, lambda z: z, (("f4", 5), ("f8", 11))),
    "sinh": (_odd(mp.sinh), _NEAR_0, _LN2**2, lambda z: z, (("f4", 2), ("f8", 5))),
    "cosh": (
        lambda z: (mp.cosh(mp.sqrt(z)) - 1) / z,
        *(_NEAR_0, _LN2**2, lambda z: z, (("f4", 3), ("f8", 5))),
    ),
    "coth": (
        lambda z: (mp.sqrt(z) * mp.coth(mp.sqrt(z)) - 1) / z,
        *(_NEAR_0, mp.mpf("0.0655"), lambda z: z, (("f4", 3), ("f8", 6))),
    ),
    "cbrt": (
        lambda x: x ** (-mp.mpf(1) / 3),
        *(1 / _ROOT, _ROOT, lambda x: x ** (mp.mpf(1) / 3), (("f8", 6),)),
    ),
    "erf small f4": (_erf, _NEAR_0, 0.81, lambda z: 1 / (1 + _erf(z)), (("f4", 6),)),
    "erf small f8": (_erf, _NEAR_0, 1, lambda z: 1 / (1 + _erf(z)), (("f8", 12),)),
    "log erfc f4": (_log_erfc, _NEAR_0, 4, _erfc_share, (("f4", 9),)),
    "log erfc f8": (_log_erfc, _NEAR_0, 5.96, _erfc_share, (("f8", 26),)),
    "erfc f4": (_erfcx(2), -1, 8.1 / 12.1, lambda q: 1 / _erfcx(2)(q), (("f4", 10),)),
    "erfc f8": (_erfcx(4), -1, 23.3 / 31.3, lambda q: 1 / _erfcx(4)(q), (("f8", 22),)),
}


def table(name: str, dtype: str, count: int) -> tuple[list[float], float]:
    """One of the tables, and log2 of its error."""
    f, lo, hi, weight, _ = _TABLES[name]
    return fit(f, count, lo, hi, weight, dtype)


def main(names: list[str]) -> None:
    for name in _TABLES:
        if names and not any(name.startswith(n) for n in names):
            continue
        for dtype, count in _TABLES[name][-1]:
            coefficients, error = table(name, dtype, count)
            print(f"{name} {dtype}: 2**{error:.1f}\n    {coefficients}")


if __name__ == "__main__":
    main(sys.argv[1:])
