"""Matrix products, large ones and many small ones."""

from __future__ import annotations

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


WORKLOADS = (
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
