"""Loops that fill a stretch of memory with zeros, or copy one: calls of the C library.

Each loop takes LLVM a third of a millisecond, a call next to nothing, and the library is as fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wengert.backends.cpu.llvm.access import step_of
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.versions import constant_length
from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.loops import Buffer, Kind, Loop, Store

LEAST = 1024  # bytes; what is shorter may be in registers


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring elements, and those that they become, or None where they become zeros."""

    buffer: Buffer
    offset: Expr
    source: tuple[Buffer, Expr] | None
    nbytes: int


def stretch(body: Body, loop: Loop) -> Stretch | None:
    """What a loop does if it is one that fills or copies."""
    store = loop.body[0] if len(loop.body) == 1 else None
    if not isinstance(store, Store) or loop.kind not in (Kind.SERIAL, Kind.FREE):
        return None
    if store.buffer.packed or body.place(store.buffer) in body.reads(store.offset):
        return None  # elements are no bytes; or where they are depends on what was stored
    length, dtype = constant_length(body.module.builder, loop), store.buffer.dtype
    nbytes = (length or 0) * dtype.itemsize
    if nbytes < LEAST or step_of(body, loop.index, store.offset) != 1:
        return None
    value = store.value
    if value.is_const:
        zeros = not any(np.asarray(value.attr, dtype).tobytes())
        return Stretch(store.buffer, store.offset, None, nbytes) if zeros else None
    if value.op is not ScalarOp.LOAD or dtype.kind == "b" or value.attr.dtype != dtype:
        return None
    apart = body.place(value.attr) is not body.place(store.buffer)
    if not apart or step_of(body, loop.index, value.args[0]) != 1:
        return None
    return Stretch(store.buffer, store.offset, (value.attr, value.args[0]), nbytes)


def print_stretch(body: Body, loop: Loop) -> bool:
    """Prints the call for such a loop; says whether it is one."""
    found = stretch(body, loop)
    if found is None:
        return False
    with body.at(loop.index, body.value(loop.start)):
        to = body.address(found.buffer, body.value(found.offset))
        if found.source is None:
            name, given, parameters = "@llvm.memset.p0.i64", "i8 0", "ptr, i8, i64, i1"
        else:
            buffer, offset = found.source
            given = f"ptr {body.address(buffer, body.value(offset))}"
            name, parameters = "@llvm.memcpy.p0.p0.i64", "ptr, ptr, i64, i1"
        body.module.declare(name, "void", parameters)
        body.line(f"call void {name}(ptr {to}, {given}, i64 {found.nbytes}, i1 false)")
    body.forget((body.place(found.buffer),))
    return True
