"""The op for_loop: a loop over a range, which carries values from turn to turn.

Arrays are values here as everywhere; the lowering updates carried arrays in place where the old
version is not needed any more. The derivatives are in `for_loop_split` (what is stored for them)
and `for_loop_reverse`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.evaluate import binding, evaluate
from wengert.ir.forms import Region
from wengert.ir.op import Op, register
from wengert.ir.ops.control_batch import batch_for_loop
from wengert.ir.ops.control_family import (
    Tangents,
    Types,
    check_index_type,
    check_region,
    chosen,
    or_zeros,
    with_inputs,
    with_tangents,
)
from wengert.ir.ops.control_samples import for_loop_samples
from wengert.ir.ops.for_loop_reverse import transpose
from wengert.ir.ops.for_loop_split import split
from wengert.ir.program import Program
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.taint import carried, moving
from wengert.ir.types import Symbol, TensorType


def _infer(
    start: TensorType,
    stop: TensorType,
    *operands: TensorType,
    body: Program,
    consts: int,
    symbol: Symbol | None,
    reverse: bool,
    turns: int | None,
    checkpoint: int | None = None,
) -> Types:
    check_index_type("for_loop", "the start", start)
    check_index_type("for_loop", "the stop", stop)
    carry = operands[consts:]
    check_region("for_loop", "body", body, (start, *operands), carry)
    return carry


def _evaluate(
    start: Any,
    stop: Any,
    *operands: Any,
    body: Program,
    consts: int,
    symbol: Symbol | None,
    reverse: bool,
    turns: int | None,
    checkpoint: int | None = None,
) -> Any:
    known, carry = operands[:consts], list(operands[consts:])
    indices = range(int(start), int(stop))
    for i in reversed(indices) if reverse else indices:
        with binding(symbol, i):
            carry = evaluate(body, [np.int64(i), *known, *carry])
    return carry[0] if len(carry) == 1 else carry


def _taint(
    marks: Sequence[bool],
    spread: Callable[[Program, Sequence[bool]], list[bool]],
    *,
    body: Program,
    consts: int,
    **params: Any,
) -> list[bool]:
    if any(marks[:2]):
        return [True] * len(body.outputs)
    return carried(body, (False, *marks[2:]), 1 + consts, spread)


def moving_carry(
    region: Program, marks: Sequence[bool], tangents: Sequence[bool], first: int
) -> list[bool]:
    """Which inputs of a loop's body have tangents, where `marks` and later turns give them some.

    What is carried starts at input `first`; `tangents` says which of it has a tangent to begin
    with.
    """
    found = [*marks[:first], *carried(region, marks, first, moving)]
    while True:
        pushed = jvp(region, found)
        still = [
            first + k
            for k, (on, has) in enumerate(zip(pushed.out_active, tangents, strict=True))
            if found[first + k] and not on and not has
        ]
        if not still:
            return _with_source(region, found, tangents, first)
        for position in still:
            found[position] = False


def _with_source(
    region: Program, found: list[bool], tangents: Sequence[bool], first: int
) -> list[bool]:
    """`found` without what is only said to have a tangent because it had one a turn before, as an
    array that is filled with np.sign(x): its tangent would be zeros."""
    sure = [*found[:first], *(a and b for a, b in zip(found[first:], tangents, strict=True))]
    while sure != found:
        active = jvp(region, sure).out_active
        grown = [
            a or (b and c) for a, b, c in zip(sure[first:], active, found[first:], strict=True)
        ]
        if grown == sure[first:]:
            return sure
        sure[first:] = grown
    return found


def _jvp(
    primals: Sequence[Value], tangents: Tangents, outs: None, *, body: Program, **params: Any
) -> tuple[list[Value], list[Value | None]]:
    """One loop that carries the tangents beside the primal values."""
    builder, consts = primals[0].builder, params["consts"]
    operands, dots = list(primals[2:]), list(tangents[2:])
    given = [t is not None for t in dots]
    marks = moving_carry(body, (False, *given), given[consts:], 1 + consts)
    loop = with_tangents(body, marks, marks[1 + consts :])
    count = len(body.inputs)
    const_dots = sum(marks[1 : 1 + consts])
    carry_dots = sum(marks[1 + consts :])
    order = [
        *range(1 + consts),
        *range(count, count + const_dots),
        *range(1 + consts, count),
        *range(count + const_dots, count + const_dots + carry_dots),
    ]
    filled = [or_zeros(builder, t, x.type) for t, x in zip(dots, operands, strict=True)]
    inputs = [
        *primals[:2],
        *operands[:consts],
        *chosen(filled[:consts], marks[1 : 1 + consts]),
        *operands[consts:],
        *chosen(filled[consts:], marks[1 + consts :]),
    ]
    params = {**params, "body": with_inputs(loop, order), "consts": consts + const_dots}
    results = builder.emit(for_loop, inputs, params)
    pushed = iter(results[len(body.outputs) :])
    return results[: len(body.outputs)], [
        next(pushed) if on else None for on in marks[1 + consts :]
    ]


for_loop = register(
    Op(
        name="for_loop",
        family="control",
        params=("symbol", "turns", "reverse", "checkpoint", "consts", "body"),
        optional=frozenset({"checkpoint"}),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        batch=batch_for_loop,
        joint=True,
        taint=_taint,
        split=split,
        linear=lambda positions: positions.isdisjoint((0, 1)),
        transpose=transpose,
        accumulates=True,
        form=lambda types, **params: Region("for_loop"),
        samples=for_loop_samples,
        doc="carry = body(i, *consts, *carry) for i = start, ..., stop-1, or down from there. "
        "Operands: start, stop, then `consts` constants, then the carry. `symbol` stands for i in "
        "dimensions; `turns` is an upper bound of stop - start, or None. `checkpoint` is the "
        "number of bytes that the reverse sweep may keep of the turns; it computes the rest again.",
    )
)
