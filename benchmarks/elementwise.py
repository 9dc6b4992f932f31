"""Maths functions on a million elements, and the Black-Scholes formula with its derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.workload import Function, Namespace, Workload

SIZE, TINY_SIZE = 1_000_000, 1_000
Inputs = Callable[[np.random.Generator, bool], tuple[np.ndarray, ...]]


def uniform(dtype: str, *ranges: tuple[float, float]) -> Inputs:
    """One vector for each range."""

    def make(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
        size = TINY_SIZE if tiny else SIZE
        return tuple(rng.uniform(low, high, size).astype(dtype) for low, high in ranges)

    return make


def unary(name: str) -> Callable[[Namespace], Function]:
    """The maths function of that name, from NumPy or from scipy.special."""

    def build(ns: Namespace) -> Function:
        function = ns.special.erf if name == "erf" else getattr(ns.np, name)

        def f(x):
            return function(x)

        return f

    return build


def power(ns: Namespace) -> Function:
    np = ns.np

    def f(x, y):
        return np.power(x, y)

    return f


def unary_numba(name: str) -> Callable[[], Function]:
    def build() -> Function:
        import numba

        function = getattr(math, name)

        @numba.njit(parallel=True)
        def f(x):
            out = np.empty_like(x)
            for i in numba.prange(x.size):
                out[i] = function(x[i])
            return out

        return f

    return build


def power_numba() -> Function:
    import numba

    @numba.njit(parallel=True)
    def f(x, y):
        out = np.empty_like(x)
        for i in numba.prange(x.size):
            out[i] = x[i] ** y[i]
        return out

    return f


def black_scholes(ns: Namespace) -> Function:
    """The value of European calls: spot, strike, time in years, rate, volatility."""
    np, erf = ns.np, ns.special.erf

    def normal_cdf(x):
        return 0.5 * (1.0 + erf(x * math.sqrt(0.5)))

    def value(spot, strike, time, rate, sigma):
        spread = sigma * np.sqrt(time)
        d1 = (np.log(spot / strike) + (rate + 0.5 * sigma * sigma) * time) / spread
        d2 = d1 - spread
        return spot * normal_cdf(d1) - strike * np.exp(-rate * time) * normal_cdf(d2)

    return value


def black_scholes_sum(ns: Namespace) -> Function:
    """Its gradient holds each option's five first derivatives."""
    value = black_scholes(ns)

    def total(spot, strike, time, rate, sigma):
        return ns.np.sum(value(spot, strike, time, rate, sigma))

    return total


def black_scholes_numba() -> Function:
    import numba

    @numba.njit(parallel=True)
    def value(spot, strike, time, rate, sigma):
        out = np.empty_like(spot)
        half = spot.dtype.type(0.5)
        root_half = np.sqrt(half)
        for i in numba.prange(spot.size):
            t, s = time[i], sigma[i]
            spread = s * math.sqrt(t)
            d1 = (math.log(spot[i] / strike[i]) + (rate[i] + half * s * s) * t) / spread
            d2 = d1 - spread
            cdf1 = half + half * math.erf(d1 * root_half)
            cdf2 = half + half * math.erf(d2 * root_half)
            out[i] = spot[i] * cdf1 - strike[i] * math.exp(-rate[i] * t) * cdf2
        return out

    return value


OPTIONS = ((10.0, 50.0), (10.0, 50.0), (0.2, 2.0), (0.01, 0.05), (0.1, 0.6))
DOMAINS = {"exp": (-10.0, 10.0), "log": (1e-3, 1e3), "sin": (-30.0, 30.0)} | dict.fromkeys(
    ("tanh", "erf"), (-4.0, 4.0)
)
DTYPES = ("float32", "float64")

WORKLOADS = (
    *(
        Workload(
            f"{name}/{dtype}",
            unary(name),
            uniform(dtype, domain),
            by_hand={"numba": unary_numba(name)},
            targets={"best": 1},
        )
        for name, domain in DOMAINS.items()
        for dtype in DTYPES
    ),
    *(
        Workload(
            f"pow/{dtype}",
            power,
            uniform(dtype, (0.1, 10.0), (-5.0, 5.0)),
            by_hand={"numba": power_numba},
            targets={"best": 1},
        )
        for dtype in DTYPES
    ),
    *(
        Workload(
            f"black_scholes/value/{dtype}",
            black_scholes,
            uniform(dtype, *OPTIONS),
            by_hand={"numba": black_scholes_numba},
            targets={"best": 1.5},
        )
        for dtype in DTYPES
    ),
    *(
        Workload(
            f"black_scholes/derivatives/{dtype}",
            black_scholes_sum,
            uniform(dtype, *OPTIONS),
            mode="grad",
            argnums=(0, 1, 2, 3, 4),
            targets={"best": 2},
            tolerance=4.0,
        )
        for dtype in DTYPES
    ),
)
