"""Collectives of a program as calls of the device's library."""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.cuda.device import ExchangeSpec
from wengert.kernels.loops import Buffer, Communicate, Kernel
from wengert.world import Request


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call: the buffers of source and out. Without arrays to send there is no `spec`."""

    request: Request
    spec: ExchangeSpec | None
    buffers: tuple[Buffer, ...]


def as_exchange(kernel: Kernel) -> Exchange:
    """The call that a kernel of one collective makes."""
    (call,) = kernel.body
    assert isinstance(call, Communicate) and isinstance(call.request, Request)
    if not call.sources:
        return Exchange(call.request, None, call.outs)
    (source,), (out,) = call.sources, call.outs
    spec = ExchangeSpec(call.request, out.dtype, source.size, out.size)
    return Exchange(call.request, spec, (source, out))
