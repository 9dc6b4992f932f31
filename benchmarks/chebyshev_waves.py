"""What the Chebyshev series of oscillating functions are of: trigonometric integrals and Airy's.

Where a function oscillates, its amplitudes are expanded: those of DLMF 6.2.17 (f and g of the sine
and cosine integrals), 7.5.1 (of Fresnel's) and 9.7 (of Airy's), times what makes them tend to a
constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
from mpmath import mpf

Function = Callable[[Any], Any]


def between(low: Any, high: Any, function: Function) -> Function:
    """A function on [low, high] as one on [-1, 1]."""
    middle, half = (mpf(low) + mpf(high)) / 2, (mpf(high) - mpf(low)) / 2
    return lambda t: function(middle + half * t)


def beyond(low: Any, high: Any, power: Any, function: Function) -> Function:
    """A function on [low, high] in the variable 1 / x^power; high may be infinite."""
    first, last = (mpf(0) if end == mpmath.inf else mpf(end) ** -power for end in (high, low))
    return between(first, last, lambda u: function(u ** (-1 / mpf(power))))


INFINITE = mpmath.inf


def sine_amplitudes(x: Any) -> tuple[Any, Any]:
    """x f(x) and x^2 g(x)."""
    si, ci = mpmath.si(x) - mpmath.pi / 2, mpmath.ci(x)
    f = ci * mpmath.sin(x) - si * mpmath.cos(x)
    return x * f, -x * x * (ci * mpmath.cos(x) + si * mpmath.sin(x))


def fresnel_amplitudes(x: Any) -> tuple[Any, Any]:
    """pi x f(x) and pi^2 x^3 g(x)."""
    angle = mpmath.pi * x * x / 2
    s, c = mpmath.fresnels(x) - mpf(1) / 2, mpmath.fresnelc(x) - mpf(1) / 2
    f = c * mpmath.sin(angle) - s * mpmath.cos(angle)
    g = -c * mpmath.cos(angle) - s * mpmath.sin(angle)
    return mpmath.pi * x * f, mpmath.pi**2 * x**3 * g


def airy_zeta(x: Any) -> Any:
    """2/3 x^(3/2)"""
    return 2 * x * mpmath.sqrt(x) / 3


def airy_scaled(x: Any, second: bool, order: int) -> Any:
    """Ai, -Ai', Bi or Bi' of x > 0 over their exponential and power, times sqrt(pi)."""
    zeta, power = airy_zeta(x), x ** (mpf(1) / 4)
    function = mpmath.airybi if second else mpmath.airyai
    sign = -1 if second else 1
    scale = mpmath.sqrt(mpmath.pi) * mpmath.exp(sign * zeta) * (power if not order else -1 / power)
    return scale * function(x, derivative=order) * (-1 if second and order else 1)


def airy_amplitudes(x: Any, order: int) -> tuple[Any, Any]:
    """P and zeta Q with Ai(-x) = (P cos + Q sin)(zeta - pi/4) / (sqrt(pi) x^(1/4)), Bi(-x) the same
    with Q cos - P sin; for order 1 those of Bi'(-x) = (P cos + Q sin) x^(1/4) / sqrt(pi)."""
    zeta, power = airy_zeta(x), x ** (mpf(1) / 4)
    c, s = mpmath.cos(zeta - mpmath.pi / 4), mpmath.sin(zeta - mpmath.pi / 4)
    first, second = (f(-x, derivative=order) for f in (mpmath.airyai, mpmath.airybi))
    root = mpmath.sqrt(mpmath.pi)
    if order:
        first, second = second, -first
        return root / power * (first * c - second * s), zeta * root / power * (
            first * s + second * c
        )
    return root * power * (first * c - second * s), zeta * root * power * (first * s + second * c)


def _integrals() -> dict[str, Function]:
    found: dict[str, Function] = {}
    root = mpmath.sqrt
    found["SI_NEAR"] = between(0, 16, lambda u: mpmath.si(root(u)) / root(u))
    found["CI_NEAR"] = between(
        0, 16, lambda u: (mpmath.ci(root(u)) - mpmath.euler - mpmath.log(u) / 2) / u
    )
    for name, low, high in (("MIDDLE", 4, 8), ("FAR", 8, INFINITE)):
        for k, letter in enumerate("FG"):
            found[f"SINE_{letter}_{name}"] = beyond(
                low, high, 2, lambda x, k=k: sine_amplitudes(x)[k]
            )
    found["SHI_NEAR"] = between(0, 9, lambda u: mpmath.shi(root(u)) / root(u))
    found["CHI_NEAR"] = between(
        0, 9, lambda u: (mpmath.chi(root(u)) - mpmath.euler - mpmath.log(u) / 2) / u
    )
    for name, function in (("SHI", mpmath.shi), ("CHI", mpmath.chi)):

        def scaled(x: Any, function: Function = function) -> Any:
            return 2 * x * mpmath.exp(-x) * function(x)

        found[f"{name}_MIDDLE"] = beyond(3, 8, 1, scaled)
        found[f"{name}_FAR"] = beyond(8, 20, 1, scaled)
        if name == "SHI":
            found["EXPONENTIAL_LAST"] = beyond(20, INFINITE, 1, scaled)
    found["FRESNEL_S_NEAR"] = between(
        0, mpf(1.6) ** 4, lambda u: mpmath.fresnels(u ** mpf(0.25)) / u ** mpf(0.75)
    )
    found["FRESNEL_C_NEAR"] = between(
        0, mpf(1.6) ** 4, lambda u: mpmath.fresnelc(u ** mpf(0.25)) / u ** mpf(0.25)
    )
    for name, low, high in (("MIDDLE", 1.6, 2.4), ("FAR", 2.4, INFINITE)):
        for k, letter in enumerate("FG"):
            found[f"FRESNEL_{letter}_{name}"] = beyond(
                low, high, 4, lambda x, k=k: fresnel_amplitudes(x)[k]
            )
    return found


def _airy() -> dict[str, Function]:
    found: dict[str, Function] = {}
    functions = (("AI", mpmath.airyai, False), ("BI", mpmath.airybi, True))
    for name, function, second in functions:
        for order, slope in ((0, ""), (1, "_SLOPE")):
            found[f"{name}{slope}_NEAR"] = between(
                -3, 1, lambda x, f=function, k=order: f(x, derivative=k)
            )

            def scaled(x: Any, second: bool = second, order: int = order) -> Any:
                return airy_scaled(x, second, order)

            found[f"{name}{slope}_MIDDLE"] = between(1, 4, scaled)
            found[f"{name}{slope}_FAR"] = beyond(4, INFINITE, 1.5, scaled)
    for order, slope in ((0, ""), (1, "_SLOPE")):
        for k, letter in enumerate("PQ"):
            found[f"AIRY_{letter}{slope}"] = beyond(
                3, INFINITE, 3, lambda x, k=k, order=order: airy_amplitudes(x, order)[k]
            )
    return found


INTEGRALS = _integrals()
AIRY = _airy()
