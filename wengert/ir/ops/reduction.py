"""Reductions over axes: sum, prod, max, min, and, or."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.ir.floats import in_single, is_half
from wengert.ir.forms import Reduction
from wengert.ir.op import Op, Sample, register
from wengert.ir.ops.complex_order import extreme_of_rows
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import (
    DTYPES,
    NUMBERS,
    Params,
    after_batch,
    batch_unary,
    check_axes,
    check_not_empty,
    check_numeric,
    kept_axes,
    linear_unary,
    no_tangent,
    permuted,
    unary_samples,
    without,
)
from wengert.ir.types import BOOL, TensorType

Axes = tuple[int, ...]


def _batched_axes(size: int, *, axes: Axes) -> Params:
    return {"axes": after_batch(axes)}


def _back(reduced: Value, like: TensorType, axes: Axes) -> Value:
    """A reduced array repeated along the axes it lost."""
    return reduced.broadcast(shape=like.shape, dims=kept_axes(like.ndim, axes))


# sum


def _sum_infer(x: TensorType, *, axes: Axes) -> tuple[TensorType]:
    check_numeric("reduce_sum", x)
    check_axes("reduce_sum", x, axes)
    return (without(x, axes),)


_CASES = (
    ((3, 4), {"axes": (1,)}),
    ((3, 4), {"axes": (0,)}),
    ((3, 4), {"axes": (0, 1)}),
    ((2, 3, 5), {"axes": (0, 2)}),
    ((7,), {"axes": (0,)}),
    ((), {"axes": ()}),
    ((2, 3), {"axes": ()}),
    ((0, 3), {"axes": (1,)}),
)
_EMPTY = ((0, 3), {"axes": (0,)})

reduce_sum = linear_unary(
    "reduce_sum",
    family="reduction",
    params=("axes",),
    infer=_sum_infer,
    evaluate=in_single(lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype)),
    transpose=lambda ct, x, *, axes: _back(ct, x, axes),
    batched_params=_batched_axes,
    form=lambda types, *, axes: Reduction("add", axes),
    samples=unary_samples(*_CASES, _EMPTY, dtypes=NUMBERS),
    cost=1,
    doc="The sum over axes, in the operand's dtype.",
)


# prod


def _prod_infer(x: TensorType, *, axes: Axes) -> tuple[TensorType]:
    check_numeric("reduce_prod", x)
    check_axes("reduce_prod", x, axes)
    return (without(x, axes),)


def _prod_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], *, axes: Axes
) -> list[Value]:
    """The sum of t_i times the product of the other x_j, without division.

    The product of the others is the exclusive running product from the left times that from the
    right, so zeros in x do no harm; higher derivatives go through the rule of cumprod.
    """
    x, t = (_one_axis(v, axes) for v in (primals[0], tangents[0]))
    others = _exclusive_cumprod(x, reverse=False) * _exclusive_cumprod(x, reverse=True)
    return [t.scale(others).reduce_sum(axes=(x.ndim - 1,))]


def _one_axis(x: Value, axes: Axes) -> Value:
    """`x` with `axes` merged into one, the last."""
    kept = kept_axes(x.ndim, axes)
    shape = (*(x.shape[a] for a in kept), math.prod(x.shape[a] for a in axes))
    moved = permuted(x, (*kept, *axes))
    return moved if moved.shape == shape else moved.reshape(shape=shape)


def _exclusive_cumprod(x: Value, reverse: bool) -> Value:
    """The running product along the last axis of all elements before each one."""
    axis = x.ndim - 1
    n = x.shape[axis]
    none = (0,) * x.ndim
    one = (*none[:axis], 1)
    low, high = (none, one) if reverse else (one, none)
    start = one if reverse else none
    stop = (*x.shape[:axis], n + 1 if reverse else n)
    padded = x.pad(1, low=low, high=high, interior=none)
    shifted = padded.slice(start=start, stop=stop, step=(1,) * x.ndim)
    return shifted.cumprod(axis=axis, reverse=reverse)


def _prod_parts(operands: Sequence[Parts], *, axes: Axes) -> list[Parts]:
    """Products of halves: the first with the second, until one element is left."""
    x = operands[0].map(lambda part: _one_axis(part, axes))
    axis = x.re.ndim - 1
    n = x.re.shape[axis]
    if n == 0:
        shape = x.re.shape[:-1]
        return [Parts(*(x.re.builder.full(shape, v, x.re.dtype) for v in (1, 0)))]
    while n > 1:
        half = n // 2
        x, rest = _along(x, 0, half) * _along(x, half, 2 * half), _along(x, 2 * half, n)
        x = x if n % 2 == 0 else Parts(*(a.concat(b, axis=axis) for a, b in _both(x, rest)))
        n = half + n % 2
    return [x.map(lambda part: part.reshape(shape=part.shape[:-1]))]


def _along(x: Parts, start: int, stop: int) -> Parts:
    """A run of elements of the last axis."""
    before = (0,) * (x.re.ndim - 1)
    bounds = {"start": (*before, start), "stop": (*x.re.shape[:-1], stop)}
    return x.map(lambda part: part.slice(**bounds, step=(1,) * part.ndim))


def _both(x: Parts, y: Parts) -> list[tuple[Value, Value]]:
    return [(x.re, y.re), (x.im, y.im)]


def _prod_samples() -> list[Sample]:
    zeros = [np.array([2.0, 0.0, 3.0]), np.array([0.0, 2.0, 0.0, 4.0])]
    special = [Sample((x,), {"axes": (0,)}) for x in zeros]
    return [*unary_samples(*_CASES, _EMPTY, dtypes=NUMBERS)(), *special]


reduce_prod = register(
    Op(
        name="reduce_prod",
        family="reduction",
        params=("axes",),
        infer=_prod_infer,
        evaluate=in_single(lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype)),
        jvp=_prod_jvp,
        batch=batch_unary("reduce_prod", _batched_axes),
        form=lambda types, *, axes: Reduction("mul", axes),
        parts=_prod_parts,
        samples=_prod_samples,
        doc="The product over axes, in the operand's dtype.",
    )
)


# max and min


def _extremum(name: str, combine: str, reduce: Callable[..., Any]) -> Op:
    def infer(x: TensorType, *, axes: Axes) -> tuple[TensorType]:
        check_axes(name, x, axes)
        check_not_empty(name, x, axes)
        return (without(x, axes),)

    def samples() -> list[Sample]:
        tied = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
        tied = tied if combine == "max" else -tied
        return [
            *unary_samples(*_CASES, dtypes=DTYPES)(),
            Sample((np.array([1.0, np.nan, -np.inf]),), {"axes": (0,)}, differentiable=False),
            Sample((tied,), {"axes": (1,)}, differentiable=False),
        ]

    def parts(operands: Sequence[Parts], *, axes: Axes) -> list[Parts]:
        if not axes:
            return [operands[0]]
        return [extreme_of_rows(f"arg{combine}", lambda part: _one_axis(part, axes))(operands[0])]

    return register(
        Op(
            name=name,
            family="reduction",
            params=("axes",),
            infer=infer,
            evaluate=lambda x, *, axes: reduce(np.asarray(x), axis=axes),
            jvp=_extremum_jvp,
            batch=batch_unary(name, _batched_axes),
            form=lambda types, *, axes: Reduction(combine, axes),
            parts=parts,
            samples=samples,
            doc=f"The {combine} over axes; NaN if any element is NaN. Ties share the derivative.",
        )
    )


def _extremum_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], *, axes: Axes
) -> list[Value]:
    """The mean tangent of the winning elements.

    Those are the elements equal to the result, or, where that is NaN, the NaNs.
    """
    x, t = primals[0], tangents[0]
    won = x.eq(_back(outs[0], x.type, axes)).bitor(x.ne(x))
    wide = np.dtype(np.float32) if is_half(t.dtype) else t.dtype
    count = won.to(wide).reduce_sum(axes=axes).to(t.dtype)
    return [won.select(t, 0).reduce_sum(axes=axes) / count]


reduce_max = _extremum("reduce_max", "max", np.max)
reduce_min = _extremum("reduce_min", "min", np.min)


# and, or


def _logical(name: str, combine: str, reduce: Callable[..., Any]) -> Op:
    def infer(x: TensorType, *, axes: Axes) -> tuple[TensorType]:
        if x.dtype != BOOL:
            raise DTypeError(f"{name} takes bools, got {x}; compare it with 0 first")
        check_axes(name, x, axes)
        return (without(x, axes),)

    return register(
        Op(
            name=name,
            family="reduction",
            params=("axes",),
            infer=infer,
            evaluate=lambda x, *, axes: reduce(x, axis=axes),
            jvp=no_tangent,
            batch=batch_unary(name, _batched_axes),
            form=lambda types, *, axes: Reduction(combine, axes),
            samples=unary_samples(*_CASES, _EMPTY, dtypes=(np.bool_,)),
            doc=f"Logical {combine} over axes.",
        )
    )


reduce_and = _logical("reduce_and", "and", np.all)
reduce_or = _logical("reduce_or", "or", np.any)
