"""Every kernel compiles to machine code of an H100 or H200, without spilling registers in loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import test_kernels
from op_cases import OPS, samples_of

import wengert as wg
from wengert.backends.cuda import nvrtc
from wengert.backends.cuda.plan import print_program
from wengert.errors import CompileError, DeviceUnavailableError, MissingRuleError
from wengert.ir.builder import Builder
from wengert.ir.program import Program
from wengert.ir.types import type_of
from wengert.kernels.lower import lower

try:
    nvrtc.version()
except DeviceUnavailableError as missing:
    pytest.skip(str(missing), allow_module_level=True)

F4 = np.float32
# The compiler makes calls of the rare cases of divisions and powers, and saves a few registers
# around them, which it reports as spills.
AROUND_CALLS = 64


def source(program: Program) -> str:
    return print_program(lower(program, grid=True).loops).source


def assert_compiles(text: str, most_spilled: int = AROUND_CALLS) -> None:
    cubin, reports = nvrtc.compile_cubin(text)
    assert cubin[:4] == b"\x7fELF"
    assert len(reports) == text.count("WG_KERNEL(")
    assert not [r for r in reports if r.spill_bytes > most_spilled]


def test_the_version_is_that_of_the_oldest_driver() -> None:
    assert nvrtc.version() == (13, 0)


@pytest.mark.parametrize("name", test_kernels.CASES)
def test_kernels_of_small_programs(name: str) -> None:
    body, types = test_kernels.CASES[name]
    assert_compiles(source(test_kernels.program(body, *types)))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gain + shift


def lorenz(state: Any) -> Any:
    x, y, z = state
    for _ in range(1000):
        x, y, z = (
            x + 0.01 * 10.0 * (y - x),
            y + 0.01 * (x * (28.0 - z) - y),
            z + 0.01 * (x * y - 8.0 / 3.0 * z),
        )
    return x + y + z


def of(*shapes: tuple[int, ...], dtype: Any = F4) -> tuple[Any, ...]:
    return tuple(wg.ShapeDtypeStruct(s, dtype) for s in shapes)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "map": (lambda x, y: np.tanh(x) * y + 1, of((4096, 1024), (1024,))),
    "map of halves": (lambda x: np.exp(x) + 1, of((1 << 20,), dtype=np.float16)),
    "softmax": (softmax, of((4096, 4096))),
    "long softmax": (softmax, of((64, 100_000))),
    "softmax gradient": (wg.grad(lambda x: (softmax(x) ** 2).sum()), of((4096, 1024))),
    "layer norm": (layer_norm, of((4096, 1024), (1024,), (1024,))),
    "layer norm gradient": (
        wg.grad(lambda x, g, b: (layer_norm(x, g, b) ** 2).sum(), (0, 1, 2)),
        of((512, 1024), (1024,), (1024,)),
    ),
    "sums": (lambda x: (x.sum(), x.sum(0), x.sum(1)), of((2048, 2048))),
    "transpose": (lambda x: x.T + 1, of((2048, 1024))),
    "loop": (wg.value_and_grad(lorenz), of((3,), dtype=np.float64)),
    "batch of loops": (wg.vmap(wg.grad(lorenz)), of((10_000, 3))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_of_larger_programs(name: str) -> None:
    assert_compiles(program_source(name))


def program_source(name: str) -> str:
    fun, shapes = PROGRAMS[name]
    return print_program(wg.jit(fun, backend="cuda").lower(*shapes)._kernels).source


def test_maps_access_memory_in_vectors() -> None:
    ptx, _ = nvrtc.compile_cubin(program_source("map"), arch="compute_90")
    assert b"ld.global.nc.v4" in ptx
    assert b"st.global.v4" in ptx


def test_softmax_reads_each_row_once() -> None:
    ptx, _ = nvrtc.compile_cubin(program_source("softmax"), arch="compute_90")
    # four vectors of four numbers for each of 256 threads are a row of 4,096
    assert ptx.count(b"ld.global.nc.v4") == 4
    assert b"ld.global.nc.f32" not in ptx


@pytest.mark.slow
def test_kernels_of_all_operations() -> None:
    """One program for each operation, all in few texts."""
    texts: list[str] = []
    for op in OPS:
        builder = Builder()
        outs = []
        for _, sample in samples_of(op):
            inputs = [builder.input(type_of(a)) for a in sample.args]
            outs += builder.emit(op, inputs, sample.params)
        try:
            texts.append(source(builder.finish(outs)))
        except MissingRuleError:
            continue  # the law tests name them
    assert len(texts) > 100
    for text in texts:
        if "WG_KERNEL(" in text:
            # all samples of an operation may share one kernel, which no user's program does
            assert_compiles(text, most_spilled=512)


def test_a_fault_in_the_text_is_shown() -> None:
    with pytest.raises(CompileError, match="undefined"):
        nvrtc.compile_cubin("WG_KERNEL(wrong, 32)(float* x) { x[0] = y; }")
