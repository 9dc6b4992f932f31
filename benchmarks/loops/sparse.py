"""A product with a sparse matrix by rows: indices that only the data know, each of them checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.loops.twins import numba_twin
from benchmarks.timing import Effort, compete
from benchmarks.workload import Function, Workload


def sparse_product(starts, columns, numbers, x):
    y = np.zeros(starts.size - 1)
    for i in range(y.size):
        total = 0.0
        for k in range(starts[i], starts[i + 1]):
            total += numbers[k] * x[columns[k]]
        y[i] = total
    return y


def cost_of_checks(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
    """The time with checked indices over the time without, in per cent more."""
    from wengert.config import config

    functions = {}
    before = os.environ.get("WENGERT_CHECK_BOUNDS")
    for setting in ("1", "0"):
        os.environ["WENGERT_CHECK_BOUNDS"] = setting
        config.cache_clear()
        functions[setting] = make()
        functions[setting](*arguments)  # compiles
    os.environ.pop("WENGERT_CHECK_BOUNDS")
    if before is not None:
        os.environ["WENGERT_CHECK_BOUNDS"] = before
    config.cache_clear()
    calls = {name: lambda f=f: f(*arguments) for name, f in functions.items()}
    times = compete(calls, Effort())
    return 100.0 * (times["1"].median / times["0"].median - 1.0)


def sparse_matrix(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    rows, most = (6, 4) if tiny else (20_000, 40)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, most, rows))])
    columns = rng.integers(0, rows, starts[-1])
    return starts, columns, rng.standard_normal(starts[-1]), rng.standard_normal(rows)


WORKLOADS = (
    Workload(
        "loops/sparse_product/value",
        {"plain": lambda: sparse_product},
        sparse_matrix,
        by_hand={"numba": numba_twin(sparse_product)},
        targets={"numba": 0.9},
        compile_targets={"numba": 2},
        extras={"checks of indices, % of time": cost_of_checks},
    ),
)
