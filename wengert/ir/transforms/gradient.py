"""The gradient of a program's first output, in one program: linearise, then run it backwards."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Program
from wengert.ir.transforms.linearize import linearize
from wengert.ir.transforms.transpose import pull


def gradient(program: Program, active: Sequence[bool]) -> Program:
    """All outputs of `program`, then the gradient of the first, a scalar, in the active inputs."""
    split = linearize(program, active)
    builder = Builder()
    primals = [builder.input(t) for t in program.in_types]
    results = builder.inline(split.primal, primals)
    count = len(program.outputs)
    outs, residuals = results[:count], results[count:]
    bars: list[Value | None] = [None] * len(split.linear.outputs)
    if split.out_active[0]:
        bars[0] = builder.literal(1, program.outputs[0].type.dtype)
    return builder.finish([*outs, *pull(builder, split.linear, residuals, bars)])
