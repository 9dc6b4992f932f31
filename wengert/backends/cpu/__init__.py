"""The CPU back end: loop programs to native functions, through LLVM."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends import cache
from wengert.backends.cpu import freed_memory
from wengert.backends.cpu.entry import fast_entry, worth_releasing
from wengert.backends.cpu.executable import Executable, Signature
from wengert.backends.cpu.load import load
from wengert.backends.cpu.routines.runtime_text import PLAN
from wengert.backends.cpu.support import resolve
from wengert.config import config
from wengert.errors import Location
from wengert.ir.floats import dtype_of
from wengert.ir.types import TensorType
from wengert.kernels.loops import Failure, LoopProgram

__all__ = ["Executable", "compile"]

KEPT_CONSTANTS = 1 << 20  # bytes; programs with more are lowered again to get at them


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
    program. The arrays of `constants` are the program's constants, in order, once it was called;
    small ones are kept with the compiled form.
    """
    started = time.perf_counter()
    entry = _cached(key)
    from_cache = entry is not None
    if entry is None:
        entry = _compiled(program(), key, constants)
    elif entry.facts["constants"] is not None:
        constants = _constants_from(entry)
    elif not constants:
        program()
    failures = tuple(_failure_from(f) for f in entry.facts["failures"])
    donors = tuple(entry.facts["donors"])
    signature = Signature(tuple(in_types), tuple(out_types), entry.facts["arena"], failures, donors)
    addresses, code = load(cache.parts(entry), [PLAN], resolve)
    # a constant may be an array that the caller will donate
    copied = True if signature.donated else None
    kept = tuple(np.array(c, order="C", copy=copied) for c in constants)
    made = Executable(
        signature, kept, addresses[PLAN], code, lambda: str(_compiler().text(_ready(program())))
    )
    freed_memory.keep()
    release = worth_releasing(signature, entry.facts["work"])
    made.fast = fast_entry(signature, made.plan, kept, code, release)
    made.from_cache = from_cache
    made.compile_seconds = time.perf_counter() - started
    return made


def _compiled(
    program: LoopProgram, key: str | None, constants: Sequence[np.ndarray[Any, Any]]
) -> cache.Entry:
    """A program's machine code and facts, also put into the cache."""
    machine, program = _compiler(), _ready(program)
    files: list[bytes] = machine.object_codes(machine.units(program))
    facts = {
        "arena": program.arena,
        "failures": [_failure_facts(f) for f in program.failures],
        "donors": program.donors,
        "work": machine.work(program),
        "sizes": [len(file) for file in files],
        "constants": None,
    }
    if sum(c.nbytes for c in constants) <= KEPT_CONSTANTS:
        facts["constants"] = [[c.dtype.str, c.shape] for c in constants]
        files = [*files, *(c.tobytes() for c in constants)]
    entry = cache.Entry(facts, b"".join(files))
    if key is not None and config().cache:
        cache.write(config().cache_dir, key, entry)
    return entry


def _ready(program: LoopProgram) -> LoopProgram:
    ready: LoopProgram = _compiler().ready(program)
    return ready


def _constants_from(entry: cache.Entry) -> list[np.ndarray[Any, Any]]:
    """The constants behind the object files."""
    found: list[np.ndarray[Any, Any]] = []
    start = sum(entry.facts["sizes"])
    for name, shape in entry.facts["constants"]:
        dtype = dtype_of(name)
        count = math.prod(shape)
        found.append(np.frombuffer(entry.code, dtype, count, start).reshape(shape).copy())
        start += count * dtype.itemsize
    return found


def _cached(key: str | None) -> cache.Entry | None:
    return cache.read(config().cache_dir, key) if key is not None and config().cache else None


def _failure_facts(failure: Failure) -> list[Any]:
    at = failure.location
    place = None if at is None else [at.file, at.line, at.function]
    return [failure.error, failure.message, place]


def _failure_from(facts: list[Any]) -> Failure:
    error, message, place = facts
    return Failure(error, message, None if place is None else Location(*place))


def _compiler() -> Any:
    """The module that prints and compiles: imported only when needed, as it takes LLVM along."""
    return importlib.import_module("wengert.backends.cpu.machine")
