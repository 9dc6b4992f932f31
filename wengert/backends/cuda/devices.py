"""The device that programs are compiled for."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from wengert.backends.cuda.device import Device
from wengert.config import config

_MODULES = {"gpu": "driver", "host": "host"}


def device() -> Device:
    """The device that WENGERT_CUDA_DEVICE asks for.

    Raises DeviceUnavailableError with what is missing.
    """
    return _device(config().cuda_device)


@functools.cache
def _device(kind: str) -> Device:
    module: Any = importlib.import_module(f"wengert.backends.cuda.{_MODULES[kind]}")
    found: Device = module.find_device()
    return found
