"""Rewriting programs: one forward walk that rebuilds only what changes.

A rule is a short function of an equation whose operands are already rewritten. It gives an atom
that takes the place of the equation's output, or None for no change. Rules look at the producers
of their operands and may emit new equations, to which the rules apply in turn; so one walk
reaches the fixed point of rules that look backwards only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from wengert.errors import Location
from wengert.ir.builder import Builder
from wengert.ir.op import REGISTRY, Op
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import DType, TensorType

Rule = Callable[["Rewriter", "Node"], "Atom | None"]
Rules = Mapping[str, Sequence[Rule]]

_DEPTH = 20
"""Rules may trigger rules on what they emit, but no deeper than this."""


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Node:
    """An equation being rewritten: one output, of type `type`, and not yet part of a program."""

    op: Op
    inputs: tuple[Atom, ...]
    params: dict[str, Any]
    type: TensorType


@dataclass(slots=True, eq=False)
class Rewriter:
    """The state of one walk: what each old value is now called, and what produces each new one."""

    rules: Rules
    eqns: list[Eqn] = field(default_factory=list[Eqn])
    makers: dict[Atom, Eqn] = field(default_factory=dict[Atom, Eqn])
    uses: dict[Atom, int] = field(default_factory=dict[Atom, int])
    location: Location | None = None
    depth: int = 0

    def maker(self, atom: Atom, op: str) -> Eqn | None:
        """The equation that produces `atom`, if its op is called `op`."""
        found = self.makers.get(atom)
        return found if found is not None and found.op.name == op else None

    def emit(self, name: str, *inputs: Atom, **params: Any) -> Atom:
        """The value of a new equation, or what the rules make of it."""
        op = REGISTRY[name]
        (type_,) = op.infer(*(a.type for a in inputs), **params)
        if self.depth < _DEPTH:
            self.depth += 1
            found = self.apply(Node(op, inputs, params, type_))
            self.depth -= 1
            if found is not None:
                return found
        var = Var(type_)
        self.append(Eqn(op, inputs, (var,), params, self.location))
        return var

    def used_once(self, atom: Atom) -> bool:
        """Whether at most one equation reads `atom`, so that moving its work repeats nothing."""
        return self.uses.get(atom, 0) <= 1

    def literal(self, value: Any, dtype: DType) -> Literal:
        """A literal, rounded to `dtype`."""
        atom = Builder().literal(value, dtype).atom
        assert isinstance(atom, Literal)
        return atom

    def full(self, value: Atom, type_: TensorType) -> Atom:
        """A 0-d atom repeated to a type."""
        if not type_.shape:
            return value
        return self.emit("broadcast", value, shape=type_.shape, dims=())

    def apply(self, node: Node) -> Atom | None:
        """What the first rule that changes `node` makes of it."""
        for rule in self.rules.get(node.op.name, ()):
            found = rule(self, node)
            if found is not None:
                return found
        return None

    def append(self, eqn: Eqn) -> None:
        """Adds an equation as it is."""
        self.eqns.append(eqn)
        for var in eqn.outputs:
            self.makers[var] = eqn


def rewrite(program: Program, rules: Rules) -> Program:
    """`program` with `rules` (by op name) applied everywhere; itself where nothing changes."""
    walk = Rewriter(rules, uses=count_uses(program))
    env: dict[Atom, Atom] = {}
    changed = False
    for eqn in program.eqns:
        fresh = rename(eqn, env)
        if len(eqn.outputs) == 1 and eqn.op.name in rules:
            walk.location = eqn.location
            node = Node(fresh.op, fresh.inputs, fresh.params, eqn.outputs[0].type)
            found = walk.apply(node)
            if found is not None:
                changed = True
                env[eqn.outputs[0]] = found
                walk.uses[found] = walk.uses.get(found, 0) + walk.uses.get(eqn.outputs[0], 0)
                continue
        changed = changed or fresh is not eqn
        walk.append(fresh)
    if not changed:
        return program
    return Program(
        program.inputs, tuple(walk.eqns), tuple([env.get(a, a) for a in program.outputs])
    )


def rename(eqn: Eqn, env: Mapping[Atom, Atom]) -> Eqn:
    """`eqn` with its operands looked up in `env`; itself where none is in there."""
    for atom in eqn.inputs:
        if atom in env:
            inputs = tuple([env.get(a, a) for a in eqn.inputs])
            return Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location)
    return eqn


def count_uses(program: Program) -> dict[Atom, int]:
    """How many times each value is read, by equations and as an output."""
    uses: dict[Atom, int] = {}
    for eqn in program.eqns:
        for atom in eqn.inputs:
            uses[atom] = uses.get(atom, 0) + 1
    for atom in program.outputs:
        uses[atom] = uses.get(atom, 0) + 1
    return uses


def map_regions(program: Program, function: Callable[[Program], Program]) -> Program:
    """`program` with `function` applied to the regions of its equations; itself if unchanged."""
    eqns = [map_eqn(e, function) if e.params else e for e in program.eqns]
    if all(new is old for new, old in zip(eqns, program.eqns, strict=True)):
        return program
    return Program(program.inputs, tuple(eqns), program.outputs)


def map_eqn(eqn: Eqn, function: Callable[[Program], Program]) -> Eqn:
    """An equation with `function` applied to its regions; itself if it has none."""
    changes: dict[str, Any] = {}
    for name, value in eqn.params.items():
        if isinstance(value, Program):
            changes[name] = function(value)
        elif isinstance(value, tuple):
            regions = cast(tuple[Any, ...], value)
            if regions and isinstance(regions[0], Program):
                changes[name] = tuple([function(region) for region in regions])
    if not changes:
        return eqn
    return Eqn(eqn.op, eqn.inputs, eqn.outputs, {**eqn.params, **changes}, eqn.location)
