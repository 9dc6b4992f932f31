"""Programs taken apart into what merely picks elements of the inputs, and the rest.

A residual per observation reads its parameters by indices, a stencil reads slices. Seen from what
was picked, each output depends on elements of its own, so one reverse sweep gives the derivatives
of all outputs at once, where rows over the inputs themselves would share many columns. (In a
bundle adjustment: two sweeps for all observations, not one for each observation of a point.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.passes.cleanup import dce
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.transforms.cse import cse
from wengert.ir.transforms.taint import tainted_outputs

_REARRANGE = frozenset(("reshape", "transpose", "rev"))
_PICK = frozenset(("slice", "gather", "window"))


@dataclass(frozen=True, slots=True)
class Parts:
    """`picks`: inputs -> what is picked. `rest`: that, then the inactive inputs -> outputs."""

    picks: Program
    rest: Program

    @property
    def picked(self) -> int:
        """How many values are picked."""
        return len(self.picks.outputs)


def take_apart(program: Program, active: Sequence[bool]) -> Parts:
    """The parts of `program`; an active input that is also read whole counts as picked."""
    program = dce(cse(program))
    moving = {v for v, on in zip(program.inputs, active, strict=True) if on}
    found = _Search(moving)
    for eqn in program.eqns:
        found.visit(eqn)
    for atom in program.outputs:
        found.read(atom)
    picked = tuple(found.picked)
    picks = Program(program.inputs, program.eqns, picked)
    others = tuple(v for v, on in zip(program.inputs, active, strict=True) if not on)
    rest = Program((*picked, *others), tuple(found.rest), program.outputs)
    return Parts(dce(picks), dce(rest))


class _Search:
    """What is picked, in order of its first use, and the equations that are not for picking."""

    def __init__(self, moving: set[Var]) -> None:
        self.arranged: set[Atom] = set(moving)  # an input, or all its elements in another order
        self.moving: set[Atom] = set(moving)
        self.picked: dict[Var, None] = {}
        self.rest: list[Eqn] = []

    def read(self, atom: Atom) -> None:
        """Enters that something reads `atom`."""
        if isinstance(atom, Var) and atom in self.arranged:
            self.picked[atom] = None

    def visit(self, eqn: Eqn) -> None:
        """Enters an equation, the next one in order."""
        flags = tainted_outputs(eqn, [a in self.moving for a in eqn.inputs])
        self.moving.update(v for v, on in zip(eqn.outputs, flags, strict=True) if on)
        source = eqn.inputs[0] if eqn.inputs else None
        if source in self.arranged and not any(a in self.moving for a in eqn.inputs[1:]):
            if eqn.op.name in _REARRANGE:
                self.arranged.update(eqn.outputs)
                return
            if eqn.op.name in _PICK:
                self.picked[eqn.outputs[0]] = None
                return
        self.rest.append(eqn)
        for atom in eqn.inputs:
            self.read(atom)
