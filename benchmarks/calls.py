"""What a call costs when there is almost nothing to compute."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Function, Namespace, Workload


def tiny(ns: Namespace) -> Function:
    np = ns.np

    def f(x, y):
        return np.sum(np.tanh(x * y + 1.0))

    return f


def tiny_numba() -> Function:
    import numba

    @numba.njit
    def f(x, y):
        total = 0.0
        for i in range(x.size):
            total += np.tanh(x[i] * y[i] + 1.0)
        return total

    return f


def two_vectors(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    return rng.standard_normal(10), rng.standard_normal(10)


WORKLOADS = (
    Workload(
        "call/tiny",
        tiny,
        two_vectors,
        by_hand={"numba": tiny_numba},
        targets={"torch": 2, "jax": 5},
    ),
)
