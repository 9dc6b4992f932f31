"""Forward mode: pushes tangents through a program (Wengert 1964).

Structural zeros are None during the walk and never appear in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Eqn, Program
from wengert.ir.rewrite import rename


@dataclass(frozen=True, slots=True)
class Jvp:
    """A program of primals and tangents.

    Inputs: the primals, then the tangents of the active ones. Outputs: the primal outputs, then
    the tangents of those outputs for which `out_active` is set; the others are zero.
    """

    program: Program
    out_active: tuple[bool, ...]


_Known = dict[tuple[Program, tuple[bool, ...]], Jvp]
_known: ContextVar[_Known | None] = ContextVar("known", default=None)
"""What the walk going on has pushed. A loop asks several times for its body with tangents, to learn
what has any, and so does each loop inside: without this, the time would grow with a power of the
depth."""


def jvp(program: Program, active: Sequence[bool]) -> Jvp:
    """The program together with its directional derivative with respect to the active inputs."""
    known = _known.get()
    if known is None:
        token = _known.set({})
        try:
            return _pushed(program, active)
        finally:
            _known.reset(token)
    key = (program, tuple(active))
    found = known.get(key)
    if found is None:
        found = known[key] = _pushed(program, active)
    return found


def _pushed(program: Program, active: Sequence[bool]) -> Jvp:
    builder = Builder(inputs=list(program.inputs))
    dot: dict[Atom, Value] = {
        var: builder.input(var.type) for var, on in zip(program.inputs, active, strict=True) if on
    }
    env = _push_eqns(builder, program.eqns, program.eqns, dot)
    outputs = [env.get(a, a) for a in program.outputs]
    out_tangents = [dot.get(a) for a in program.outputs]
    tangents = [t.atom for t in out_tangents if t is not None]
    return Jvp(
        Program(tuple(builder.inputs), tuple(builder.eqns), (*outputs, *tangents)),
        tuple([t is not None for t in out_tangents]),
    )


def push(
    builder: Builder, program: Program, primals: Sequence[Value], tangents: Sequence[Value | None]
) -> tuple[list[Value], list[Value | None]]:
    """Appends `program` and its tangents to `builder`; gives the outputs and their tangents.

    The equations are copied, so that a program may be pushed several times.
    """
    copies, outputs = builder.copies(program, primals)
    dot: dict[Atom, Value] = {
        var: tangent
        for var, tangent in zip(program.inputs, tangents, strict=True)
        if tangent is not None
    }
    env = _push_eqns(builder, program.eqns, copies, dot)
    return [Value(builder, env.get(a, a)) for a in outputs], [dot.get(a) for a in program.outputs]


def _push_eqns(
    builder: Builder, eqns: Sequence[Eqn], copies: Sequence[Eqn], dot: dict[Atom, Value]
) -> dict[Atom, Atom]:
    """Appends `copies` and their tangents, which `dot` holds by the values of `eqns`.

    Gives new names of outputs: of the ops whose jvp computes them too.
    """
    env: dict[Atom, Atom] = {}
    for eqn, copy in zip(eqns, copies, strict=True):
        if env:
            copy = rename(copy, env)
        tangents = [dot.get(a) for a in eqn.inputs]
        still = tangents.count(None) == len(tangents)
        if still or not eqn.op.joint:
            builder.eqns.append(copy)
        if still:
            continue
        builder.location = copy.location
        primals = [Value(builder, a) for a in copy.inputs]
        if eqn.op.joint:
            outs, pushed = eqn.op.rule("jvp")(primals, tangents, None, **eqn.params)
            env.update(zip(copy.outputs, [v.atom for v in outs], strict=True))
        else:
            outs = [Value(builder, v) for v in copy.outputs]
            pushed = eqn.op.rule("jvp")(primals, tangents, outs, **eqn.params)
        for var, tangent in zip(eqn.outputs, pushed, strict=True):
            if tangent is not None:
                dot[var] = tangent
    return env
