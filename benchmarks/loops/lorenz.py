"""The Lorenz system by the classical Runge-Kutta method: one long run, and many short ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.workload import Function, Workload

STEPS, SHORT_STEPS = 10_000, 100
SHORT_DT = 0.01


def slope(x, y, z, sigma, rho, beta):
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def step(x, y, z, sigma, rho, beta, dt):
    ax, ay, az = slope(x, y, z, sigma, rho, beta)
    h = 0.5 * dt
    bx, by, bz = slope(x + h * ax, y + h * ay, z + h * az, sigma, rho, beta)
    cx, cy, cz = slope(x + h * bx, y + h * by, z + h * bz, sigma, rho, beta)
    dx, dy, dz = slope(x + dt * cx, y + dt * cy, z + dt * cz, sigma, rho, beta)
    w = dt / 6.0
    return (
        x + w * (ax + 2.0 * (bx + cx) + dx),
        y + w * (ay + 2.0 * (by + cy) + dy),
        z + w * (az + 2.0 * (bz + cz) + dz),
    )


def lorenz(state, sigma, rho, beta, dt):
    x, y, z = state[0], state[1], state[2]
    for _ in range(STEPS):
        x, y, z = step(x, y, z, sigma, rho, beta, dt)
    return x + y + z


def short_lorenz(state, sigma, rho, beta):
    x, y, z = state[0], state[1], state[2]
    for _ in range(SHORT_STEPS):
        x, y, z = step(x, y, z, sigma, rho, beta, SHORT_DT)
    return x + y + z


def jax_lorenz() -> Function:
    from jax import lax

    def f(state, sigma, rho, beta, dt):
        def body(_, carry):
            return step(*carry, sigma, rho, beta, dt)

        return sum(lax.fori_loop(0, STEPS, body, (state[0], state[1], state[2])))

    return f


def jax_short_lorenz() -> Function:
    from jax import lax

    def f(state, sigma, rho, beta):
        def body(_, carry):
            return step(*carry, sigma, rho, beta, SHORT_DT)

        return sum(lax.fori_loop(0, SHORT_STEPS, body, (state[0], state[1], state[2])))

    return f


def pull_slope(x, y, z, sigma, rho, beta, px, py, pz):
    """The slope's gradient from (px, py, pz): to x, y, z, then to sigma, rho, beta."""
    return (
        (rho - z) * py - sigma * px + y * pz,
        sigma * px - py + x * pz,
        -x * py - beta * pz,
        (y - x) * px,
        x * py,
        -z * pz,
    )


def pull_step(x, y, z, sigma, rho, beta, dt, px, py, pz):
    """The gradient of one step: the four slopes again, then backwards through them."""
    h, third, sixth = 0.5 * dt, dt / 3.0, dt / 6.0
    ax, ay, az = slope(x, y, z, sigma, rho, beta)
    x2, y2, z2 = x + h * ax, y + h * ay, z + h * az
    bx, by, bz = slope(x2, y2, z2, sigma, rho, beta)
    x3, y3, z3 = x + h * bx, y + h * by, z + h * bz
    cx, cy, cz = slope(x3, y3, z3, sigma, rho, beta)
    x4, y4, z4 = x + dt * cx, y + dt * cy, z + dt * cz
    qx, qy, qz, s4, r4, b4 = pull_slope(
        x4, y4, z4, sigma, rho, beta, sixth * px, sixth * py, sixth * pz
    )
    tx, ty, tz, s3, r3, b3 = pull_slope(
        *(x3, y3, z3, sigma, rho, beta),
        *(third * px + dt * qx, third * py + dt * qy, third * pz + dt * qz),
    )
    ux, uy, uz, s2, r2, b2 = pull_slope(
        *(x2, y2, z2, sigma, rho, beta),
        *(third * px + h * tx, third * py + h * ty, third * pz + h * tz),
    )
    vx, vy, vz, s1, r1, b1 = pull_slope(
        *(x, y, z, sigma, rho, beta),
        *(sixth * px + h * ux, sixth * py + h * uy, sixth * pz + h * uz),
    )
    return (
        px + qx + tx + ux + vx,
        py + qy + ty + uy + vy,
        pz + qz + tz + uz + vz,
        s1 + s2 + s3 + s4,
        r1 + r2 + r3 + r4,
        b1 + b2 + b3 + b4,
    )


def lorenz_gradient(state, sigma, rho, beta, dt):
    """Derived by hand: stores the states, then runs back over them."""
    path = np.empty((STEPS, 3))
    x, y, z = state[0], state[1], state[2]
    for n in range(STEPS):
        path[n, 0], path[n, 1], path[n, 2] = x, y, z
        x, y, z = step(x, y, z, sigma, rho, beta, dt)
    px = py = pz = 1.0
    to_sigma = to_rho = to_beta = 0.0
    for n in range(STEPS - 1, -1, -1):
        px, py, pz, s, r, b = pull_step(
            path[n, 0], path[n, 1], path[n, 2], sigma, rho, beta, dt, px, py, pz
        )
        to_sigma += s
        to_rho += r
        to_beta += b
    return np.array([px, py, pz]), to_sigma, to_rho, to_beta


def batch_gradient(states, sigma, rho, beta):
    """The same for many systems, one after the other."""
    to_states = np.empty_like(states)
    to_sigma, to_rho, to_beta = np.zeros(sigma.size), np.zeros(sigma.size), np.zeros(sigma.size)
    path = np.empty((SHORT_STEPS, 3))
    for k in range(sigma.size):
        x, y, z = states[k, 0], states[k, 1], states[k, 2]
        for n in range(SHORT_STEPS):
            path[n, 0], path[n, 1], path[n, 2] = x, y, z
            x, y, z = step(x, y, z, sigma[k], rho[k], beta[k], SHORT_DT)
        px = py = pz = 1.0
        for n in range(SHORT_STEPS - 1, -1, -1):
            x, y, z = path[n, 0], path[n, 1], path[n, 2]
            px, py, pz, s, r, b = pull_step(
                x, y, z, sigma[k], rho[k], beta[k], SHORT_DT, px, py, pz
            )
            to_sigma[k] += s
            to_rho[k] += r
            to_beta[k] += b
        to_states[k, 0], to_states[k, 1], to_states[k, 2] = px, py, pz
    return to_states, to_sigma, to_rho, to_beta


def one_system(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
    # The system is chaotic: over a longer time nothing would be left of any rounding to compare.
    dt = 1e-5 if tiny else 2e-4
    return (np.array([1.0, 2.0, 20.0]), *map(np.float64, (10.0, 28.0, 8.0 / 3.0, dt)))


def many_systems(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
    count = 5 if tiny else 10_000
    return (
        rng.uniform(-1.0, 1.0, (count, 3)) * 10.0 + np.array([0.0, 0.0, 20.0]),
        rng.uniform(9.0, 11.0, count),
        rng.uniform(20.0, 30.0, count),
        rng.uniform(2.0, 3.0, count),
    )


WORKLOADS = (
    Workload(
        "loops/lorenz/value",
        {"plain": lambda: lorenz, "jax": jax_lorenz},
        one_system,
        by_hand={"numba": numba_twin(lorenz, slope, step)},
        targets={"jax": 1},
        compile_targets={"numba": 2},
        tolerance=10.0,
    ),
    Workload(
        "loops/lorenz/gradient",
        {"plain": lambda: lorenz, "jax": jax_lorenz},
        one_system,
        mode="grad",
        argnums=(0, 1, 2, 3),
        by_hand={"numba": numba_twin(lorenz_gradient, slope, step, pull_slope, pull_step)},
        targets={"jax": 50, "numba": 0.5},
        compile_targets={},
        tolerance=10.0,
    ),
    Workload(
        "loops/lorenz/batch_gradient",
        {"plain": lambda: short_lorenz, "jax": jax_short_lorenz},
        many_systems,
        mode="vmap_grad",
        argnums=(0, 1, 2, 3),
        by_hand={"numba": numba_twin(batch_gradient, slope, step, pull_slope, pull_step)},
        targets={"jax": 5},
        compile_targets={},
        tolerance=10.0,
    ),
)
