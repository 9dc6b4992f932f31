"""Tensor IR -> loop IR: stages, fusion, emission, scheduling and the buffer plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.config import config
from wengert.ir.program import Program
from wengert.ir.scalar import Expr
from wengert.kernels.build import build
from wengert.kernels.emit import Emitter
from wengert.kernels.loops import Assign, Check, Declare, Kernel, LoopProgram, Store
from wengert.kernels.memory import arena
from wengert.kernels.nest import nest
from wengert.kernels.recursion import deep_recursion
from wengert.kernels.schedule import schedule
from wengert.kernels.segments import too_large
from wengert.kernels.stages import StageKind, nodes
from wengert.kernels.statements import expressions
from wengert.kernels.verify import verify


@dataclass(frozen=True, slots=True)
class Lowered:
    """A loop program and the arrays of its constants, in the order of `loops.constants`."""

    loops: LoopProgram
    constants: tuple[np.ndarray[Any, Any], ...]


def merged(steps: Sequence[Kernel]) -> list[Kernel]:
    """Neighbours without loops as one kernel, where they share their subexpressions.

    They are the stages without a domain, which fusion has no loop to put into.
    """
    found: list[Kernel] = []
    computed: set[Expr] = set()
    for step in steps:
        if not _straight(step):
            found.append(step)
            continue
        own = set(nodes(expressions(step.body)))
        if found and _straight(found[-1]) and not too_large(computed, own):
            name = "_".join(dict.fromkeys((*found[-1].name.split("_"), *step.name.split("_"))))
            found[-1] = Kernel(name, (*found[-1].body, *step.body))
            computed |= own
        else:
            found.append(step)
            computed = own
    return found


def _straight(step: Kernel) -> bool:
    return all(isinstance(st, Store | Check | Declare | Assign) for st in step.body)


def lower(program: Program) -> Lowered:
    """The loop program that computes `program`."""
    with deep_recursion():
        staged = build(program)
        emitter = Emitter(staged)
        steps: list[Kernel] = []
        for root in nest(staged.stages):
            if root.stages[0].kind is StageKind.GEMM:
                steps.append(Kernel("gemm", root.stages[0].product))
            else:
                steps.extend(schedule(staged.s, emitter.kernel(root)))
    steps = merged(steps)
    offsets, size = arena(steps)
    values = {
        v: e.params["value"] for e in program.eqns for v in e.outputs if e.op.name == "constant"
    }
    loops = LoopProgram(
        staged.inputs,
        tuple(b for b, _ in staged.constants),
        staged.outputs,
        tuple(steps),
        staged.failures,
        offsets,
        size,
    )
    if config().verify:
        verify(loops)
    return Lowered(loops, tuple(values[v] for _, v in staged.constants))
