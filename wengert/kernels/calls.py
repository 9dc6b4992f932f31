"""Collectives and calls of Python functions -> statements of the loop IR.

Both leave native code, and work on whole buffers; a call of Python is one statement for all of its
results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wengert.errors import MissingRuleError, located
from wengert.ir.forms import Collective
from wengert.ir.host import HostCall, called
from wengert.ir.program import Atom, Eqn, Var
from wengert.ir.scalar import ScalarBuilder
from wengert.kernels.block import Context
from wengert.kernels.failed import WAITING
from wengert.kernels.loops import Buffer, Communicate, Failure, Stmt
from wengert.kernels.stages import Stage, StageKind


class Enclosing(Protocol):
    """The block that a call stands in."""

    s: ScalarBuilder
    shared: Context
    top: bool
    stages: list[Stage]

    def home(self, var: Var) -> Buffer: ...

    def in_memory(self, atom: Atom) -> Buffer: ...

    def initial(self, target: Atom, out: Var, buffer: Buffer) -> Stage | None: ...

    def add(self, stage: Stage) -> None: ...

    def given(
        self, kind: StageKind, buffer: Buffer, body: tuple[Stmt, ...], loads: Sequence[Buffer]
    ) -> None: ...


def collective(block: Enclosing, form: Collective, eqn: Eqn, buffer: Buffer) -> None:
    """What all processes make of an operand: in its place, if it has the result's type."""
    if block.shared.grid and not block.top:
        raise MissingRuleError(
            f"on a GPU, {form.request.kind} cannot stand inside a loop or branch of the "
            "program: it is a call of the host's; let Python run that loop, or compile this "
            "function for the CPU"
        )
    given: list[Buffer] = []
    if form.request.in_place:
        copy = block.initial(eqn.inputs[0], eqn.outputs[0], buffer)
        if copy is not None:
            block.add(copy)
        given.append(buffer)
    elif eqn.inputs:
        given.append(block.in_memory(eqn.inputs[0]))
    code = -1  # on a grid the host communicates, and raises by itself
    if not block.shared.grid:
        code = len(block.shared.failures)
        block.shared.failures.append(Failure("DistributedError", WAITING, eqn.location))
    statement = Communicate(form.request, tuple(given), (buffer,), code)
    block.given(StageKind.COLLECTIVE, buffer, (statement,), given)


def python(block: Enclosing, call: HostCall, eqn: Eqn) -> None:
    """Adds the stage of a call: its operands and results are whole buffers."""
    if block.shared.grid:
        error = MissingRuleError(
            f"the CUDA back end cannot call '{called(call).name}', which runs in Python; compile "
            "this function for the CPU, or call it between two compiled functions"
        )
        raise located(error, eqn.location)
    sources = tuple([block.in_memory(a) for a in eqn.inputs if a.type.size])
    homes = tuple([block.home(v) for v in eqn.outputs])
    code = len(block.shared.failures)
    # without a location: what the function raises is not changed
    block.shared.failures.append(Failure("RuntimeError", WAITING))
    outs = tuple([b for b in homes if b.size])
    block.stages.append(
        Stage(
            StageKind.COLLECTIVE,
            homes[0],
            (),
            frozenset(),
            block.s.int(0),
            block.s.const(0, homes[0].dtype),
            product=(Communicate(call, sources, outs, code),),
            loads=frozenset(sources),
            writes=homes,
        )
    )
