"""Object files into memory, ready to be called."""

from __future__ import annotations

import contextlib
import importlib
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from wengert.backends.cpu import elf

Resolve = Callable[[str], int]


def load(files: Sequence[bytes], names: list[str], resolve: Resolve) -> tuple[dict[str, int], Any]:
    """The addresses of `names` in the first of some object files, and what keeps them in memory.

    Each file may use symbols of the later ones. `resolve` gives the addresses of all others.
    """
    try:
        return _load_elf(files, names, resolve)
    except (elf.UnsupportedObject, struct.error):
        return _load_by_llvm(files, names, resolve)


def _load_elf(
    files: Sequence[bytes], names: list[str], resolve: Resolve
) -> tuple[dict[str, int], Any]:
    known: dict[str, int] = {}
    images: list[elf.Image] = []

    def address(name: str) -> int:
        return known[name] if name in known else resolve(name)

    for data in reversed(files):
        images.append(elf.load(data, address))
        known.update(images[-1].symbols)
    images[-1].uses = tuple(images[:-1])
    return {name: known[name] for name in names}, images[-1]


# the names that only `resolve` knows; those of the C library and of Python, LLVM finds by itself
_NAMES = re.compile(
    rb"wengert_runtime|(?:wg|scratch|blas|blasthreads|special|npy|py)\.[A-Za-z0-9_.]+"
)


def _load_by_llvm(
    files: Sequence[bytes], names: list[str], resolve: Resolve
) -> tuple[dict[str, int], Any]:
    """The same by LLVM's linker: any platform, but its library must be mapped first."""
    machine: Any = importlib.import_module("wengert.backends.cpu.machine")
    llvm: Any = importlib.import_module("llvmlite.binding")
    with machine.LOCK:
        for found in {name for data in files for name in _NAMES.findall(data)}:
            name = found.decode()
            with contextlib.suppress(
                AttributeError, KeyError, ValueError
            ):  # a name of the file's own
                llvm.add_symbol(name, resolve(name))
        engine = machine.empty_engine()
        for data in reversed(files):
            engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
        return {name: engine.get_function_address(name) for name in names}, engine
