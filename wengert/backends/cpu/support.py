"""Object code that all programs share, made once and kept in the cache like a program."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends import cache
from wengert.backends.cpu import gemm_text, libraries, merge_text, threads
from wengert.backends.cpu.load import load
from wengert.backends.cpu.runtime_text import DECLARATIONS, RUNTIME_TEXT
from wengert.config import config


def object_codes(
    name: str, texts: Callable[[], Sequence[str]], as_written: bool = False
) -> list[bytes]:
    """The object files of LLVM texts, from the cache if they are there.

    The name stands for the texts: the cache knows the sources that they are made by.
    """
    entry = cache.read(config().cache_dir, name) if config().cache else None
    if entry is None:
        # imported at the first use, since it takes LLVM along
        machine: Any = importlib.import_module("wengert.backends.cpu.machine")
        files: list[bytes] = machine.object_codes(texts(), as_written)
        entry = cache.Entry({"sizes": [len(file) for file in files]}, b"".join(files))
        if config().cache:
            cache.write(config().cache_dir, name, entry)
    return cache.parts(entry)


def resolve(name: str) -> int:
    """The address of a symbol that a program lacks."""
    if name in DECLARATIONS:
        return _runtime()[0][name]
    return _part(name)[0][name] if name.startswith(_PARTS) else libraries.resolve(name)


_PARTS = ("wg.gemm.", "wg.merge.values.")


@functools.cache
def _runtime() -> tuple[dict[str, int], Any]:
    """The runtime's functions, and what keeps them in memory."""
    return load(
        object_codes("runtime", lambda: [RUNTIME_TEXT]), list(DECLARATIONS), libraries.resolve
    )


@functools.cache
def _part(name: str) -> tuple[dict[str, int], Any]:
    """A function of the runtime that not all programs need, and what keeps it in memory."""
    kind = gemm_text.KINDS.get(name)
    if kind is not None:
        threads.keep_scratch(gemm_text.SCRATCH_BYTES)

    def texts() -> Sequence[str]:
        if kind is not None:
            return gemm_text.texts(kind)
        return [merge_text.text(np.dtype(name.rpartition(".")[2]))]

    return load(object_codes(name, texts, as_written=True), [name], libraries.resolve)
