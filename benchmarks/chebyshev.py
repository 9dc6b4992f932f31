"""Chebyshev coefficients of special functions on intervals: makes wengert/ir/ops/series.py, say.

    python -m benchmarks.chebyshev series

Each entry of MODULES is a module, and each entry of one a smooth function on [-1, 1], that is, of a
variable mapped to it. The coefficients are those of the interpolation in so many Chebyshev points,
with 50 digits, cut where they stay below 2^-56 of the largest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mpmath

from benchmarks.chebyshev_waves import AIRY, INTEGRALS

POINTS = 64
CUT = 2.0**-56


def i0_small(t: Any) -> Any:
    """exp(-x) I0(x) for x = 4 (t + 1) in [0, 8]."""
    x = 4 * (t + 1)
    return mpmath.exp(-x) * mpmath.besseli(0, x)


def i1_small(t: Any) -> Any:
    """exp(-x) I1(x) / x for x = 4 (t + 1)."""
    x = 4 * (t + 1)
    ratio = mpmath.besseli(1, x) / x if x else mpmath.mpf(1) / 2
    return mpmath.exp(-x) * ratio


def large(order: int) -> Callable[[Any], Any]:
    """sqrt(x) exp(-x) I(x) for x = 16 / (t + 1) from 8 on."""

    def function(t: Any) -> Any:
        if t == -1:
            return 1 / mpmath.sqrt(2 * mpmath.pi)
        x = 16 / (t + 1)
        return mpmath.sqrt(x) * mpmath.exp(-x) * mpmath.besseli(order, x)

    return function


def erfcx(t: Any) -> Any:
    """(1 + 2 x) erfcx(x) for t = (x - 3.75) / (x + 3.75), x >= 0."""
    if t == 1:
        return 2 / mpmath.sqrt(mpmath.pi)
    x = mpmath.mpf(3.75) * (1 + t) / (1 - t)
    if x < 200:
        return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)
    terms = (mpmath.fac2(2 * k - 1) * (-1) ** k / (2 * x * x) ** k for k in range(12))
    return (1 + 2 * x) / (x * mpmath.sqrt(mpmath.pi)) * sum(terms)


def dawson_of(x: Any) -> Any:
    """Dawson's integral."""
    return mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


def dawson_small(t: Any) -> Any:
    """F(x) / x for x^2 = 8 (t + 1) / 2, |x| <= sqrt(8)."""
    x = mpmath.sqrt(4 * (t + 1))
    return dawson_of(x) / x if x else mpmath.mpf(1)


def dawson_middle(t: Any) -> Any:
    """2 x F(x) for x^2 = 25 + 17 t, from sqrt(8) to sqrt(42)."""
    x = mpmath.sqrt(25 + 17 * t)
    return 2 * x * dawson_of(x)


def dawson_large(t: Any) -> Any:
    """2 x F(x) for x^2 = 84 / (t + 1), from sqrt(42) on."""
    if t == -1:
        return mpmath.mpf(1)
    x = mpmath.sqrt(84 / (t + 1))
    if x < 60:
        return 2 * x * dawson_of(x)
    return sum(mpmath.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(16))


SERIES: dict[str, Callable[[Any], Any]] = {
    "I0_SMALL": i0_small,
    "I0_LARGE": large(0),
    "I1_SMALL": i1_small,
    "I1_LARGE": large(1),
    "ERFCX": erfcx,
    "DAWSON_SMALL": dawson_small,
    "DAWSON_MIDDLE": dawson_middle,
    "DAWSON_LARGE": dawson_large,
}


MODULES = {"series": SERIES, "integral_series": INTEGRALS, "airy_series": AIRY}


def coefficients(function: Callable[[Any], Any]) -> list[float]:
    """Of the function's Chebyshev series, the first one halved."""
    with mpmath.workdps(60):
        angles = [mpmath.pi * (k + mpmath.mpf(1) / 2) / POINTS for k in range(POINTS)]
        values = [function(mpmath.cos(a)) for a in angles]
        found = [
            2 * sum(v * mpmath.cos(n * a) for v, a in zip(values, angles, strict=True)) / POINTS
            for n in range(POINTS)
        ]
        found[0] /= 2
        largest = max(abs(c) for c in found)
        last = max(n for n, c in enumerate(found) if abs(c) > CUT * largest)
        return [float(c) for c in found[: last + 1]]


def main() -> None:
    """Prints the module whose name is given."""
    print('"""Chebyshev coefficients, made by benchmarks/chebyshev.py, which says of what."""\n')
    print("from __future__ import annotations\n")
    for name, function in MODULES[sys.argv[1]].items():
        print(f"{name} = (")
        for c in coefficients(function):
            print(f"    {c!r},")
        print(")")


if __name__ == "__main__":
    main()
