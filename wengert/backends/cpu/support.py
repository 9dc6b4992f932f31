"""Object code that all programs share, made once and kept in the cache like a program."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from wengert.backends import cache
from wengert.backends.cpu import libraries
from wengert.backends.cpu.load import load
from wengert.backends.cpu.runtime_text import DECLARATIONS, RUNTIME_TEXT
from wengert.config import config


def object_code(text: str) -> bytes:
    """The object file of LLVM text, from the cache if it is there."""
    entry = cache.read(config().cache_dir, text) if config().cache else None
    if entry is None:
        # imported at the first use, since it takes LLVM along
        machine: Any = importlib.import_module("wengert.backends.cpu.machine")
        entry = cache.Entry({}, machine.object_code(text))
        if config().cache:
            cache.write(config().cache_dir, text, entry)
    return entry.code


def resolve(name: str) -> int:
    """The address of a symbol that a program lacks."""
    return _runtime()[0][name] if name in DECLARATIONS else libraries.resolve(name)


@functools.cache
def _runtime() -> tuple[dict[str, int], Any]:
    """The runtime's functions, and what keeps them in memory."""
    return load([object_code(RUNTIME_TEXT)], list(DECLARATIONS), libraries.resolve)
