"""Object files into memory, ready to be called."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable
from typing import Any

from wengert.backends.cpu import elf

Resolve = Callable[[str], int]


def load(data: bytes, names: list[str], resolve: Resolve) -> tuple[dict[str, int], Any]:
    """The addresses of `names` in an object file, and what keeps the code in memory.

    `resolve` gives the addresses of the symbols that the file lacks.
    """
    try:
        image = elf.load(data, resolve)
        return {name: image.symbols[name] for name in names}, image
    except (elf.UnsupportedObject, struct.error):
        return _load_by_llvm(data, names, resolve)


def _load_by_llvm(
    data: bytes, names: list[str], resolve: Resolve
) -> tuple[dict[str, int], Any]:
    """The same by LLVM's linker: any platform, but its library must be mapped first."""
    compiler: Any = importlib.import_module("wengert.backends.cpu.machine")
    llvm: Any = importlib.import_module("llvmlite.binding")
    with compiler.LOCK:
        engine = compiler.empty_engine()
        file = llvm.ObjectFileRef.from_data(data)
        for name in compiler.undefined_symbols(data):
            llvm.add_symbol(name, resolve(name))
        engine.add_object_file(file)
        engine.finalize_object()
        return {name: engine.get_function_address(name) for name in names}, engine
