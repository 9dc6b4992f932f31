"""The functions that are measured on a GPU alone, and their inputs."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from benchmarks.loops.lorenz import step
from benchmarks.workload import Function, Namespace

# Large inputs repeat so many random numbers, a prime: drawing all of them would take most of the
# time of a run. No kernel and no memory of a GPU knows them again.
DRAWN = 1_000_003
STEPS, DT = 1000, 0.001


def normals(dtype: str, *shapes: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
    """An array of standard normal numbers for each shape; every axis is cut for "tiny"."""

    def make(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
        kept = [tuple(min(n, 24) for n in shape) if tiny else shape for shape in shapes]
        return tuple(_normal(rng, shape).astype(_named(dtype)) for shape in kept)

    return make


def _named(dtype: str) -> Any:
    """A dtype, of which NumPy has bfloat16 by ml_dtypes."""
    return importlib.import_module("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    size = prod(shape)
    return np.resize(rng.standard_normal(min(size, DRAWN), np.float32), shape)


def scaled(dtype: str, *shapes: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
    """Random numbers of size 1 / sqrt(rows), so that products stay of size 1."""
    make = normals("float32", *shapes)

    def draw(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
        return tuple(
            (x * np.float32(len(x) ** -0.5)).astype(_named(dtype)) for x in make(rng, tiny)
        )

    return draw


def many_kernels(ns: Namespace) -> Function:
    """Twenty kernels: each sum must be there before the next map, with which the next sum fuses.

    Nineteen turns, written out, as a captured loop would be one kernel.
    """
    np = ns.np

    def turn(x):
        return np.sin(x) / (1.0 + np.sum(x * x))

    def f(x):
        return functools.reduce(lambda y, take: take(y), (turn,) * 19, x)

    return f


def chain(ns: Namespace) -> Function:
    np = ns.np

    def f(x, y):
        return np.tanh(x) * y + np.exp(-x * x) * 0.5

    return f


def cross_entropy(ns: Namespace) -> Function:
    """The mean cross-entropy of softmax, with weights in the place of labels."""
    np = ns.np

    def f(x, weights):
        top = np.max(x, axis=1, keepdims=True)
        total = np.log(np.sum(np.exp(x - top), axis=1, keepdims=True)) + top
        return np.mean(np.sum((total - x) * weights, axis=1))

    return f


def dense_gelu(ns: Namespace) -> Function:
    np = ns.np

    def f(x, w, b):
        y = x @ w + b
        return 0.5 * y * (1.0 + np.tanh(0.7978845608 * (y + 0.044715 * y * y * y)))

    return f


def plain_product(ns: Namespace) -> Function:
    """The same without an epilogue."""

    def f(x, w, b):
        return x @ w

    return f


def many_steps(state, sigma, rho, beta):
    """One Lorenz system, for a time that is short enough to compare the results of tools."""
    x, y, z = state[0], state[1], state[2]
    for _ in range(STEPS):
        x, y, z = step(x, y, z, sigma, rho, beta, DT)
    return x + y + z


def jax_many_steps() -> Function:
    from jax import lax

    def f(state, sigma, rho, beta):
        def body(_, carry):
            return step(*carry, sigma, rho, beta, DT)

        return sum(lax.fori_loop(0, STEPS, body, (state[0], state[1], state[2])))

    return f


LORENZ: dict[str, Callable[[], Function]] = {
    "plain": lambda: many_steps,
    "jax": jax_many_steps,
}


def lorenz_systems(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
    count = 5 if tiny else 100_000
    return (
        rng.uniform(-1.0, 1.0, (count, 3)) * 10.0 + np.array([0.0, 0.0, 20.0]),
        *(rng.uniform(low, high, count) for low, high in ((9, 11), (20, 30), (2, 3))),
    )
