"""The text around kernels: what both toolchains share, read from text/*.h."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

TEXT = Path(__file__).parent / "text"
# In order. The toolchain's own header comes before them: cuda.h or shim.h.
SHARED = ("scalar.h", "team.h")
# What special.h has, for the programs that call it.
SPECIAL = ("wg_gammainc", "wg_betainc", "wg_hyp1f1")


@functools.cache
def shared_text() -> str:
    """The headers that every program's text begins with."""
    return "\n".join((TEXT / name).read_text() for name in SHARED)


def source_text(kernels: Sequence[str]) -> str:
    """One translation unit with all kernels of a program."""
    needed = any(name in kernel for name in SPECIAL for kernel in kernels)
    special = [(TEXT / "special.h").read_text()] if needed else []
    return "\n".join([shared_text(), *special, *kernels])
