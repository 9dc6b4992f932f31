"""The op while_loop: turns as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.forms import Region
from wengert.ir.op import REGISTRY, Op, register
from wengert.ir.ops.control_batch import batch_while_loop
from wengert.ir.ops.control_family import (
    INDEX,
    Tangents,
    Types,
    check_region,
    chosen,
    or_zeros,
    with_inputs,
    with_tangents,
)
from wengert.ir.ops.control_samples import while_loop_samples
from wengert.ir.ops.for_loop import moving_carry
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, acts
from wengert.ir.transforms.separate import Price, Split, separate
from wengert.ir.transforms.taint import carried, depending
from wengert.ir.types import BOOL, INT64, TensorType


def _infer(*operands: TensorType, cond: Program, body: Program, consts: int) -> Types:
    carry = operands[consts:]
    check_region("while_loop", "condition", cond, operands, (TensorType(BOOL, ()),))
    check_region("while_loop", "body", body, operands, carry)
    return carry


def _evaluate(*operands: Any, cond: Program, body: Program, consts: int) -> Any:
    known, carry = operands[:consts], list(operands[consts:])
    while evaluate(cond, [*known, *carry])[0]:
        carry = evaluate(body, [*known, *carry])
    return carry[0] if len(carry) == 1 else carry


def _taint(
    marks: Sequence[bool],
    spread: Callable[[Program, Sequence[bool]], list[bool]],
    *,
    cond: Program,
    body: Program,
    consts: int,
) -> list[bool]:
    return carried(body, marks, consts, spread)


def _jvp(
    primals: Sequence[Value],
    tangents: Tangents,
    outs: None,
    *,
    cond: Program,
    body: Program,
    consts: int,
) -> tuple[list[Value], list[Value | None]]:
    """One loop that carries the tangents beside the primal values; they end when those do."""
    builder = primals[0].builder
    given = [t is not None for t in tangents]
    marks = moving_carry(body, given, given[consts:], consts)
    loop = with_tangents(body, marks, marks[consts:])
    count, dots = len(body.inputs), [x.type for x in chosen(body.inputs, marks)]
    const_dots = sum(marks[:consts])
    order = [
        *range(consts),
        *range(count, count + const_dots),
        *range(consts, count),
        *range(count + const_dots, count + len(dots)),
    ]
    unread = [Var(t) for t in dots]
    test = with_inputs(Program((*cond.inputs, *unread), cond.eqns, cond.outputs), order)
    filled = [
        or_zeros(builder, t, x.type) if on else x
        for t, x, on in zip(tangents, primals, marks, strict=True)
    ]
    inputs = [
        *primals[:consts],
        *chosen(filled[:consts], marks[:consts]),
        *primals[consts:],
        *chosen(filled[consts:], marks[consts:]),
    ]
    params = {"cond": test, "body": with_inputs(loop, order), "consts": consts + const_dots}
    results = builder.emit(while_loop, inputs, params)
    pushed = iter(results[len(body.outputs) :])
    return results[: len(body.outputs)], [next(pushed) if on else None for on in marks[consts:]]


def _split(eqn: Eqn, tainted: Sequence[bool], price: Price) -> Split:
    """The primal loop counts its turns; the linear one is a for_loop that makes as many."""
    cond, body, consts = (eqn.params[name] for name in ("cond", "body", "consts"))
    marks = [*tainted[:consts], *carried(body, tainted, consts, depending)]
    turns = Var(INDEX)
    index = Var(INDEX)
    counted = Program((index, *body.inputs), body.eqns, body.outputs)
    params = {"symbol": None, "turns": None, "reverse": False, "consts": consts, "body": counted}
    loop = REGISTRY["for_loop"]
    again = Eqn(loop, (Literal(0, INT64), turns, *eqn.inputs), eqn.outputs, params, eqn.location)
    assert loop.split is not None
    parts: Split = loop.split(again, (False, False, *marks), price)
    # The loop that counts gives what a primal for_loop would: of its known part there stays what
    # has left it as the same at every turn, which the linear loop reads.
    left = [e for e in parts.known if e.op is not loop]
    return Split([*left, _counting(eqn, marks, turns, cond, body, consts)], parts.linear)


def _counting(
    eqn: Eqn, marks: Sequence[bool], turns: Var, cond: Program, body: Program, consts: int
) -> Eqn:
    """The primal loop, which carries the number of turns too."""
    before = Var(INDEX)
    # a branch that gives values and tangents has to come apart first
    known = separate(body.eqns, chosen(body.inputs, marks)).known
    builder = Builder(inputs=[*chosen(body.inputs, marks, False), before], eqns=list(known))
    after = Value(builder, before) + 1
    outputs = chosen(body.outputs, marks[consts:], False)
    needed = _needed(builder.eqns, outputs, after.atom)
    step = Program(tuple(builder.inputs), tuple(needed), (*outputs, after.atom))
    test = Program((*chosen(cond.inputs, marks, False), Var(INDEX)), cond.eqns, cond.outputs)
    inputs = (*chosen(eqn.inputs, marks, False), Literal(0, INT64))
    params = {"cond": test, "body": step, "consts": marks[:consts].count(False)}
    results = (*chosen(eqn.outputs, marks[consts:], False), turns)
    return Eqn(eqn.op, inputs, results, params, eqn.location)


def _needed(eqns: Sequence[Eqn], outputs: Sequence[Atom], more: Atom) -> list[Eqn]:
    """The equations that the outputs depend on, and those that check something or act."""
    live: set[Atom] = {*outputs, more}
    kept: list[Eqn] = []
    for eqn in reversed(eqns):
        if eqn.op.check is not None or acts(eqn) or not live.isdisjoint(eqn.outputs):
            live.update(eqn.inputs)
            kept.append(eqn)
    return kept[::-1]


while_loop = register(
    Op(
        name="while_loop",
        family="control",
        params=("cond", "body", "consts"),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        batch=batch_while_loop,
        joint=True,
        taint=_taint,
        split=_split,
        form=lambda types, **params: Region("while_loop"),
        samples=while_loop_samples,
        doc="carry = body(*consts, *carry) while cond(*consts, *carry). Operands: `consts` "
        "constants, then the carry.",
    )
)
