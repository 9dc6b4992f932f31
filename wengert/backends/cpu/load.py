"""Object files into memory, ready to be called."""

from __future__ import annotations

import contextlib
import importlib
import re
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


# the names that only `resolve` knows; those of the C library and of Python, LLVM finds by itself
_NAMES = re.compile(rb"wengert_runtime|(?:wg|blas|blasthreads|special|npy|py)\.[A-Za-z0-9_.]+")


def _load_by_llvm(data: bytes, names: list[str], resolve: Resolve) -> tuple[dict[str, int], Any]:
    """The same by LLVM's linker: any platform, but its library must be mapped first."""
    machine: Any = importlib.import_module("wengert.backends.cpu.machine")
    llvm: Any = importlib.import_module("llvmlite.binding")
    with machine.LOCK:
        for found in set(_NAMES.findall(data)):
            name = found.decode()
            with contextlib.suppress(
                AttributeError, KeyError, ValueError
            ):  # a name of the file's own
                llvm.add_symbol(name, resolve(name))
        engine = machine.empty_engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
        return {name: engine.get_function_address(name) for name in names}, engine
