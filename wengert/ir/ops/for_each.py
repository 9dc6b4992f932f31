"""The op for_each: a program for each row of its operands, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.evaluate import evaluate
from wengert.ir.forms import Region
from wengert.ir.op import REGISTRY, Linear, Op, register
from wengert.ir.ops.control_batch import apart
from wengert.ir.ops.control_family import (
    Tangents,
    Types,
    check_region,
    chosen,
    fresh,
    is_linear,
    or_zeros,
    reads,
    with_inputs,
    with_tangents,
)
from wengert.ir.ops.control_samples import for_each_samples
from wengert.ir.ops.structural_family import Batched
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, acts
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.separate import Body, Price, Split, repeat, separate_region
from wengert.ir.transforms.taint import depending, reached
from wengert.ir.transforms.transpose import pull_onto
from wengert.ir.types import BOOL, TensorType


def _infer(*operands: TensorType, body: Program, consts: int, size: int) -> Types:
    mapped = operands[consts:]
    if any(not t.ndim or t.shape[0] != size for t in mapped):
        listed = ", ".join(map(str, mapped))
        raise ShapeError(f"for_each: mapped operands need a first axis of {size}, got {listed}")
    rows = tuple(t.with_shape(t.shape[1:]) for t in mapped)
    check_region("for_each", "body", body, (*operands[:consts], *rows), body.out_types)
    return tuple(t.with_shape((size, *t.shape)) for t in body.out_types)


def _evaluate(*operands: Any, body: Program, consts: int, size: int) -> Any:
    known, mapped = operands[:consts], operands[consts:]
    rows = [evaluate(body, [*known, *(x[i] for x in mapped)]) for i in range(size)]
    outs: Sequence[Any] = [
        np.asarray([row[k] for row in rows], t.dtype).reshape(size, *np.shape(rows[0][k]))
        if rows
        else np.zeros((0, *t.shape), t.dtype)
        for k, t in enumerate(body.out_types)
    ]
    return outs[0] if len(outs) == 1 else outs


def _taint(
    marks: Sequence[bool],
    spread: Callable[[Program, Sequence[bool]], list[bool]],
    *,
    body: Program,
    **params: Any,
) -> list[bool]:
    return spread(body, marks)


def _jvp(
    primals: Sequence[Value],
    tangents: Tangents,
    outs: None,
    *,
    body: Program,
    consts: int,
    size: int,
) -> tuple[list[Value], list[Value | None]]:
    marks = [t is not None for t in tangents]
    active = jvp(body, marks).out_active
    count, const_dots = len(body.inputs), sum(marks[:consts])
    order = [
        *range(consts),
        *range(count, count + const_dots),
        *range(consts, count),
        *range(count + const_dots, count + sum(marks)),
    ]
    inputs = [
        *primals[:consts],
        *(t for t in tangents[:consts] if t is not None),
        *primals[consts:],
        *(t for t in tangents[consts:] if t is not None),
    ]
    region = with_inputs(with_tangents(body, marks, active), order)
    params = {"body": region, "consts": consts + const_dots, "size": size}
    results = primals[0].builder.emit(for_each, inputs, params)
    pushed = iter(results[len(active) :])
    return results[: len(active)], [next(pushed) if on else None for on in active]


def _split(eqn: Eqn, tainted: Sequence[bool], price: Price) -> Split:
    """The known part stacks what the linear part reads of each row."""
    body, consts, size = (eqn.params[name] for name in ("body", "consts", "size"))
    outs = depending(body, tainted)
    prices: dict[Var, int | None] = {
        v: price(a) for v, a, on in zip(body.inputs, eqn.inputs, tainted, strict=True) if not on
    }
    apart = separate_region(body, tainted, chosen(body.outputs, outs), prices, size)
    stored = [v for v in apart.plan.stored if v not in prices]
    stacks = [Var(v.type.with_shape((size, *map(int, v.type.shape)))) for v in stored]
    known: list[Eqn] = []
    results = (*chosen(eqn.outputs, outs, False), *stacks)
    gives = (*chosen(body.outputs, outs, False), *stored)
    if not results and any(map(acts, apart.parts.known)):
        results, gives = (Var(TensorType(BOOL, (size,))),), (Literal(True, BOOL),)
    if results:
        inputs = tuple(chosen(body.inputs, tainted, False))
        region = Program(inputs, tuple(apart.parts.known), gives)
        params = {**eqn.params, "body": region, "consts": list(tainted[:consts]).count(False)}
        operands = tuple(chosen(eqn.inputs, tainted, False))
        known.append(Eqn(eqn.op, operands, results, params, eqn.location))
    return Split(known, [_linear(eqn, apart, stored, stacks, outs, bool(known))])


def _linear(
    eqn: Eqn,
    apart: Body,
    stored: Sequence[Var],
    stacks: Sequence[Var],
    outs: Sequence[bool],
    has_known: bool,
) -> Eqn:
    body, consts = eqn.params["body"], eqn.params["consts"]
    builder = Builder(location=eqn.location)
    inner, boards = fresh(body.in_types), fresh([v.type for v in stored])
    env: dict[Atom, Atom] = dict(zip(body.inputs, inner, strict=True))
    env |= dict(zip(stored, boards, strict=True))
    checks = any(e.op.check is not None for e in apart.parts.known)
    again = apart.parts.known if checks and not has_known else apart.plan.again
    repeat(builder, again, env, has_known)
    repeat(builder, apart.parts.linear, env, False)
    gives = tuple([substitute(env, a) for a in chosen(body.outputs, outs)])
    used = reads(builder.eqns, gives)
    pairs = list(zip((*inner, *boards), (*eqn.inputs, *stacks), strict=True))
    left = [(v, a) for v, a in pairs[:consts] if v in used]
    right = [(v, a) for v, a in pairs[consts:] if v in used]
    region = Program(tuple([v for v, _ in (*left, *right)]), tuple(builder.eqns), gives)
    params = {**eqn.params, "body": region, "consts": len(left)}
    operands = tuple([a for _, a in (*left, *right)])
    return Eqn(eqn.op, operands, tuple(chosen(eqn.outputs, outs)), params, eqn.location)


def _transpose(
    cotangents: Tangents,
    inputs: Sequence[Value | Linear],
    *,
    seeds: Tangents,
    body: Program,
    consts: int,
    size: int,
) -> list[Value | None]:
    """Rows of cotangents; those of constants are stacked and summed, in the rows' order."""
    outer = next(x for x in cotangents if x is not None).builder
    marks = [is_linear(x) for x in inputs]
    live = [ct is not None for ct in cotangents]
    wanted = [on and r for on, r in zip(marks, reached(body, live), strict=True)]
    if not any(wanted):
        return list(seeds)
    known, linear = chosen(body.inputs, marks, False), chosen(body.inputs, marks)
    builder = Builder()
    given = [builder.input(v.type) for v in known]
    bars = [builder.input(a.type) if on else None for a, on in zip(body.outputs, live, strict=True)]
    program = Program((*known, *linear), body.eqns, body.outputs)
    results = pull_onto(builder, program, given, bars, ())
    gives = [
        or_zeros(builder, bar, v.type)
        for bar, v, on in zip(results, linear, chosen(wanted, marks), strict=True)
        if on
    ]
    region = builder.finish(gives)
    operands = [*chosen(inputs, marks, False), *(ct for ct in cotangents if ct is not None)]
    params = {"body": region, "consts": marks[:consts].count(False), "size": size}
    rows = iter(outer.emit(REGISTRY["for_each"], operands, params))
    found: list[Value | None] = []
    for position, (on, seed) in enumerate(zip(wanted, seeds, strict=True)):
        bar = next(rows) if on else None
        if bar is not None and position < consts:
            bar = bar.reduce_sum(axes=(0,))
        found.append(seed if bar is None else bar if seed is None else seed + bar)
    return found


def _batch(
    values: Sequence[Value], batched: Sequence[bool], count: int, /, **params: Any
) -> Batched:
    return apart(for_each, values, batched, count, params)


for_each = register(
    Op(
        name="for_each",
        family="control",
        params=("body", "consts", "size"),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        batch=_batch,
        joint=True,
        taint=_taint,
        split=_split,
        linear=lambda positions: True,
        transpose=_transpose,
        accumulates=True,
        form=lambda types, **params: Region("for_each"),
        samples=for_each_samples,
        doc="body(*consts, *row) for each row of the mapped operands, independently of one "
        "another; results are stacked. Operands: `consts` constants, then the mapped ones, whose "
        "first axis has `size` rows.",
    )
)
