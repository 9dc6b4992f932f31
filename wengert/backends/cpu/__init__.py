"""The CPU back end: loop programs to native functions, through LLVM."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.cpu.entry import fast_entry, worth_releasing
from wengert.backends.cpu.executable import Executable, Signature
from wengert.backends.cpu.llvm_calls import MAIN
from wengert.backends.cpu.llvm_print import print_program, work
from wengert.backends.cpu.load import load
from wengert.ir.types import TensorType
from wengert.kernels.loops import LoopProgram
from wengert.kernels.maths import expand

__all__ = ["Executable", "compile"]


def compile(  # noqa: A001 - the name that the stages have
    program: Callable[[], LoopProgram],
    *,
    key: str | None,
    in_types: Sequence[TensorType],
    out_types: Sequence[TensorType],
    constants: Sequence[np.ndarray[Any, Any]],
) -> Executable:
    """Compile a loop program for this machine.

    `program` is called only if no compiled form is found under `key`, a text that determines the
    program. The arrays of `constants` are the program's constants, in order.
    """
    started = time.perf_counter()
    compiler = _compiler()
    lowered = program()
    text = _text(lowered)
    data = compiler.object_code(text)
    signature = Signature(tuple(in_types), tuple(out_types), lowered.arena, lowered.failures)
    addresses, code = load(data, [MAIN])
    kept = tuple(np.ascontiguousarray(c).reshape(c.shape) for c in constants)
    made = Executable(signature, kept, addresses[MAIN], code, lambda: text, 0.0, False)
    release = worth_releasing(signature, work(lowered))
    made.fast = fast_entry(_named_object, signature, made.address, kept, code, release)
    made.compile_seconds = time.perf_counter() - started
    return made


def _named_object(name: str, text: str) -> bytes:
    data: bytes = _compiler().object_code(text)
    return data


def _compiler() -> Any:
    """The module that compiles: imported at the first use, since it takes LLVM along."""
    return importlib.import_module("wengert.backends.cpu.machine")


def _text(program: LoopProgram) -> str:
    return print_program(program, expand, _compiler().has_fma())
