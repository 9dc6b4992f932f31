"""Tensor IR -> loop IR: stages, fusion, emission, scheduling and the buffer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.program import Program
from wengert.kernels.build import build
from wengert.kernels.emit import Emitter
from wengert.kernels.loops import Kernel, LoopProgram
from wengert.kernels.memory import arena
from wengert.kernels.nest import nest
from wengert.kernels.recursion import deep_recursion
from wengert.kernels.schedule import schedule
from wengert.kernels.stages import StageKind


@dataclass(frozen=True, slots=True)
class Lowered:
    """A loop program and the arrays of its constants, in the order of `loops.constants`."""

    loops: LoopProgram
    constants: tuple[np.ndarray[Any, Any], ...]


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
    return Lowered(loops, tuple(values[v] for _, v in staged.constants))
