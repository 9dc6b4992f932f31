"""The transpose of for_loop: the loop runs backwards and carries cotangents.

The cotangents of constants are carried too, as sums that grow from turn to turn: the body adds to
them in place, so that a loop that reads one element of an array at a turn adds to one element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.ir.builder import Builder, Value, add_tangents
from wengert.ir.op import REGISTRY, Linear
from wengert.ir.ops.control_family import Tangents, chosen, is_linear, or_zeros
from wengert.ir.ops.for_loop_snapshots import Reversed, from_snapshots
from wengert.ir.program import Program
from wengert.ir.transforms.taint import carried, depending, reached
from wengert.ir.transforms.transpose import pull_onto


def transpose(
    cotangents: Tangents,
    inputs: Sequence[Value | Linear],
    *,
    seeds: Tangents,
    body: Program,
    consts: int,
    **params: Any,
) -> list[Value | None]:
    """Cotangents of the constants and of what the carry starts from, on top of the seeds."""
    marks = [False, *(is_linear(x) for x in inputs[2:])]
    marks[1 + consts :] = carried(body, marks, 1 + consts, depending)
    loop = Reversed(inputs, body, consts, params, marks, *_living(body, marks, cotangents, consts))
    outer = next(x for x in cotangents if x is not None).builder
    types = [v.type for v in body.inputs]
    live, summed = loop.live, loop.summed
    bars = [
        or_zeros(outer, ct, t)
        for ct, t, on in zip(cotangents, types[1 + consts :], live, strict=True)
        if on
    ]
    sums = [
        or_zeros(outer, seed, t)
        for seed, t, on in zip(seeds[2 : 2 + consts], types[1 : 1 + consts], summed, strict=True)
        if on
    ]
    run = backwards if all(marks[1 + consts :]) else from_snapshots
    results = iter(run(outer, loop, [*bars, *sums]))
    carry = [next(results) if on else None for on in live]
    totals = [next(results) if on else seed for on, seed in zip(summed, seeds[2:], strict=False)]
    starts = [
        add_tangents(ct, seed) if is_linear(x) else None
        for ct, seed, x in zip(carry, seeds[2 + consts :], inputs[2 + consts :], strict=True)
    ]
    return [None, None, *totals, *starts]


def _living(
    body: Program, marks: Sequence[bool], cotangents: Tangents, consts: int
) -> tuple[list[bool], list[bool]]:
    """Which carried values have a cotangent at some turn, and which constants then get one."""
    live = _live_carry(body, [x is not None for x in cotangents], consts)
    live = [a and b for a, b in zip(live, marks[1 + consts :], strict=True)]
    read = reached(body, live)
    summed = [on and r for on, r in zip(marks[1 : 1 + consts], read[1 : 1 + consts], strict=True)]
    return live, summed


def backwards(outer: Builder, loop: Reversed, bars: Sequence[Value]) -> list[Value]:
    """The loop that carries `bars`, cotangents and sums, where all that is known is constant."""
    consts = loop.consts
    known = chosen(loop.inputs[2 : 2 + consts], loop.marks[1 : 1 + consts], False)
    region = _backward(loop.body, loop.marks, consts, loop.live, loop.summed)
    operands = [*loop.inputs[:2], *known, *bars]
    reverse = not loop.params["reverse"]
    params = loop.plain(body=region, consts=len(known), reverse=reverse)
    return outer.emit(REGISTRY["for_loop"], operands, params)


def _live_carry(body: Program, live: Sequence[bool], consts: int) -> list[bool]:
    """Which carried values have a cotangent at some turn."""
    found = list(live)
    while True:
        before = reached(body, found)[1 + consts :]
        grown = [a or b for a, b in zip(found, before, strict=True)]
        if grown == found:
            return found
        found = grown


def _backward(
    body: Program,
    marks: Sequence[bool],
    consts: int,
    live: Sequence[bool],
    summed: Sequence[bool],
) -> Program:
    """(i, known constants, cotangents of the live carry, sums) -> (cotangents, sums) before i."""
    known = chosen(body.inputs[1 : 1 + consts], marks[1 : 1 + consts], False)
    linear = chosen(body.inputs[1 : 1 + consts], marks[1 : 1 + consts])
    carry = body.inputs[1 + consts :]
    program = Program((body.inputs[0], *known, *linear, *carry), body.eqns, body.outputs)
    builder = Builder()
    given = [builder.input(v.type) for v in (body.inputs[0], *known)]
    bars = [builder.input(v.type) if on else None for v, on in zip(carry, live, strict=True)]
    flags = chosen(summed, marks[1 : 1 + consts])
    sums = [builder.input(v.type) if on else None for v, on in zip(linear, flags, strict=True)]
    results = pull_onto(builder, program, given, bars, sums)
    outs = [
        or_zeros(builder, bar, v.type) for bar, v in zip(results[len(linear) :], carry, strict=True)
    ]
    totals = [t for t in chosen(results[: len(linear)], flags) if t is not None]
    return builder.finish([*chosen(outs, live), *totals])
