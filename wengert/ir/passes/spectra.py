"""Eigenvalues and singular values without the vectors, where nothing needs those.

LAPACK takes half of the time for them, or less. It is a choice of routines, which devices do not
have; so it is made when a program is lowered for the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wengert.ir.ops.lapack import values_from
from wengert.ir.program import Eqn, Program, Var
from wengert.ir.rewrite import map_regions


def values_alone(program: Program) -> Program:
    """`program` with routines that leave the vectors out in place of those that are asked for
    nothing but values."""
    program = map_regions(program, values_alone)
    changed = {e: first for e in program.eqns if (first := _before_values(e, program)) is not None}
    if not changed:
        return program
    names: dict[Var, tuple[Var, int]] = {}
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        if eqn in changed:
            (old,), first = eqn.outputs, changed[eqn]
            new = Var(old.type.with_shape((*old.type.shape[:-1], old.type.shape[-1] - first)))
            names[old] = (new, first)
            routine = f"{eqn.params['routine']}_N"
            eqns.append(Eqn(eqn.op, eqn.inputs, (new,), {"routine": routine}, eqn.location))
        elif eqn.op.name == "slice" and eqn.inputs[0] in names:
            eqns.append(_shifted(eqn, *names[eqn.inputs[0]]))
        else:
            eqns.append(eqn)
    return Program(program.inputs, tuple(eqns), program.outputs)


def _before_values(eqn: Eqn, program: Program) -> int | None:
    """How many numbers stand before the values in a row of results of which they alone are read."""
    first = values_from(eqn.params["routine"], eqn.inputs[0].type) if _is_lapack(eqn) else None
    if first is None or eqn.outputs[0] in program.outputs:
        return None
    readers = [e for e in program.eqns if eqn.outputs[0] in e.inputs]
    only = all(e.op.name == "slice" and e.params["start"][-1] >= first for e in readers)
    return first if only else None


def _is_lapack(eqn: Eqn) -> bool:
    return eqn.op.name == "lapack"


def _shifted(eqn: Eqn, source: Var, first: int) -> Eqn:
    """A slice of what begins with number `first`."""

    def moved(bounds: Sequence[int]) -> tuple[int, ...]:
        return (*bounds[:-1], bounds[-1] - first)

    params: Mapping[str, object] = {
        **eqn.params,
        "start": moved(eqn.params["start"]),
        "stop": moved(eqn.params["stop"]),
    }
    return Eqn(eqn.op, (source,), eqn.outputs, dict(params), eqn.location)
