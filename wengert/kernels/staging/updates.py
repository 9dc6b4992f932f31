"""Writes to a window as pointwise values: each element is the old one or, in the window, the new.

Where the window stands still and is a large part of the array, this beats a copy with a part
written over: it fuses with what makes the new elements and what reads the result, and the loops
are cut at the window's edges (`schedule.py`), so that no test is left in them.
"""

from __future__ import annotations

from wengert.ir.forms import Form, Update
from wengert.ir.op import ElementContext
from wengert.ir.program import Eqn, Literal
from wengert.ir.scalar import Expr

# Smaller arrays are copied as quickly as they are made.
SMALLEST = 64


def as_pointwise(eqn: Eqn, form: Form | None) -> bool:
    """Whether a write to a window is better computed as a pointwise value."""
    if not isinstance(form, Update) or not all(isinstance(a, Literal) for a in eqn.inputs[2:]):
        return False
    x, v = eqn.inputs[0].type, eqn.inputs[1].type
    if not (x.is_static and v.is_static) or any(step != 1 for step in form.steps):
        return False
    if form.combine == "add" and v.shape == x.shape:  # a sum, which stays where it is
        return False
    return x.size >= SMALLEST and 2 * v.size >= x.size


def updated(ctx: ElementContext, form: Update, index: tuple[Expr, ...]) -> Expr:
    """The element of x with v written to or added to its window."""
    s, new = ctx.s, ctx.in_types[1].shape
    starts = [ctx.read(2 + axis, ()) for axis in range(len(new))]
    places = [s.sub(i, start) for i, start in zip(index, starts, strict=True)]
    inside = s.const(True, bool)
    for place, n, m in zip(places, new, ctx.in_types[0].shape, strict=True):
        if n != m:
            inside = s.and_(inside, s.and_(s.ge(place, 0), s.lt(place, int(n))))
    old, value = ctx.read(0, index), ctx.read(1, places)
    return s.guard(inside, s.add(old, value) if form.combine == "add" else value, old)
