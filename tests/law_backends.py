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
from wengert.ir.program import Program
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.verify import verify

Arrays = Sequence[np.ndarray]
Backend = Callable[[Program, Arrays], Arrays]


def loops(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and interprets those."""
    lowered = lower(expand(program))
    flat = interpret(lowered.loops, args, lowered.constants)
    return [a.reshape(t.shape) for a, t in zip(flat, program.out_types, strict=True)]


def native(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops and compiles those for the CPU."""
    lowered = lower(expand(program))
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
        return lower(expand(program), grid=True)
    except MissingRuleError as missing:
        pytest.skip(str(missing))


def grid(program: Program, args: Arrays) -> Arrays:
    """Lowers to loops for a grid of threads and interprets those, turns of any order reversed."""
    lowered = lowered_for_grid(program)
    verify(lowered.loops)
    flat = interpret(lowered.loops, args, lowered.constants, reversed)
    return [a.reshape(t.shape) for a, t in zip(flat, program.out_types, strict=True)]


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
