"""Routines of libraries (LAPACK, Fourier transforms, sorts) as calls of the device's ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from wengert.backends.cuda.device import LibrarySpec
from wengert.kernels.loops import Buffer, Factorise, Kernel, Loop


@dataclass(frozen=True, slots=True)
class Routine:
    """A call: the buffers of its operands, then that of its results, each from its beginning."""

    spec: LibrarySpec
    buffers: tuple[Buffer, ...]


def as_routine(kernel: Kernel) -> Routine:
    """The call that a kernel of a routine makes, for the whole of its batch."""
    extents: list[int] = []
    body = kernel.body
    while isinstance(body[0], Loop):
        extents.append(body[0].stop.attr)
        body = body[0].body
    call = body[0]
    assert isinstance(call, Factorise)
    out, *sources = (m.buffer for m in call.matrices)
    spec = LibrarySpec(
        library=call.library,
        routine=call.routine,
        dtype=sources[0].dtype,
        shapes=call.shapes,
        result=out.dtype,
        count=call.count,
        batch=prod(extents),
    )
    assert out.size == spec.batch * spec.count
    assert [b.size for b in sources] == [spec.batch * prod(shape) for shape in call.shapes]
    return Routine(spec, (*sources, out))
