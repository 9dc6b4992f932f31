"""Ops that put elements from several operands side by side: pad and concat.

Both are linear, and pointwise for the lowering, under guards on affine comparisons of indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Builder, Value
from wengert.ir.op import ElementContext, Linear, Op, Sample, linear_in_all, register
from wengert.ir.ops.parts import separately
from wengert.ir.ops.structural import spans
from wengert.ir.ops.structural_family import (
    DTYPES,
    Batched,
    check_axes,
    check_same_dtype,
    draw,
    in_front,
)
from wengert.ir.scalar import Expr
from wengert.ir.types import BOOL, Shape, TensorType

Index = tuple[Expr, ...]
Array = np.ndarray[Any, Any]


# pad


def _pad_infer(
    x: TensorType, fill: TensorType, *, low: Shape, high: Shape, interior: Shape
) -> tuple[TensorType]:
    check_same_dtype("pad", x, fill)
    if fill.shape != ():
        raise ShapeError(f"pad: the fill must be a scalar, got {fill}")
    if not len(low) == len(high) == len(interior) == x.ndim:
        raise ShapeError(f"pad of {x} takes {x.ndim} widths, got {low}, {high}, {interior}")
    if min((*low, *high, *interior), default=0) < 0:
        raise ShapeError(f"pad: widths must not be negative, got {low}, {high}, {interior}")
    lengths = spans(x.shape, interior)
    return (x.with_shape(tuple(a + m + b for a, m, b in zip(low, lengths, high, strict=True))),)


def _inside(shape: Shape, low: Shape, interior: Shape) -> dict[str, Shape]:
    """The slice of the padded array that holds the operand."""
    lengths = spans(shape, interior)
    return {
        "start": low,
        "stop": tuple(a + m for a, m in zip(low, lengths, strict=True)),
        "step": tuple(k + 1 for k in interior),
    }


def _pad_evaluate(x: Array, fill: Any, *, low: Shape, high: Shape, interior: Shape) -> Array:
    x = np.asarray(x)
    lengths = spans(x.shape, interior)
    shape = tuple(a + m + b for a, m, b in zip(low, lengths, high, strict=True))
    out = np.full(shape, fill, x.dtype)
    bounds = _inside(x.shape, low, interior).values()
    out[tuple(slice(*b) for b in zip(*bounds, strict=True))] = x
    return out


def _pad_element(ctx: ElementContext, index: Index) -> Expr:
    """Conditions are affine comparisons, so that the lowering can split loops at them.

    What is read under a condition that leaves one place is read there: fusion sees that.
    """
    s, params = ctx.s, ctx.params
    inside = s.const(True, np.bool_)
    source: list[Expr] = []
    for axis, (i, n) in enumerate(zip(index, ctx.in_types[0].shape, strict=True)):
        low, high, step = params["low"][axis], params["high"][axis], params["interior"][axis] + 1
        if low:
            inside = s.and_(inside, s.ge(i, low))
        if high:
            inside = s.and_(inside, s.lt(i, low + n + max(n - 1, 0) * (step - 1)))
        offset = s.sub(i, low)
        if step > 1:
            inside = s.and_(inside, s.eq(s.irem(offset, step), 0))
        source.append(s.int(0) if n == 1 else s.idiv(offset, step))
    if ctx.in_types[0].size == 0:
        return ctx.read(1, ())
    return s.guard(inside, ctx.read(0, source), ctx.read(1, ()))


def _pad_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value], **params: Any
) -> list[Value]:
    x, fill = tangents
    builder = outs[0].builder
    moved = builder.zeros(primals[0].type) if x is None else x
    return [moved.pad(0 if fill is None else fill, **params)]


def _pad_transpose(
    cotangents: Sequence[Value],
    inputs: Sequence[Value | Linear],
    *,
    low: Shape,
    high: Shape,
    interior: Shape,
) -> list[Value | None]:
    ct, (x, fill) = cotangents[0], inputs
    x_bar = fill_bar = None
    if isinstance(x, Linear):
        x_bar = ct.slice(**_inside(x.type.shape, low, interior))
    if isinstance(fill, Linear):
        # not "all minus inside": that would cancel, and spread NaN and Inf
        inside = _inside_mask(ct.builder, x.type.shape, low=low, high=high, interior=interior)
        fill_bar = inside.select(0, ct).reduce_sum(axes=tuple(range(ct.ndim)))
    return [x_bar, fill_bar]


def _inside_mask(builder: Builder, shape: Shape, **params: Any) -> Value:
    """Where the padded array holds the operand."""
    return builder.full(shape, True, BOOL).pad(False, **params)


def _pad_batch(
    values: Sequence[Value],
    batched: Sequence[bool],
    size: int,
    *,
    low: Shape,
    high: Shape,
    interior: Shape,
) -> Batched:
    x, fill = values
    wider = {"low": (0, *low), "high": (0, *high), "interior": (0, *interior)}
    if not batched[1]:
        return [x.pad(fill, **wider)], [True]
    padded = in_front(x, batched[0], size).pad(0, **wider)
    shape = x.shape[1:] if batched[0] else x.shape
    inside = _inside_mask(x.builder, shape, low=low, high=high, interior=interior)
    fills = fill.broadcast(shape=padded.shape, dims=(0,))
    return [in_front(inside, False, size).select(padded, fills)], [True]


def _pad_samples() -> list[Sample]:
    cases = [
        ((2, 3), (1, 0), (2, 1), (0, 2)),
        ((), (), (), ()),
        ((0, 2), (1, 0), (1, 0), (3, 0)),
        ((3,), (0,), (0,), (1,)),
        ((1,), (2,), (3,), (4,)),
        ((2, 2), (0, 0), (0, 0), (0, 0)),
    ]
    first = [
        Sample(
            (draw((2, 3), dtype), draw((), dtype, 1)),
            {"low": (1, 0), "high": (2, 1), "interior": (0, 2)},
        )
        for dtype in DTYPES
    ]
    return first + [
        Sample((draw(shape), draw((), seed=1)), {"low": low, "high": high, "interior": interior})
        for shape, low, high, interior in cases[1:]
    ]


pad = register(
    Op(
        name="pad",
        family="structural",
        params=("low", "high", "interior"),
        infer=_pad_infer,
        evaluate=_pad_evaluate,
        jvp=_pad_jvp,
        # In x alone it is linear only if the fill is 0, as it is wherever jvp rules emit it.
        linear=linear_in_all,
        transpose=_pad_transpose,
        batch=_pad_batch,
        element=_pad_element,
        parts=separately("pad"),
        samples=_pad_samples,
        cost=0,
        doc="The operand with a scalar fill before, after and between its elements.",
    )
)


# concat


def _concat_infer(*types: TensorType, axis: int) -> tuple[TensorType]:
    if not types:
        raise ShapeError("concat takes at least one array")
    check_same_dtype("concat", *types)
    first = types[0]
    check_axes("concat", first, (axis,))
    others = [t.shape[:axis] + t.shape[axis + 1 :] for t in types]
    if any(t.ndim != first.ndim for t in types) or any(o != others[0] for o in others):
        listed = ", ".join(map(str, types))
        raise ShapeError(f"cannot concatenate {listed} along axis {axis}: other axes must agree")
    total = sum(t.shape[axis] for t in types)
    return (first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :])),)


def _concat_element(ctx: ElementContext, index: Index) -> Expr:
    """One guard per piece; each protects both of its ends, as the others are evaluated too."""
    s = ctx.s
    axis: int = ctx.params["axis"]
    i, total = index[axis], ctx.out_type.shape[axis]
    found = s.const(0, ctx.out_type.dtype)
    stop = total
    for operand in reversed(range(len(ctx.in_types))):
        start = stop - ctx.in_types[operand].shape[axis]
        if start < stop:
            lower = s.ge(i, start) if start > 0 else s.const(True, np.bool_)
            upper = s.lt(i, stop) if stop < total else s.const(True, np.bool_)
            place = s.int(0) if stop - start == 1 else s.sub(i, start)
            source = (*index[:axis], place, *index[axis + 1 :])
            found = s.guard(s.and_(lower, upper), ctx.read(operand, source), found)
        stop = start
    return found


def _concat_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    *,
    axis: int,
) -> list[Value]:
    zeros = outs[0].builder.zeros
    pieces = [zeros(x.type) if t is None else t for x, t in zip(primals, tangents, strict=True)]
    return [pieces[0].concat(*pieces[1:], axis=axis)]


def _concat_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Value | Linear], *, axis: int
) -> list[Value | None]:
    ct = cotangents[0]
    bars: list[Value | None] = []
    offset = 0
    for x in inputs:
        start, stop = [0] * ct.ndim, list(ct.shape)
        start[axis], stop[axis] = offset, offset + x.type.shape[axis]
        offset = stop[axis]
        piece = {"start": tuple(start), "stop": tuple(stop), "step": (1,) * ct.ndim}
        bars.append(ct.slice(**piece) if isinstance(x, Linear) else None)
    return bars


def _concat_batch(
    values: Sequence[Value], batched: Sequence[bool], size: int, *, axis: int
) -> Batched:
    pieces = [in_front(v, on, size) for v, on in zip(values, batched, strict=True)]
    return [pieces[0].concat(*pieces[1:], axis=axis + 1)], [True]


def _concat_samples() -> list[Sample]:
    first = [Sample((draw((2, 3), dtype), draw((2, 1), dtype, 1)), {"axis": 1}) for dtype in DTYPES]
    return [
        *first,
        Sample((draw((3,)),), {"axis": 0}),
        Sample((draw((2,)), draw((0,)), draw((5,), seed=1)), {"axis": 0}),
        Sample((draw((0, 2)), draw((0, 2))), {"axis": 0}),
        Sample((draw((2, 1, 2)), draw((2, 3, 2)), draw((2, 2, 2), seed=2)), {"axis": 1}),
    ]


concat = register(
    Op(
        name="concat",
        family="structural",
        params=("axis",),
        infer=_concat_infer,
        evaluate=lambda *xs, axis: np.concatenate(xs, axis),
        jvp=_concat_jvp,
        linear=linear_in_all,
        transpose=_concat_transpose,
        batch=_concat_batch,
        element=_concat_element,
        parts=separately("concat"),
        samples=_concat_samples,
        cost=0,
        doc="Arrays one after the other along an axis.",
    )
)
