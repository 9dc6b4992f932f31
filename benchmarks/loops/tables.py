"""Tables that are filled in cell by cell: shortest paths, soft time warping, escape times."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload

SHARPNESS = 10.0
FAR = 1e10  # instead of infinity, of which JAX's gradient makes NaN
MOST_TURNS = 100


def floyd_warshall(lengths):
    d = lengths.copy()
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                over = d[i, k] + d[k, j]
                if over < d[i, j]:
                    d[i, j] = over
    return d


def floyd_warshall_sum(lengths, weights):
    return np.sum(weights * floyd_warshall(lengths))


def jax_floyd_warshall() -> Function:
    import jax.numpy as jnp
    from jax import lax

    def closer(k, d):
        over = d[:, k, None] + d[None, k, :]
        return jnp.where(over < d, over, d)

    return lambda lengths: lax.fori_loop(0, lengths.shape[0], closer, lengths)


def jax_floyd_warshall_sum() -> Function:
    import jax.numpy as jnp

    run = jax_floyd_warshall()
    return lambda lengths, weights: jnp.sum(weights * run(lengths))


def soft_dtw(x, y):
    """Soft dynamic time warping (M. Cuturi, M. Blondel, ICML 2017) of two series."""
    n, m = x.size, y.size
    r = np.full((n + 1, m + 1), np.inf)
    r[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            a, b, c = r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]
            low = min(a, b, c)
            total = (
                math.exp(SHARPNESS * (low - a))
                + math.exp(SHARPNESS * (low - b))
                + math.exp(SHARPNESS * (low - c))
            )
            r[i, j] = (x[i - 1] - y[j - 1]) ** 2 + low - math.log(total) / SHARPNESS
    return r[n, m]


def jax_soft_dtw() -> Function:
    """By anti-diagonals: all cells of one depend on the two before it alone."""
    import jax.numpy as jnp
    from jax import lax

    def f(x, y):
        n, m = x.size, y.size
        rows = jnp.arange(n + 1)

        def diagonal(carry, k):
            two_before, before = carry
            columns = k - rows
            cost = (x[rows - 1] - y[jnp.clip(columns - 1, 0, m - 1)]) ** 2
            up, left, both = jnp.roll(before, 1), before, jnp.roll(two_before, 1)
            options = -SHARPNESS * jnp.stack([up, left, both])
            soft = -logsumexp(options) / SHARPNESS
            inside = (rows >= 1) & (columns >= 1) & (columns <= m)
            return (before, jnp.where(inside, cost + soft, FAR)), None

        def logsumexp(options):
            top = lax.stop_gradient(jnp.max(options, axis=0))
            return top + jnp.log(jnp.sum(jnp.exp(options - top), axis=0))

        start = jnp.full(n + 1, FAR).at[0].set(0.0), jnp.full(n + 1, FAR)
        (_, last), _ = lax.scan(diagonal, start, jnp.arange(2, n + m + 1))
        return last[n]

    return f


def soft_dtw_gradient(x, y):
    """By hand: keeps the three shares of each cell, then passes them back."""
    n, m = x.size, y.size
    r = np.full((n + 1, m + 1), np.inf)
    r[0, 0] = 0.0
    shares = np.empty((n + 1, m + 1, 3))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            a, b, c = r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]
            low = min(a, b, c)
            ea = math.exp(SHARPNESS * (low - a))
            eb = math.exp(SHARPNESS * (low - b))
            ec = math.exp(SHARPNESS * (low - c))
            total = ea + eb + ec
            shares[i, j, 0], shares[i, j, 1], shares[i, j, 2] = ea / total, eb / total, ec / total
            r[i, j] = (x[i - 1] - y[j - 1]) ** 2 + low - math.log(total) / SHARPNESS
    to_r = np.zeros((n + 1, m + 1))
    to_r[n, m] = 1.0
    to_x, to_y = np.zeros(n), np.zeros(m)
    for i in range(n, 0, -1):
        for j in range(m, 0, -1):
            part = to_r[i, j]
            to_r[i - 1, j] += part * shares[i, j, 0]
            to_r[i, j - 1] += part * shares[i, j, 1]
            to_r[i - 1, j - 1] += part * shares[i, j, 2]
            slope = 2.0 * part * (x[i - 1] - y[j - 1])
            to_x[i - 1] += slope
            to_y[j - 1] -= slope
    return to_x, to_y


def mandelbrot(across, down):
    """How many turns each point of a grid takes to leave the circle of radius two."""
    turns = np.zeros((down.size, across.size), np.int64)
    for i in range(down.size):
        for j in range(across.size):
            x = y = 0.0
            n = 0
            while n < MOST_TURNS and x * x + y * y <= 4.0:
                x, y = x * x - y * y + across[j], 2.0 * x * y + down[i]
                n += 1
            turns[i, j] = n
    return turns


def jax_mandelbrot() -> Function:
    import jax.numpy as jnp
    from jax import lax

    def f(across, down):
        def turn(_, carry):
            x, y, turns = carry
            inside = x * x + y * y <= 4.0
            new_x = jnp.where(inside, x * x - y * y + across, x)
            new_y = jnp.where(inside, 2.0 * x * y + down[:, None], y)
            return new_x, new_y, turns + inside

        zero = jnp.zeros((down.size, across.size))
        return lax.fori_loop(0, MOST_TURNS, turn, (zero, zero, zero.astype(jnp.int64)))[2]

    return f


def roads(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 7 if tiny else 300
    return (rng.uniform(0.1, 1.0, (n, n)),)  # zeros on the diagonal would tie: no derivative there


def weighted_roads(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    (lengths,) = roads(rng, tiny)
    return lengths, rng.uniform(0.5, 1.5, lengths.shape)


def series(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    """Two noisy waves, one of them warped."""
    n, m = (6, 8) if tiny else (300, 300)
    x = np.sin(np.linspace(0.0, 12.0, n)) + 0.1 * rng.standard_normal(n)
    return x, np.sin(12.0 * np.linspace(0.0, 1.0, m) ** 1.5) + 0.1 * rng.standard_normal(m)


def plane(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 20 if tiny else 500
    return np.linspace(-2.0, 0.6, n), np.linspace(-1.2, 1.2, n)


WORKLOADS = (
    Workload(
        "loops/floyd_warshall/value",
        {"plain": lambda: floyd_warshall, "jax": jax_floyd_warshall},
        roads,
        by_hand={"numba": numba_twin(floyd_warshall)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
        skip={"numpy": "takes ten seconds"},
    ),
    Workload(
        "loops/floyd_warshall/gradient",
        {"plain": lambda: floyd_warshall_sum, "jax": jax_floyd_warshall_sum},
        weighted_roads,
        mode="grad",
        targets={"jax": 10},
        compile_targets={},
    ),
    Workload(
        "loops/soft_dtw/value",
        {"plain": lambda: soft_dtw, "jax": jax_soft_dtw},
        series,
        by_hand={"numba": numba_twin(soft_dtw)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
    ),
    Workload(
        "loops/soft_dtw/gradient",
        {"plain": lambda: soft_dtw, "jax": jax_soft_dtw},
        series,
        mode="grad",
        argnums=(0, 1),
        by_hand={"numba": numba_twin(soft_dtw_gradient)},
        targets={"jax": 10},
        compile_targets={},
    ),
    Workload(
        "loops/mandelbrot/value",
        {"plain": lambda: mandelbrot, "jax": jax_mandelbrot},
        plane,
        by_hand={"numba": numba_twin(mandelbrot)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
        skip={"numpy": "takes three seconds"},
    ),
)
