"""Collectives and calls of Python functions -> statements of the loop IR.

Both leave native code, and work on whole buffers; a call of Python is one statement for all of its
results. On a grid, calls of libraries leave it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wengert.errors import MissingRuleError, located
from wengert.ir.forms import Collective, Library
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


def require_step(top: bool, form: Library, eqn: Eqn) -> None:
    """Raises MissingRuleError for a call of a library that cannot be a step of a launch plan."""
    what = _OF_LIBRARIES.get(form.library, "a factorisation or solution of large matrices")
    name = form.routine.removeprefix("z").partition("_")[0]
    if not top:
        why = (
            f"on a GPU, {form.routine} ({what}) cannot stand inside a loop or branch of the "
            "program: it is a call of the host's; let Python run that loop (wg.vmap for a batch), "
            "or compile this function for the CPU"
        )
        raise located(MissingRuleError(why), eqn.location)
    if form.library == "lapack" and name not in _ON_DEVICES:
        why = f"the CUDA back end has no {form.routine} ({what}); compile this function for the CPU"
        raise located(MissingRuleError(why), eqn.location)


_OF_LIBRARIES = {"pocketfft": "a Fourier transform", "selection": "a selection", "sort": "a sort"}
_ON_DEVICES = ("potrf", "getrf", "syevd", "geev", "geqrf", "gesdd", "trsm")
"""The routines of LAPACK that devices have, also for complex matrices."""


def python(block: Enclosing, call: HostCall, eqn: Eqn) -> None:
    """Adds the stage of a call: its operands and results are whole buffers."""
    if block.shared.grid and not block.top:
        error = MissingRuleError(
            f"on a GPU, '{called(call).name}', which runs in Python, cannot be called inside a "
            "loop or branch of the program; let Python run that loop, or compile this function for "
            "the CPU"
        )
        raise located(error, eqn.location)
    sources = tuple([block.in_memory(a) for a in eqn.inputs if a.type.size])
    homes = tuple([block.home(v) for v in eqn.outputs])
    code = -1  # on a grid the host makes the call, and what it raises goes on by itself
    if not block.shared.grid:
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
