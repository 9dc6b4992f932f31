"""The device that programs are compiled for."""

from __future__ import annotations

import functools

from wengert.backends.cuda.device import Device
from wengert.backends.cuda.gpu import current_device
from wengert.backends.cuda.host import HostDevice
from wengert.config import config


def device() -> Device:
    """The device that WENGERT_CUDA_DEVICE asks for.

    Raises DeviceUnavailableError with what is missing.
    """
    return _host() if config().cuda_device == "host" else current_device()


@functools.cache
def _host() -> HostDevice:
    return HostDevice()
