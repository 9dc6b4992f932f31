"""The ways to run a program other than the reference: name -> function of (program, args)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wengert.backends import cpu
from wengert.ir.program import Program
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import lower

Arrays = Sequence[np.ndarray]
Backend = Callable[[Program, Arrays], Arrays]


def loops(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and interprets those."""
    lowered = lower(program)
    flat = interpret(lowered.loops, args, lowered.constants)
    return [a.reshape(t.shape) for a, t in zip(flat, program.out_types, strict=True)]


def native(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and compiles those for the CPU."""
    lowered = lower(program)
    compiled = cpu.compile(
        lambda: lowered.loops,
        key=None,
        in_types=program.in_types,
        out_types=program.out_types,
        constants=lowered.constants,
    )
    return [np.asarray(out) for out in compiled(*args)]


BACKENDS: dict[str, Backend] = {"loops": loops, "cpu": native}
