"""CuPy, imported when the first program is to run on a GPU."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from wengert.errors import DeviceUnavailableError

CUDA = 13_000
"""The version of CUDA that kernels are compiled for, as the driver counts it."""

ELSE = "use backend='cpu', or WENGERT_CUDA_DEVICE=host, which runs the kernels on the CPU, slowly"


@functools.cache
def cupy() -> Any:
    """The module, if it can reach a GPU; raises DeviceUnavailableError with what is missing."""
    try:
        module: Any = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceUnavailableError(
            f"backend='cuda' reaches GPUs through CuPy, which cannot be imported ({error}); "
            f"install it with: pip install 'wengert[cuda13]'. Or {ELSE}"
        ) from error
    _require_driver(module.cuda.runtime)
    return module


def nccl(cupy: Any) -> Any:
    """CuPy's module for NCCL; raises DeviceUnavailableError if the library is missing.

    CuPy 14 has no `cupy.cuda.nccl` before it is imported, and imports it without the library, too.
    """
    importlib.import_module("cupy.cuda.nccl")
    if not cupy.cuda.nccl.available:
        raise DeviceUnavailableError(
            "programs of several GPUs communicate by NCCL, which CuPy cannot load; install it "
            "with: pip install 'wengert[nccl]'"
        )
    return cupy.cuda.nccl


def _require_driver(runtime: Any) -> None:
    version = runtime.driverGetVersion()
    if version == 0:
        raise DeviceUnavailableError(
            "backend='cuda' needs a GPU, and this machine has no NVIDIA driver (CuPy finds none); "
            f"install the driver, or {ELSE}"
        )
    if version < CUDA:
        raise DeviceUnavailableError(
            f"the NVIDIA driver here knows CUDA {version // 1000}.{version % 1000 // 10}, and "
            "kernels are compiled for CUDA 13.0; update the driver to 580 or later, or " + ELSE
        )
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise DeviceUnavailableError(f"CUDA cannot be started: {error}; {ELSE}") from error
    if count == 0:
        raise DeviceUnavailableError(
            "the NVIDIA driver shows no GPU to this process; look at CUDA_VISIBLE_DEVICES, or "
            + ELSE
        )
