"""Decides which values of a program are stored; all others are computed where they are read.

Stored are: the program's outputs, the results of everything that is not pointwise, operands of
library calls, and pointwise values that are dear and would be computed more than once.

A pointwise value is computed once if all its readers end up in one loop at the same index. That
is so where the readers are elementwise and have the same level, the level of a value being the
number of barriers (reductions and the like) on the longest path to it: readers of different
levels cannot share a loop, because one needs a complete result that depends on the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wengert.ir.forms import Contraction, Form, Reduction, Scan
from wengert.ir.program import Atom, Eqn, Program, Var

# An expression dearer than this is stored rather than computed twice; the unit is one vector
# instruction per element. Storing an element and loading it again costs about as much.
DEAR = 12
# A value repeated by a broadcast is computed many times over.
DEAR_REPEATED = 3


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
    _store_dear(program, base, forms, stored)
    return Plan(frozenset(stored), base, forms, producer)


def _views(program: Program) -> dict[Var, Var]:
    base: dict[Var, Var] = {}
    for eqn in program.eqns:
        source = eqn.inputs[0] if eqn.inputs else None
        if eqn.op.name == "reshape" and isinstance(source, Var):
            base[eqn.outputs[0]] = base.get(source, source)
    return base


def _store_dear(
    program: Program, base: dict[Var, Var], forms: dict[Var, Form], stored: set[Var]
) -> None:
    level = _levels(program, forms)
    users: dict[Var, list[tuple[Eqn, int]]] = defaultdict(list)
    for eqn in program.eqns:
        for position, atom in enumerate(eqn.inputs):
            if isinstance(atom, Var):
                users[atom].append((eqn, position))
    expense: dict[Var, int] = {}
    for eqn in program.eqns:
        var = eqn.outputs[0]
        if base.get(var, var) in stored:
            continue
        expense[var] = eqn.op.cost + sum(
            expense.get(a, 1) for a in dict.fromkeys(eqn.inputs) if isinstance(a, Var)
        )
        contexts = {_context(var, e, forms, level) for e, _ in users[var]}
        repeats = max((_repeats(var, e, i, forms) for e, i in users[var]), default=1)
        limit = DEAR_REPEATED if repeats > 1 else DEAR
        if expense[var] > limit and (len(contexts) > 1 or repeats > 1):
            stored.add(base.get(var, var))
            expense.pop(var)


def _levels(program: Program, forms: dict[Var, Form]) -> dict[Var, int]:
    level: dict[Var, int] = {}
    for eqn in program.eqns:
        above = max((level.get(a, 0) for a in eqn.inputs if isinstance(a, Var)), default=0)
        for var in eqn.outputs:
            level[var] = above + (var in forms)
    return level


def _context(var: Var, eqn: Eqn, forms: dict[Var, Form], level: dict[Var, int]) -> object:
    """Readers with equal contexts read `var` in one loop at one index."""
    out = eqn.outputs[0]
    form = forms.get(out)
    if isinstance(form, Reduction | Scan):
        return level[out] - 1
    if form is None and _is_elementwise(eqn, var):
        return level[out]
    return eqn


def _is_elementwise(eqn: Eqn, var: Var) -> bool:
    aligned = eqn.op.family in ("elementwise", "special")
    return aligned and eqn.outputs[0].type.shape == var.type.shape


def _repeats(var: Var, eqn: Eqn, position: int, forms: dict[Var, Form]) -> int:
    """How many times an element of `var` is read by `eqn`, roughly."""
    out = eqn.outputs[0].type
    form = forms.get(eqn.outputs[0])
    if isinstance(form, Contraction):
        contracted = 1
        for axis in form.contract[position]:
            contracted *= var.type.shape[axis]
        return max(1, out.size * contracted // max(1, var.type.size))
    if form is None and not _is_elementwise(eqn, var) and eqn.op.name in ("broadcast", "gather"):
        return max(1, out.size // max(1, var.type.size))
    return 1
