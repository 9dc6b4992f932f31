"""A for_loop apart: the primal loop, which also fills tapes, and the loop that is linear.

A tape is an array with one entry for each turn; `ir.transforms.storage` decides what is on tape
and what the linear loop computes again. Without a bound of the turns there can be no tape, nor
where it exceeds the budget (`checkpoint`): then the linear loop carries the primal values too, and
`for_loop_snapshots` runs it from snapshots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.ops.control_family import (
    INDEX,
    board_type,
    chosen,
    fresh,
    reads,
)
from wengert.ir.ops.tapes import Group, groups, read, row_type, write
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, acts
from wengert.ir.transforms.affine import around, enter, inside, surroundings
from wengert.ir.transforms.checkpoint import COMPUTED_AGAIN
from wengert.ir.transforms.final import Finals, final_reads, versions_inside
from wengert.ir.transforms.hoist import hoist
from wengert.ir.transforms.separate import (
    Body,
    Late,
    Parts,
    Price,
    Split,
    repeat,
    separate_region,
    silent,
)
from wengert.ir.transforms.storage import nbytes
from wengert.ir.transforms.taint import carried, depending
from wengert.ir.types import BOOL, TensorType

_GUESS = 100
"""How many turns a loop without a bound is taken to make."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """A for_loop being taken apart; its operands and what the body calls them."""

    eqn: Eqn
    body: Program
    start: Atom
    consts: list[tuple[Var, Atom]]
    linear_consts: list[tuple[Var, Atom]]
    carry: list[bool]
    """Which of the carried values are tainted."""

    def part(self, items: Sequence[Any], on: bool) -> list[Any]:
        return chosen(items, self.carry, on)

    @property
    def carry_inputs(self) -> tuple[Var, ...]:
        return self.body.inputs[-len(self.carry) :]

    @property
    def carry_operands(self) -> tuple[Atom, ...]:
        return self.eqn.inputs[-len(self.carry) :]


def split(eqn: Eqn, tainted: Sequence[bool], price: Price) -> Split:
    """The primal loop and the linear one, and before them what is the same at every turn."""
    before, left = hoist(eqn, tainted)
    more = [False] * (len(left.inputs) - len(eqn.inputs))
    first = 2 + eqn.params["consts"]
    parts = _split(left, [*tainted[:first], *more, *tainted[first:]], price)
    return Split([*before, *parts.known], parts.linear)


def _split(eqn: Eqn, tainted: Sequence[bool], price: Price) -> Split:
    loop, apart, taped = _apart(eqn, tainted, price)
    bound, budget = eqn.params["turns"], eqn.params.get("checkpoint")
    kept = (bound or 0) * sum(nbytes(v.type) for v in taped)
    if taped and (bound is None or (budget is not None and kept > budget)):
        return _with_primal(loop, apart)
    return _with_tapes(loop, apart, taped)


def tape_row(eqn: Eqn, tainted: Sequence[bool]) -> int:
    """The bytes that go onto tapes at each turn."""
    free = Price(lambda atom: None, lambda atom: None)
    return sum(nbytes(v.type) for v in _apart(eqn, tainted, free)[2])


def _apart(eqn: Eqn, tainted: Sequence[bool], price: Price) -> tuple[_Loop, Body, list[Var]]:
    """The loop, its body apart, and the values to be stored at each turn."""
    body, consts = eqn.params["body"], eqn.params["consts"]
    marks = [False, *tainted[2:]]
    marks[1 + consts :] = carried(body, marks, 1 + consts, depending)
    pairs = list(zip(body.inputs[1 : 1 + consts], eqn.inputs[2 : 2 + consts], strict=True))
    loop = _Loop(
        eqn,
        body,
        eqn.inputs[0],
        chosen(pairs, marks[1 : 1 + consts], False),
        chosen(pairs, marks[1 : 1 + consts]),
        marks[1 + consts :],
    )
    turns = _GUESS if eqn.params["turns"] is None else max(1, eqn.params["turns"])
    prices: dict[Var, int | None] = {body.inputs[0]: None}
    prices |= {v: price(a) for v, a in loop.consts}
    prices |= {v: nbytes(v.type) * turns for v in loop.part(loop.carry_inputs, False)}
    scope, symbol = inside(surroundings(), eqn)
    known_carry = [k for k, on in enumerate(loop.carry) if not on]

    def redirect(parts: Parts) -> Finals:
        return final_reads(eqn, scope, symbol, parts.known, parts.linear, known_carry)

    enter(scope, body.eqns)
    versions = versions_inside(eqn, scope, known_carry)
    first = 2 + consts
    late = Late(
        redirect,
        lambda k: price(eqn.outputs[k]),
        lambda k: price.kept(eqn.inputs[first + k]),
        versions,
    )
    with around(scope):
        outputs = loop.part(body.outputs, True)
        apart = separate_region(body, marks, outputs, prices, turns, late)
    finals = (*apart.finals.ends.values(), *apart.finals.starts.values())
    given = {body.inputs[0], *(v for v, _ in loop.consts), *finals}
    return loop, apart, [v for v in apart.plan.stored if v not in given]


def _with_primal(loop: _Loop, apart: Body) -> Split:
    """The linear loop computes all primal values again."""
    outputs = [v if on else Var(v.type) for v, on in zip(loop.eqn.outputs, loop.carry, strict=True)]
    eqn = loop.eqn
    params = {**eqn.params, "body": silent(eqn.params["body"])}
    linear = Eqn(eqn.op, eqn.inputs, tuple(outputs), params, eqn.location)
    builder = Builder()
    _known_loop(builder, loop, apart, [], [])
    return Split(builder.eqns, [linear])


def _with_tapes(loop: _Loop, apart: Body, taped: Sequence[Var]) -> Split:
    """The primal loop stores the values in `taped`, and the linear loop reads them."""
    builder = Builder(location=loop.eqn.location)
    turns = max(1, loop.eqn.params["turns"] or 0)
    rows = groups(taped)
    tapes = fresh([board_type(turns, row_type(row)) for row in rows])
    has_primal = bool(taped) or not all(loop.carry) or any(map(acts, apart.parts.known))
    if has_primal:
        _known_loop(builder, loop, apart, rows, tapes)
    return Split(builder.eqns, [_linear_loop(loop, apart, rows, tapes, has_primal)])


def _known_loop(
    outer: Builder, loop: _Loop, apart: Body, rows: Sequence[Group], tapes: Sequence[Var]
) -> None:
    """Appends the primal loop, if it has anything to carry or do."""
    body = loop.body
    start = Var(INDEX)
    boards = fresh([t.type for t in tapes])
    carry = loop.part(loop.carry_inputs, False)
    builder = Builder(eqns=list(apart.parts.known), location=loop.eqn.location)
    place = _place(builder, loop, body.inputs[0], start)
    written = [
        write(Value(builder, board), row, place) for board, row in zip(boards, rows, strict=True)
    ]
    outputs = (*loop.part(body.outputs, False), *(w.atom for w in written))
    consts = [*loop.consts, (start, loop.start)]
    used = reads(builder.eqns, outputs)
    consts = [(v, a) for v, a in consts if v in used]
    results = (*loop.part(loop.eqn.outputs, False), *tapes)
    more: list[Atom] = []
    if not outputs:
        if not any(map(acts, builder.eqns)):
            return
        carry, outputs, results = _nothing()
        more = [Literal(True, BOOL)]
    inner = Program(
        (body.inputs[0], *(v for v, _ in consts), *carry, *boards), tuple(builder.eqns), outputs
    )
    blank = [outer.zeros(t.type).atom for t in tapes]
    inputs = (
        *loop.eqn.inputs[:2],
        *(a for _, a in consts),
        *loop.part(loop.carry_operands, False),
        *blank,
        *more,
    )
    params = {**loop.eqn.params, "body": inner, "consts": len(consts)}
    if tapes:
        params.pop("checkpoint", None)
    elif params.get("checkpoint") is not None and params["turns"] == 1:
        params["checkpoint"] = COMPUTED_AGAIN
    outer.eqns.append(Eqn(loop.eqn.op, inputs, results, params, loop.eqn.location))


def _nothing() -> tuple[list[Var], tuple[Atom, ...], tuple[Var, ...]]:
    """What a loop carries that has nothing to carry: a truth value, and its result."""
    value = Var(TensorType(BOOL, ()))
    return [value], (value,), (Var(value.type),)


def _place(builder: Builder, loop: _Loop, index: Var, start: Var) -> Value:
    """Where on the tape the present turn stands."""
    if isinstance(loop.start, Literal):
        return (
            Value(builder, index) - loop.start.value if loop.start.value else Value(builder, index)
        )
    return Value(builder, index) - Value(builder, start)


def _linear_loop(
    loop: _Loop, apart: Body, rows: Sequence[Group], tapes: Sequence[Var], has_primal: bool
) -> Eqn:
    body, parts = loop.body, apart.parts
    builder = Builder(location=loop.eqn.location)
    index, start = Var(INDEX), Var(INDEX)
    boards = fresh([t.type for t in tapes])
    finals = [(v, loop.eqn.outputs[k]) for k, v in apart.finals.ends.items()]
    finals += [(v, loop.carry_operands[k]) for k, v in apart.finals.starts.items()]
    consts = [*loop.consts, *finals, *loop.linear_consts]
    inner = fresh([v.type for v, _ in consts])
    carry = fresh([v.type for v in loop.part(loop.carry_inputs, True)])
    env: dict[Atom, Atom] = {body.inputs[0]: index}
    env |= {v: w for (v, _), w in zip(consts, inner, strict=True)}
    env |= dict(zip(loop.part(loop.carry_inputs, True), carry, strict=True))
    if rows:
        place = _place(builder, loop, index, start)
        for board, row in zip(boards, rows, strict=True):
            env |= read(Value(builder, board), row, place)
    checks = any(e.op.check is not None for e in parts.known)
    again = parts.known if checks and not has_primal else apart.plan.again
    repeat(builder, again, env, has_primal)
    repeat(builder, parts.linear, env, False)
    outputs = tuple([substitute(env, a) for a in loop.part(body.outputs, True)])
    operands: list[tuple[Var, Atom]] = list(zip(inner, [a for _, a in consts], strict=True))
    operands += [(start, loop.start), *zip(boards, tapes, strict=True)]
    used = reads(builder.eqns, outputs)
    operands = [(v, a) for v, a in operands if v in used]
    region = Program((index, *(v for v, _ in operands), *carry), tuple(builder.eqns), outputs)
    inputs = (
        *loop.eqn.inputs[:2],
        *(a for _, a in operands),
        *loop.part(loop.carry_operands, True),
    )
    params = {**loop.eqn.params, "body": region, "consts": len(operands)}
    params.pop("checkpoint", None)
    outs = tuple(loop.part(loop.eqn.outputs, True))
    return Eqn(loop.eqn.op, inputs, outs, params, loop.eqn.location)
