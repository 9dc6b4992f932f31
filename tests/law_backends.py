"""The ways to run a program other than the reference: name -> function of (program, args)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from cuda_device import KIND, fetched, shared_device

from wengert.backends import cpu, cuda
from wengert.errors import MissingRuleError
from wengert.ir.passes.expand import expand
from wengert.ir.passes.parts import complex_as_parts, interleaved
from wengert.ir.program import Program
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.verify import verify

Arrays = Sequence[np.ndarray]
Backend = Callable[[Program, Arrays], Arrays]


def real(program: Program) -> Program:
    """What is lowered: made of real numbers and of nothing that stands for other equations."""
    return interleaved(complex_as_parts(expand(program)))


def floats(args: Arrays) -> list[np.ndarray]:
    """The memory of arrays as real numbers."""
    return [np.stack([a.real, a.imag], -1) if a.dtype.kind == "c" else a for a in args]


def typed(flat: Arrays, program: Program) -> list[np.ndarray]:
    """Flat results as arrays of the program's types."""
    return [a.view(t.dtype).reshape(t.shape) for a, t in zip(flat, program.out_types, strict=True)]


def loops(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and interprets those."""
    lowered = lower(real(program))
    return typed(interpret(lowered.loops, floats(args), lowered.constants), program)


def native(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and compiles those for the CPU."""
    lowered = lower(real(program))
    compiled = cpu.compile(
        lambda: lowered.loops,
        key=None,
        in_types=program.in_types,
        out_types=program.out_types,
        constants=lowered.constants,
    )
    return [np.asarray(out) for out in compiled(*args)]


def lowered_for_grid(program: Program) -> Lowered:
    """Lowers to loops for a grid of threads; a skip says what these have not."""
    try:
        return lower(real(program), grid=True)
    except MissingRuleError as missing:
        pytest.skip(str(missing))


def grid(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops for a grid of threads and interprets those, turns of any order reversed."""
    lowered = lowered_for_grid(program)
    verify(lowered.loops)
    return typed(interpret(lowered.loops, floats(args), lowered.constants, reversed), program)


def shim(program: Program, args: Arrays) -> Arrays:
    """Compiles for a CUDA device: with g++, each thread a fiber, unless a GPU was asked for."""
    lowered = lowered_for_grid(program)
    try:
        compiled = cuda.compile_for(
            shared_device(), lowered.loops, program.in_types, program.out_types, lowered.constants
        )
    except MissingRuleError as missing:
        pytest.skip(str(missing))
    return [np.asarray(fetched(out)) for out in compiled(*args)]


BACKENDS: dict[str, Backend] = {"loops": loops, "cpu": native, "grid": grid}
if shutil.which("g++") or KIND == "gpu":
    BACKENDS["cuda"] = shim
