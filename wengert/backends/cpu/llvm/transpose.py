"""Loops that copy a matrix across: calls of a function that transposes in registers.

LLVM would gather each vector from as many places as it has lanes. The function is compiled once
for all programs, on machines with vectors of 256 bits or more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.routines.gemm_kernels import F32, F64, Kind
from wengert.backends.cpu.routines.gemm_packing import pack_lines
from wengert.ir.scalar import Expr, Index, ScalarOp, affine
from wengert.kernels.expressions import Rewriter
from wengert.kernels.loops import Loop, Store

LEAST = 8  # rows and columns; loops copy narrower ones as fast
PARAMETERS = "ptr, i64, i64, i64, ptr, i64, i64"


def name(kind: Kind) -> str:
    """The function's symbol: `wg.transpose.f32` or `wg.transpose.f64`."""
    return f"wg.transpose.{kind.suffix}"


KINDS = {name(kind): kind for kind in (F32, F64)}
"""By symbol."""


def text(kind: Kind, vector_bytes: int) -> str:
    """The module with the function of a kind of numbers, in vectors of some bytes:
    to[p * step + i] = from[i * stride + p] for i up to the third of its parameters, p up to the
    fourth."""
    symbol = f"@{name(kind)}"
    kind = replace(kind, bytes=vector_bytes)
    return kind.declarations() + pack_lines(kind, symbol, "")


@dataclass(frozen=True, slots=True)
class Transposition:
    """Two loops that copy a matrix across, element by element."""

    store: Store
    load: Expr
    outer: Index
    inner: Index
    stride: int  # of the source, from turn to turn of the outer loop
    step: int  # of the target, from turn to turn of the inner one


def transposition(loop: Loop) -> Transposition | None:
    """What a loop does if it is one, of at least `LEAST` rows and columns of 4 or 8 bytes."""
    inner = loop.body[0] if len(loop.body) == 1 else None
    store = inner.body[0] if isinstance(inner, Loop) and len(inner.body) == 1 else None
    if not (isinstance(inner, Loop) and isinstance(store, Store) and _whole(loop, inner)):
        return None
    load, buffer = store.value, store.buffer
    if load.op is not ScalarOp.LOAD or load.dtype != buffer.dtype or load.attr is buffer:
        return None
    source, target = affine(load.args[0]), affine(store.offset)
    if buffer.dtype.itemsize not in (4, 8) or source is None or target is None:
        return None
    indices = loop.index, inner.index
    stride, along = (source.terms.get(i, 0) for i in indices)
    across, step = (target.terms.get(i, 0) for i in indices)
    if (along, across) != (1, 1) or stride <= 1 or step <= 1:
        return None
    return Transposition(store, load, *indices, stride, step)


def _whole(*loops: Loop) -> bool:
    """Whether loops run from 0 to their index's extent, which is not small."""
    return all(
        x.start.is_const
        and x.stop.is_const
        and x.start.attr == 0
        and x.stop.attr == x.index.extent >= LEAST
        for x in loops
    )


def print_transposition(body: Body, copy: Transposition) -> None:
    """Prints the call."""
    kind = F64 if copy.store.buffer.dtype.itemsize == 8 else F32
    s, walked = body.module.builder, (copy.outer, copy.inner)

    def begun(e: Expr) -> Expr | None:
        return s.int(0) if e.op is ScalarOp.INDEX and e.attr in walked else None

    first = Rewriter(s, begun)
    source = body.address(copy.load.attr, body.value(first(copy.load.args[0])))
    target = body.address(copy.store.buffer, body.value(first(copy.store.offset)))
    body.module.declare(f"@{name(kind)}", "void", PARAMETERS)
    rows, columns = copy.outer.extent, copy.inner.extent
    body.line(
        f"call void @{name(kind)}(ptr {source}, i64 {copy.stride}, i64 {rows}, i64 {columns}, "
        f"ptr {target}, i64 {rows}, i64 {copy.step})"
    )
    body.forget((body.place(copy.store.buffer),))
