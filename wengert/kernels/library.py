"""Calls of LAPACK for each matrix of a batch, with the batch shared out to the threads."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from wengert.ir.scalar import Index, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.gemm import Dims, shares
from wengert.kernels.loops import Buffer, Factorise, Kind, Loop, Matrix, Stmt


def matrix_dims(t: TensorType) -> Dims:
    """The axes of a batch of row-major matrices, as operands of products have them."""
    return Dims(tuple(range(t.ndim - 2)), (t.ndim - 2,), (t.ndim - 1,), t.shape)


def factorise(
    s: ScalarBuilder,
    routine: str,
    out: Buffer,
    sources: Sequence[Buffer],
    types: Sequence[TensorType],
) -> tuple[Stmt, ...]:
    """The statements that apply a routine to each matrix of contiguous sources."""
    count = prod(types[0].shape[:-2])
    if not count:
        return ()
    batch = Index(count)
    at = s.index(batch)
    size = out.size // count
    shapes = tuple((t.shape[-2], t.shape[-1]) for t in types)
    call = Factorise(
        routine,
        Matrix(out, s.mul(at, size), size, 1),
        size,
        tuple(
            Matrix(b, s.mul(at, rows * columns), max(1, columns), 1)
            for b, (rows, columns) in zip(sources, shapes, strict=True)
        ),
        shapes,
    )
    extent = max(shapes[0])
    run = -(-count // shares(count * extent**3, count))
    if run == count:
        return (Loop(batch, s.int(0), s.int(count), (call,)),)
    outer = Index(-(-count // run))
    start = s.mul(s.index(outer), run)
    stop = s.min(s.add(start, run), s.int(count))
    inner = Loop(batch, start, stop, (call,))
    return (Loop(outer, s.int(0), s.int(outer.extent), (inner,), Kind.PARALLEL),)
