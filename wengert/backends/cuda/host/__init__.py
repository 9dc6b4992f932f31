"""A CUDA device played by the CPU, for machines without a GPU."""

from __future__ import annotations

from wengert.backends.cuda.host.device import HostDevice

__all__ = ["HostDevice", "find_device"]


def find_device() -> HostDevice:
    """The host as a device."""
    return HostDevice()
