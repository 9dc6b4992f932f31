"""Equations that stand for others are replaced by those, once all derivatives are taken."""

from __future__ import annotations

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import map_regions, rename


def expand(program: Program) -> Program:
    """`program` with what its equations stand for, also in its regions."""
    return _replaced(program, "expand")


def without_libraries(program: Program) -> Program:
    """`program` with other equations for what a library would do, where an op has some."""
    return _replaced(program, "portable")


def _replaced(program: Program, rule: str) -> Program:
    if any(getattr(e.op, rule) is not None for e in program.eqns):
        program = _replaced(_once(program, rule), rule)
    return map_regions(program, lambda region: _replaced(region, rule))


def _once(program: Program, rule: str) -> Program:
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    for eqn in program.eqns:
        fresh = rename(eqn, env)
        found = getattr(eqn.op, rule)
        if found is None:
            builder.eqns.append(fresh)
            continue
        builder.location = eqn.location
        values = found([Value(builder, a) for a in fresh.inputs], **eqn.params)
        env.update(zip(eqn.outputs, [v.atom for v in values], strict=True))
    outputs = tuple([substitute(env, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)
