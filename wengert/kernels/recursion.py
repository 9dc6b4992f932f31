"""Room for recursion over deep expressions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

# Expressions of long elementwise chains are deep; rules recurse a few frames per operation.
FRAMES = 50_000

# The limit is one for all threads: the last one out restores it.
_LOCK = threading.Lock()
_before: list[int] = []


@contextmanager
def deep_recursion() -> Generator[None]:
    """Allows deep recursion inside the block, or the function that this decorates."""
    with _LOCK:
        _before.append(sys.getrecursionlimit())
        sys.setrecursionlimit(max(_before[0], FRAMES))
    try:
        yield
    finally:
        with _LOCK:
            first = _before[0]
            _before.pop()
            if not _before:
                sys.setrecursionlimit(first)
