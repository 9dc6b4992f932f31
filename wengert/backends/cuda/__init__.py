"""The CUDA back end: loop programs to kernels for a grid of threads, and launch plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.cuda.device import Device
from wengert.backends.cuda.devices import device
from wengert.backends.cuda.executable import Executable, Signature
from wengert.backends.cuda.plan import Plan, print_program
from wengert.ir.types import TensorType
from wengert.kernels.loops import LoopProgram

__all__ = ["Executable", "compile", "compile_for"]


def compile(  # noqa: A001 - the name that the stages have
    program: Callable[[], LoopProgram],
    *,
    key: str | None,
    in_types: Sequence[TensorType],
    out_types: Sequence[TensorType],
    constants: Sequence[np.ndarray[Any, Any]],
) -> Executable:
    """Compile a loop program that was lowered for a grid, for the current device.

    Compiled code is kept on disk by the text that it is made from, whatever `key` is. The arrays of
    `constants` are the program's constants, in order.
    """
    return compile_for(device(), program(), in_types, out_types, constants)


def compile_for(
    target: Device,
    program: LoopProgram,
    in_types: Sequence[TensorType],
    out_types: Sequence[TensorType],
    constants: Sequence[np.ndarray[Any, Any]],
) -> Executable:
    """Compile a loop program that was lowered for a grid, for a given device."""
    started = time.perf_counter()
    text = print_program(program)
    with target.active():
        plan = Plan(program, text, constants, target)
    signature = Signature(tuple(in_types), tuple(out_types), program.failures)
    made = Executable(plan, signature, target)
    made.text = text.source
    made.compile_seconds = time.perf_counter() - started
    return made
