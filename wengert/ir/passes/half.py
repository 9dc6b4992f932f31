"""Sums of half precision add up in single precision, as NumPy's do.

In float16 a sum of ones stops growing at 2048: one more is less than half a unit in the last place.
"""

from __future__ import annotations

import numpy as np

from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter, Rule

FLOAT16, FLOAT32 = np.dtype(np.float16), np.dtype(np.float32)


def in_single(r: Rewriter, n: Node) -> Atom | None:
    """sum(x: float16) -> float16(sum(float32(x))), and the same of products that are summed."""
    if n.type.dtype != FLOAT16:
        return None
    wide = [r.emit("cast", x, dtype=FLOAT32) for x in n.inputs]
    return r.emit("cast", r.emit(n.op.name, *wide, **n.params), dtype=FLOAT16)


TABLE: dict[str, tuple[Rule, ...]] = {"reduce_sum": (in_single,), "dot_general": (in_single,)}
