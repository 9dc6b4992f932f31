"""Loop programs to LLVM text, and that to machine code, through llvmlite's binding.

The texts of one program are compiled at the same time, by as many threads.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm

from wengert.backends.cpu.kernel_facts import work
from wengert.backends.cpu.llvm.library import emit_object, run_passes
from wengert.backends.cpu.llvm.program import (
    LEAST_LOT,
    QUICK,
    SETTLED,
    ProgramText,
    print_program,
    weighed,
)
from wengert.backends.cpu.llvm.target import Target
from wengert.backends.cpu.threads import thread_count
from wengert.config import config
from wengert.kernels.buffers.packed import packed
from wengert.kernels.loops import LoopProgram
from wengert.kernels.maths import expand

__all__ = [
    "LOCK",
    "assembly",
    "empty_engine",
    "object_codes",
    "optimized",
    "ready",
    "target",
    "text",
    "units",
    "work",
]

LOCK = threading.RLock()  # of the target machines, and of LLVM's linker
_LEVEL = 2
_SETTLED_LEVEL = 1  # its code runs as fast as that of level 2: what that looks for is in the text
_MOST_UNITS = 4  # each costs 2 ms of its own


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # of code made instruction by instruction, too, registers are given out for whole functions
    llvm.set_option("wengert", "-optimize-regalloc")


@functools.cache
def host() -> tuple[str, str, str]:
    """Triple, name and feature list of this machine's CPU."""
    _initialize()
    features = llvm.get_host_cpu_features()
    return llvm.get_default_triple(), llvm.get_host_cpu_name(), features.flatten()


@functools.cache
def target() -> Target:
    """What the printer wants to know of this machine's CPU."""
    triple, _, features = host()
    found = set(features.split(","))
    fma = "+fma" in found or "arm64" in triple or "aarch64" in triple
    return Target(fma, "+avx512vl" in found, "+avx2" in found)


def ready(program: LoopProgram) -> LoopProgram:
    """The program as this machine runs it: without vectors, bits are not worth packing."""
    return packed(program) if target().vector else program


def text(program: LoopProgram) -> str:
    """The LLVM text of a loop program, for this machine."""
    return _printed(program).whole()


def units(program: LoopProgram) -> list[str]:
    """The same as some texts, about as many as there are threads to compile them."""
    return _printed(program).units(_threads(), LEAST_LOT)


def _threads() -> int:
    return config().compile_threads or min(thread_count(), _MOST_UNITS)


def _printed(program: LoopProgram) -> ProgramText:
    found = target()
    # tables are in registers, and exponents one instruction, where vectors have 512 bits
    return print_program(program, functools.partial(expand, tables=found.masks), found)


def _new_machine(level: int) -> Any:
    triple, cpu, features = host()
    target = llvm.Target.from_triple(triple)
    # position-independent and small: all data is reached relative to the code, next to which
    # the loader puts it
    return target.create_target_machine(
        cpu=cpu, features=features, opt=level, reloc="pic", codemodel="small", jit=True
    )


@functools.cache
def _machine(level: int, number: int) -> tuple[Any, str]:
    """One target machine for the modules of each thread, with its data layout: LLVM works out the
    tables of the CPU's instructions at a machine's first function, a millisecond each time."""
    machine = _new_machine(level)
    return machine, str(machine.target_data)


_contexts: dict[int, Any] = {}
"""LLVM's contexts that have a module, each held until the module is gone.

A module must be disposed of before its context. After an interrupt both may be part of a cycle (the
frames of a traceback), and the garbage collector finalises what is in one in any order; what is
held here is in none. If an interrupt comes before a module is known to be gone, its context stays.
"""


def _in_context(source: str) -> Any:
    """A module of LLVM text in a context of its own."""
    context = llvm.create_context()
    _contexts[id(context)] = context
    try:
        module = llvm.parse_assembly(source, context)
    except RuntimeError:  # it is no LLVM text, and llvmlite has disposed of the module
        del _contexts[id(context)]
        raise
    weakref.finalize(module, _contexts.pop, id(context), None)
    return module


def _parsed(source: str, layout: str) -> Any:
    module = _in_context(source)
    module.triple = host()[0]
    module.data_layout = layout
    return module


def optimized(source: str, level: int = _LEVEL, number: int = 0) -> tuple[Any, Any]:
    """The module of `source` after optimisation, and the target machine of thread `number`."""
    machine, layout = _machine(min(level, _code_level(source)), number)
    module = _parsed(source, layout)
    builder = _pass_builder(machine, level)
    passes = _few_passes(source) if source.startswith(SETTLED) else builder.getModulePassManager()
    run_passes(passes, module, builder)
    return module, machine


def _code_level(source: str) -> int:
    """How much LLVM looks for when it makes code of a text."""
    if source.startswith(QUICK):
        return 0
    return _SETTLED_LEVEL if source.startswith(SETTLED) else _LEVEL


def _pass_builder(machine: Any, level: int) -> Any:
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = True
    tuning.loop_interleaving = True
    # Short loops come unrolled, and loops are what vectorises: LLVM's own unrolling and its search
    # for vectors in straight code took a third of the time to compile and made nothing faster.
    tuning.slp_vectorization = False
    tuning.loop_unrolling = False
    return llvm.create_pass_builder(machine, tuning)


def _few_passes(source: str) -> Any:
    """What brings registers out of memory, for code that is as it will be otherwise.

    Even one pass that looks for simplifications takes longer than these, and finds next to nothing:
    expressions were simplified and shared before they were printed.
    """
    passes = llvm.create_new_module_pass_manager()
    if "alwaysinline" in source:
        passes.add_always_inliner_pass()
        passes.add_global_dead_code_eliminate_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    return passes


def object_codes(sources: Sequence[str], as_written: bool = False) -> list[bytes]:
    """The object files of LLVM texts, made at the same time.

    Texts that are to be taken `as_written`, in vectors already, are not optimised.
    """
    found: list[bytes | BaseException] = [b""] * len(sources)
    together = max(1, min(len(sources), _threads()))
    # each thread takes the longest one that is left, of which unsettled ones take longer still
    order = sorted(range(len(sources)), key=lambda k: weighed(sources[k], sources[k]))

    def make(number: int) -> None:
        while order:
            try:
                k = order.pop()
            except IndexError:  # another thread was faster
                return
            try:
                with _machine_lock(number):
                    found[k] = _emitted(sources[k], number, as_written)
            except BaseException as error:  # raised again in the thread that asked
                found[k] = error

    with LOCK:
        for number in range(together):
            for level in (0, _SETTLED_LEVEL, _LEVEL):
                _machine(level, number)
        threads = [threading.Thread(target=make, args=(k,)) for k in range(1, together)]
        for thread in threads:
            thread.start()
        make(0)
        for thread in threads:
            thread.join()
    return [_result(each) for each in found]


def _emitted(source: str, number: int, as_written: bool) -> bytes:
    if as_written:
        machine, layout = _machine(_LEVEL, number)
        return emit_object(machine, _parsed(source, layout))
    module, machine = optimized(source, number=number)
    return emit_object(machine, module)


@functools.cache
def _machine_lock(number: int) -> threading.Lock:
    """Held while a thread uses its target machine: an interrupt can end the wait for it."""
    return threading.Lock()


def _result(found: bytes | BaseException) -> bytes:
    if isinstance(found, BaseException):
        raise found
    return found


def assembly(source: str) -> str:
    """The assembly of LLVM text, for reading."""
    with LOCK:
        module, machine = optimized(source)
        return machine.emit_assembly(module)


def empty_engine() -> Any:
    """An engine that object files can be added to."""
    return llvm.create_mcjit_compiler(_in_context(""), _new_machine(_LEVEL))  # which it will own
