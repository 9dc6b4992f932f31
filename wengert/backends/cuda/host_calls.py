"""Calls of Python functions of a program as steps of a launch plan.

The device's work so far is waited for, operands are copied to the host, the function is called, and
its results are copied back. So no graph has such a step; what lies around it is in graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.cuda.device import Device
from wengert.ir.host import HostCall, called
from wengert.kernels.loops import Buffer, Communicate, Kernel


@dataclass(frozen=True, slots=True)
class PythonCall:
    """A call: the function, and the buffers of its operands and results."""

    call: HostCall
    sources: tuple[Buffer, ...]
    outs: tuple[Buffer, ...]


def as_python_call(kernel: Kernel) -> PythonCall | None:
    """The call of Python that a kernel of one statement makes, if it makes one."""
    (statement,) = kernel.body
    assert isinstance(statement, Communicate)
    if not isinstance(statement.request, HostCall):
        return None
    return PythonCall(statement.request, statement.sources, statement.outs)


def perform(device: Device, step: PythonCall, address: Callable[[Buffer], int]) -> None:
    """Makes the call. What the function raises goes to the caller of the program as it is."""
    sources = [np.empty(b.size, b.dtype) for b in step.sources]
    for array, buffer in zip(sources, step.sources, strict=True):
        device.download(array, address(buffer))
    outs: list[np.ndarray[Any, Any]] = [np.empty(b.size, b.dtype) for b in step.outs]
    called(step.call).perform(sources, outs)
    for array, buffer in zip(outs, step.outs, strict=True):
        device.upload(address(buffer), array)
