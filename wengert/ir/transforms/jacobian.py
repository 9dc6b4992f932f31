"""Whole Jacobians in one program: the batched JVP or VJP of the identity.

The Jacobian of an output of shape S in an input of shape T has shape S + T. The basis is written
as a comparison of indices, which fuses into whatever reads it, so that it is never stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.transforms.batch import spread
from wengert.ir.transforms.linearize import Linearized, linearize
from wengert.ir.transforms.transpose import pull, transpose
from wengert.ir.types import INT64, Shape, TensorType


def jacobian(program: Program, active: Sequence[bool], rows: int, forward: bool) -> Program:
    """All outputs of `program`, then Jacobians of its first `rows` outputs in the active inputs.

    The Jacobians come row by row: of the first output in each active input, of the second, ...
    """
    split = linearize(program, active)
    builder = Builder()
    primals = [builder.input(t) for t in program.in_types]
    results = builder.inline(split.primal, primals)
    count = len(program.outputs)
    ins = [t for t, on in zip(program.in_types, active, strict=True) if on]
    outs = list(program.out_types[:rows])
    blocks = _forward if forward else _reverse
    jacobians = blocks(builder, split, results[count:], ins, outs)
    return builder.finish([*results[:count], *jacobians])


def _forward(
    builder: Builder,
    split: Linearized,
    residuals: Sequence[Value],
    ins: Sequence[TensorType],
    outs: Sequence[TensorType],
) -> list[Value]:
    """Columns: the image of each basis vector of the inputs, all inputs' in one batch."""
    size = sum(t.size for t in ins)
    columns = spread(
        builder,
        split.linear,
        [*residuals, *_basis(builder, ins)],
        [False] * len(residuals) + [True] * len(ins),
        size,
    )
    found = iter(zip(*columns, strict=True))
    blocks: list[Value] = []
    for position, out in enumerate(outs):
        value = _whole(*next(found), size) if split.out_active[position] else None
        blocks += [
            builder.zeros(TensorType(out.dtype, out.shape + t.shape))
            if value is None
            else _rows_last(_cut(value, offset, t.size), out.shape, t.shape)
            for offset, t in zip(_offsets(ins), ins, strict=True)
        ]
    return blocks


def _reverse(
    builder: Builder,
    split: Linearized,
    residuals: Sequence[Value],
    ins: Sequence[TensorType],
    outs: Sequence[TensorType],
) -> list[Value]:
    """Rows: the pullback of each basis vector of the outputs, all outputs' in one batch."""
    moving = [i for i, on in enumerate(split.out_active) if on]
    wanted = [i for i in moving if i < len(outs)]
    linear = Program(
        split.linear.inputs,
        split.linear.eqns,
        tuple(a for a, i in zip(split.linear.outputs, moving, strict=True) if i in wanted),
    )
    types = [outs[i] for i in wanted]
    if [t.size for t in types] == [1]:  # one row needs no batch
        ones = builder.full(types[0].shape, 1, types[0].dtype)
        rows = [v.reshape(shape=(1, *v.shape)) for v in pull(builder, linear, residuals, [ones])]
    else:
        size = sum(t.size for t in types)
        batched = spread(
            builder,
            transpose(linear, len(residuals)),
            [*residuals, *_basis(builder, types)],
            [False] * len(residuals) + [True] * len(types),
            size,
        )
        rows = [_whole(v, on, size) for v, on in zip(*batched, strict=True)]
    offset_of = dict(zip(wanted, _offsets(types), strict=True))
    return [
        _cut(row, offset_of[i], out.size).reshape(shape=out.shape + t.shape)
        if i in offset_of
        else builder.zeros(TensorType(t.dtype, out.shape + t.shape))
        for i, out in enumerate(outs)
        for row, t in zip(rows, ins, strict=True)
    ]


def _offsets(types: Sequence[TensorType]) -> list[int]:
    return [sum(t.size for t in types[:i]) for i in range(len(types))]


def _basis(builder: Builder, types: Sequence[TensorType]) -> list[Value]:
    """The standard basis of the values of these types together, one batch for each of them."""
    size = sum(t.size for t in types)
    return [
        _eye(builder, (size, t.size), offset).to(t.dtype).reshape(shape=(size, *t.shape))
        for offset, t in zip(_offsets(types), types, strict=True)
    ]


def _eye(builder: Builder, shape: tuple[int, int], offset: int) -> Value:
    """Whether row == column + offset."""
    row, column = (
        builder.emit(REGISTRY["iota"], (), {"shape": shape, "dtype": INT64, "axis": axis})[0]
        for axis in (0, 1)
    )
    return row.eq(column + offset if offset else column)


def _whole(value: Value, batched: bool, size: int) -> Value:
    """`value` with its batch axis, repeated along it if it had none."""
    if batched:
        return value
    dims = tuple(range(1, value.ndim + 1))
    return value.broadcast(shape=(size, *value.shape), dims=dims)


def _cut(value: Value, offset: int, count: int) -> Value:
    """Rows offset, ..., offset + count - 1."""
    if count == value.shape[0]:
        return value
    rest = value.shape[1:]
    return value.slice(
        start=(offset, *(0 for _ in rest)), stop=(offset + count, *rest), step=(1,) * value.ndim
    )


def _rows_last(value: Value, out: Shape, shape: Shape) -> Value:
    """From (batch, *out) to (*out, *shape), where the batch runs over `shape`."""
    if math.prod(out) != 1 and value.shape[0] != 1:
        value = value.transpose(perm=(*range(1, value.ndim), 0))
    return value.reshape(shape=out + shape)
