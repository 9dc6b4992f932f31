"""Calls of LAPACK and pocketfft, with a batch of matrices or rows shared out to the threads."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.gemm import Dims, shares
from wengert.kernels.loops import Buffer, Factorise, Kind, Loop, Matrix, Stmt


def matrix_dims(t: TensorType) -> Dims:
    """The axes of a batch of row-major matrices, as operands of products have them."""
    return Dims(tuple(range(t.ndim - 2)), (t.ndim - 2,), (t.ndim - 1,), t.shape)


def row_dims(t: TensorType) -> Dims:
    """The axes of an array of rows."""
    return Dims((), tuple(range(t.ndim - 1)), (t.ndim - 1,), t.shape)


# What a transform does per number and level, in multiplications of a product.
TRANSFORM_WORK = 8


def transform(
    s: ScalarBuilder, routine: str, out: Buffer, source: Buffer, kind: TensorType
) -> tuple[Stmt, ...]:
    """The statements that transform each row of a contiguous source: runs of rows, then the rest.

    A call takes all of its rows at once, as the library works on several in a vector.
    """
    before = kind.shape[-1]
    rows = kind.size // before if kind.size else 0
    if not rows:
        return ()
    after = out.size // rows

    def call(first: Expr, count: int) -> Factorise:
        return Factorise(
            routine,
            Matrix(out, s.mul(first, after), count * after, 1),
            count * after,
            (Matrix(source, s.mul(first, before), before, 1),),
            ((count, before),),
            "pocketfft",
        )

    work = rows * before * before.bit_length() * TRANSFORM_WORK
    parts = shares(work, rows)
    if parts == 1:
        return (call(s.int(0), rows),)
    run = rows // parts
    part = Index(rows // run)
    body = (call(s.mul(s.index(part), run), run),)
    loop = Loop(part, s.int(0), s.int(part.extent), body, Kind.PARALLEL)
    rest = rows % run
    return (loop, call(s.int(rows - rest), rest)) if rest else (loop,)


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
