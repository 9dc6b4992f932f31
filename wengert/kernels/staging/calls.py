"""Collectives and calls of Python functions -> statements of the loop IR.

Both leave native code, and work on whole buffers; a call of Python is one statement for all of its
results. On a grid, calls of libraries leave it too. Loops and branches around any of these are then
run by the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wengert.errors import MissingRuleError, located
from wengert.ir.forms import Collective, Contraction, Library
from wengert.ir.host import HostCall
from wengert.ir.program import Atom, Eqn, Var, regions
from wengert.ir.scalar import ScalarBuilder
from wengert.kernels.failed import WAITING
from wengert.kernels.loops import Buffer, Communicate, Failure, Stmt
from wengert.kernels.staging.block import Context
from wengert.kernels.staging.gemm import is_call, multiplications
from wengert.kernels.staging.homes import form_of
from wengert.kernels.staging.stages import Stage, StageKind


class Enclosing(Protocol):
    """The block that a call stands in."""

    s: ScalarBuilder
    shared: Context
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


# A region whose turns have a product of at least so many multiplications is run by the host, which
# calls a library for it: that takes less time than such a product takes in a kernel with all else.
HOST_WORK = 1 << 24


def calls_host(eqn: Eqn) -> bool:
    """Whether what is in the regions of an equation has to be run by the host of a device."""
    return any(_needs_host(e) or calls_host(e) for region in regions(eqn) for e in region.eqns)


def _needs_host(eqn: Eqn) -> bool:
    form = form_of(eqn)
    if not isinstance(form, Contraction):
        return isinstance(form, Library | Collective | HostCall)
    types = [a.type for a in eqn.inputs]
    return is_call(form, types, narrow=True) and multiplications(form, types) >= HOST_WORK


def require_routine(form: Library, eqn: Eqn) -> None:
    """Raises MissingRuleError for a routine that devices do not have."""
    what = _OF_LIBRARIES.get(form.library, "a factorisation or solution of large matrices")
    name = form.routine.removeprefix("z").partition("_")[0]
    if form.library == "lapack" and name not in _ON_DEVICES:
        why = f"the CUDA back end has no {form.routine} ({what}); compile this function for the CPU"
        raise located(MissingRuleError(why), eqn.location)
    if not all(a.type.is_static for a in eqn.inputs):
        why = (
            f"on a GPU, {form.routine} ({what}) cannot take an array whose length moves with the "
            "index of a loop; give it arrays of one shape, or compile this function for the CPU"
        )
        raise located(MissingRuleError(why), eqn.location)


_OF_LIBRARIES = {"pocketfft": "a Fourier transform", "selection": "a selection", "sort": "a sort"}
_ON_DEVICES = ("potrf", "getrf", "syevd", "geev", "geqrf", "gesdd", "trsm")
"""The routines of LAPACK that devices have, also for complex matrices."""


def python(block: Enclosing, call: HostCall, eqn: Eqn) -> None:
    """Adds the stage of a call: its operands and results are whole buffers."""
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
