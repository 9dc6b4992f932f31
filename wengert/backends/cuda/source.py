"""The text around kernels: what both toolchains share, read from text/*.h."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

TEXT = Path(__file__).parent / "text"
# In order. The toolchain's own header comes before them: cuda.h or shim.h.
SHARED = ("scalar.h", "team.h")
# What special.h and functions.h have, for the programs that call them; the latter calls the former.
SPECIAL = ("wg_gammainc", "wg_betainc", "wg_hyp1f1")
MORE = (
    *("gammaincinv", "gammainccinv", "betaincinv", "expi", "expn", "erfi", "spence", "owens_t"),
    *("ellipk", "ellipkm1", "ellipe", "y0", "y1", "k0e", "k1e", "kv", "kve", "iv", "ive"),
)

ORDERS = ("jv", "yv", "hyp0f1", "hyp2f1")
"""What orders.h has, which calls the others."""


@functools.cache
def shared_text() -> str:
    """The headers that every program's text begins with."""
    return "\n".join((TEXT / name).read_text() for name in SHARED)


def source_text(kernels: Sequence[str]) -> str:
    """One translation unit with all kernels of a program."""
    orders = any(f"wg_{name}(" in kernel for name in ORDERS for kernel in kernels)
    more = orders or any(f"wg_{name}(" in kernel for name in MORE for kernel in kernels)
    needed = more or any(name in kernel for name in SPECIAL for kernel in kernels)
    names = ["special.h"] * needed + ["functions.h"] * more + ["orders.h"] * orders
    return "\n".join([shared_text(), *((TEXT / name).read_text() for name in names), *kernels])
