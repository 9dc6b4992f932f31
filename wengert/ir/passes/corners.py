"""Large arrays that loops change start as one value, in which a few elements are set.

    x = pad(v, 0);  y = for_loop(..., x)   ->   x = window_set(broadcast(0), v, ...);  y = ...

The cotangent of `table[n, m]` is such a padded number. Where other operations read it, a pad
fuses with them; what a loop works on is stored in any case, and then a plain fill is quicker than
loops around the corner where the value stands, most of all where the array lies by diagonals.
"""

from __future__ import annotations

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Eqn, Program, Var, regions
from wengert.ir.rewrite import map_regions
from wengert.ir.types import INT64

_SMALL = 64
_LARGE = 4096
"""Arrays of so many elements are filled, where at most so many others stand in them."""


def corners(program: Program) -> Program:
    """`program` with padded values set in place where only loops and branches read them."""
    program = map_regions(program, corners)
    others: set[Atom] = set(program.outputs)
    for eqn in program.eqns:
        if not regions(eqn):
            others.update(a for a in eqn.inputs if isinstance(a, Var))
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        eqns += _set(eqn) if _is_corner(eqn) and eqn.outputs[0] not in others else [eqn]
    changed = len(eqns) > len(program.eqns)
    return Program(program.inputs, tuple(eqns), program.outputs) if changed else program


def _is_corner(eqn: Eqn) -> bool:
    if eqn.op.name != "pad" or any(eqn.params["interior"]):
        return False
    inner, whole = eqn.inputs[0].type, eqn.outputs[0].type
    widths = (*eqn.params["low"], *eqn.params["high"])
    if not (inner.is_static and whole.is_static and all(w >= 0 for w in widths)):
        return False
    return 0 < inner.size <= _SMALL and whole.size >= _LARGE


def _set(eqn: Eqn) -> list[Eqn]:
    """The same as a window of a filled array."""
    b = Builder(location=eqn.location)
    value, around = (Value(b, a) for a in eqn.inputs)
    starts = [b.literal(low, INT64) for low in eqn.params["low"]]
    filled = around.broadcast(shape=eqn.outputs[0].type.shape, dims=())
    made = filled.window_set(value, *starts, steps=(1,) * len(starts))
    last = b.eqns[-1]
    assert made.atom is last.outputs[0]
    return [*b.eqns[:-1], Eqn(last.op, last.inputs, eqn.outputs, last.params, last.location)]
