"""Sums of half precision add up in single precision, as NumPy's do.

In float16 a sum of ones stops growing at 2048, in bfloat16 at 256: one more is less than half a
unit in the last place. What runs along an axis (cumsum and its kin) is rounded at each step in
float16, as NumPy rounds it; bfloat16 has too few bits to go on with.
"""

from __future__ import annotations

import numpy as np

from wengert.ir.floats import is_bfloat16, is_half
from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter, Rule

FLOAT32 = np.dtype(np.float32)


def in_single(r: Rewriter, n: Node) -> Atom | None:
    """sum(x: float16) -> float16(sum(float32(x))), and the same of products that are summed."""
    if not is_half(n.type.dtype):
        return None
    wide = [r.emit("cast", x, dtype=FLOAT32) for x in n.inputs]
    return r.emit("cast", r.emit(n.op.name, *wide, **n.params), dtype=n.type.dtype)


def running(r: Rewriter, n: Node) -> Atom | None:
    """The same of bfloat16 alone."""
    return in_single(r, n) if is_bfloat16(n.type.dtype) else None


def sorted_in_single(r: Rewriter, n: Node) -> Atom | None:
    """Rows of bfloat16 are sorted as rows of float32: NumPy has no function for them."""
    x = n.inputs[0]
    if not is_bfloat16(x.type.dtype):
        return None
    found = r.emit("sort", r.emit("cast", x, dtype=FLOAT32), **n.params)
    return r.emit("cast", found, dtype=n.type.dtype) if found.type != n.type else found


def selected_in_single(r: Rewriter, n: Node) -> Atom | None:
    """The same of what stands at given ranks."""
    x, ranks = n.inputs
    if not is_bfloat16(x.type.dtype):
        return None
    return r.emit("selection", r.emit("cast", x, dtype=FLOAT32), ranks)


SUMMED = ("reduce_sum", "dot_general")
EXTREME = ("reduce_max", "reduce_min")  # which are the same, and loops of vectors in float32 alone
RUNNING = ("reduce_prod", "cumsum", "cumprod", "linear_recurrence")
TABLE: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys((*SUMMED, *EXTREME), (in_single,)),
    **dict.fromkeys(RUNNING, (running,)),
    "selection": (selected_in_single,),
    "sort": (sorted_in_single,),
}
