"""Every kernel compiles to machine code of an H100 or H200, without spilling registers in loops."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import test_corpus
import test_kernels
from corpus_laws import Scalar
from law_backends import real
from op_cases import OPS, samples_of

import wengert as wg
from wengert.backends.cuda import nvrtc
from wengert.backends.cuda.device import Report
from wengert.backends.cuda.gpu import sorting
from wengert.backends.cuda.plan import print_program
from wengert.backends.cuda.source import TEXT, shared_text, source_text
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
# The compiler makes calls of 64-bit divisions and of the rare cases of other functions, and saves
# registers around them, which it reports as spills, too. Such kernels use fewer registers than they
# may; one that is short of registers uses all of them.
AROUND_CALLS = 256
REGISTERS = 65_536  # of a processor
MOST_REGISTERS = 255  # of a thread


def source(program: Program) -> str:
    return print_program(lower(program, grid=True).loops).source


def assert_compiles(text: str, most_spilled: int = AROUND_CALLS, crowded: bool = False) -> None:
    """It does, and no kernel is short of registers, unless the program is `crowded`."""
    cubin, reports = nvrtc.compile_cubin(text)
    assert cubin[:4] == b"\x7fELF"
    assert len(reports) == text.count("WG_KERNEL(")
    threads = dict(re.findall(r"WG_KERNEL\((\w+), (\d+)\)", text))
    assert not [r for r in reports if r.spill_bytes > most_spilled]
    assert crowded or not [r for r in reports if is_short(r, int(threads[r.name]))]


def is_short(report: Report, threads: int) -> bool:
    """Whether a kernel spills since a thread cannot have more registers."""
    most = min(MOST_REGISTERS, REGISTERS // threads // 8 * 8)
    return report.spill_bytes > 0 and report.registers > most - 8


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
    "map of bfloat16": (lambda x: np.exp(x) + 1, of((1 << 20,), dtype=wg.bfloat16)),
    "softmax": (softmax, of((4096, 4096))),
    "long softmax": (softmax, of((64, 100_000))),
    "softmax gradient": (wg.grad(lambda x: (softmax(x) ** 2).sum()), of((4096, 1024))),
    "layer norm": (layer_norm, of((4096, 1024), (1024,), (1024,))),
    "layer norm gradient": (
        wg.grad(lambda x, g, b: (layer_norm(x, g, b) ** 2).sum(), (0, 1, 2)),
        of((512, 1024), (1024,), (1024,)),
    ),
    "losses beside gradients of rows": (
        wg.value_and_grad(lambda x, g, b: (softmax(layer_norm(x, g, b)) ** 2).sum(), (0, 1, 2)),
        of((512, 1024), (1024,), (1024,)),
    ),
    "sums": (lambda x: (x.sum(), x.sum(0), x.sum(1)), of((2048, 2048))),
    "transpose": (lambda x: x.T + 1, of((2048, 1024))),
    "loop": (wg.value_and_grad(lorenz), of((3,), dtype=np.float64)),
    "gradient of an embedding": (
        wg.grad(lambda w, i: (w[i] ** 2).sum()),
        (*of((5000, 768)), *of((8192,), dtype=np.int64)),
    ),
    "special functions": (
        lambda x, y: (
            wg.special.gammaincinv(x, y) + wg.special.owens_t(x, y) + wg.special.ive(0.3, x)
        ),
        of((1000,), (1000,), dtype=np.float64),
    ),
    "functions of orders": (
        lambda x: scipy.special.jv(0.3, x) * scipy.special.hyp2f1(0.5, 1.2, 2.0, x),
        of((1000,), dtype=np.float64),
    ),
    "batch of loops": (wg.vmap(wg.grad(lorenz)), of((10_000, 3))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_of_larger_programs(name: str) -> None:
    assert_compiles(program_source(name))


def program_source(name: str) -> str:
    fun, shapes = PROGRAMS[name]
    return print_program(wg.jit(fun, backend="cuda").lower(*shapes)._kernels).source


@pytest.mark.slow
@pytest.mark.parametrize("number", ["float", "double"])
def test_kernels_between_results_of_libraries(number: str) -> None:
    text = (TEXT / "results.h").read_text().replace("NUMBER", number)
    assert_compiles(source_text([text]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_kernels_before_sorts(dtype: Any) -> None:
    text = (TEXT / "sorting.h").read_text()
    for name, meaning in sorting.names_of(np.dtype(dtype)).items():
        text = text.replace(name, meaning)
    assert_compiles(source_text([text]))


BARRIER = re.compile(r"wg_(sync|warp_sync|grid_sync|team_reduce|warp_reduce|wide_reduce)")


def test_the_compiler_holds_on_to_what_other_threads_change() -> None:
    """Why no team's own writes are marked as restricted: it loads x[t + 1] once instead of twice."""
    text = """WG_KERNEL(moved, 64)(float* RESTRICT x, float* __restrict__ y) {
      float first = x[wg_thread() + 1];
      wg_sync();
      x[wg_thread()] = 3 * first;
      wg_sync();
      y[wg_thread()] = x[wg_thread() + 1];
    }"""
    loads: list[int] = []
    for restrict in ("", "__restrict__"):
        ptx = nvrtc.compile_cubin(text.replace("RESTRICT", restrict), arch="compute_90")[0]
        loads.append(ptx.count(b"ld.global"))
    assert loads == [2, 1]


@pytest.mark.parametrize("size", [40, 30_000])
def test_what_a_team_writes_is_not_restricted(size: int) -> None:
    def diffuse(x: Any) -> Any:
        for _ in range(100):
            x = np.concatenate([x[:1], 0.5 * (x[2:] + x[:-2]), x[-1:]])
        return x

    lowered = wg.jit(diffuse, backend="cuda").lower(*of((size,)))
    kernels = print_program(lowered._kernels).kernels
    teams = [k.text for k in kernels if BARRIER.search(k.text)]
    assert teams
    heads = [text[: text.index("{")] for text in teams]
    assert not [h for h in heads if re.search(r"(?<!const )\bfloat\* __restrict__", h)]
    assert any("__restrict__" in k.text for k in kernels)


def test_maps_access_memory_in_vectors() -> None:
    ptx, _ = nvrtc.compile_cubin(program_source("map"), arch="compute_90")
    assert b"ld.global.nc.v4" in ptx
    assert b"st.global.v4" in ptx


def test_bfloat16_is_rounded_by_the_device_and_moved_in_vectors() -> None:
    ptx, _ = nvrtc.compile_cubin(program_source("map of bfloat16"), arch="compute_90")
    assert b"cvt.rn.bf16.f32" in ptx
    assert ptx.count(b"ld.global.nc.v4") == ptx.count(b"st.global.v4") == 1


def test_softmax_reads_each_row_once() -> None:
    ptx, _ = nvrtc.compile_cubin(program_source("softmax"), arch="compute_90")
    # four vectors of four numbers for each of 256 threads are a row of 4,096
    assert ptx.count(b"ld.global.nc.v4") == 4
    assert b"ld.global.nc.f32" not in ptx


SHARES = 8  # of the longest tests, so that no worker waits for another at the end


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_kernels_of_all_operations(share: int) -> None:
    """One program for each operation."""
    texts: list[str] = []
    for op in OPS[share::SHARES]:
        builder = Builder()
        outs = []
        for _, sample in samples_of(op):
            inputs = [builder.input(type_of(a)) for a in sample.args]
            outs += builder.emit(op, inputs, sample.params)
        try:
            texts.append(source(real(builder.finish(outs))))
        except MissingRuleError:
            continue  # the law tests name them
    assert len(texts) > 100 // SHARES
    for text in texts:
        if "WG_KERNEL(" in text:
            # all samples of an operation may share one kernel, which no user's program does
            assert_compiles(text, most_spilled=512, crowded=True)


def corpus_programs(gradients: bool, share: int) -> list[str]:
    """The kernels of some functions of the corpus, or of their gradients."""
    found: list[str] = []
    for case in test_corpus.CASES[share::SHARES]:
        if not gradients:
            lowered = wg.jit(case.fn, backend="cuda").lower(*case.draw(0))
        elif case.diff:
            scalar = Scalar.of(case, 0)
            gradient = wg.jit(wg.grad(scalar.function()), backend="cuda")
            lowered = gradient.lower(scalar.point, scalar.rest)
        else:
            continue
        found.append(print_program(lowered._kernels).source.removeprefix(shared_text()))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("gradients", [False, True])
def test_kernels_of_the_corpus(gradients: bool, share: int) -> None:
    """Many programs in each text: the compiler takes longer to start than for most of them."""
    programs = corpus_programs(gradients, share)
    assert len(programs) > 300 // SHARES
    for first in range(0, len(programs), 20):
        some = enumerate(programs[first : first + 20])
        named = [text.replace("wg_kernel", f"p{k}_kernel") for k, text in some]
        assert_compiles(shared_text() + "".join(named))


def test_a_fault_in_the_text_is_shown() -> None:
    with pytest.raises(CompileError, match="undefined"):
        nvrtc.compile_cubin("WG_KERNEL(wrong, 32)(float* x) { x[0] = y; }")
