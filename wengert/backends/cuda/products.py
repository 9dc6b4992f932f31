"""Matrix products of a program as calls of the device's library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd, prod

from wengert.backends.cuda.device import MatMulSpec
from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.loops import Buffer, Gemm, Kernel, Loop, Matrix


@dataclass(frozen=True, slots=True)
class Product:
    """A call: the buffers of lhs, rhs, out and bias, and where in them the data start, in bytes."""

    spec: MatMulSpec
    buffers: tuple[Buffer, ...]
    shifts: tuple[int, ...]


def as_products(kernel: Kernel) -> Iterator[Product]:
    """The calls that a kernel of products makes.

    A call takes a batch whose matrices are evenly apart. Two axes of a batch that no one step walks
    through are a call for each place on the shorter one.
    """
    loops: list[Loop] = []
    body = kernel.body
    while isinstance(body[0], Loop):
        loops.append(body[0])
        body = body[0].body
    call = body[0]
    assert isinstance(call, Gemm)
    starts = list(_starts(call, loops))
    inner = _run(starts)
    firsts, steps = starts[::inner], _steps(starts[:inner])
    runs = [starts[k : k + inner] for k in range(0, len(starts), inner)]
    if any(len(x) < inner or _run(x) < inner or _steps(x) != steps for x in runs):
        for start in starts:
            yield _product(call, 1, (0, 0, 0), start)
    elif len(firsts) > inner and _run(firsts) == len(firsts):
        for start in starts[:inner]:
            yield _product(call, len(firsts), _steps(firsts), start)
    else:
        for start in firsts:
            yield _product(call, inner, steps, start)


Places = tuple[int, ...]


def _starts(call: Gemm, loops: Sequence[Loop]) -> Iterator[Places]:
    """Where the operands and the result of each product begin."""
    counts = [loop.stop.attr for loop in loops]
    for number in range(prod(counts)):
        places: dict[Index, int] = {}
        for loop, count in zip(reversed(loops), reversed(counts), strict=True):
            places[loop.index] = number % count
            number //= count
        yield tuple([_at(x.offset, places) for x in (call.lhs, call.rhs, call.out)])


def _steps(starts: Sequence[Places]) -> Places:
    """From the first to the second."""
    if len(starts) < 2:
        return (0, 0, 0)
    return tuple([b - a for a, b in zip(*starts[:2], strict=True)])


def _run(starts: Sequence[Places]) -> int:
    """How many are evenly apart, from the first on."""
    steps, count = _steps(starts), min(2, len(starts))
    while count < len(starts) and _steps(starts[count - 1 : count + 1]) == steps:
        count += 1
    return count


def _product(call: Gemm, batch: int, steps: tuple[int, ...], starts: Places) -> Product:
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
