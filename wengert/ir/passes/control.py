"""Loops and branches that become less: constants leave them, and some vanish.

What a loop carries without changing it is a constant; literals and arrays of one repeated number
move into regions as such; work that is the same at every turn is done before the loop. A loop of
no turn or of one, a branch whose index is known and a branch between little work are no loop and
no branch any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, can_fail, equations, regions
from wengert.ir.rewrite import rename
from wengert.ir.transforms.checkpoint import COMPUTED_AGAIN
from wengert.ir.transforms.hoist import hoist
from wengert.ir.transforms.storage import is_safe, work
from wengert.ir.types import Dim, has_dims

_CHEAP = 64
"""Branches of less work than this are all computed."""


def control(program: Program) -> Program:
    """`program` with its loops and branches reduced, from the outermost inwards."""
    if not any(regions(e) for e in program.eqns):
        return program
    walk = _Walk(Builder(inputs=list(program.inputs)))
    for eqn in program.eqns:
        walk.builder.location = eqn.location
        walk.add(rename(eqn, walk.env))
    outputs = tuple([walk.env.get(a, a) for a in program.outputs])
    if not walk.changed:
        return program
    return Program(program.inputs, tuple(walk.builder.eqns), outputs)


@dataclass(slots=True, eq=False)
class _Walk:
    builder: Builder
    env: dict[Atom, Atom] = field(default_factory=dict[Atom, Atom])
    makers: dict[Atom, Eqn] = field(default_factory=dict[Atom, Eqn])
    changed: bool = False

    def add(self, eqn: Eqn) -> None:
        """Appends an equation, or what it is reduced to."""
        if not regions(eqn):
            self.append(eqn)
            return
        if self.vanishes(eqn):
            self.changed = True
            return
        found = self.inward(self.unchanging(eqn))
        found = self.hoisted(found)
        params = {name: _inside(value) for name, value in found.params.items()}
        if any(params[name] is not value for name, value in found.params.items()):
            found = Eqn(found.op, found.inputs, found.outputs, params, found.location)
        self.changed = self.changed or found is not eqn
        self.append(found)

    def append(self, eqn: Eqn) -> None:
        self.builder.eqns.append(eqn)
        for var in eqn.outputs:
            self.makers[var] = eqn

    def inline(self, eqn: Eqn, region: Program, inputs: Sequence[Atom]) -> None:
        """Takes the outputs of `region` for those of `eqn`."""
        eqns, outputs = self.builder.copies(region, [Value(self.builder, a) for a in inputs])
        for each in eqns:
            self.add(rename(each, self.env))
        self.env |= {v: self.env.get(a, a) for v, a in zip(eqn.outputs, outputs, strict=True)}

    # equations that vanish

    def vanishes(self, eqn: Eqn) -> bool:
        """Whether a loop of no or one turn, or a branch, was replaced by what it computes."""
        if eqn.op.name == "for_loop":
            return self.short_loop(eqn)
        if eqn.op.name == "branch":
            return self.known_branch(eqn) or self.cheap_branch(eqn)
        return False

    def short_loop(self, eqn: Eqn) -> bool:
        start, stop, *operands = eqn.inputs
        if not isinstance(start, Literal) or not isinstance(stop, Literal):
            return False
        if eqn.params.get("checkpoint") == COMPUTED_AGAIN:
            return False
        body, turns = eqn.params["body"], stop.value - start.value
        first = 1 + eqn.params["consts"]
        idle = all(a is v for a, v in zip(body.outputs, body.inputs[first:], strict=True))
        if turns <= 0 or (idle and not any(map(can_fail, body.eqns))):
            self.env |= dict(zip(eqn.outputs, operands[eqn.params["consts"] :], strict=True))
            return True
        if turns > 1 or (eqn.params["symbol"] is not None and _has_dims(body)):
            return False
        self.inline(eqn, body, [start, *operands])
        return True

    def known_branch(self, eqn: Eqn) -> bool:
        index, *operands = eqn.inputs
        branches: tuple[Program, ...] = eqn.params["branches"]
        if not isinstance(index, Literal) and len(branches) > 1:
            return False
        number = index.value if isinstance(index, Literal) else 0
        self.inline(eqn, branches[number], operands)
        return True

    def cheap_branch(self, eqn: Eqn) -> bool:
        """Computes all branches and selects, if they are little work on scalars."""
        index, *operands = eqn.inputs
        branches: tuple[Program, ...] = eqn.params["branches"]
        if not all(map(_is_cheap, branches)):
            return False
        results = [
            self.builder.inline(r, [Value(self.builder, a) for a in operands]) for r in branches
        ]
        chosen = results[-1]
        for number in reversed(range(len(results) - 1)):
            here = Value(self.builder, index).eq(number)
            chosen = [
                y if x.atom is y.atom else _over(here, x).select(x, y)
                for x, y in zip(results[number], chosen, strict=True)
            ]
        self.env |= {v: x.atom for v, x in zip(eqn.outputs, chosen, strict=True)}
        return True

    # equations that stay

    def unchanging(self, eqn: Eqn) -> Eqn:
        """What a loop carries and gives on as it is becomes a constant."""
        if eqn.op.name not in ("for_loop", "while_loop"):
            return eqn
        bounds, extra = (2, 1) if eqn.op.name == "for_loop" else (0, 0)
        body, consts = eqn.params["body"], eqn.params["consts"]
        first = extra + consts
        same = [a is v for a, v in zip(body.outputs, body.inputs[first:], strict=True)]
        if not any(same) or all(same):
            return eqn
        order = sorted(range(len(same)), key=lambda k: not same[k])
        start = bounds + consts
        moved: list[Atom] = [eqn.inputs[start + k] for k in order]
        params: dict[str, Any] = {**eqn.params, "consts": consts + sum(same)}
        for name in ("body", "cond"):
            region = eqn.params.get(name)
            if region is not None:
                lead = len(region.inputs) - len(same)
                inputs = (*region.inputs[:lead], *[region.inputs[lead + k] for k in order])
                outputs = region.outputs
                if name == "body":
                    outputs = tuple([a for a, on in zip(outputs, same, strict=True) if not on])
                params[name] = Program(inputs, region.eqns, outputs)
        left = tuple([v for v, on in zip(eqn.outputs, same, strict=True) if not on])
        self.env |= {v: eqn.inputs[start + k] for k, v in enumerate(eqn.outputs) if same[k]}
        return Eqn(eqn.op, (*eqn.inputs[:start], *moved), left, params, eqn.location)

    def inward(self, eqn: Eqn) -> Eqn:
        """Literals and splats among the constants are written into the regions."""
        first, count = _constants(eqn)
        known: dict[int, Eqn | Literal] = {}
        twins: dict[int, int] = {}
        seen: dict[Atom, int] = {}
        for k in range(count):
            atom = eqn.inputs[first + k]
            maker = self.makers.get(atom)
            if isinstance(atom, Literal):
                known[k] = atom
            elif maker is not None and _is_splat(maker):
                known[k] = maker
            elif atom in seen:
                twins[k] = seen[atom]
            else:
                seen[atom] = k
        if not known and not twins:
            return eqn
        params = dict(eqn.params)
        for name, value in eqn.params.items():
            if isinstance(value, Program):
                params[name] = _substituted(value, known, twins, count, eqn.op.name, name)
            elif name == "branches":
                params[name] = tuple(
                    [_substituted(r, known, twins, count, eqn.op.name, name) for r in value]
                )
        gone = {first + k for k in (*known, *twins)}
        if "consts" in params:
            params["consts"] = count - len(gone)
        inputs = tuple([a for i, a in enumerate(eqn.inputs) if i not in gone])
        return Eqn(eqn.op, inputs, eqn.outputs, params, eqn.location)

    def hoisted(self, eqn: Eqn) -> Eqn:
        """Work that is the same at every turn, done before."""
        if eqn.op.name == "branch":
            return eqn
        before, found = hoist(eqn)
        for each in before:
            self.append(each)
        return found


def _inside(value: Any) -> Any:
    if isinstance(value, Program):
        return control(value)
    items = cast(tuple[Any, ...], value) if isinstance(value, tuple) else ()
    if items and isinstance(items[0], Program):
        found = tuple([control(region) for region in items])
        changed = any(a is not b for a, b in zip(found, items, strict=True))
        return found if changed else items
    return cast(Any, value)


def _has_dims(region: Program) -> bool:
    """Whether any type or param in a region depends on a loop's index."""
    return any(
        isinstance(n, Dim) for e in equations(region) for v in e.outputs for n in v.type.shape
    ) or any(has_dims(p) for e in equations(region) for p in e.params.values())


def _is_cheap(region: Program) -> bool:
    efforts = [work(e) if is_safe(e) else None for e in region.eqns]
    if any(effort is None for effort in efforts):
        return False
    return sum(effort or 0 for effort in efforts) <= _CHEAP


def _over(condition: Value, value: Value) -> Value:
    return condition.broadcast(shape=value.shape, dims=()) if value.ndim else condition


def _constants(eqn: Eqn) -> tuple[int, int]:
    """Where the constants of an equation begin among its operands, and how many there are."""
    if eqn.op.name == "branch":
        return 1, len(eqn.inputs) - 1
    return (2 if eqn.op.name == "for_loop" else 0), eqn.params["consts"]


def _is_splat(maker: Eqn) -> bool:
    return maker.op.name == "broadcast" and isinstance(maker.inputs[0], Literal)


def _substituted(
    region: Program,
    known: dict[int, Eqn | Literal],
    twins: dict[int, int],
    count: int,
    op: str,
    param: str,
) -> Program:
    """`region` with some of its constants known, and some the same as others."""
    lead = 1 if op == "for_loop" and param == "body" else 0
    env: dict[Atom, Atom] = {}
    eqns: list[Eqn] = []
    for k, source in known.items():
        var = region.inputs[lead + k]
        if isinstance(source, Literal):
            env[var] = source
        else:
            copy = Var(var.type)
            eqns.append(Eqn(source.op, source.inputs, (copy,), source.params, source.location))
            env[var] = copy
    env |= {region.inputs[lead + k]: region.inputs[lead + other] for k, other in twins.items()}
    gone = {lead + k for k in (*known, *twins)}
    inputs = tuple([v for i, v in enumerate(region.inputs) if i not in gone])
    eqns += [rename(e, env) for e in region.eqns]
    return Program(inputs, tuple(eqns), tuple([env.get(a, a) for a in region.outputs]))
