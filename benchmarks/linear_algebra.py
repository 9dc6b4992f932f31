"""Matrix products, large ones and many small ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.reductions import normals
from benchmarks.workload import Function, Namespace, Workload


def matmul(ns: Namespace) -> Function:
    def f(a, b):
        return a @ b

    return f


def matmul_numba() -> Function:
    import numba

    @numba.njit
    def f(a, b):
        return np.dot(a, b)

    return f


def small_matmuls_numba() -> Function:
    import numba

    @numba.njit(parallel=True)
    def f(a, b):
        out = np.empty_like(a)
        for n in numba.prange(a.shape[0]):
            for i in range(4):
                for j in range(4):
                    total = a[n, i, 0] * b[n, 0, j]
                    for k in range(1, 4):
                        total += a[n, i, k] * b[n, k, j]
                    out[n, i, j] = total
        return out

    return f


def cholesky_total(ns: Namespace) -> Function:
    np = ns.np

    def f(a):  # one half of a is read, and which one differs
        root = np.linalg.cholesky((a + np.swapaxes(a, -1, -2)) * 0.5)
        return np.sum(root * root * root)

    return f


def solve_total(ns: Namespace) -> Function:
    np = ns.np

    def f(a, b):
        x = np.linalg.solve(a, b)
        return np.sum(x * x)

    return f


def eigh_total(ns: Namespace) -> Function:
    np = ns.np

    def f(a):
        values, vectors = np.linalg.eigh((a + np.swapaxes(a, -1, -2)) * 0.5)
        return np.sum(values * values * values) + np.sum(vectors[..., 0] ** 4)

    return f


def positive(count: int, n: int, columns: int = 0) -> Callable[..., tuple[np.ndarray, ...]]:
    """Symmetric positive definite matrices, and right-hand sides if there are to be `columns`."""

    def make(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
        size = min(count, 10) if tiny else count
        batch = (size,) if count > 1 else ()
        a = rng.standard_normal((*batch, n, n))
        found = a @ np.swapaxes(a, -1, -2) + np.diag(1.0 + np.arange(n))
        right = (rng.standard_normal((*batch, n, columns)),) if columns else ()
        return (found, *right)

    return make


def gradients(count: int, n: int, targets: dict[str, float]) -> list[Workload]:
    """Gradients of factorisations and systems of this size."""
    made = (
        ("cholesky", cholesky_total, positive(count, n)),
        ("solve", solve_total, positive(count, n, 2)),
        ("eigh", eigh_total, positive(count, n)),
    )
    return [
        Workload(
            f"linalg/{name}/{count}x{n}x{n}",
            build,
            inputs,
            mode="grad",
            targets=targets,
            tolerance=1e4,
        )
        for name, build, inputs in made
    ]


WORKLOADS = (
    *gradients(10_000, 4, {"jax": 3}),
    *gradients(1_000, 8, {"jax": 3}),
    *gradients(1_000, 16, {"jax": 3}),
    *gradients(1_000, 32, {"jax": 3}),
    *gradients(1, 200, {"jax": 1}),
    *(
        Workload(
            f"matmul/{n}",
            matmul,
            normals("float32", (n, n), (n, n)),
            by_hand={"numba": matmul_numba},
            targets={"best": 0.95 if n == 1024 else 1},
        )
        for n in (64, 256, 1024)
    ),
    Workload(
        "matmul/10000x4x4",
        matmul,
        lambda rng, tiny: tuple(
            rng.standard_normal((10 if tiny else 10_000, 4, 4)).astype(np.float32) for _ in range(2)
        ),
        by_hand={"numba": small_matmuls_numba},
        targets={"best": 3},
    ),
)
