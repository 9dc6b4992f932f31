"""Equations that stand for others are replaced by those, once all derivatives are taken."""

from __future__ import annotations

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import map_regions, rename


def expand(program: Program) -> Program:
    """`program` with what its equations stand for, also in its regions."""
    if any(e.op.expand is not None for e in program.eqns):
        program = expand(_expanded(program))
    return map_regions(program, expand)


def _expanded(program: Program) -> Program:
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    for eqn in program.eqns:
        fresh = rename(eqn, env)
        if eqn.op.expand is None:
            builder.eqns.append(fresh)
            continue
        builder.location = eqn.location
        values = eqn.op.expand([Value(builder, a) for a in fresh.inputs], **eqn.params)
        env.update(zip(eqn.outputs, [v.atom for v in values], strict=True))
    outputs = tuple([substitute(env, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)
