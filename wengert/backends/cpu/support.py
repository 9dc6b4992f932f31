"""Object code that all programs share, made once and kept in the cache like a program."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from wengert.backends import cache
from wengert.backends.cpu import libraries, threads
from wengert.backends.cpu.load import load
from wengert.backends.cpu.routines.gemm_text import SCRATCH_BYTES
from wengert.backends.cpu.routines.runtime_text import DECLARATIONS, RUNTIME_TEXT
from wengert.backends.cpu.routines.team_text import SUPPORTED, TEAM_THREAD
from wengert.config import config


def object_codes(
    name: str, texts: Callable[[], Sequence[str]], as_written: bool = False
) -> list[bytes]:
    """The object files of LLVM texts, from the cache if they are there.

    The name stands for the texts: the cache knows the sources that they are made by.
    """
    entry = cache.read(config().cache_dir, name) if config().cache else None
    if entry is None:
        files: list[bytes] = _machine().object_codes(texts(), as_written)
        entry = cache.Entry({"sizes": [len(file) for file in files]}, b"".join(files))
        if config().cache:
            cache.write(config().cache_dir, name, entry)
    return cache.parts(entry)


def _machine() -> Any:
    """Imported at the first use, since it takes LLVM along."""
    return importlib.import_module("wengert.backends.cpu.machine")


def _texts(name: str) -> Sequence[str]:
    """The LLVM texts of a function; what writes them is imported when they are not in the cache."""
    shared: Any = importlib.import_module("wengert.backends.cpu.shared_texts")
    return shared.texts(name, _machine().target())


def resolve(name: str) -> int:
    """The address of a symbol that a program lacks."""
    if name in DECLARATIONS:
        return _loaded(_runtime)[0][name]
    if name.startswith(_PARTS):
        return _loaded(lambda: _part(name))[0][name]
    return libraries.resolve(name)


def _loaded(part: Callable[[], tuple[dict[str, int], Any]]) -> tuple[dict[str, int], Any]:
    """A part of the runtime, loaded once: a second copy would take the place of the one in use."""
    with _LOADING:
        return part()


_LOADING = threading.RLock()
_GEMM = "wg.gemm."
_WORDS = ("wg.radix.", "wg.rank.order", "wg.select.order")
_OPTIMISED = ("wg.eigh.", "wg.small.", "wg.shared.sum.", *_WORDS)
_PARTS = (_GEMM, "wg.fft.", "wg.merge.values.", "wg.transpose.", *_OPTIMISED)


@functools.cache
def _runtime() -> tuple[dict[str, int], Any]:
    """The runtime's functions, and what keeps them in memory; the team runs from now on."""
    files = object_codes("runtime", lambda: [RUNTIME_TEXT])
    addresses, code = load(files, list(DECLARATIONS), libraries.resolve)
    if SUPPORTED:
        threads.launch(addresses[TEAM_THREAD], code)
    return addresses, code


@functools.cache
def _part(name: str) -> tuple[dict[str, int], Any]:
    """A function of the runtime that not all programs need, and what keeps it in memory."""
    if name.startswith(_GEMM):
        threads.keep_scratch(SCRATCH_BYTES)
    files = object_codes(name, lambda: _texts(name), as_written=not name.startswith(_OPTIMISED))
    return load(files, [name], libraries.resolve)
