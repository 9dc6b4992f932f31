"""A few long rows, walked side by side: the coordinates of many points, say.

What takes such rows apart, puts them together or sums over them works on neighbours that are a row
apart. With a loop over the long axis outermost all of it is one loop over the points: values stay
in registers, inner loops over the few rows are written out (`unroll.py`), and the turns are there
for the threads and for vectors. In the order of the axes there would be a pass over memory for each
step, and as many turns as rows. Arrays that are only computed element by element keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from wengert.ir.forms import Reduction
from wengert.ir.program import Program
from wengert.ir.types import Dim, Shape
from wengert.kernels.staging.homes import form_of

FEW = 8
LONG = 512
"""So many rows of at least that length are walked side by side."""


def _are_rows(shape: Shape) -> bool:
    if len(shape) < 2 or any(isinstance(n, Dim) for n in shape):
        return False
    *few, long = shape
    return long >= LONG and 1 < prod(few) <= FEW


def lengths(program: Program) -> frozenset[int]:
    """The lengths of rows that are taken apart, put together or summed over."""
    found: set[int] = set()
    for eqn in program.eqns:
        if eqn.op.name in ("concat", "slice") or isinstance(form_of(eqn), Reduction):
            (*few, long), *others = [(1, *a.type.shape) for a in (*eqn.outputs, *eqn.inputs)]
            moved = any(rows[:-1] != tuple(few) and rows[-1] == long for rows in others)
            shapes = [a.type.shape for a in (*eqn.outputs, *eqn.inputs)]
            if moved and any(_are_rows(shape) for shape in shapes):
                found.add(long)
    return frozenset(found)


def loop_axes(shape: Shape, found: frozenset[int]) -> Sequence[tuple[int, int]]:
    """The axes with their extents, in the order of the loops over them, outermost first."""
    axes = list(enumerate(shape))
    if not found or not _are_rows(shape) or shape[-1] not in found:
        return axes
    return [axes[-1], *axes[:-1]]
