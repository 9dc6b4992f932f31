"""Shear: reading along diagonals, which is what windows that slide over an array do.

The last 2n axes of x are n axes p of places in a window and n axes of space. Of the row of place p
the result has the elements at start + o*step + p*gap, for o below a given size. With a broadcast
over p before it, that gives all windows of an array at once, in one affine read.

Transpose. An element of place p at k comes from o with start + o*step + p*gap = k. Let z be the
cotangent with step - 1 zeros between neighbours and L = start + max(0, (w - 1)*gap) zeros before
them, for w places. Its element o stands at o*step + L, so that k is read at k + L - start - p*gap:
a shear of z, with steps of 1 and the gap turned round. Zeros after the last make z long enough
for all p and k: n + (w - 1)*|gap| elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import ElementContext
from wengert.ir.ops.structural_family import linear_unary, unary_samples
from wengert.ir.scalar import Expr
from wengert.ir.types import TensorType

Array = np.ndarray[Any, Any]
Whole = tuple[int, ...]


def _infer(
    x: TensorType, *, sizes: Whole, starts: Whole, steps: Whole, gaps: Whole
) -> tuple[TensorType]:
    dims = len(sizes)
    if x.ndim < 2 * dims or not len(starts) == len(steps) == len(gaps) == dims:
        raise ShapeError(f"shear: {x} needs two axes for each of {dims} sizes")
    if not x.is_static:
        raise ShapeError(f"shear: the shape of {x} depends on a loop's index")
    window, space = x.shape[x.ndim - 2 * dims : x.ndim - dims], x.shape[x.ndim - dims :]
    for w, n, size, start, step, gap in zip(window, space, sizes, starts, steps, gaps, strict=True):
        ends = [start + p * gap + o * step for p in (0, w - 1) for o in (0, size - 1)]
        if w and size and not (step > 0 and min(ends) >= 0 and max(ends) < n):
            raise ShapeError(f"shear: rows of {n} elements of {x} have none at {ends}")
    return (x.with_shape((*x.shape[: x.ndim - dims], *sizes)),)


def _evaluate(x: Array, *, sizes: Whole, starts: Whole, steps: Whole, gaps: Whole) -> Array:
    dims = len(sizes)
    window: Whole = np.shape(x)[np.ndim(x) - 2 * dims : np.ndim(x) - dims]
    rows: list[Array] = []
    places: list[Array] = []
    for axis in range(dims):
        shape = [1] * (2 * dims)
        shape[axis] = window[axis]
        row: Array = np.arange(window[axis]).reshape(shape)
        shape[axis], shape[dims + axis] = 1, sizes[axis]
        place: Array = np.arange(sizes[axis]).reshape(shape)
        rows.append(row)
        places.append(starts[axis] + place * steps[axis] + row * gaps[axis])
    return np.asarray(x)[(..., *rows, *places)]


def _element(ctx: ElementContext, index: Sequence[Expr]) -> Expr:
    s, dims = ctx.s, len(ctx.params["sizes"])
    lead, space = list(index[: len(index) - dims]), index[len(index) - dims :]
    bounds = (ctx.params[name] for name in ("starts", "steps", "gaps"))
    found = [
        s.add(s.add(s.mul(o, step), s.mul(p, gap)), start)
        for o, p, start, step, gap in zip(space, lead[len(lead) - dims :], *bounds, strict=True)
    ]
    return ctx.read(0, [*lead, *found])


def _transpose(
    ct: Value, x: TensorType, *, sizes: Whole, starts: Whole, steps: Whole, gaps: Whole
) -> Value:
    dims, other = len(sizes), x.ndim - len(sizes)
    low, high, interior, back = ([0] * x.ndim for _ in range(4))
    for axis in range(dims):
        reach = (x.shape[other - dims + axis] - 1) * gaps[axis]
        n, size, at = x.shape[other + axis], sizes[axis], other + axis
        back[axis] = max(0, reach)
        low[at], interior[at] = starts[axis] + back[axis], steps[axis] - 1
        used = (size - 1) * steps[axis] + 1 if size else 0
        high[at] = n + abs(reach) - low[at] - used
    if 0 in x.shape:
        return ct.builder.zeros(x)
    fill = ct.builder.literal(0, ct.dtype)
    padded = ct.pad(fill, low=tuple(low), high=tuple(high), interior=tuple(interior))
    return padded.shear(
        sizes=x.shape[other:],
        starts=tuple(back[:dims]),
        steps=(1,) * dims,
        gaps=tuple(-g for g in gaps),
    )


def _given(sizes: Whole, starts: Whole, steps: Whole, gaps: Whole) -> dict[str, Any]:
    return {"sizes": sizes, "starts": starts, "steps": steps, "gaps": gaps}


def _samples() -> Any:
    return unary_samples(
        ((3, 7), _given((5,), (0,), (1,), (1,))),
        ((2, 3, 10), _given((3,), (1,), (2,), (2,))),
        ((3, 8), _given((4,), (4,), (1,), (-2,))),
        ((2, 2, 3, 5, 6), _given((4, 2), (0, 1), (1, 2), (1, 1))),
        ((3, 0), _given((0,), (0,), (1,), (1,))),
    )


shear = linear_unary(
    "shear",
    family="structural",
    params=("sizes", "starts", "steps", "gaps"),
    infer=_infer,
    evaluate=_evaluate,
    transpose=_transpose,
    batched_params=lambda size, **params: params,
    element=_element,
    samples=_samples(),
    doc="Elements start + o*step + p*gap of each row p, with o on the last axes and p before them.",
)
