"""Matrix products of a program as calls of the device's library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, prod

from wengert.backends.cuda.device import MatMulSpec
from wengert.ir.scalar import Expr, Index, ScalarOp, affine
from wengert.kernels.loops import Buffer, Gemm, Kernel, Loop, Matrix


@dataclass(frozen=True, slots=True)
class Product:
    """A call: the buffers of lhs, rhs, out and bias, and where in them the data start, in bytes."""

    spec: MatMulSpec
    buffers: tuple[Buffer, ...]
    shifts: tuple[int, ...]


def as_products(kernel: Kernel) -> Iterator[Product]:
    """The calls that a kernel of products makes: one, unless its batch has no even steps."""
    loops: list[Loop] = []
    body = kernel.body
    while isinstance(body[0], Loop):
        loops.append(body[0])
        body = body[0].body
    call = body[0]
    assert isinstance(call, Gemm)
    operands = (call.lhs, call.rhs, call.out)
    counts = [loop.stop.attr for loop in loops]
    if not loops:
        yield _product(call, 1, (0, 0, 0), [_at(x.offset, {}) for x in operands])
        return
    steps = [_step(x.offset, loops[0].index) for x in operands] if len(loops) == 1 else [None]
    if None not in steps:
        even = tuple(s for s in steps if s is not None)
        first = {loops[0].index: 0}
        yield _product(call, counts[0], even, [_at(x.offset, first) for x in operands])
        return
    for number in range(prod(counts)):
        places: dict[Index, int] = {}
        for loop, count in zip(reversed(loops), reversed(counts), strict=True):
            places[loop.index] = number % count
            number //= count
        yield _product(call, 1, (0, 0, 0), [_at(x.offset, places) for x in operands])


def _product(call: Gemm, batch: int, steps: tuple[int, ...], starts: list[int]) -> Product:
    size = call.out.buffer.dtype.itemsize
    shifts = tuple(size * s for s in starts)
    bias = None if call.epilogue is None else call.epilogue.bias
    spec = MatMulSpec(
        dtype=call.out.buffer.dtype,
        m=_at(call.m, {}),
        n=call.n,
        k=call.k,
        lhs=_strides(call.lhs),
        rhs=_strides(call.rhs),
        out=_strides(call.out),
        batch=batch,
        steps=(steps[0], steps[1], steps[2]),
        alignment=gcd(16, *shifts),
        activation="" if call.epilogue is None else call.epilogue.activation,
        biased=bias is not None,
    )
    buffers = (call.lhs.buffer, call.rhs.buffer, call.out.buffer)
    if bias is not None:
        buffers, shifts = (*buffers, bias), (*shifts, 0)
    return Product(spec, buffers, shifts)


def _strides(matrix: Matrix) -> tuple[int, int]:
    return matrix.row, matrix.column


def _step(offset: Expr, index: Index) -> int | None:
    """How far an offset moves from one product of a batch to the next, if always equally."""
    function = affine(offset)
    return None if function is None else function.terms.get(index, 0)


def _at(expr: Expr, places: dict[Index, int]) -> int:
    """The value of an offset of batch indices."""
    match expr.op:
        case ScalarOp.CONST:
            return int(expr.attr)
        case ScalarOp.INDEX:
            return places[expr.attr]
        case _:
            x, y = (_at(a, places) for a in expr.args)
            return _INTEGER[expr.op](x, y)


_INTEGER = {
    ScalarOp.ADD: lambda x, y: x + y,
    ScalarOp.SUB: lambda x, y: x - y,
    ScalarOp.MUL: lambda x, y: x * y,
    ScalarOp.IDIV: lambda x, y: x // y,
    ScalarOp.IREM: lambda x, y: x % y,
    ScalarOp.MIN: min,
    ScalarOp.MAX: max,
}
