"""Contraction: dot_general, the sum of products over paired axes.

The output's axes are the batch axes, then the other axes of x, then those of y ("free" axes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value, add_tangents
from wengert.ir.floats import in_single
from wengert.ir.forms import Contraction
from wengert.ir.op import Linear, Op, Sample, linear_in_one, register
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import (
    NUMBERS,
    Batched,
    after_batch,
    check_axes,
    check_numeric,
    check_same_dtype,
    draw,
    permuted,
)
from wengert.ir.types import TensorType

Pairs = tuple[tuple[int, ...], tuple[int, ...]]


def _free(ndim: int, side: int, contract: Pairs, batch: Pairs) -> list[int]:
    return [a for a in range(ndim) if a not in contract[side] and a not in batch[side]]


def _infer(x: TensorType, y: TensorType, *, contract: Pairs, batch: Pairs) -> tuple[TensorType]:
    check_numeric("dot_general", x)
    check_same_dtype("dot_general", x, y)
    for side, operand in enumerate((x, y)):
        check_axes("dot_general", operand, (*contract[side], *batch[side]))
    for left, right in (contract, batch):
        if [x.shape[a] for a in left] != [y.shape[a] for a in right]:
            raise ShapeError(
                f"dot_general: axes {left} of {x} and {right} of {y} must have the same lengths"
            )
    shape = [x.shape[a] for a in batch[0]]
    shape += [x.shape[a] for a in _free(x.ndim, 0, contract, batch)]
    shape += [y.shape[a] for a in _free(y.ndim, 1, contract, batch)]
    return (x.with_shape(tuple(shape)),)


def _evaluate(x: Any, y: Any, *, contract: Pairs, batch: Pairs) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    left, right = _free(x.ndim, 0, contract, batch), _free(y.ndim, 1, contract, batch)

    def sizes(array: Any, axes: Sequence[int]) -> list[int]:
        return [array.shape[a] for a in axes]

    batches, terms = sizes(x, batch[0]), math.prod(sizes(x, contract[0]))
    rows, columns = sizes(x, left), sizes(y, right)
    b, m, n = math.prod(batches), math.prod(rows), math.prod(columns)
    lhs = x.transpose(*batch[0], *left, *contract[0]).reshape(b, m, terms)
    rhs = y.transpose(*batch[1], *contract[1], *right).reshape(b, terms, n)
    return np.matmul(lhs, rhs).reshape((*batches, *rows, *columns))


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Any, **params: Any
) -> list[Value | None]:
    (x, y), (tx, ty) = primals, tangents
    left = None if tx is None else tx.dot_general(y, **params)
    right = None if ty is None else x.dot_general(ty, **params)
    return [add_tangents(left, right)]


def _transpose(
    cotangents: Sequence[Value],
    inputs: Sequence[Value | Linear],
    *,
    contract: Pairs,
    batch: Pairs,
) -> list[Value | None]:
    side = 0 if isinstance(inputs[0], Linear) else 1
    other = inputs[1 - side]
    assert isinstance(other, Value)
    bars: list[Value | None] = [None, None]
    bars[side] = _pull(cotangents[0], inputs[side].type, other, side, contract, batch)
    return bars


def _pull(
    ct: Value, operand: TensorType, other: Value, side: int, contract: Pairs, batch: Pairs
) -> Value:
    """The cotangent of one operand: `ct` contracted with the other one over its free axes.

    The product has the batch axes, this operand's free axes, and its contracted axes in the order
    of the other operand's; or the last two exchanged, when the operands of the product are. The
    form that needs no permutation to become this operand's is preferred, as it is one plain
    matrix product.
    """
    batches = len(batch[0])
    mine = _free(operand.ndim, side, contract, batch)
    theirs = _free(other.ndim, 1 - side, contract, batch)
    if not mine and not theirs:
        return _scaled(ct, operand, other, side, contract, batch)
    first = batches + (len(mine) if side == 0 else 0)
    ct_axes = tuple(range(first, first + len(theirs)))
    ct_batch = tuple(range(batches))
    pairs = zip(contract[1 - side], contract[side], strict=True)
    summed = [axis for _, axis in sorted(pairs)]
    ct_first = (*batch[side], *mine, *summed)
    other_first = (*batch[side], *summed, *mine)
    if list(other_first) == sorted(other_first):
        return other.dot_general(
            ct, contract=(tuple(theirs), ct_axes), batch=(batch[1 - side], ct_batch)
        )
    product = ct.dot_general(
        other, contract=(ct_axes, tuple(theirs)), batch=(ct_batch, batch[1 - side])
    )
    return permuted(product, [ct_first.index(axis) for axis in range(operand.ndim)])


def _scaled(
    ct: Value, operand: TensorType, other: Value, side: int, contract: Pairs, batch: Pairs
) -> Value:
    """The same where rows are multiplied with rows: no sum, but a product with a partial."""
    places = [*zip(batch[side], batch[1 - side], strict=True)]
    places += zip(contract[side], contract[1 - side], strict=True)
    moved = permuted(other, [axis for _, axis in sorted(places)])
    order = sorted(range(len(batch[side])), key=lambda k: batch[side][k])
    dims = tuple(sorted(batch[side]))
    return permuted(ct, order).broadcast(shape=operand.shape, dims=dims).scale(moved)


def _batch(
    values: Sequence[Value], batched: Sequence[bool], size: int, *, contract: Pairs, batch: Pairs
) -> Batched:
    x, y = values

    def moved(pairs: Pairs) -> Pairs:
        left, right = (
            after_batch(axes) if on else axes for axes, on in zip(pairs, batched, strict=True)
        )
        return left, right

    contract, batch = moved(contract), moved(batch)
    if all(batched):
        batch = ((0, *batch[0]), (0, *batch[1]))
        return [x.dot_general(y, contract=contract, batch=batch)], [True]
    # the new axis is the first free one of its operand: move it to the front
    product = x.dot_general(y, contract=contract, batch=batch)
    place = len(batch[0]) + (0 if batched[0] else len(_free(x.ndim, 0, contract, batch)))
    rest = [axis for axis in range(product.ndim) if axis != place]
    return [permuted(product, [place, *rest])], [True]


def _parts(operands: Sequence[Parts], *, contract: Pairs, batch: Pairs) -> list[Parts]:
    """Four real products."""
    x, y = operands

    def product(a: Value, b: Value) -> Value:
        return a.dot_general(b, contract=contract, batch=batch)

    return [
        Parts(product(x.re, y.re) - product(x.im, y.im), product(x.re, y.im) + product(x.im, y.re))
    ]


def _samples() -> list[Sample]:
    matmul = {"contract": ((1,), (0,)), "batch": ((), ())}
    cases = [
        ((2, 3), (3, 4), ((1,), (0,)), ((), ())),
        ((2, 3), (4, 3), ((1,), (1,)), ((), ())),
        ((3, 2), (3, 4), ((0,), (0,)), ((), ())),
        ((3,), (3,), ((0,), (0,)), ((), ())),
        ((2, 3), (3,), ((1,), (0,)), ((), ())),
        ((2,), (3,), ((), ()), ((), ())),
        ((), (3,), ((), ()), ((), ())),
        ((5, 2, 3), (5, 3, 4), ((2,), (1,)), ((0,), (0,))),
        ((2, 3, 5), (4, 5, 3), ((1,), (2,)), ((2,), (1,))),
        ((2, 3, 4), (4, 3, 5), ((1, 2), (1, 0)), ((), ())),
        ((4,), (4,), ((), ()), ((0,), (0,))),
        ((2, 0), (0, 3), ((1,), (0,)), ((), ())),
        ((0, 2), (2, 3), ((1,), (0,)), ((), ())),
    ]
    return [
        *(Sample((draw((2, 3), d), draw((3, 4), d, 1)), matmul) for d in NUMBERS),
        *(
            Sample((draw(x), draw(y, seed=1)), {"contract": contract, "batch": batch})
            for x, y, contract, batch in cases
        ),
    ]


dot_general = register(
    Op(
        name="dot_general",
        family="contraction",
        params=("contract", "batch"),
        infer=_infer,
        evaluate=in_single(_evaluate),
        jvp=_jvp,
        linear=linear_in_one,
        transpose=_transpose,
        batch=_batch,
        form=lambda types, *, contract, batch: Contraction(contract, batch),
        parts=_parts,
        samples=_samples,
        cost=16,
        doc="The sum of products over paired axes, once for each position on the batch axes.",
    )
)
