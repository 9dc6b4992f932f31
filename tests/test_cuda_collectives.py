"""Collectives of CUDA programs: on the host device, and through NCCL as a stand-in has it."""

from __future__ import annotations

import sys
from typing import Any

import fake_cupy
import numpy as np
import pytest

import wengert as wg
from wengert import distributed as dist
from wengert.api.compilation import lower_program
from wengert.backends.cuda import compile_for
from wengert.backends.cuda.gpu import device
from wengert.backends.cuda.gpu.device import GpuDevice
from wengert.backends.cuda.host import HostDevice
from wengert.errors import DTypeError
from wengert.ir.op import REGISTRY

RNG = np.random.default_rng(2)
SIZE = 3


def everything(x: Any) -> Any:
    """All collectives, between kernels."""
    y = np.sin(x)
    ring = [(0, 1), (1, 2), (2, 0)]
    moved = (dist.ppermute(y, ring), dist.ppermute(y, [(0, 2)]), dist.broadcast(y, 1))
    sums = (dist.psum(y), dist.pmax(y), dist.pmin(y), dist.psum_scatter(y))
    return tuple(
        z * 2 + dist.axis_index().astype(z.dtype)
        for z in (*moved, *sums, dist.all_gather(y), dist.all_to_all(y))
    )


# of bfloat16 numbers below 4 two roundings, each of a part of 2^-8, are left by what cancels
ROUNDING = {"float16": (1e-2, 1e-6), "bfloat16": (1e-2, 2**-5)}


def on(make: Any, fun: Any, x: Any, calls: int = 3) -> Any:
    """`fun` compiled for a device and called so often that launches are recorded."""
    program = wg.make_ir(fun)(x).program
    lowered = lower_program(program, grid=True)
    target = make()
    made = compile_for(
        target, lowered.loops, program.in_types, program.out_types, lowered.constants
    )
    for _ in range(calls):
        found = made(x)
    return [f.get() if hasattr(f, "get") else np.asarray(f) for f in found]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[fake_cupy.Gpu]:
    """Each rank has a GPU of its own."""
    gpus = [fake_cupy.Gpu() for _ in range(SIZE)]
    modules = [fake_cupy.module(gpu, apart=True) for gpu in gpus]
    monkeypatch.setattr(device, "cubin", lambda source, arch: source.encode())
    monkeypatch.setattr(device, "cupy", lambda: modules[dist.rank()])
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", modules[0].cuda.nccl)
    return gpus


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_on_the_host_device(dtype: Any) -> None:
    x = RNG.standard_normal((SIZE, SIZE, 2)).astype(dtype)
    want = dist.simulate(SIZE, lambda: everything(x[dist.rank()]))
    found = dist.simulate(SIZE, lambda: on(HostDevice, everything, x[dist.rank()]))
    for own, expected in zip(found, want, strict=True):
        for a, b in zip(own, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, wg.bfloat16])
def test_through_nccl(stand_in: list[fake_cupy.Gpu], dtype: Any) -> None:
    x = RNG.standard_normal((SIZE, SIZE, 2)).astype(dtype)
    want = dist.simulate(SIZE, lambda: everything(x[dist.rank()]))
    found = dist.simulate(SIZE, lambda: on(lambda: GpuDevice(0), everything, x[dist.rank()]))
    for own, expected in zip(found, want, strict=True):
        for a, b in zip(own, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, *ROUNDING.get(a.dtype.name, (1e-6, 1e-6)))
    for gpu in stand_in:
        assert gpu.calls and gpu.replays  # launches and messages were captured together


@pytest.mark.slow
def test_data_parallel_gradients(stand_in: list[fake_cupy.Gpu]) -> None:
    x, w = RNG.standard_normal((SIZE, 4, 5)), RNG.standard_normal(5)

    def loss(w: Any, x: Any) -> Any:
        return np.mean(np.tanh(x @ w) ** 2)

    def step(x: Any) -> Any:
        return dist.value_and_grad(loss)(w, x)

    value, grad = wg.value_and_grad(loss)(w, x.reshape(-1, 5))
    for own in dist.simulate(SIZE, lambda: on(lambda: GpuDevice(0), step, x[dist.rank()])):
        np.testing.assert_allclose(own[0], value)
        np.testing.assert_allclose(own[1], grad)


@pytest.mark.slow
def test_one_process_needs_no_nccl() -> None:
    x = RNG.standard_normal((1, 3))
    names = [op.name for op in REGISTRY.values() if op.family == "collective"]
    assert len(names) == 10

    def fun(x: Any) -> Any:
        return dist.psum_scatter(x) + dist.all_gather(x).sum() + dist.axis_index()

    np.testing.assert_allclose(on(HostDevice, lambda x: (fun(x),), x)[0], fun(x))


def test_messages_in_loops(stand_in: list[fake_cupy.Gpu]) -> None:
    def looped(x: Any) -> Any:
        return (wg.fori_loop(0, 3, lambda i, x: dist.psum(x) * 0.5 + i, x),)

    x = RNG.standard_normal((SIZE, 3))
    expected = x.sum(0) * 0.5
    for k in (1, 2):
        expected = SIZE * (expected + (k - 1)) * 0.5
    for own in dist.simulate(SIZE, lambda: on(lambda: GpuDevice(0), looped, x[dist.rank()])):
        np.testing.assert_allclose(own[0], expected + 2)


def test_what_is_not_there(stand_in: list[fake_cupy.Gpu]) -> None:
    with pytest.raises(DTypeError, match="no sums of int16"):
        dist.simulate(SIZE, lambda: on(lambda: GpuDevice(0), dist.psum, np.zeros(3, np.int16)))
