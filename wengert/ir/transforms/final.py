"""Reads of an array that give the same before or after the loop: they need no tape.

A loop that builds an array (`L[i, j] = ...` in Cholesky's method, a table of dynamic programming)
reads elements that no later turn overwrites. The linear part then reads them from the array as the
loop leaves it. A loop that uses an array up (`B[i] += A[i, i+1:] @ B[i+1:]`) reads elements that no
earlier turn has written: those are read from the array that the loop started from. That nothing is
overwritten is shown on boxes with affine bounds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wengert.ir.program import Atom, Eqn, Program, Var, regions
from wengert.ir.transforms.affine import (
    Box,
    Forms,
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
    """Equations in which safe reads are of the final array or of the first one.

    `ends` and `starts` map positions of the carry to the values that stand for these arrays.
    """

    known: Sequence[Eqn]
    linear: Sequence[Eqn]
    ends: Mapping[int, Var]
    starts: Mapping[int, Var]


def final_reads(
    loop: Eqn,
    scope: Scope,
    symbol: Symbol,
    known: Sequence[Eqn],
    linear: Sequence[Eqn],
    carry: Sequence[int],
) -> Finals:
    """Redirects the reads of carried arrays that may come after the loop, or before it.

    `scope` is what is known inside the body; `carry` the positions of known carried values.
    """
    enter(scope, known)
    ends: dict[int, Var] = {}
    starts: dict[int, Var] = {}
    for k, chain in _chains(loop, known, scope, carry):
        turns = -1 if loop.params["reverse"] else 1
        for safe, names in ((_Last, ends), (_First, starts)):
            name = Var(loop.outputs[k].type)
            lasts = safe(chain, symbol, turns, scope)
            new_known = [_read(e, lasts, name, scope) for e in known]
            new_linear = [_read_inside(e, lasts, name, scope) for e in linear]
            pairs = zip((*new_known, *new_linear), (*known, *linear), strict=True)
            if any(a is not b for a, b in pairs):
                known, linear = new_known, new_linear
                names[k] = name
    return Finals(known, linear, ends, starts)


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
        else:
            found = _region_writes(eqn, current, scope)
            if found is None:
                continue
            boxes, following = found
        chain.writes.append(boxes)
        chain.versions[following] = len(chain.writes)
        current = following
    return chain if current is last else None


def _region_writes(eqn: Eqn, current: Atom, scope: Scope) -> tuple[list[Box], Var] | None:
    """The boxes that a loop or a branch writes of an array, and what it gives then."""
    for k, out in enumerate(eqn.outputs):
        boxes: list[Box] | None = None
        match eqn.op.name:
            case "for_loop" if eqn.inputs[2 + eqn.params["consts"] + k] is current:
                boxes = _loop_writes(eqn, k, scope)
            case "while_loop" if eqn.inputs[eqn.params["consts"] + k] is current:
                body: Program = eqn.params["body"]
                boxes = _written(body, body.inputs[eqn.params["consts"] + k], k, eqn, scope)
            case "branch":
                boxes = _branch_writes(eqn, eqn.inputs.index(current, 1) - 1, k, scope)
            case _:
                pass
        if boxes is not None:
            return boxes, out
    return None


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


def _branch_writes(eqn: Eqn, position: int, k: int, scope: Scope) -> list[Box] | None:
    """The boxes that any of the branches writes of the operand at a position to give output k."""
    found: list[Box] = []
    for region in eqn.params["branches"]:
        boxes = _written(region, region.inputs[position], k, eqn, scope)
        if boxes is None:
            return None
        found += boxes
    return found


def _written(region: Program, var: Var, k: int, eqn: Eqn, scope: Scope) -> list[Box] | None:
    """The boxes that a region writes of `var` to give output k."""
    chain = _chain(var, region.outputs[k], region.eqns, _within(region, eqn, scope))
    return None if chain is None else [box for boxes in chain.writes for box in boxes]


def _within(region: Program, eqn: Eqn, scope: Scope) -> Scope:
    """What is known in a region that is no for_loop's body."""
    first, count = (1, len(region.inputs)) if eqn.op.name == "branch" else (0, eqn.params["consts"])
    pairs = zip(region.inputs[:count], eqn.inputs[first : first + count], strict=True)
    known: Forms = {v: form for v, a in pairs if (form := scope.form(a)) is not None}
    return enter(Scope(known, scope.ranges), region.eqns)


@dataclass(frozen=True, slots=True)
class _Safe:
    chain: _Chain
    symbol: Symbol
    later: int
    scope: Scope

    def never(self, box: Box, writes: Iterable[Box], turns: int) -> bool:
        """Whether a box meets none of these writes, so many turns later."""
        return all(never_meet(box, w, self.symbol, turns, self.scope) for w in writes)


@dataclass(frozen=True, slots=True)
class _Last(_Safe):
    def __call__(self, version: Atom, box: Box) -> bool:
        """Whether a box of a version is never written after it."""
        number = self.chain.versions.get(version)
        if number is None:
            return False
        rest = itertools.chain(*self.chain.writes[number:])
        every = itertools.chain(*self.chain.writes)
        return self.never(box, rest, 0) and self.never(box, every, self.later)


@dataclass(frozen=True, slots=True)
class _First(_Safe):
    def __call__(self, version: Atom, box: Box) -> bool:
        """Whether a box of a version has never been written before it."""
        number = self.chain.versions.get(version)
        if number is None:
            return False
        before = itertools.chain(*self.chain.writes[:number])
        every = itertools.chain(*self.chain.writes)
        return self.never(box, before, 0) and self.never(box, every, -self.later)


def _read(eqn: Eqn, safe: _Last | _First, name: Var, scope: Scope) -> Eqn:
    if eqn.op.name != "window" or eqn.inputs[0] not in safe.chain.versions:
        return eqn
    box = window_box(scope, eqn.inputs[1:], eqn.params["sizes"], eqn.params["steps"])
    if not safe(eqn.inputs[0], box):
        return eqn
    inputs = (name, *eqn.inputs[1:])
    return Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location)


def _read_inside(eqn: Eqn, safe: _Last | _First, name: Var, scope: Scope) -> Eqn:
    """A linear loop or branch that reads a version as one of its constants."""
    if not regions(eqn):
        return eqn
    inputs = list(eqn.inputs)
    for position, atom in enumerate(inputs):
        if atom in safe.chain.versions:
            boxes = _boxes(eqn, position, scope)
            if boxes is not None and all(safe(atom, box) for box in boxes):
                inputs[position] = name
    if all(a is b for a, b in zip(inputs, eqn.inputs, strict=True)):
        return eqn
    return Eqn(eqn.op, tuple(inputs), eqn.outputs, eqn.params, eqn.location)


def _boxes(eqn: Eqn, position: int, scope: Scope) -> list[Box] | None:
    """The boxes that a loop or branch reads of a constant; None if it does more with it."""
    name, consts = eqn.op.name, eqn.params.get("consts", 0)
    if name == "for_loop" and 2 <= position < 2 + consts:
        body: Program = eqn.params["body"]
        inner, symbol = inside(scope, eqn)
        boxes = _region_boxes(body, body.inputs[position - 1], enter(inner, body.eqns))
        return None if boxes is None else [over_turns(b, eqn, symbol, scope) for b in boxes]
    found: list[tuple[Program, Var]] = []
    if name == "branch" and position > 0:
        found = [(region, region.inputs[position - 1]) for region in eqn.params["branches"]]
    elif name in ("while_loop", "for_each") and position < consts:
        found = [(region, region.inputs[position]) for region in regions(eqn)]
    every = [_region_boxes(region, var, _within(region, eqn, scope)) for region, var in found]
    if not every or any(boxes is None for boxes in every):
        return None
    return [box for boxes in every for box in boxes or ()]


def _region_boxes(region: Program, var: Var, scope: Scope) -> list[Box] | None:
    """The boxes that a region reads of `var`; None if it does anything else with it."""
    if var in region.outputs:
        return None
    found: list[Box] = []
    for each in region.eqns:
        for place, atom in enumerate(each.inputs):
            if atom is not var:
                continue
            if each.op.name == "window" and place == 0:
                sizes, steps = each.params["sizes"], each.params["steps"]
                boxes: list[Box] | None = [window_box(scope, each.inputs[1:], sizes, steps)]
            else:
                boxes = _boxes(each, place, scope)
            if boxes is None:
                return None
            found += boxes
    return found
