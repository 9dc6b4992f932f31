"""Has the C library keep memory that is given back, for the next results.

By default glibc returns large blocks to the system when they are freed, or when much is free at the
end of the heap (where that limit lies depends on what was freed before). A program that makes some
megabytes of results in each call then pays for page faults and zeroing each time: 2 ms of 18 for a
step with 5 MB of parameters. See mallopt(3).
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

from wengert.config import config

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT = 256 << 20
"""So many free bytes at the end of the heap are kept."""
LARGEST = 32 << 20
"""Blocks up to this size, the most that glibc allows, come from the heap."""


@functools.cache
def keep() -> bool:
    """Sets the limits, once and unless the environment has others; whether it did."""
    own = any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"))
    if own or not config().keep_memory or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_THRESHOLD, LARGEST))
