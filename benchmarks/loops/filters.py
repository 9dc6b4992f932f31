"""The log-likelihood of a Kalman filter: a dozen operations on 3x3 matrices each turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload


def kalman(move, look, noise, error, mean, spread, observed):
    """`move` and `noise` are of the hidden state, `look` and `error` of what is seen of it."""
    total = 0.0
    for t in range(observed.size):
        mean = move @ mean
        spread = move @ spread @ move.T + noise
        seen = spread @ look
        variance = look @ seen + error
        surprise = observed[t] - look @ mean
        gain = seen / variance
        mean = mean + gain * surprise
        spread = spread - np.outer(gain, seen)
        total -= 0.5 * (np.log(2.0 * math.pi * variance) + surprise * surprise / variance)
    return total


def jax_kalman() -> Function:
    import jax.numpy as jnp
    from jax import lax

    def f(move, look, noise, error, mean, spread, observed):
        def turn(carry, value):
            mean, spread, total = carry
            mean = move @ mean
            spread = move @ spread @ move.T + noise
            seen = spread @ look
            variance = look @ seen + error
            surprise = value - look @ mean
            gain = seen / variance
            mean = mean + gain * surprise
            spread = spread - jnp.outer(gain, seen)
            part = 0.5 * (jnp.log(2.0 * math.pi * variance) + surprise * surprise / variance)
            return (mean, spread, total - part), None

        start = mean, spread, jnp.zeros(())
        return lax.scan(turn, start, observed)[0][2]

    return f


def observations(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
    """A damped swing with a drift, seen with errors."""
    count = 20 if tiny else 10_000
    angle = 0.1
    move = np.array(
        [
            [0.99 * math.cos(angle), -math.sin(angle), 0.05],
            [math.sin(angle), 0.99 * math.cos(angle), 0.0],
            [0.0, 0.0, 0.95],
        ]
    )
    return (
        move,
        np.array([1.0, 0.2, 0.1]),
        0.05 * np.eye(3) + 0.01,
        np.float64(0.3),
        rng.standard_normal(3),
        np.eye(3),
        np.sin(angle * np.arange(count)) + 0.5 * rng.standard_normal(count),
    )


VERSIONS = {"plain": lambda: kalman, "jax": jax_kalman}
WORKLOADS = (
    Workload(
        "loops/kalman/value",
        VERSIONS,
        observations,
        by_hand={"numba": numba_twin(kalman)},
        targets={"jax": 5},
        compile_targets={"numba": 2},
        tolerance=10.0,
    ),
    Workload(
        "loops/kalman/gradient",
        VERSIONS,
        observations,
        mode="grad",
        argnums=(0, 1, 2, 3, 4, 5),
        targets={"jax": 5},
        compile_targets={},
        tolerance=10.0,
    ),
)
