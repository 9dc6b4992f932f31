"""Arrays that a loop does nothing with but add to are updated in place.

    for i: y = y + f(i)

As a value of its own the new `y` would be another array than the old one, and the loop would go to
and fro between the two. As an update, which `x[...] += ` of a part is anyway, it stays where it is,
and turns that meet in such sums alone may run on the threads (`kernels/scheduling/summed.py`). It
is a matter of memory, so it is done when a program is lowered for the CPU.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from wengert.ir.op import REGISTRY
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.rewrite import map_regions
from wengert.ir.types import INT64

# Smaller arrays are kept in registers, or nearly so.
SMALL = 64


def sums_in_place(program: Program) -> Program:
    """`program` with the sums of its loops as updates."""
    program = map_regions(program, sums_in_place)
    eqns = tuple([_loop(e) if e.op.name == "for_loop" else e for e in program.eqns])
    if eqns == program.eqns:
        return program
    return Program(program.inputs, eqns, program.outputs)


def _loop(eqn: Eqn) -> Eqn:
    body: Program = eqn.params["body"]
    uses = Counter[Atom](a for e in body.eqns for a in e.inputs)
    uses.update(body.outputs)
    carry = body.inputs[1 + int(eqn.params["consts"]) :]
    grown = dict(zip(body.outputs, carry, strict=True))
    eqns = tuple([new for e in body.eqns for new in _update(e, grown, uses)])
    if eqns == body.eqns:
        return eqn
    return replace(eqn, params={**eqn.params, "body": Program(body.inputs, eqns, body.outputs)})


def _update(eqn: Eqn, grown: dict[Atom, Var], uses: Counter[Atom]) -> list[Eqn]:
    """x + v, for a carried x that becomes it and is not used otherwise, as an update of x."""
    if eqn.op.name != "add" or uses[eqn.outputs[0]] != 1:
        return [eqn]
    (out,), old = eqn.outputs, grown.get(eqn.outputs[0])
    if old not in eqn.inputs or uses[old] != 1 or not out.type.is_static or out.type.size <= SMALL:
        return [eqn]
    (value,) = (a for a in eqn.inputs if a is not old)
    made: list[Eqn] = []
    if value.type.shape != out.type.shape:  # a number, which ops of elements take as it is
        whole, shape = Var(out.type), {"shape": out.type.shape, "dims": ()}
        made.append(Eqn(REGISTRY["broadcast"], (value,), (whole,), shape, eqn.location))
        value = whole
    starts = [Literal(0, INT64)] * out.type.ndim
    params = {"steps": (1,) * out.type.ndim}
    inputs = (old, value, *starts)
    return [*made, Eqn(REGISTRY["window_add"], inputs, (out,), params, eqn.location)]
