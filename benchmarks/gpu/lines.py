"""What is measured on a GPU, most important first, with what is wanted of each line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.loops.lorenz import jax_short_lorenz, short_lorenz
from benchmarks.loops.recurrent import WORKLOADS as RECURRENT
from benchmarks.reductions import (
    layernorm,
    normals,
    softmax,
    sum_over,
    transpose_add,
    weighted,
)
from benchmarks.training import WORKLOADS as TRAINING
from benchmarks.workload import Function, Namespace, Workload


@dataclass(frozen=True)
class Line:
    """A workload; `traffic` are the bytes that an ideal kernel moves.

    `bandwidth` is the share of the copy bandwidth that is wanted, `targets` are ratios to peers as
    in `Workload`, `host_us` bounds the time in which a call returns to the caller. `against` is a
    line whose best time is wanted, divided by a ratio: a product alone, say. torch.compile uses
    CUDA graphs where `graphs` is set; elsewhere their copies of inputs would count against it.
    """

    workload: Workload
    traffic: float = 0.0
    bandwidth: float = 0.0
    targets: Mapping[str, float] = field(default_factory=dict[str, float])
    host_us: float = 0.0
    against: tuple[str, float] | None = None
    graphs: bool = False

    @property
    def name(self) -> str:
        return self.workload.name


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
    """The same without an epilogue: what the library takes alone."""

    def f(x, w, b):
        return x @ w

    return f


def scaled(dtype: str, *shapes: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
    """Random numbers of size 1 / sqrt(rows), so that products stay of size 1."""
    make = normals(dtype, *shapes)

    def draw(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
        return tuple(x * np.asarray(len(x) ** -0.5, dtype) for x in make(rng, tiny))

    return draw


def rows_lines(columns: int) -> list[Line]:
    """Norms and losses over rows of one length, of 256 MiB."""
    rows = (64 << 20) // columns
    share = 0.9 if columns >= 4096 else 0.7
    array, size = (rows, columns), 4.0 * rows * columns
    targets = {"torch.compile": 1.2}
    inputs = normals("float32", array, (columns,), (columns,), array)
    made = [
        (Workload(f"softmax/value/{columns}", softmax, normals("float32", array)), 2),
        (_slope(f"softmax/gradient/{columns}", weighted(softmax), (array, array)), 3),
        (
            Workload(
                f"layernorm/value/{columns}",
                layernorm,
                normals("float32", array, (columns,), (columns,)),
            ),
            2,
        ),
        (
            Workload(
                f"layernorm/gradient/{columns}",
                weighted(layernorm),
                inputs,
                mode="value_and_grad",
                argnums=(0, 1, 2),
                tolerance=100.0,
            ),
            3,
        ),
        (
            Workload(
                f"cross_entropy/value/{columns}", cross_entropy, normals("float32", array, array)
            ),
            2,
        ),
        (_slope(f"cross_entropy/gradient/{columns}", cross_entropy, (array, array)), 3),
    ]
    return [Line(w, size * passes, share, targets) for w, passes in made]


def _slope(name: str, build: Any, shapes: tuple[Any, ...]) -> Workload:
    inputs = normals("float32", *shapes)
    return Workload(name, build, inputs, mode="value_and_grad", tolerance=100.0)


def lorenz_systems(rng: np.random.Generator, tiny: bool) -> tuple[Any, ...]:
    count = 5 if tiny else 100_000
    return (
        rng.uniform(-1.0, 1.0, (count, 3)) * 10.0 + np.array([0.0, 0.0, 20.0]),
        *(rng.uniform(low, high, count) for low, high in ((9, 11), (20, 30), (2, 3))),
    )


LORENZ: dict[str, Callable[[], Function]] = {
    "plain": lambda: short_lorenz,
    "jax": jax_short_lorenz,
}


def lines() -> list[Line]:
    """All of them."""
    square = (8192, 8192)
    size = 4.0 * 8192 * 8192
    plain = normals("float32", square)
    few = normals("float32", (64, 64))
    long = next(w for w in RECURRENT if "128" in w.name)
    steps = [replace(w, targets={}) for w in TRAINING]
    products = scaled("float32", square, square, (8192,))
    return [
        Line(
            Workload("host/20 kernels", many_kernels, few, tolerance=100.0), host_us=25, graphs=True
        ),
        *(
            Line(
                Workload(f"chain/{mib} MiB", chain, normals("float32", (mib << 18,), (mib << 18,))),
                3.0 * (mib << 20),
                0.93 if mib >= 256 else 0,
                {"torch.compile": 1, "jax": 1},
            )
            for mib in (256, 1024, 1)
        ),
        *(line for columns in (4096, 1024, 256, 16384) for line in rows_lines(columns)),
        *(
            Line(Workload(f"sum/{n}", sum_over(axis), plain, tolerance=30.0), size, 0.9)
            for axis, n in ((None, "all"), (1, "rows"), (0, "columns"))
        ),
        Line(
            Workload("transpose", transpose_add, normals("float32", square, square)), 3 * size, 0.9
        ),
        Line(Workload("matmul/8192 float32", plain_product, products, tolerance=30.0)),
        Line(
            Workload("matmul/8192 float32, bias, gelu", dense_gelu, products, tolerance=30.0),
            against=("matmul/8192 float32", 0.98),
        ),
        *(Line(w, targets={"torch.compile": 1.2, "jax": 1.2}, graphs=True) for w in steps),
        Line(
            Workload(
                "lorenz/100,000 gradients of 100 steps",
                LORENZ,
                lorenz_systems,
                mode="vmap_grad",
                argnums=(0, 1, 2, 3),
                tolerance=10.0,
            ),
            targets={"jax": 10},
        ),
        Line(replace(long, targets={}), targets={"jax": 10}),
    ]
