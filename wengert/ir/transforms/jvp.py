"""Forward mode: pushes tangents through a program (Wengert 1964).

Structural zeros are None during the walk and never appear in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Eqn, Program, Var


@dataclass(frozen=True, slots=True)
class Jvp:
    """A program of primals and tangents.

    Inputs: the primals, then the tangents of the active ones. Outputs: the primal outputs, then
    the tangents of those outputs for which `out_active` is set; the others are zero.
    """

    program: Program
    out_active: tuple[bool, ...]


def jvp(program: Program, active: Sequence[bool]) -> Jvp:
    """The program together with its directional derivative with respect to the active inputs."""
    builder = Builder()
    primals = [builder.input(t) for t in program.in_types]
    tangents = [
        builder.input(t) if on else None for t, on in zip(program.in_types, active, strict=True)
    ]
    outs, out_tangents = push(builder, program, primals, tangents)
    active_tangents = [t for t in out_tangents if t is not None]
    return Jvp(
        builder.finish([*outs, *active_tangents]), tuple(t is not None for t in out_tangents)
    )


def push(
    builder: Builder, program: Program, primals: Sequence[Value], tangents: Sequence[Value | None]
) -> tuple[list[Value], list[Value | None]]:
    """Appends `program` and its tangents to `builder`; gives the outputs and their tangents."""
    env: dict[Var, Atom] = {}
    dot: dict[Var, Value] = {}

    def bind(var: Var, value: Value, tangent: Value | None) -> None:
        env[var] = value.atom
        if tangent is not None:
            dot[var] = tangent

    def tangent_of(atom: Atom) -> Value | None:
        return dot.get(atom) if isinstance(atom, Var) else None

    for var, value, tangent in zip(program.inputs, primals, tangents, strict=True):
        bind(var, value, tangent)
    for eqn in program.eqns:
        inputs = [Value(builder, substitute(env, a)) for a in eqn.inputs]
        in_tangents = [tangent_of(a) for a in eqn.inputs]
        outs, out_tangents = _push_eqn(builder, eqn, inputs, in_tangents)
        for var, value, tangent in zip(eqn.outputs, outs, out_tangents, strict=True):
            bind(var, value, tangent)
    outputs = [Value(builder, substitute(env, a)) for a in program.outputs]
    return outputs, [tangent_of(a) for a in program.outputs]


def _push_eqn(
    builder: Builder, eqn: Eqn, inputs: list[Value], tangents: list[Value | None]
) -> tuple[Sequence[Value], Sequence[Value | None]]:
    builder.location = eqn.location
    outs = builder.emit(eqn.op, inputs, eqn.params)
    if all(t is None for t in tangents):
        return outs, [None] * len(outs)
    return outs, eqn.op.rule("jvp")(inputs, tangents, outs, **eqn.params)
