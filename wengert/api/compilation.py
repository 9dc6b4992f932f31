"""From a traced program to an executable, on the back end that was asked for."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.api.arguments import fail
from wengert.config import config
from wengert.dump import dump, dumping, note
from wengert.errors import InputTypeError
from wengert.ir.ops.host_calls import calls_python
from wengert.ir.passes.cleanup import dce
from wengert.ir.passes.communication import communicates
from wengert.ir.passes.expand import expand
from wengert.ir.passes.pipeline import default_pipeline, real_pipeline
from wengert.ir.passes.rows import as_batches
from wengert.ir.passes.unchecked import unchecked
from wengert.ir.program import Program, equations
from wengert.ir.text import fingerprint
from wengert.world import WORLD, communicator

if TYPE_CHECKING:
    from wengert.kernels.loops import LoopProgram
    from wengert.kernels.lower import Lowered

LOCK = threading.RLock()
"""Held while a program is compiled; no user code runs under it."""

BACKENDS = ("cpu", "cuda", "reference")
DEFAULT = "cpu"


def check_backend(name: str | None) -> str | None:
    """The name of the back end that was asked for; raises InputTypeError if there is none of it."""
    if name is not None and name not in BACKENDS:
        listed = ", ".join(map(repr, BACKENDS))
        fail(InputTypeError(f"there is no backend {name!r}; wengert has {listed}"))
    return name


def backend_for(asked: str | None, on_device: bool) -> str:
    """The back end for arguments of which some lie `on_device`; raises InputTypeError."""
    if on_device and asked not in (None, "cuda"):
        fail(
            InputTypeError(
                f"this function was compiled with backend={asked!r}, and was called with CuPy "
                "arrays; leave the backend out, which then follows the arguments, or pass NumPy "
                "arrays (x.get())"
            )
        )
    return asked or ("cuda" if on_device else DEFAULT)


def compile_program(program: Program, backend: str, donated: AbstractSet[int] = frozenset()) -> Any:
    """An executable for `program`: call it with the leaves; `compile_seconds` says how long.

    `donated` are inputs, by position, whose memory outputs may take.
    """
    # imported at the first use, since engines take long to load
    program = dce(program)  # what nothing reads must not fail
    slow = config().debug_nans
    engine: Any = importlib.import_module(f"wengert.backends.{'reference' if slow else backend}")
    if slow:  # as the user wrote it: passes would move and merge equations
        return engine.compile(lambda: program)
    program = expand(program)  # rules of the user's own have no text to look programs up by
    if not config().check_bounds:
        program = unchecked(program)
    with LOCK:
        if backend == "reference":
            return engine.compile(lambda: default_pipeline(program))
        return _compile_loops(engine, program, backend == "cuda", donated)


def _compile_loops(engine: Any, program: Program, grid: bool, donated: AbstractSet[int]) -> Any:
    constants: list[np.ndarray[Any, Any]] = []  # known only after lowering

    def loops() -> LoopProgram:
        lowered = lower_program(program, grid, donated)
        constants[:] = lowered.constants
        return lowered.loops

    made = engine.compile(
        loops,
        key=None if calls_python(program) else _key(program, donated),
        in_types=program.in_types,
        out_types=program.out_types,
        constants=constants,
    )
    note(1, f"{len(program.eqns)} equations ready to run in {made.compile_seconds * 1e3:.0f} ms")
    if dumping():
        dump("source", "cu" if grid else "ll", lambda: made.source)
    return made


def _key(program: Program, donated: AbstractSet[int]) -> str:
    """What the compiled form depends on: program, donation, the lines that its failures name."""
    given = f"\ndonated {sorted(donated)}" if donated else ""
    places = "".join(f"\n{e.location}" for e in equations(program) if e.op.check is not None)
    world = f"\nworld {communicator(WORLD).size}" if communicates(program) else ""
    return fingerprint(program) + places + given + world


def lower_program(
    program: Program, grid: bool = False, donated: AbstractSet[int] = frozenset()
) -> Lowered:
    """The loop program after the default passes; for a grid of threads on request.

    Outputs may take the memory of the inputs that are `donated`.
    """
    kernels: Any = importlib.import_module("wengert.kernels.lower")  # as late as the engines
    program = as_batches(program) if grid else program
    lowered: Lowered = kernels.lower(real_pipeline(program), grid, donated)
    if dumping():
        dump("lowered", "kernels", lambda: loops_text(lowered.loops))
    return lowered


def loops_text(loops: LoopProgram) -> str:
    """A loop program as text."""
    printer: Any = importlib.import_module("wengert.kernels.text")
    return printer.to_text(loops)
