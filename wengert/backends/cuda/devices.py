"""The device that programs are compiled for."""

from __future__ import annotations

import functools

from wengert.backends.cuda.device import Device
from wengert.backends.cuda.host import HostDevice
from wengert.config import config
from wengert.errors import DeviceUnavailableError


def device() -> Device:
    """The device that WENGERT_CUDA_DEVICE asks for.

    Raises DeviceUnavailableError with what is missing.
    """
    return _device(config().cuda_device)


@functools.cache
def _device(kind: str) -> Device:
    if kind == "host":
        return HostDevice()
    raise DeviceUnavailableError(
        "wengert cannot run programs on a GPU yet: it makes and tests their kernels, but has no "
        "driver that launches them. Use backend='cpu', or WENGERT_CUDA_DEVICE=host, which runs the "
        "same kernels on the CPU, slowly"
    )
