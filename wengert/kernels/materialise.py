"""Decides which values of a program are stored; all others are computed where they are read.

Stored are: the program's outputs, the results of everything that is not pointwise, operands of
library calls, pointwise values that are dear and would be computed more than once
(`recompute.py`), and some in the middle of very long expressions (`segments.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wengert.ir.forms import Form
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.kernels.recompute import dear_values
from wengert.kernels.segments import long_values


@dataclass(frozen=True, slots=True)
class Plan:
    """`stored`: the values with a buffer. `base`: what a reshaped value is a view of."""

    stored: frozenset[Var]
    base: dict[Var, Var]
    forms: dict[Var, Form]
    producer: dict[Var, Eqn]

    def root(self, var: Var) -> Var:
        return self.base.get(var, var)


def plan(program: Program, call_operands: Callable[[Eqn, Form], Sequence[Atom]]) -> Plan:
    """Chooses the stored values of `program`.

    `call_operands` gives the operands that an equation hands to a library as they are.
    """
    base = _views(program)
    producer = {v: e for e in program.eqns for v in e.outputs}
    forms = {
        v: e.op.form(tuple(a.type for a in e.inputs), **e.params)
        for v, e in producer.items()
        if e.op.form is not None
    }
    stored = {base.get(a, a) for a in program.outputs if isinstance(a, Var)}
    for eqn in program.eqns:
        if eqn.op.element is None or eqn.op.check is not None:
            stored.update(eqn.outputs)
        form = forms.get(eqn.outputs[0])
        operands = call_operands(eqn, form) if form is not None else ()
        stored.update(base.get(a, a) for a in operands if isinstance(a, Var))
    stored.update(program.inputs)
    stored |= dear_values(program, base, forms, stored)
    stored |= long_values(program, base, stored)
    return Plan(frozenset(stored), base, forms, producer)


def _views(program: Program) -> dict[Var, Var]:
    base: dict[Var, Var] = {}
    for eqn in program.eqns:
        source = eqn.inputs[0] if eqn.inputs else None
        if eqn.op.name == "reshape" and isinstance(source, Var):
            base[eqn.outputs[0]] = base.get(source, source)
    return base
