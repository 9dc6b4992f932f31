"""Linearisation: splits a JVP into a primal program and a linear one.

Everything in a JVP program that does not depend on a tangent is primal; the rest is linear in
the tangents, because JVP rules are. What the linear part reads of the primal part are the
residuals (Radul et al., You Only Linearize Once, POPL 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.program import Atom, Eqn, Program, Var, regions
from wengert.ir.transforms.cse import cse
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.separate import free_atoms, separate


@dataclass(frozen=True, slots=True)
class Linearized:
    """`primal`: inputs -> outputs then residuals. `linear`: residuals then tangents -> tangents.

    The linear program gives the tangents of the outputs for which `out_active` is set. It has
    `residuals` residual inputs.
    """

    primal: Program
    linear: Program
    residuals: int
    out_active: tuple[bool, ...]


def linearize(program: Program, active: Sequence[bool]) -> Linearized:
    """Splits the JVP of `program` with respect to the active inputs."""
    pushed = jvp(program, active)
    both = pushed.program
    if any(regions(e) for e in both.eqns):
        both = cse(both)  # lest a loop stores a value twice
    count = len(program.inputs)
    tangents = both.inputs[count:]
    parts = separate(both.eqns, tangents)
    outputs = both.outputs[: len(program.outputs)]
    out_tangents = both.outputs[len(program.outputs) :]
    linear = _needed(parts.linear, out_tangents)
    residuals = free_atoms(linear, out_tangents, tangents)
    primal = Program(both.inputs[:count], tuple(parts.known), (*outputs, *residuals))
    rest = Program((*residuals, *tangents), tuple(linear), out_tangents)
    return Linearized(primal, rest, len(residuals), pushed.out_active)


def _needed(eqns: Sequence[Eqn], outputs: Sequence[Atom]) -> list[Eqn]:
    """The equations that the outputs depend on: what others read would be kept for nothing."""
    live: set[Atom] = set(outputs)
    kept: list[Eqn] = []
    for eqn in reversed(eqns):
        if not live.isdisjoint(eqn.outputs):
            live.update(eqn.inputs)
            kept.append(eqn)
    return kept[::-1]


@dataclass(frozen=True, slots=True)
class Split:
    """`known`: the other inputs -> residuals. `linear`: residuals then linear inputs -> outputs.

    The linear program has `residuals` residual inputs.
    """

    known: Program
    linear: Program
    residuals: int


def split_linear(program: Program, inputs: Sequence[Var]) -> Split:
    """Separates what `program` computes from `inputs`, some of its own, from what is known.

    Whether the equations on `inputs` are linear is for the transposition to find out.
    """
    parts = separate(program.eqns, inputs)
    residuals = free_atoms(parts.linear, program.outputs, inputs)
    others = tuple(v for v in program.inputs if v not in set(inputs))
    return Split(
        Program(others, tuple(parts.known), residuals),
        Program((*residuals, *inputs), tuple(parts.linear), program.outputs),
        len(residuals),
    )
