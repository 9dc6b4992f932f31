"""What is measured on a GPU, most important first, with what is wanted of each line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.gpu.ceilings import Ceiling, empty_graph, empty_kernel, product_alone
from benchmarks.gpu.programs import (
    LORENZ,
    chain,
    cross_entropy,
    dense_gelu,
    lorenz_systems,
    many_kernels,
    normals,
    plain_product,
    scaled,
)
from benchmarks.loops.recurrent import WORKLOADS as RECURRENT
from benchmarks.reductions import layernorm, softmax, sum_over, transpose_add, weighted
from benchmarks.training import WORKLOADS as TRAINING
from benchmarks.workload import Workload

COLD = 2.0
"""How many times as long JAX takes to compile each program, both without their caches."""


@dataclass(frozen=True)
class Line:
    """A workload; `traffic` are the bytes that an ideal kernel moves.

    `bandwidth` is the share of the copy bandwidth that is wanted, `targets` are ratios to peers and
    to `ceilings` as in `Workload`, `host_us` bounds the time in which a call returns to the caller,
    `cold` is the wanted ratio of JAX's compilation. Ceilings are measured in turns with the tools:
    what the device or its library takes for the heart of the line. torch.compile uses CUDA graphs
    where `graphs` is set; elsewhere their copies of inputs would count against it.
    """

    workload: Workload
    traffic: float = 0.0
    bandwidth: float = 0.0
    targets: Mapping[str, float] = field(default_factory=dict[str, float])
    host_us: float = 0.0
    cold: float = COLD
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict[str, Ceiling])
    graphs: bool = False

    @property
    def name(self) -> str:
        return self.workload.name


# functions of their own, so that results are compared once for all lengths of rows
SOFTMAX_LOSS, LAYERNORM_LOSS = weighted(softmax), weighted(layernorm)


def rows_lines(columns: int) -> list[Line]:
    """Norms and losses over rows of one length, of 256 MiB."""
    rows = (64 << 20) // columns
    share = 0.9 if columns >= 4096 else 0.7
    array, size = (rows, columns), 4.0 * rows * columns
    parameters = ((columns,), (columns,))
    norm = _slope(f"layernorm/gradient/{columns}", LAYERNORM_LOSS, array, *parameters, array)
    made = [
        (_value(f"softmax/value/{columns}", softmax, array), 2),
        (_slope(f"softmax/gradient/{columns}", SOFTMAX_LOSS, array, array), 3),
        (_value(f"layernorm/value/{columns}", layernorm, array, *parameters), 2),
        (replace(norm, argnums=(0, 1, 2)), 3),
        (_value(f"cross_entropy/value/{columns}", cross_entropy, array, array), 2),
        (_slope(f"cross_entropy/gradient/{columns}", cross_entropy, array, array), 3),
    ]
    return [Line(w, size * passes, share, {"torch.compile": 1.2}) for w, passes in made]


def _value(name: str, build: Any, *shapes: tuple[int, ...]) -> Workload:
    return Workload(name, build, normals("float32", *shapes), tolerance=30.0)


def _slope(name: str, build: Any, *shapes: tuple[int, ...]) -> Workload:
    inputs = normals("float32", *shapes)
    return Workload(name, build, inputs, mode="value_and_grad", tolerance=100.0)


def chain_line(mib: int) -> Line:
    size = (mib << 18,)
    targets = {"torch.compile": 1.0, "jax": 1.0}
    wanted = 0.93 if mib >= 256 else 0.0
    return Line(_value(f"chain/{mib} MiB", chain, size, size), 3.0 * (mib << 20), wanted, targets)


def product_lines() -> list[Line]:
    """Products of bfloat16, held to cublasLt's own of the same matrices."""
    square = (8192, 8192)
    inputs = scaled("bfloat16", square, square, (8192,))
    cublaslt, targets = {"cublasLt": product_alone}, {"cublasLt": 0.98}
    return [
        Line(Workload(name, build, inputs, tolerance=6.0), targets=targets, ceilings=cublaslt)
        for name, build in (
            ("matmul/8192 bfloat16, bias, gelu", dense_gelu),
            ("matmul/8192 bfloat16", plain_product),
        )
    ]


def reduction_lines() -> list[Line]:
    square, size = (8192, 8192), 4.0 * 8192 * 8192
    axes = ((None, "all"), (1, "rows"), (0, "columns"))
    sums = [Line(_value(f"sum/{n}", sum_over(axis), square), size, 0.9) for axis, n in axes]
    return [*sums, Line(_value("transpose", transpose_add, square, square), 3 * size, 0.9)]


def loop_lines() -> list[Line]:
    """Many small systems and one recurrent network: one kernel here, a kernel a step there."""
    args = {"argnums": (0, 1, 2, 3), "tolerance": 1000.0}
    both = [
        Workload(f"lorenz/100,000 x 1,000 steps, {what}", LORENZ, lorenz_systems, mode=mode, **args)
        for what, mode in (("gradient", "vmap_grad"), ("value", "vmap"))
    ]
    network = next(w for w in RECURRENT if "128" in w.name)
    return [Line(replace(w, targets={}), targets={"jax": 10.0}) for w in (*both, network)]


def lines() -> list[Line]:
    """All of them."""
    host = Workload("host/20 kernels", many_kernels, normals("float32", (64, 64)), tolerance=100.0)
    launches = {"empty kernel": empty_kernel, "graph of 20 empty kernels": empty_graph}
    steps = {"torch.compile": 1.2, "jax": 1.2}
    return [
        Line(host, host_us=25, ceilings=launches, graphs=True),
        chain_line(256),
        *rows_lines(4096),
        *product_lines(),
        *(Line(replace(w, targets={}), targets=steps, graphs=True) for w in TRAINING),
        *loop_lines(),
        *reduction_lines(),
        *(line for columns in (1024, 256, 8192) for line in rows_lines(columns)),
        chain_line(1024),
        chain_line(1),
        *(line for columns in (512, 2048) for line in rows_lines(columns)),
    ]
