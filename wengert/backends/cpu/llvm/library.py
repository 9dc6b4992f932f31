"""The two long calls into LLVM's library, made without llvmlite's lock.

llvmlite lets one thread at a time into LLVM, since threads may share a context. Modules of contexts
of their own can be compiled at the same time ("Threads and the LLVMContext" in LLVM's Programmer's
Manual), each with a target machine of its own.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from llvmlite.binding import ffi

_RUN = "LLVMPY_RunNewModulePassManager"
_EMIT = "LLVMPY_TargetMachineEmitToMemory"
_START, _SIZE = "LLVMPY_GetBufferStart", "LLVMPY_GetBufferSize"
_DISPOSE = "LLVMPY_DisposeMemoryBuffer"


@functools.cache
def _functions() -> dict[str, Any] | None:
    """The library's functions by name; None where this version of llvmlite lacks one."""
    library = ctypes.CDLL(ffi.lib._name)
    pointer = ctypes.c_void_p
    types: dict[str, tuple[Any, list[Any]]] = {
        _RUN: (None, [pointer, pointer, pointer]),
        _EMIT: (pointer, [pointer, pointer, ctypes.c_int, pointer]),
        _START: (pointer, [pointer]),
        _SIZE: (ctypes.c_size_t, [pointer]),
        _DISPOSE: (None, [pointer]),
    }
    found: dict[str, Any] = {}
    for name, (result, parameters) in types.items():
        function = getattr(library, name, None)
        if function is None:
            return None
        function.restype, function.argtypes = result, parameters
        found[name] = function
    return found


def run_passes(manager: Any, module: Any, builder: Any) -> None:
    """As `manager.run(module, builder)`."""
    functions = _functions()
    if functions is None:
        manager.run(module, builder)
    else:
        functions[_RUN](manager, module, builder)


def emit_object(machine: Any, module: Any) -> bytes:
    """As `machine.emit_object(module)`."""
    functions = _functions()
    if functions is None:
        return machine.emit_object(module)
    error = ffi.OutputString()
    buffer = functions[_EMIT](machine, module, 1, error)
    if not buffer:
        raise RuntimeError(f"LLVM made no object code: {error}")
    try:
        return ctypes.string_at(functions[_START](buffer), functions[_SIZE](buffer))
    finally:
        functions[_DISPOSE](buffer)
