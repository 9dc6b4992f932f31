"""Simulations: bodies, grids, random walks with given noise."""

import numpy as np

from corpus.case import Case, vector


def n_body(place, speed, mass, steps):
    n = len(mass)
    for _ in range(steps):
        for i in range(n):
            force = np.zeros(2)
            for j in range(n):
                if i != j:
                    d = place[j] - place[i]
                    force += mass[j] * d / (d @ d + 0.1) ** 1.5
            speed[i] += 0.1 * force
        for i in range(n):
            place[i] += 0.1 * speed[i]
    return 0.5 * np.sum(mass[:, None] * speed**2)


def n_body_by_components(x, y, steps):
    n = len(x)
    vx, vy = np.zeros(n), np.zeros(n)
    for _ in range(steps):
        for i in range(n):
            ax = ay = 0.0
            for j in range(n):
                dx, dy = x[j] - x[i], y[j] - y[i]
                r2 = dx * dx + dy * dy + 0.2
                ax += dx / (r2 * np.sqrt(r2))
                ay += dy / (r2 * np.sqrt(r2))
            vx[i] += 0.05 * ax
            vy[i] += 0.05 * ay
        x += 0.05 * vx
        y += 0.05 * vy


def game_of_life(cells, turns):
    n, m = cells.shape
    for _ in range(turns):
        new = np.zeros_like(cells)
        for i in range(n):
            for j in range(m):
                alive = 0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if di != 0 or dj != 0:
                            alive += cells[(i + di) % n, (j + dj) % m]
                if alive == 3 or (cells[i, j] == 1 and alive == 2):
                    new[i, j] = 1
        cells = new
    return cells


def rule_thirty(cells, turns):
    history = np.zeros((turns, len(cells)), np.int64)
    for t in range(turns):
        history[t] = cells
        cells = np.roll(cells, 1) ^ (cells | np.roll(cells, -1))
    return history


def mandelbrot(re, im):
    counts = np.zeros((len(im), len(re)), dtype=np.int64)
    for i in range(len(im)):
        for j in range(len(re)):
            x = y = 0.0
            k = 0
            while x * x + y * y <= 4.0 and k < 30:
                x, y = x * x - y * y + re[j], 2.0 * x * y + im[i]
                k += 1
            counts[i, j] = k
    return counts


def heat_stencil(u, steps):
    n, m = u.shape
    for _ in range(steps):
        new = u.copy()
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                new[i, j] = u[i, j] + 0.2 * (
                    u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j]
                )
        u = new
    return u


def jacobi_stencil_in_place(u, sweeps):
    v = u.copy()
    for _ in range(sweeps):
        v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u, v = v, u
    return u


def gauss_seidel_sweeps(u, f):
    for _ in range(3):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j])


def red_black_sweeps(u):
    for colour in range(2):
        for i in range(1, len(u) - 1):
            if i % 2 == colour:
                u[i] = 0.5 * (u[i - 1] + u[i + 1])
    return u


def wave_equation(u, steps):
    before = u.copy()
    for _ in range(steps):
        after = np.zeros_like(u)
        after[1:-1] = 2 * u[1:-1] - before[1:-1] + 0.3 * (u[2:] - 2 * u[1:-1] + u[:-2])
        before, u = u, after
    return u


def upwind_burgers(u, steps):
    n = len(u)
    for _ in range(steps):
        new = np.empty(n)
        for i in range(n):
            if u[i] > 0:
                new[i] = u[i] - 0.1 * u[i] * (u[i] - u[i - 1])
            else:
                new[i] = u[i] - 0.1 * u[i] * (u[(i + 1) % n] - u[i])
        u = new
    return u


def monte_carlo_option(noise, price, strike, volatility):
    total = 0.0
    for path in range(noise.shape[0]):
        s = price
        for t in range(noise.shape[1]):
            s *= np.exp(-0.5 * volatility**2 * 0.1 + volatility * np.sqrt(0.1) * noise[path, t])
        total += max(s - strike, 0.0)
    return total / noise.shape[0]


def random_walk_with_walls(noise):
    x = 0.0
    hits = 0
    for step in noise:
        x += step
        if x > 1.0:
            x = 2.0 - x
            hits += 1
        elif x < -1.0:
            x = -2.0 - x
            hits += 1
    return x, hits


def ising_sweep(spins, noise):
    n = spins.shape[0]
    for i in range(n):
        for j in range(n):
            around = spins[i - 1, j] + spins[i, j - 1]
            around += spins[(i + 1) % n, j] + spins[i, (j + 1) % n]
            change = 2 * spins[i, j] * around
            if change <= 0 or noise[i, j] < np.exp(-0.4 * change):
                spins[i, j] = -spins[i, j]


def bodies(rng, n):
    return rng.normal(size=(3, 2)), np.zeros((3, 2)), rng.uniform(1, 2, 3), n


CASES = [
    Case(n_body, bodies, 6, (0, 2), captured=True, slow=True, differences=True),
    Case(
        n_body_by_components,
        lambda r, n: (r.normal(size=6), r.normal(size=6), n),
        6,
        (0, 1),
        captured=True,
        differences=True,
    ),
    Case(game_of_life, lambda r, n: (r.integers(0, 2, (6, 5)), n), 5, captured=True),
    Case(rule_thirty, lambda r, n: (r.integers(0, 2, 9), n), 5, captured=True),
    Case(mandelbrot, lambda r, n: (r.uniform(-2, 1, n), r.uniform(-1, 1, n)), 6, captured=True),
    Case(heat_stencil, lambda r, n: (r.normal(size=(7, 6)), n), 5, (0,), captured=True),
    Case(jacobi_stencil_in_place, lambda r, n: (r.normal(size=(5, 6)), n), 6, (0,)),
    Case(
        gauss_seidel_sweeps,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=(n, n))),
        7,
        (0, 1),
        captured=True,
    ),
    Case(red_black_sweeps, vector, 9, (0,), captured=True),
    Case(wave_equation, lambda r, n: (r.normal(size=6), n), 6, (0,), captured=True),
    Case(
        upwind_burgers, lambda r, n: (r.normal(size=6), n), 6, (0,), captured=True, differences=True
    ),
    Case(
        monte_carlo_option,
        lambda r, n: (r.normal(size=(n, 5)), 1.0, 0.9, 0.3),
        6,
        (0, 1, 2, 3),
        captured=True,
    ),
    Case(random_walk_with_walls, vector, 9, (0,), captured=True),
    Case(
        ising_sweep,
        lambda r, n: (r.choice([-1, 1], (n, n)), r.uniform(size=(n, n))),
        6,
        captured=True,
    ),
]
