"""Relaxation of Laplace's equation on a grid: whole sweeps of slices, and element by element."""

from __future__ import annotations

import numpy as np

from benchmarks.loops import memory
from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload

SWEEPS = 100
ELEMENT_SWEEPS = 5


def jacobi(start):
    u = start.copy()
    for _ in range(SWEEPS):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u


def jacobi_square(start):
    u = jacobi(start)
    return np.sum(u * u)


def jax_jacobi() -> Function:
    from jax import lax

    def sweep(_, u):
        inner = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        return u.at[1:-1, 1:-1].set(inner)

    return lambda start: lax.fori_loop(0, SWEEPS, sweep, start)


def jax_jacobi_square() -> Function:
    import jax.numpy as jnp

    run = jax_jacobi()

    def f(start):
        u = run(start)
        return jnp.sum(u * u)

    return f


def torch_jacobi() -> Function:
    def f(start):
        u = start.clone()
        for _ in range(SWEEPS):
            u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        return u

    return f


def torch_jacobi_square() -> Function:
    run = torch_jacobi()

    def f(start):
        u = run(start)
        return (u * u).sum()

    return f


def sweep_into(new, old):
    rows, columns = old.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            new[i, j] = 0.25 * (old[i - 1, j] + old[i + 1, j] + old[i, j - 1] + old[i, j + 1])


def jacobi_buffers(start):
    """By hand: explicit loops over two buffers that are swapped."""
    old, new = start.copy(), start.copy()
    for _ in range(SWEEPS):
        sweep_into(new, old)
        old, new = new, old
    return old


def jacobi_pull(start):
    """By hand: a sweep is linear and, but for the border, its own transpose.

    What a sweep passes to the border stays there; the inside hands on all that it has. So the
    inside is swept between zeros, and the border adds up what is beside it.
    """
    border = 2.0 * jacobi_buffers(start)
    rows, columns = start.shape
    old, new = np.zeros_like(start), np.zeros_like(start)
    old[1:-1, 1:-1] = border[1:-1, 1:-1]
    for _ in range(SWEEPS):
        for i in range(1, rows - 1):
            border[i, 0] += 0.25 * old[i, 1]
            border[i, columns - 1] += 0.25 * old[i, columns - 2]
        for j in range(1, columns - 1):
            border[0, j] += 0.25 * old[1, j]
            border[rows - 1, j] += 0.25 * old[rows - 2, j]
        sweep_into(new, old)
        old, new = new, old
    border[1:-1, 1:-1] = old[1:-1, 1:-1]
    return border


def gauss_seidel(start, source):
    u = start.copy()
    rows, columns = u.shape
    for _ in range(ELEMENT_SWEEPS):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                beside = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                u[i, j] = 0.25 * (beside - source[i, j])
    return u


def gauss_seidel_square(start, source):
    u = gauss_seidel(start, source)
    return np.sum(u * u)


def gauss_seidel_gradient(start, source):
    """By hand: the sweeps are linear, so nothing is stored; backwards cell by cell."""
    to_u, to_source = 2.0 * gauss_seidel(start, source), np.zeros_like(source)
    rows, columns = start.shape
    for _ in range(ELEMENT_SWEEPS):
        for i in range(rows - 2, 0, -1):
            for j in range(columns - 2, 0, -1):
                part = 0.25 * to_u[i, j]
                to_u[i, j] = 0.0
                to_u[i - 1, j] += part
                to_u[i + 1, j] += part
                to_u[i, j - 1] += part
                to_u[i, j + 1] += part
                to_source[i, j] -= part
    return to_u, to_source


def grid(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    return (rng.uniform(0.0, 1.0, (9, 12) if tiny else (250, 250)),)


def two_grids(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    shape = (9, 12) if tiny else (400, 400)
    return rng.uniform(0.0, 1.0, shape), rng.uniform(-0.1, 0.1, shape)


UNROLLED = "its compiler unrolls the loop"
ELEMENTS = "a loop over single elements takes minutes to differentiate, or memory without end"

WORKLOADS = (
    Workload(
        "loops/jacobi/value",
        {"plain": lambda: jacobi, "jax": jax_jacobi, "torch": torch_jacobi},
        grid,
        by_hand={"numba": numba_twin(jacobi_buffers, sweep_into)},
        targets={"jax": 3, "numba": 0.83},
        compile_targets={"numba": 2},
    ),
    Workload(
        "loops/jacobi/gradient",
        {"plain": lambda: jacobi_square, "jax": jax_jacobi_square, "torch": torch_jacobi_square},
        grid,
        mode="grad",
        by_hand={"numba": numba_twin(jacobi_pull, sweep_into, jacobi_buffers)},
        targets={"jax": 3},
        compile_targets={},
        extras=memory.EXTRAS,
    ),
    Workload(
        "loops/gauss_seidel/value",
        {"plain": lambda: gauss_seidel},
        two_grids,
        by_hand={"numba": numba_twin(gauss_seidel)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
        skip={"numpy": "takes a second and a half"},
    ),
    Workload(
        "loops/gauss_seidel/gradient",
        {"plain": lambda: gauss_seidel_square},
        two_grids,
        mode="grad",
        argnums=(0, 1),
        by_hand={"numba": numba_twin(gauss_seidel_gradient, gauss_seidel)},
        compile_targets={},
    ),
)
