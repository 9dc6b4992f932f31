"""Sorting, a long Fourier transform, and random numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.reductions import normals
from benchmarks.workload import Function, Namespace, Workload

NORMALS = 10_000_000


def sort(ns: Namespace) -> Function:
    np = ns.np

    def f(x):
        return np.sort(x)

    return f


def torch_sort() -> Function:
    import torch

    return lambda x: torch.sort(x)[0]


def by_tool(build: Callable[[Namespace], Function], torch_version: Callable[[], Function]) -> dict:
    """Versions for each tool of a function that torch has under another name."""

    def jax_version() -> Function:
        import jax

        return build(Namespace(jax.numpy, None))

    return {
        "plain": lambda: build(Namespace(np, None)),
        "jax": jax_version,
        "torch": torch_version,
        "torch.compile": torch_version,
    }


def transform(ns: Namespace) -> Function:
    np = ns.np

    def f(x):
        return np.fft.fft(x)

    return f


def torch_transform() -> Function:
    import torch

    return torch.fft.fft


def complex_numbers(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 64 if tiny else 1_000_000
    return (rng.standard_normal(n) + 1j * rng.standard_normal(n),)


def wengert_normals() -> Function:
    import wengert as wg

    return wg.jit(lambda key, like: wg.random.normal(key, like.shape, dtype=np.float32))


def jax_normals() -> Function:
    import jax

    def f(key, like):
        return jax.random.normal(jax.random.wrap_key_data(key), like.shape, jax.numpy.float32)

    return jax.jit(f)


def key_and_size(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    """A key, and an array of which only the size is of interest."""
    return np.array([0, 1964], np.uint32), np.zeros(1000 if tiny else NORMALS, np.int8)


def numpy_over_ours(make: Callable[[], Function], inputs: Sequence[Any]) -> float:
    """NumPy's time for as many numbers over wengert's: other numbers, of the same distribution."""
    ours, rng = make(), np.random.default_rng(1964)
    calls = (lambda: rng.standard_normal(NORMALS, np.float32), lambda: ours(*inputs))
    for call in calls:
        made = call()
        assert abs(made.mean()) < 0.01 and abs(made.std() - 1.0) < 0.01
    times: list[list[float]] = [[], []]
    for _ in range(7):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return float(np.median(times[0]) / np.median(times[1]))


WORKLOADS = (
    *(
        Workload(
            f"sort/1000000/{dtype}",
            by_tool(sort, torch_sort),
            normals(dtype, (1_000_000,)),
            targets={"best": 1},
        )
        for dtype in ("float32", "float64")
    ),
    Workload(
        "fft/1000000",
        by_tool(transform, torch_transform),
        complex_numbers,
        targets={"best": 1},
        tolerance=100.0,
    ),
    Workload(
        "random/normal/10000000",
        {"plain": wengert_normals, "jax": jax_normals},
        key_and_size,
        mode="as_is",
        targets={"jax": 1.5},
        extras={"NumPy's time for as many / this (1.5 wanted)": numpy_over_ours},
        skip={"numpy": "makes other numbers"},
        tolerance=100.0,
    ),
)
