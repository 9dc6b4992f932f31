"""Hand-built loop programs for the tests of the CPU back end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends import cpu
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    Failure,
    Gemm,
    Kernel,
    Kind,
    Loop,
    LoopProgram,
    Matrix,
    Register,
    Space,
    Stmt,
    Store,
)

S = ScalarBuilder()


def buffer(dtype: Any, size: int, space: Space = Space.INPUT) -> Buffer:
    return Buffer(np.dtype(dtype), size, space)


def loop(
    extent: int, body: Callable[[Expr], Sequence[Stmt]], kind: Kind = Kind.SERIAL, start: int = 0
) -> Loop:
    index = Index(extent)
    return Loop(index, S.int(start), S.int(extent), tuple(body(S.index(index))), kind)


def program(
    steps: Sequence[Kernel],
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    constants: Sequence[Buffer] = (),
    failures: Sequence[Failure] = (),
    offsets: dict[Buffer, int] | None = None,
) -> LoopProgram:
    placed = offsets or {}
    arena = max((o + b.nbytes for b, o in placed.items()), default=0)
    return LoopProgram(
        tuple(inputs),
        tuple(constants),
        tuple(outputs),
        tuple(steps),
        tuple(failures),
        placed,
        -(-arena // 64) * 64,
    )


def executable(
    made: LoopProgram,
    in_shapes: Sequence[tuple[int, ...]] | None = None,
    out_shapes: Sequence[tuple[int, ...]] | None = None,
    constants: Sequence[np.ndarray[Any, Any]] = (),
    key: str | None = None,
) -> cpu.Executable:
    """Compile `made`; shapes are flat unless given."""
    ins = in_shapes or [(b.size,) for b in made.inputs]
    outs = out_shapes or [(b.size,) for b in made.outputs]
    return cpu.compile(
        lambda: made,
        key=key,
        in_types=[TensorType(b.dtype, s) for b, s in zip(made.inputs, ins, strict=True)],
        out_types=[TensorType(b.dtype, s) for b, s in zip(made.outputs, outs, strict=True)],
        constants=constants,
    )


def elementwise(
    value: Callable[..., Expr],
    dtypes: Sequence[Any],
    result: Any,
    size: int,
    kind: Kind = Kind.SERIAL,
) -> LoopProgram:
    """One output element from the elements of the inputs at the same place."""
    inputs = [buffer(d, size) for d in dtypes]
    out = buffer(result, size, Space.OUTPUT)
    body = loop(size, lambda i: [Store(out, i, value(*(S.load(b, i) for b in inputs)))], kind)
    return program([Kernel("map", (body,))], inputs, [out])


def softmax(rows: int, columns: int, kind: Kind = Kind.SERIAL) -> LoopProgram:
    """Each row through exp(x - max) / sum, by way of a local buffer."""
    x, out = buffer("f8", rows * columns), buffer("f8", rows * columns, Space.OUTPUT)
    row = buffer("f8", columns, Space.LOCAL)
    most, total = Register(np.dtype("f8")), Register(np.dtype("f8"))

    def body(i: Expr) -> list[Stmt]:
        def at(j: Expr) -> Expr:
            return S.add(S.mul(i, columns), j)

        return [
            Declare(most, S.const(-np.inf, "f8")),
            loop(columns, lambda j: [Accumulate(most, "max", S.load(x, at(j)))]),
            Declare(total, S.const(0.0, "f8")),
            loop(
                columns,
                lambda j: [
                    Store(row, j, S.exp(S.sub(S.load(x, at(j)), S.register(most)))),
                    Accumulate(total, "add", S.load(row, j)),
                ],
            ),
            loop(columns, lambda j: [Store(out, at(j), S.div(S.load(row, j), S.register(total)))]),
        ]

    return program([Kernel("softmax", (loop(rows, body, kind),))], [x], [out])


def chunked_sum(size: int, chunks: int) -> LoopProgram:
    """The sum of all elements: partial sums of chunks in parallel, then their sum."""
    x, out = buffer("f8", size), buffer("f8", 1, Space.OUTPUT)
    partial = buffer("f8", chunks, Space.TEMP)
    one, all_ = Register(np.dtype("f8")), Register(np.dtype("f8"))
    each = size // chunks

    def chunk(c: Expr) -> list[Stmt]:
        def element(j: Expr) -> Expr:
            return S.load(x, S.add(S.mul(c, each), j))

        return [
            Declare(one, S.const(0.0, "f8")),
            loop(each, lambda j: [Accumulate(one, "add", element(j))]),
            Store(partial, c, S.register(one)),
        ]

    final = (
        Declare(all_, S.const(0.0, "f8")),
        loop(chunks, lambda c: [Accumulate(all_, "add", S.load(partial, c))]),
        Store(out, S.int(0), S.register(all_)),
    )
    steps = [Kernel("partial", (loop(chunks, chunk, Kind.PARALLEL),)), Kernel("final", final)]
    return program(steps, [x], [out], offsets={partial: 0})


def gemm(
    batch: int, m: int, n: int, k: int, transposes: tuple[bool, bool], dtype: Any, shared: bool
) -> LoopProgram:
    """A batched matrix product; `shared` has one right-hand side for all of the batch."""
    lhs, rhs = buffer(dtype, batch * m * k), buffer(dtype, (1 if shared else batch) * k * n)
    out = buffer(dtype, batch * m * n, Space.OUTPUT)

    def product(b: Expr) -> list[Any]:
        left = (1, m) if transposes[0] else (k, 1)
        right = (1, k) if transposes[1] else (n, 1)
        shift = S.int(0) if shared else S.mul(b, k * n)
        return [
            Gemm(
                Matrix(out, S.mul(b, m * n), n, 1),
                Matrix(lhs, S.mul(b, m * k), *left),
                Matrix(rhs, shift, *right),
                S.int(m),
                n,
                k,
            )
        ]

    return program([Kernel("gemm", (loop(batch, product),))], [lhs, rhs], [out])
