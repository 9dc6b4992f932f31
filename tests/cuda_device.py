"""The device that tests of CUDA code run on, by WENGERT_TEST_DEVICE.

"host" (the default) compiles kernels with g++; "gpu" runs them on the current GPU (`make test-gpu`);
"stand-in" takes the driver of GPUs, with `fake_cupy` in CuPy's place.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import fake_cupy
import fake_solver
import pytest

import wengert as wg
from wengert.backends.cuda.device import Device
from wengert.backends.cuda.gpu import batched, cupy_module, current_device, device
from wengert.backends.cuda.host import HostDevice
from wengert.backends.cuda.host.device import HostMatMul
from wengert.config import config

KIND = os.environ.get("WENGERT_TEST_DEVICE", "host")


class FakeLt:
    """cublasLt on a stream of the stand-in: NumPy's products."""

    def __init__(self, gpu: fake_cupy.Gpu) -> None:
        self.gpu, self.host = gpu, HostDevice()

    def prepare(self, spec: Any) -> Any:
        return HostMatMul(spec, 1024)

    def run(self, product: Any, addresses: Any, workspace: int, stream: int) -> None:
        assert workspace % 256 == 0
        at = tuple(addresses)
        self.gpu.stream(stream).put(lambda: self.host.matmul(product, at, 0))


def use_stand_in(patch: pytest.MonkeyPatch, gpu: fake_cupy.Gpu) -> None:
    """Puts `gpu` where the driver looks for one."""
    patch.setenv("WENGERT_CUDA_DEVICE", "gpu")
    patch.setitem(sys.modules, "cupy", fake_cupy.module(gpu))
    patch.setattr(device, "cubin", lambda source, arch: source.encode())
    patch.setattr(device.GpuDevice, "library", FakeLt(gpu))
    solver = sys.modules["cupy"].cuda.cusolver
    patch.setattr(batched, "library", lambda name, purpose: fake_solver.Plain(gpu, solver))
    forget_devices()


def use_device(patch: pytest.MonkeyPatch) -> None:
    """What backend="cuda" means from now on: the device that WENGERT_TEST_DEVICE asks for."""
    if KIND == "stand-in":
        use_stand_in(patch, fake_cupy.Gpu())
    else:
        patch.setenv("WENGERT_CUDA_DEVICE", KIND)
        forget_devices()


def forget_devices() -> None:
    """Makes the driver and the settings look again."""
    config.cache_clear()
    cupy_module.cupy.cache_clear()
    device.gpu_device.cache_clear()


@functools.cache
def shared_device() -> Device:
    """One device for the tests that compile programs themselves."""
    if KIND == "host":
        return HostDevice()
    if KIND == "stand-in":
        use_stand_in(pytest.MonkeyPatch(), fake_cupy.Gpu())
    return current_device()


def fetched(x: Any) -> Any:
    """A result as NumPy has it."""
    return x.get() if hasattr(x, "get") and hasattr(x, "dtype") else x


def jit(fun: Callable[..., Any], **options: Any) -> Any:
    """`wg.jit(fun, backend="cuda")` with its results fetched."""
    compiled = wg.jit(fun, backend="cuda", **options)

    def call(*args: Any, **kwargs: Any) -> Any:
        return wg.tree_map(fetched, compiled(*args, **kwargs))

    call.lower = compiled.lower  # pyright: ignore[reportFunctionMemberAccess]
    return call
