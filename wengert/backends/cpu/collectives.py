"""The way from native code back to Python for collectives and Python's functions: one C function.

It is called with a text that says what to do, and the addresses of the buffers. What it raises
waits in `wengert.world` until native code has returned.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import world
from wengert.ir.floats import dtype_of
from wengert.ir.host import HostCall, called
from wengert.ir.types import DType
from wengert.kernels.loops import Buffer, Communicate, Phase

ABANDON = "abandon"
"""The text that has the caller wait for everything that has begun."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))


def text_of(statement: Communicate) -> str:
    """What the C function is told about a statement."""
    buffers = (*statement.sources, *statement.outs)
    listed = " ".join(f"{b.dtype.name}:{b.size}" for b in buffers)
    counts = f"{statement.phase} {statement.ticket} {len(statement.sources)}"
    return "|".join((counts, str(statement.request), listed))


@dataclass(frozen=True, slots=True)
class _Order:
    """A text taken apart."""

    phase: Phase
    ticket: int
    sources: int
    request: world.Request | HostCall
    kinds: tuple[tuple[DType, Any], ...]  # dtypes, and C types of the memory

    def carry_out(self, addresses: Any) -> None:
        if self.phase is Phase.WAIT:
            world.finish(self.ticket)
            return
        arrays = [
            np.frombuffer(kind.from_address(addresses[k]), dtype)
            for k, (dtype, kind) in enumerate(self.kinds)
        ]
        sources, outs = arrays[: self.sources], arrays[self.sources :]
        if isinstance(self.request, HostCall):
            called(self.request).perform(sources, outs)
        elif self.phase is Phase.START:
            world.begin(self.request, sources, outs, self.ticket)
        else:
            world.perform(self.request, sources, outs)


@functools.lru_cache(maxsize=4096)
def _parsed(text: bytes) -> _Order:
    counts, request, listed = text.decode().split("|")
    phase, ticket, sources = counts.split()
    kinds = [item.split(":") for item in listed.split()]
    memory = tuple(
        (dtype_of(name), ctypes.c_char * (int(size) * dtype_of(name).itemsize))
        for name, size in kinds
    )
    kind, _, number = request.partition(" ")
    host = kind == HostCall.kind
    parsed = HostCall(int(number)) if host else world.parse_request(request)
    return _Order(Phase(phase), int(ticket), int(sources), parsed, memory)


def _communicate(text: bytes, addresses: Any) -> int:
    try:
        if text == ABANDON.encode():
            world.abandon()
        else:
            _parsed(text).carry_out(addresses)
    except BaseException as error:
        world.catch(error)
        return 1
    return 0


_callback = _Callback(_communicate)


def address() -> int:
    """The address of the C function."""
    found = ctypes.cast(_callback, ctypes.c_void_p).value
    assert found is not None
    return found


def buffers_of(statement: Communicate) -> Sequence[Buffer]:
    """The buffers whose addresses a statement passes, in order."""
    return (*statement.sources, *statement.outs)
