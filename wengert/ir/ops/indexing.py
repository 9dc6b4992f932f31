"""Indexing by integer arrays: gather, scatter_add, scatter_set, check_index, wrap_index.

Index operands are int64 arrays of one common shape S, one for each of the k leading axes of x.
Gather and the scatters take them to be in range already: check_index is what wraps negative
indices and fails on those that are out of bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError, OutOfBoundsError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.forms import Scatter
from wengert.ir.op import (
    ElementContext,
    Linear,
    Op,
    Requirement,
    Sample,
    linear_in,
    register,
)
from wengert.ir.ops.parts import separately
from wengert.ir.ops.structural_family import (
    DTYPES,
    NUMBERS,
    Batched,
    batch_unary,
    check_numeric,
    check_same_dtype,
    draw,
    in_front,
    iota,
    no_tangent,
)
from wengert.ir.scalar import Expr
from wengert.ir.types import INT64, Shape, TensorType

Array = np.ndarray[Any, Any]


def _indexed_shape(name: str, x: TensorType, indices: Sequence[TensorType]) -> Shape:
    """The shape of what `indices` select of `x`."""
    listed = " and ".join(map(str, indices))
    if not 0 < len(indices) <= x.ndim:
        raise ShapeError(
            f"{name}: {len(indices)} index arrays for {x}, which has {x.ndim} dimensions"
        )
    if any(i.dtype != INT64 for i in indices):
        raise DTypeError(f"{name} takes int64 indices, got {listed}; cast them first")
    if any(i.shape != indices[0].shape for i in indices):
        raise ShapeError(f"{name}: index arrays must have one shape, got {listed}")
    return indices[0].shape + x.shape[len(indices) :]


def _batched_indices(
    x: Value, indices: Sequence[Value], batched: Sequence[bool], size: int, in_x: bool
) -> list[Value]:
    """Indices with a batch axis in front, and first the batch's own number if x has one too."""
    moved = [in_front(i, on, size) for i, on in zip(indices, batched, strict=True)]
    return [iota(x.builder, moved[0].shape, 0), *moved] if in_x else moved


# gather


def _gather_infer(x: TensorType, *indices: TensorType) -> tuple[TensorType]:
    return (x.with_shape(_indexed_shape("gather", x, indices)),)


def _gather_element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    split = ctx.in_types[1].ndim
    found = [ctx.read(operand, index[:split]) for operand in range(1, len(ctx.in_types))]
    return ctx.read(0, [*found, *index[split:]])


def _gather_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value]:
    return [tangents[0].gather(*primals[1:])]


def _gather_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], *, seeds: Sequence[Value | None]
) -> list[Value | None]:
    x, indices = inputs[0], inputs[1:]
    target = cotangents[0].builder.zeros(x.type) if seeds[0] is None else seeds[0]
    return [target.scatter_add(cotangents[0], *indices), *(None for _ in indices)]


def _gather_batch(values: Sequence[Value], batched: Sequence[bool], size: int) -> Batched:
    indices = _batched_indices(values[0], values[1:], batched[1:], size, batched[0])
    return [values[0].gather(*indices)], [True]


def _picks(shape: Shape, *sizes: int) -> list[Array]:
    """Index arrays of `shape`, with repetitions."""
    rng = np.random.default_rng(len(shape))
    return [np.asarray(rng.integers(0, size, shape, dtype=np.int64)) for size in sizes]


_CASES: tuple[tuple[Shape, Shape, int], ...] = (
    ((4, 3), (5,), 1),
    ((4, 3), (2, 3), 2),
    ((4,), (), 1),
    ((2, 3, 4), (3, 2), 1),
    ((4, 3), (0,), 1),
    ((2, 0), (3,), 1),
)


def _gather_samples() -> list[Sample]:
    x, s, k = _CASES[0]
    first = [Sample((draw(x, dtype), *_picks(s, *x[:k]))) for dtype in DTYPES]
    return first + [Sample((draw(x), *_picks(s, *x[:k]))) for x, s, k in _CASES[1:]]


gather = register(
    Op(
        name="gather",
        family="indexing",
        infer=_gather_infer,
        evaluate=lambda x, *indices: x[indices],
        jvp=_gather_jvp,
        linear=linear_in(0),
        transpose=_gather_transpose,
        accumulates=True,
        batch=_gather_batch,
        element=_gather_element,
        parts=separately("gather"),
        samples=_gather_samples,
        doc="x[indices]: the shape of the indices, then the axes of x that have none.",
    )
)


# scatter


def _scatter_infer(
    name: str, x: TensorType, updates: TensorType, *indices: TensorType
) -> tuple[TensorType]:
    check_same_dtype(name, x, updates)
    expected = _indexed_shape(name, x, indices)
    if updates.shape != expected:
        raise ShapeError(f"{name}: updates for {x} must have shape {expected}, got {updates}")
    return (x,)


def _scatter_jvp(name: str) -> Callable[..., list[Value]]:
    def jvp(
        primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
    ) -> list[Value]:
        """Linear in x and the updates together; indices have no tangents."""
        zeros = outs[0].builder.zeros
        x, updates = (
            zeros(p.type) if t is None else t
            for p, t in zip(primals[:2], tangents[:2], strict=True)
        )
        return [getattr(x, name)(updates, *primals[2:])]

    return jvp


def _scatter_batch(name: str) -> Callable[..., Batched]:
    def batch(values: Sequence[Value], batched: Sequence[bool], size: int) -> Batched:
        x, updates = (in_front(v, on, size) for v, on in zip(values[:2], batched[:2], strict=True))
        indices = _batched_indices(x, values[2:], batched[2:], size, in_x=True)
        return [getattr(x, name)(updates, *indices)], [True]

    return batch


def _scatter_samples(dtypes: Iterable[Any]) -> Callable[[], list[Sample]]:
    def sample(x: Shape, s: Shape, k: int, dtype: Any = np.float64) -> Sample:
        return Sample((draw(x, dtype), draw(s + x[k:], dtype, 1), *_picks(s, *x[:k])))

    def samples() -> list[Sample]:
        first = [sample(*_CASES[0], dtype) for dtype in dtypes]
        repeated = np.array([1, 1, 0, 1])
        return [
            *first,
            *(sample(*case) for case in _CASES[1:]),
            Sample((draw((3,)), draw((4,), seed=1), repeated)),
        ]

    return samples


def _add_infer(x: TensorType, updates: TensorType, *indices: TensorType) -> tuple[TensorType]:
    check_numeric("scatter_add", x)
    return _scatter_infer("scatter_add", x, updates, *indices)


def _add_evaluate(x: Array, updates: Array, *indices: Array) -> Array:
    out = np.array(x)
    np.add.at(out, indices, updates)
    return out


def _add_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Value | Linear]
) -> list[Value | None]:
    ct, indices = cotangents[0], inputs[2:]
    return [
        ct if isinstance(inputs[0], Linear) else None,
        ct.gather(*indices) if isinstance(inputs[1], Linear) else None,
        *(None for _ in indices),
    ]


scatter_add = register(
    Op(
        name="scatter_add",
        family="indexing",
        infer=_add_infer,
        evaluate=_add_evaluate,
        jvp=_scatter_jvp("scatter_add"),
        linear=linear_in(0, 1),
        transpose=_add_transpose,
        batch=_scatter_batch("scatter_add"),
        form=lambda types: Scatter("add"),
        parts=separately("scatter_add"),
        samples=_scatter_samples(NUMBERS),
        doc="x with the updates added at the indices; repeated indices add up.",
    )
)


def _set_infer(x: TensorType, updates: TensorType, *indices: TensorType) -> tuple[TensorType]:
    return _scatter_infer("scatter_set", x, updates, *indices)


def _set_evaluate(x: Array, updates: Array, *indices: Array) -> Array:
    out = np.array(x)
    out[indices] = updates
    return out


def _set_transpose(cotangents: Sequence[Value], inputs: Sequence[Any]) -> list[Value | None]:
    """x keeps what was not overwritten; an update has what it wrote, if no later one did too."""
    ct, x, updates, indices = cotangents[0], inputs[0], inputs[1], inputs[2:]
    x_bar = updates_bar = None
    if isinstance(updates, Linear):  # before x_bar, which may then take over the memory of ct
        updates_bar = ct.gather(*indices)
        if indices[0].type.size > 1:
            last = _is_last(ct.shape[: len(indices)], indices)
            mask = last.broadcast(shape=updates_bar.shape, dims=tuple(range(last.ndim)))
            updates_bar = mask.select(updates_bar, 0)
    if isinstance(x, Linear):
        zeros = ct.builder.zeros(TensorType(ct.dtype, updates.type.shape))
        x_bar = ct.scatter_set(zeros, *indices)
    return [x_bar, updates_bar, *(None for _ in indices)]


def _is_last(shape: Shape, indices: Sequence[Value]) -> Value:
    """Whether each write, in row-major order, is the last to its place in an array of `shape`.

    Few writes are compared with one another. Of many, each writes its own number there, and those
    that then read another one were overwritten; but that takes an array of the whole shape.
    """
    target = indices[0].type
    builder = indices[0].builder
    if target.size**2 <= math.prod(shape):
        return _unmatched_later(indices).reshape(shape=target.shape)
    own = iota(builder, (target.size,), 0)
    if target.shape != own.shape:
        own = own.reshape(shape=target.shape)
    board = builder.zeros(TensorType(INT64, shape)).scatter_set(own, *indices)
    return board.gather(*indices).eq(own)


def _unmatched_later(indices: Sequence[Value]) -> Value:
    """Whether no later one of these places is the same, for each of them in row-major order."""
    count = indices[0].type.size
    square = (count, count)
    earlier, later = (iota(indices[0].builder, square, axis) for axis in (0, 1))
    same = earlier.lt(later)
    for index in indices:
        flat = index.reshape(shape=(count,))
        here, there = (flat.broadcast(shape=square, dims=(axis,)) for axis in (0, 1))
        same = same.bitand(here.eq(there))
    return same.reduce_or(axes=(1,)).bitnot()


scatter_set = register(
    Op(
        name="scatter_set",
        family="indexing",
        infer=_set_infer,
        evaluate=_set_evaluate,
        jvp=_scatter_jvp("scatter_set"),
        linear=linear_in(0, 1),
        transpose=_set_transpose,
        batch=_scatter_batch("scatter_set"),
        form=lambda types: Scatter("set"),
        parts=separately("scatter_set"),
        samples=_scatter_samples(DTYPES),
        doc="x with the updates written at the indices; of repeated indices the last one wins.",
    )
)


# check_index


def _check_infer(
    index: TensorType, *, size: int, axis: int, part: int | None = None
) -> tuple[TensorType]:
    if index.dtype != INT64:
        raise DTypeError(f"check_index takes int64 indices, got {index}; cast them first")
    return (index,)


def _check_evaluate(index: Array, *, size: int, axis: int, part: int | None = None) -> Array:
    bad = index[(index < -size) | (index >= size)]
    if bad.size:
        raise OutOfBoundsError(_outside(bad[0], size, axis, part))
    return np.where(index < 0, index + size, index)


def _outside(value: Any, size: int, axis: int, part: int | None = None) -> str:
    """What to say of an index, or of the start of a slice that reaches over `part` elements."""
    if part is None:
        return f"index {value} is out of bounds for axis {axis} with size {size}"
    return (
        f"a slice over {part} elements from index {value} on does not lie within axis {axis} with "
        f"size {size + part - 1}. NumPy gives what there is of it, a length that is known only at "
        "run time, and shapes are fixed; keep the start in range (np.clip), or pad the array"
    )


def _check_element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    s, i = ctx.s, ctx.read(0, index)
    return s.select(s.lt(i, 0), s.add(i, ctx.params["size"]), i)


def _check_requirement(ctx: ElementContext, index: tuple[Expr, ...]) -> Requirement:
    s, i, size, axis = ctx.s, ctx.read(0, index), ctx.params["size"], ctx.params["axis"]
    # -size <= i < size in one comparison of unsigned numbers, as others have wrapped around
    inside = s.lt(s.cast(s.add(i, size), np.uint64), s.const(2 * size, np.uint64))
    message = _outside("{value}", size, axis, ctx.params.get("part"))
    return Requirement(inside, i, "OutOfBoundsError", message)


def _check_unchecked(
    values: Sequence[Value], *, size: int, axis: int, part: int | None = None
) -> Value:
    index = values[0]
    return index.lt(0).select(index + size, index)


def _check_samples() -> list[Sample]:
    arrays = [np.array([[0, -1], [4, -5]]), np.array(3), np.zeros((0, 2), np.int64)]
    return [Sample((array,), {"size": 5, "axis": 0}) for array in arrays]


check_index = register(
    Op(
        name="check_index",
        family="indexing",
        params=("size", "axis", "part"),
        optional=frozenset({"part"}),
        infer=_check_infer,
        evaluate=_check_evaluate,
        jvp=no_tangent,
        batch=batch_unary("check_index", lambda count, **params: params),
        element=_check_element,
        check=_check_requirement,
        unchecked=_check_unchecked,
        samples=_check_samples,
        doc="Indices with negative ones counted from the end; fails on those out of bounds. "
        "`axis` is only named in the message, as is `part`: how many elements a slice from there "
        "on reaches over.",
    )
)


# wrap_index


def _wrap_infer(index: TensorType, *, size: int) -> tuple[TensorType]:
    if index.dtype != INT64:
        raise DTypeError(f"wrap_index takes int64 indices, got {index}; cast them first")
    return (index,)


wrap_index = register(
    Op(
        name="wrap_index",
        family="indexing",
        params=("size",),
        infer=_wrap_infer,
        evaluate=lambda index, *, size: np.where(index < 0, index + size, index),
        jvp=no_tangent,
        batch=batch_unary("wrap_index", lambda count, *, size: {"size": size}),
        element=_check_element,
        samples=lambda: [Sample((np.array([[0, -1], [4, -5]]),), {"size": 5})],
        doc="Indices with negative ones counted from the end; those out of bounds are not found "
        "out.",
    )
)
