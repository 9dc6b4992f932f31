"""Bodies under their own gravity: every pair once a step, by the method of leapfrog."""

from __future__ import annotations

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload

STEPS = 200
DT = 0.001
SOFTENING = 0.01


def kick(p, v, mass):
    """What the pairs do to the velocities in one step."""
    for i in range(mass.size):
        for j in range(i):
            dx = p[i, 0] - p[j, 0]
            dy = p[i, 1] - p[j, 1]
            dz = p[i, 2] - p[j, 2]
            square = dx * dx + dy * dy + dz * dz + SOFTENING
            pull = DT / (square * np.sqrt(square))
            v[i, 0] -= mass[j] * pull * dx
            v[i, 1] -= mass[j] * pull * dy
            v[i, 2] -= mass[j] * pull * dz
            v[j, 0] += mass[i] * pull * dx
            v[j, 1] += mass[i] * pull * dy
            v[j, 2] += mass[i] * pull * dz


def nbody(position, velocity, mass):
    """Twice the kinetic energy at the end."""
    p, v = position.copy(), velocity.copy()
    for _ in range(STEPS):
        kick(p, v, mass)
        p += DT * v
    energy = 0.0
    for i in range(mass.size):
        energy += mass[i] * (v[i, 0] ** 2 + v[i, 1] ** 2 + v[i, 2] ** 2)
    return energy


def jax_nbody() -> Function:
    import jax.numpy as jnp
    from jax import lax

    def f(position, velocity, mass):
        def step(_, carry):
            p, v = carry
            apart = p[:, None, :] - p[None, :, :]
            square = jnp.sum(apart * apart, axis=2) + SOFTENING
            pull = DT / (square * jnp.sqrt(square))
            v = v - jnp.einsum("ij,ijk->ik", mass[None, :] * pull, apart)
            return p + DT * v, v

        _, v = lax.fori_loop(0, STEPS, step, (position, velocity))
        return jnp.sum(mass * jnp.sum(v * v, axis=1))

    return f


def torch_nbody() -> Function:
    import torch

    def f(position, velocity, mass):
        p, v = position, velocity
        for _ in range(STEPS):
            apart = p[:, None, :] - p[None, :, :]
            square = (apart * apart).sum(2) + SOFTENING
            pull = DT / (square * torch.sqrt(square))
            v = v - torch.einsum("ij,ijk->ik", mass[None, :] * pull, apart)
            p = p + DT * v
        return (mass * (v * v).sum(1)).sum()

    return f


def nbody_gradient(position, velocity, mass):
    """By hand: the positions of every step are kept; backwards with every pair once a step."""
    n = mass.size
    path = np.empty((STEPS, n, 3))
    p, v = position.copy(), velocity.copy()
    for t in range(STEPS):
        path[t] = p
        kick(p, v, mass)
        p += DT * v
    to_p, to_v, to_mass = np.zeros((n, 3)), np.empty((n, 3)), np.empty(n)
    for i in range(n):
        to_mass[i] = v[i, 0] ** 2 + v[i, 1] ** 2 + v[i, 2] ** 2
        for k in range(3):
            to_v[i, k] = 2.0 * mass[i] * v[i, k]
    for t in range(STEPS - 1, -1, -1):
        to_v += DT * to_p
        pull_kick(path[t], mass, to_v, to_p, to_mass)
    return to_p, to_v, to_mass


def pull_kick(p, mass, to_v, to_p, to_mass):
    """The gradient of `kick`: with w = mass[i] to_v[j] - mass[j] to_v[i] a pair adds pull d.w."""
    for i in range(mass.size):
        for j in range(i):
            dx = p[i, 0] - p[j, 0]
            dy = p[i, 1] - p[j, 1]
            dz = p[i, 2] - p[j, 2]
            square = dx * dx + dy * dy + dz * dz + SOFTENING
            pull = DT / (square * np.sqrt(square))
            wx = mass[i] * to_v[j, 0] - mass[j] * to_v[i, 0]
            wy = mass[i] * to_v[j, 1] - mass[j] * to_v[i, 1]
            wz = mass[i] * to_v[j, 2] - mass[j] * to_v[i, 2]
            to_mass[i] += pull * (dx * to_v[j, 0] + dy * to_v[j, 1] + dz * to_v[j, 2])
            to_mass[j] -= pull * (dx * to_v[i, 0] + dy * to_v[i, 1] + dz * to_v[i, 2])
            along = 3.0 * pull / square * (dx * wx + dy * wy + dz * wz)
            gx, gy, gz = pull * wx - along * dx, pull * wy - along * dy, pull * wz - along * dz
            to_p[i, 0] += gx
            to_p[i, 1] += gy
            to_p[i, 2] += gz
            to_p[j, 0] -= gx
            to_p[j, 1] -= gy
            to_p[j, 2] -= gz


def bodies(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 6 if tiny else 100
    return (
        rng.standard_normal((n, 3)),
        rng.standard_normal((n, 3)),
        rng.uniform(0.5, 1.5, n),
    )


VERSIONS = {"plain": lambda: nbody, "jax": jax_nbody, "torch": torch_nbody}

WORKLOADS = (
    Workload(
        "loops/nbody/value",
        VERSIONS,
        bodies,
        by_hand={"numba": numba_twin(nbody, kick)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
        skip={"numpy": "takes five seconds"},
        tolerance=10.0,
    ),
    Workload(
        "loops/nbody/gradient",
        VERSIONS,
        bodies,
        mode="grad",
        argnums=(0, 1, 2),
        by_hand={"numba": numba_twin(nbody_gradient, kick, pull_kick)},
        targets={"jax": 10},
        compile_targets={},
        tolerance=10.0,
    ),
)
