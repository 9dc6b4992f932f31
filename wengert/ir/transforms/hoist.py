"""Loop-invariant work: computed once before a loop instead of at every turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.ir.program import Atom, Eqn, Literal, Program, Var, can_fail, regions
from wengert.ir.transforms.storage import is_safe
from wengert.ir.types import Dim, Symbol, has_dims

_DEAR = 4
"""Scalar work of at least this cost leaves a loop; LLVM takes care of what is cheaper."""
_PARTS = ("window", "gather", "slice", "reduce_sum")
"""What reads only some elements of its operand at a turn, or may do so."""


def hoist(eqn: Eqn, tainted: Sequence[bool] = ()) -> tuple[list[Eqn], Eqn]:
    """The equations that leave the body of a loop, and the loop that is left.

    What depends on `tainted` operands of the loop stays; what leaves becomes the last constants.
    """
    body, consts = eqn.params["body"], eqn.params["consts"]
    if eqn.params.get("checkpoint") is not None and eqn.params["turns"] == 1:
        return [], eqn  # a checkpoint: what it computes is not to be kept
    extra, bounds = (1, 2) if eqn.op.name == "for_loop" else (0, 0)
    names: dict[Atom, Atom] = dict(
        zip(body.inputs[extra : extra + consts], eqn.inputs[bounds : bounds + consts], strict=True)
    )
    for var, on in zip(list(names), tainted[bounds : bounds + consts], strict=False):
        if on:
            del names[var]
    chosen = _worthwhile(body, set(names), eqn.params.get("symbol"), _surely_turns(eqn))
    if not chosen:
        return [], eqn
    before: list[Eqn] = []
    for each in chosen:
        outs = tuple([Var(v.type) for v in each.outputs])
        inputs = tuple([names.get(a, a) for a in each.inputs])
        before.append(Eqn(each.op, inputs, outs, each.params, each.location or eqn.location))
        names |= dict(zip(each.outputs, outs, strict=True))
    inside = [e for e in body.eqns if e not in set(chosen)]
    read = {a for e in inside for a in e.inputs} | set(body.outputs)
    new = [v for e in chosen for v in e.outputs if v in read]
    first = extra + consts
    inputs = (*body.inputs[:first], *new, *body.inputs[first:])
    region = Program(inputs, tuple(inside), body.outputs)
    params: dict[str, Any] = {**eqn.params, "body": region, "consts": consts + len(new)}
    if "cond" in params:
        cond = params["cond"]
        unread = [Var(v.type) for v in new]
        params["cond"] = Program(
            (*cond.inputs[:consts], *unread, *cond.inputs[consts:]), cond.eqns, cond.outputs
        )
    start = bounds + consts
    operands = (*eqn.inputs[:start], *(names[v] for v in new), *eqn.inputs[start:])
    return before, Eqn(eqn.op, operands, eqn.outputs, params, eqn.location)


def _surely_turns(eqn: Eqn) -> bool:
    """Whether a loop is known to make a turn."""
    if eqn.op.name == "for_each":
        return eqn.params["size"] > 0
    start, stop = eqn.inputs[:2] if eqn.op.name == "for_loop" else (None, None)
    return isinstance(start, Literal) and isinstance(stop, Literal) and start.value < stop.value


def _worthwhile(body: Program, known: set[Atom], symbol: Symbol | None, runs: bool) -> list[Eqn]:
    """The invariant equations that are worth a value of their own, with what they read."""
    invariant: list[Eqn] = []
    users: dict[Atom, list[Eqn]] = {}
    for eqn in body.eqns:
        for atom in eqn.inputs:
            users.setdefault(atom, []).append(eqn)
        fixed = all(isinstance(a, Literal) or a in known for a in eqn.inputs) and eqn.inputs
        if fixed and (runs or is_safe(eqn)) and _may_leave(eqn, symbol):
            invariant.append(eqn)
            known.update(eqn.outputs)
    live = _live(body)
    wanted: set[Atom] = set()
    kept: list[Eqn] = []
    for eqn in reversed(invariant):
        if live.isdisjoint(eqn.outputs):
            continue  # dead; outside it might become one with what is needed later on
        if _is_dear(eqn, users) or not wanted.isdisjoint(eqn.outputs):
            wanted.update(eqn.inputs)
            kept.append(eqn)
    return kept[::-1]


def _live(body: Program) -> set[Atom]:
    """What the outputs of a region, or a failure in it, need."""
    live: set[Atom] = set(body.outputs)
    for eqn in reversed(body.eqns):
        if not live.isdisjoint(eqn.outputs) or can_fail(eqn):
            live.update(eqn.inputs)
    return live


def _may_leave(eqn: Eqn, symbol: Symbol | None) -> bool:
    if can_fail(eqn) or regions(eqn):
        return False
    if symbol is None:
        return True
    dims = [n for v in eqn.outputs for n in v.type.shape if isinstance(n, Dim)]
    depends = any(s is symbol for n in dims for s, _ in n.terms)
    return not depends and not any(has_dims(p) for p in eqn.params.values())


def _is_dear(eqn: Eqn, users: dict[Atom, list[Eqn]]) -> bool:
    """Whether an equation should leave: array work that is read as a whole, or dear scalars."""
    if eqn.op.form is not None:
        return True
    output = eqn.outputs[0]
    if not output.type.shape:
        return eqn.op.cost >= _DEAR
    readers = users.get(output, [])
    return eqn.op.cost >= 1 and not any(e.op.name in _PARTS for e in readers)
