"""Reads of an array that give the same after the loop: they need no tape.

A loop that builds an array (`L[i, j] = ...` in Cholesky's method, a table of dynamic programming)
reads elements that no later turn overwrites. The linear part then reads them from the array as the
loop leaves it. That nothing is overwritten is shown on boxes with affine bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wengert.ir.program import Atom, Eqn, Program, Var, regions
from wengert.ir.transforms.affine import (
    Box,
    Scope,
    enter,
    inside,
    never_meet,
    over_turns,
    window_box,
)
from wengert.ir.types import Symbol

_WRITES = ("window_set", "window_add")


@dataclass(frozen=True, slots=True)
class Finals:
    """Equations in which safe reads are of the final array, which `names` calls so.

    `names` maps positions of the carry to the values that stand for the arrays at the end.
    """

    known: Sequence[Eqn]
    linear: Sequence[Eqn]
    names: Mapping[int, Var]


def final_reads(
    loop: Eqn,
    scope: Scope,
    symbol: Symbol,
    known: Sequence[Eqn],
    linear: Sequence[Eqn],
    carry: Sequence[int],
) -> Finals:
    """Redirects the reads of carried arrays that may come after the loop.

    `scope` is what is known inside the body; `carry` the positions of known carried values.
    """
    enter(scope, known)
    names: dict[int, Var] = {}
    for k, chain in _chains(loop, known, scope, carry):
        final = Var(loop.outputs[k].type)
        safe = _Safe(chain, symbol, -1 if loop.params["reverse"] else 1, scope)
        new_known = [_read(e, safe, final, scope) for e in known]
        new_linear = [_read_inside(e, safe, final, scope) for e in linear]
        if any(
            a is not b for a, b in zip((*new_known, *new_linear), (*known, *linear), strict=True)
        ):
            known, linear = new_known, new_linear
            names[k] = final
    return Finals(known, linear, names)


def versions_inside(loop: Eqn, scope: Scope, carry: Sequence[int]) -> dict[Var, int]:
    """The versions of carried arrays that loops inside have as operands or give, by position."""
    eqns: Sequence[Eqn] = loop.params["body"].eqns
    touched = {a for e in eqns if regions(e) for a in (*e.inputs, *e.outputs)}
    return {
        version: k
        for k, chain in _chains(loop, eqns, scope, carry)
        for version in chain.versions
        if isinstance(version, Var) and version in touched
    }


def _chains(
    loop: Eqn, eqns: Sequence[Eqn], scope: Scope, carry: Sequence[int]
) -> Iterator[tuple[int, _Chain]]:
    """The positions of carried arrays that are written in ways that can be followed."""
    body: Program = loop.params["body"]
    first = len(body.inputs) - len(body.outputs)
    for k in carry:
        var = body.inputs[first + k]
        if not var.type.shape or not var.type.is_static:
            continue
        chain = _chain(var, body.outputs[k], eqns, scope)
        if chain is not None and chain.writes:
            yield k, chain


@dataclass(frozen=True, slots=True)
class _Chain:
    """The versions of a carried array in one turn, and the boxes written between them."""

    versions: dict[Atom, int]
    writes: list[list[Box]]


def _chain(var: Var, last: Atom, eqns: Sequence[Eqn], scope: Scope) -> _Chain | None:
    """From the version on entry to the one that is given on; None if it is not that simple."""
    current: Atom = var
    chain = _Chain({var: 0}, [])
    for eqn in eqns:
        if current not in eqn.inputs:
            continue
        if eqn.op.name in _WRITES and eqn.inputs[0] is current:
            sizes = eqn.inputs[1].type.shape
            boxes = [window_box(scope, eqn.inputs[2:], sizes, eqn.params["steps"])]
            following = eqn.outputs[0]
        elif eqn.op.name == "for_loop" and current in eqn.inputs[2 + eqn.params["consts"] :]:
            k = eqn.inputs[2 + eqn.params["consts"] :].index(current)
            inner = _loop_writes(eqn, k, scope)
            if inner is None:
                return None
            boxes, following = inner, eqn.outputs[k]
        else:
            continue
        chain.writes.append(boxes)
        chain.versions[following] = len(chain.writes)
        current = following
    return chain if current is last else None


def _loop_writes(eqn: Eqn, k: int, scope: Scope) -> list[Box] | None:
    """The boxes that an inner loop writes of what it carries at position k."""
    body: Program = eqn.params["body"]
    inner, symbol = inside(scope, eqn)
    enter(inner, body.eqns)
    var = body.inputs[len(body.inputs) - len(body.outputs) + k]
    chain = _chain(var, body.outputs[k], body.eqns, inner)
    if chain is None:
        return None
    return [over_turns(box, eqn, symbol, scope) for boxes in chain.writes for box in boxes]


@dataclass(frozen=True, slots=True)
class _Safe:
    chain: _Chain
    symbol: Symbol
    later: int
    scope: Scope

    def __call__(self, version: Atom, box: Box) -> bool:
        """Whether a box of a version is never written after it."""
        number = self.chain.versions.get(version)
        if number is None:
            return False
        rest = [w for boxes in self.chain.writes[number:] for w in boxes]
        every = [w for boxes in self.chain.writes for w in boxes]
        return all(never_meet(box, w, self.symbol, 0, self.scope) for w in rest) and all(
            never_meet(box, w, self.symbol, self.later, self.scope) for w in every
        )


def _read(eqn: Eqn, safe: _Safe, final: Var, scope: Scope) -> Eqn:
    if eqn.op.name != "window" or eqn.inputs[0] not in safe.chain.versions:
        return eqn
    box = window_box(scope, eqn.inputs[1:], eqn.params["sizes"], eqn.params["steps"])
    if not safe(eqn.inputs[0], box):
        return eqn
    inputs = (final, *eqn.inputs[1:])
    return Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location)


def _read_inside(eqn: Eqn, safe: _Safe, final: Var, scope: Scope) -> Eqn:
    """A linear loop that reads a version as one of its constants."""
    if not regions(eqn):
        return eqn
    inputs = list(eqn.inputs)
    for position, atom in enumerate(inputs):
        if atom in safe.chain.versions:
            boxes = _boxes(eqn, position, scope)
            if boxes is not None and all(safe(atom, box) for box in boxes):
                inputs[position] = final
    if all(a is b for a, b in zip(inputs, eqn.inputs, strict=True)):
        return eqn
    return Eqn(eqn.op, tuple(inputs), eqn.outputs, eqn.params, eqn.location)


def _boxes(eqn: Eqn, position: int, scope: Scope) -> list[Box] | None:
    """The boxes that a loop reads of a constant; None if it does anything else with it."""
    if eqn.op.name != "for_loop" or not 2 <= position < 2 + eqn.params["consts"]:
        return None
    body: Program = eqn.params["body"]
    inner, symbol = inside(scope, eqn)
    enter(inner, body.eqns)
    var = body.inputs[position - 1]
    if var in body.outputs:
        return None
    found: list[Box] = []
    for each in body.eqns:
        for place, atom in enumerate(each.inputs):
            if atom is not var:
                continue
            if each.op.name == "window" and place == 0:
                sizes, steps = each.params["sizes"], each.params["steps"]
                boxes: list[Box] | None = [window_box(inner, each.inputs[1:], sizes, steps)]
            else:
                boxes = _boxes(each, place, inner)
            if boxes is None:
                return None
            found += [over_turns(box, eqn, symbol, scope) for box in boxes]
    return found
