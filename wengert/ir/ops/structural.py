"""Ops that move elements: reshape, transpose, broadcast, slice, rev.

All are linear, and all are pointwise for the lowering: each output element is one input element
at an index computed from its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.index_algebra import flat, unflat
from wengert.ir.op import ElementContext
from wengert.ir.ops.structural_family import (
    after_batch,
    check_axes,
    kept_axes,
    linear_unary,
    unary_samples,
)
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import INT64, Dim, Shape, TensorType

# Cotangents of so many elements are added to as a whole, which fuses with what is around, and so
# are those of which a slice takes more than one element in so many.
SMALL = 64
SMALL_PART = 4

Index = tuple[Expr, ...]
Array = np.ndarray[Any, Any]


# reshape


def _reshape_infer(x: TensorType, *, shape: Shape) -> tuple[TensorType]:
    if any(n < 0 for n in shape):
        raise ShapeError(f"reshape: shape {shape} has a negative dimension")
    if math.prod(shape) != x.size:
        raise ShapeError(
            f"cannot reshape {x} ({x.size} elements) to shape {shape} ({math.prod(shape)} elements)"
        )
    return (x.with_shape(shape),)


def reshaped_index(s: ScalarBuilder, index: Index, new: Shape, old: Shape) -> list[Expr]:
    """Where the element at `index` of shape `new` stands in row-major shape `old`.

    Axes of length 1 vanish. The others fall into the finest groups of neighbours with equal
    products on both sides; an axis that stands alone on both keeps its index, one that was split
    gets an affine index, and only merged axes need a quotient and a remainder.
    """
    found = [s.int(0)] * len(old)
    if math.prod(new) == 0:
        return found
    for ours, theirs in _groups(new, old):
        offset = flat(s, [new[a] for a in ours], [index[a] for a in ours])
        positions = unflat(s, offset, [old[a] for a in theirs])
        for axis, position in zip(theirs, positions, strict=True):
            found[axis] = position
    return found


def _groups(new: Shape, old: Shape) -> list[tuple[list[int], list[int]]]:
    """The finest runs of axes (unit ones left out) that hold the same elements in both shapes."""
    ours = [a for a, n in enumerate(new) if n != 1]
    theirs = [a for a, n in enumerate(old) if n != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while ours:
        left, right = [ours.pop(0)], [theirs.pop(0)]
        while (gap := math.prod(new[a] for a in left) - math.prod(old[a] for a in right)) != 0:
            if gap < 0:
                left.append(ours.pop(0))
            else:
                right.append(theirs.pop(0))
        groups.append((left, right))
    return groups


def _reshape_element(ctx: ElementContext, index: Index) -> Expr:
    return ctx.read(0, reshaped_index(ctx.s, index, ctx.out_type.shape, ctx.in_types[0].shape))


def _reshape_transpose(ct: Value, x: TensorType, *, shape: Shape) -> Value:
    return ct.reshape(shape=x.shape)


reshape = linear_unary(
    "reshape",
    family="structural",
    params=("shape",),
    infer=_reshape_infer,
    evaluate=lambda x, *, shape: np.reshape(x, shape),
    transpose=_reshape_transpose,
    batched_params=lambda size, *, shape: {"shape": (size, *shape)},
    element=_reshape_element,
    samples=unary_samples(
        ((2, 6), {"shape": (3, 4)}),
        ((), {"shape": (1, 1)}),
        ((1,), {"shape": ()}),
        ((0, 3), {"shape": (5, 0, 2)}),
        ((2, 3, 5), {"shape": (30,)}),
        ((30,), {"shape": (2, 1, 3, 5)}),
        ((4, 1, 6, 7), {"shape": (4, 3, 2, 7, 1)}),
        ((4, 3, 5), {"shape": (6, 2, 5)}),
    ),
    doc="The same elements in row-major order under another shape.",
)


# transpose


def _transpose_infer(x: TensorType, *, perm: tuple[int, ...]) -> tuple[TensorType]:
    check_axes("transpose", x, perm)
    if len(perm) != x.ndim:
        raise ShapeError(f"transpose: {perm} does not name each of the {x.ndim} axes of {x}")
    return (x.with_shape(tuple(x.shape[p] for p in perm)),)


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(perm.index(axis) for axis in range(len(perm)))


def _transpose_element(ctx: ElementContext, index: Index) -> Expr:
    return ctx.read(0, [index[axis] for axis in _inverse(ctx.params["perm"])])


def _transpose_transpose(ct: Value, x: TensorType, *, perm: tuple[int, ...]) -> Value:
    return ct.transpose(perm=_inverse(perm))


transpose = linear_unary(
    "transpose",
    family="structural",
    params=("perm",),
    infer=_transpose_infer,
    evaluate=lambda x, *, perm: np.transpose(x, perm),
    transpose=_transpose_transpose,
    batched_params=lambda size, *, perm: {"perm": (0, *after_batch(perm))},
    element=_transpose_element,
    samples=unary_samples(
        ((2, 3), {"perm": (1, 0)}),
        ((), {"perm": ()}),
        ((2, 3, 5), {"perm": (1, 2, 0)}),
        ((2, 0, 3), {"perm": (2, 1, 0)}),
    ),
    doc="Axes in another order: output axis i is input axis perm[i].",
)


# broadcast


def _broadcast_infer(x: TensorType, *, shape: Shape, dims: tuple[int, ...]) -> tuple[TensorType]:
    out = x.with_shape(shape)
    check_axes("broadcast", out, dims)
    fits = len(dims) == x.ndim and all(shape[d] == n for d, n in zip(dims, x.shape, strict=True))
    if not fits or list(dims) != sorted(dims) or any(n < 0 for n in shape):
        raise ShapeError(
            f"cannot broadcast {x} to shape {shape} with its axes becoming axes {dims}: they must "
            "keep their lengths and their order"
        )
    return (out,)


def _broadcast_evaluate(x: Array, *, shape: Shape, dims: tuple[int, ...]) -> Array:
    aligned = [1] * len(shape)
    for axis, dim in enumerate(dims):
        aligned[dim] = np.shape(x)[axis]
    return np.broadcast_to(np.reshape(x, aligned), shape)


def _broadcast_element(ctx: ElementContext, index: Index) -> Expr:
    return ctx.read(0, [index[d] for d in ctx.params["dims"]])


def _broadcast_transpose(ct: Value, x: TensorType, *, shape: Shape, dims: tuple[int, ...]) -> Value:
    new = kept_axes(len(shape), dims)
    return ct.reduce_sum(axes=new) if new else ct


broadcast = linear_unary(
    "broadcast",
    family="structural",
    params=("shape", "dims"),
    infer=_broadcast_infer,
    evaluate=_broadcast_evaluate,
    transpose=_broadcast_transpose,
    batched_params=lambda size, *, shape, dims: {
        "shape": (size, *shape),
        "dims": (0, *after_batch(dims)),
    },
    element=_broadcast_element,
    samples=unary_samples(
        ((3,), {"shape": (2, 3), "dims": (1,)}),
        ((3,), {"shape": (3, 2), "dims": (0,)}),
        ((), {"shape": (2, 2), "dims": ()}),
        ((), {"shape": (), "dims": ()}),
        ((2, 3), {"shape": (2, 4, 3, 1), "dims": (0, 2)}),
        ((0,), {"shape": (2, 0), "dims": (1,)}),
        ((3,), {"shape": (0, 3), "dims": (1,)}),
    ),
    doc="Repetition along new axes: operand axis i becomes output axis dims[i].",
)


# slice


def _slice_infer(x: TensorType, *, start: Shape, stop: Shape, step: Shape) -> tuple[TensorType]:
    if not len(start) == len(stop) == len(step) == x.ndim:
        raise ShapeError(f"slice of {x} takes {x.ndim} bounds, got {start}, {stop}, {step}")
    for a, b, k, n in zip(start, stop, step, x.shape, strict=True):
        room = n.least if isinstance(n, Dim) and not isinstance(b, Dim) else n
        if not (0 <= a <= b <= room and k >= 1):
            raise ShapeError(
                f"slice: {start} to {stop} with steps {step} is not within {x}; bounds must be "
                "0 <= start <= stop <= size, and steps at least 1"
            )
    return (x.with_shape(_lengths(start, stop, step)),)


def _lengths(start: Shape, stop: Shape, step: Shape) -> Shape:
    return tuple(
        b - a if k == 1 else -(-(b - a) // k) for a, b, k in zip(start, stop, step, strict=True)
    )


def _slice_evaluate(x: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
    return np.asarray(x)[tuple(slice(*bounds) for bounds in zip(start, stop, step, strict=True))]


def _slice_element(ctx: ElementContext, index: Index) -> Expr:
    s, step, start = ctx.s, ctx.params["step"], ctx.params["start"]
    return ctx.read(0, [s.add(s.mul(i, k), a) for i, k, a in zip(index, step, start, strict=True)])


def spans(shape: Shape, interior: Shape) -> Shape:
    """Lengths of `shape` with `interior` fills between neighbours."""
    return tuple(n + max(n - 1, 0) * k for n, k in zip(shape, interior, strict=True))


def _slice_transpose(ct: Value, x: TensorType, *, start: Shape, stop: Shape, step: Shape) -> Value:
    interior = tuple(k - 1 for k in step)
    lengths = spans(ct.shape, interior)
    high = tuple(n - a - m for n, a, m in zip(x.shape, start, lengths, strict=True))
    return ct.pad(0, low=start, high=high, interior=interior)


def _slice_onto(ct: Value, seed: Value, *, start: Shape, stop: Shape, step: Shape) -> Value:
    """A few rows of a large array are added to in their place, as by a loop that reads one row."""
    rows = ct.shape[1:] == seed.shape[1:] and not any(isinstance(a, Dim) for a in start)
    few = seed.type.size > SMALL and SMALL_PART * ct.type.size <= seed.type.size
    if not (rows and few):
        return seed + _slice_transpose(ct, seed.type, start=start, stop=stop, step=step)
    return seed.window_add(ct, *(ct.builder.literal(a, INT64) for a in start), steps=step)


slice_ = linear_unary(
    "slice",
    family="structural",
    params=("start", "stop", "step"),
    infer=_slice_infer,
    evaluate=_slice_evaluate,
    transpose=_slice_transpose,
    onto=_slice_onto,
    batched_params=lambda size, *, start, stop, step: {
        "start": (0, *start),
        "stop": (size, *stop),
        "step": (1, *step),
    },
    element=_slice_element,
    samples=unary_samples(
        ((4, 7), {"start": (1, 0), "stop": (3, 7), "step": (1, 3)}),
        ((9,), {"start": (2,), "stop": (9,), "step": (4,)}),
        ((5,), {"start": (3,), "stop": (3,), "step": (2,)}),
        ((0, 2), {"start": (0, 1), "stop": (0, 2), "step": (1, 1)}),
        ((), {"start": (), "stop": (), "step": ()}),
    ),
    doc="A regular part of an array; steps are positive.",
)


# rev


def _rev_infer(x: TensorType, *, axes: tuple[int, ...]) -> tuple[TensorType]:
    check_axes("rev", x, axes)
    return (x,)


def _rev_element(ctx: ElementContext, index: Index) -> Expr:
    s, axes = ctx.s, ctx.params["axes"]
    source = [
        s.sub(n - 1, i) if axis in axes else i
        for axis, (i, n) in enumerate(zip(index, ctx.out_type.shape, strict=True))
    ]
    return ctx.read(0, source)


def _rev_transpose(ct: Value, x: TensorType, *, axes: tuple[int, ...]) -> Value:
    return ct.rev(axes=axes)


rev = linear_unary(
    "rev",
    family="structural",
    params=("axes",),
    infer=_rev_infer,
    evaluate=lambda x, *, axes: np.flip(x, axes),
    transpose=_rev_transpose,
    batched_params=lambda size, *, axes: {"axes": after_batch(axes)},
    element=_rev_element,
    samples=unary_samples(
        ((2, 3), {"axes": (1,)}),
        ((2, 3), {"axes": (0, 1)}),
        ((0, 3), {"axes": (0,)}),
        ((), {"axes": ()}),
    ),
    doc="Elements in reverse order along axes.",
)
