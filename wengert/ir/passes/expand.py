"""Equations that stand for others are replaced by those, once all derivatives are taken."""

from __future__ import annotations

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import map_regions, rename


def expand(program: Program) -> Program:
    """`program` with what its equations stand for, also in its regions."""
    return _replaced(program, "expand")


def without_libraries(program: Program) -> Program:
    """`program` with other equations for what a device's library does not do.

    Such a library is called between kernels, so it does nothing in regions.
    """
    return _replaced(program, "portable", step=True)


def spread(program: Program) -> Program:
    """`program` with what goes along an axis in order in independent parts, also in its regions."""
    return _replaced(program, "spread")


def _replaced(program: Program, rule: str, **more: bool) -> Program:
    found = _once(program, rule, more)
    if found is not program:
        program = _replaced(found, rule, **more)
    inside = dict.fromkeys(more, False)
    return map_regions(program, lambda region: _replaced(region, rule, **inside))


def _once(program: Program, rule: str, more: dict[str, bool]) -> Program:
    """The equations that the rule gives; the program itself, if it gives none."""
    if all(getattr(e.op, rule) is None for e in program.eqns):
        return program
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    changed = False
    for eqn in program.eqns:
        fresh = rename(eqn, env)
        function = getattr(eqn.op, rule)
        builder.location = eqn.location
        given = [Value(builder, a) for a in fresh.inputs]
        found = None if function is None else function(given, **more, **eqn.params)
        if found is None:
            builder.eqns.append(fresh)
            continue
        changed = True
        env.update(zip(eqn.outputs, [v.atom for v in found], strict=True))
    if not changed:
        return program
    outputs = tuple([substitute(env, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)
