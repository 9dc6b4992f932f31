"""Decides which values of a program are stored; all others are computed where they are read.

Stored are: the program's outputs, the results of everything that is not pointwise, operands of
library calls, pointwise values that are dear and would be computed more than once
(`recompute.py`), some in the middle of very long expressions (`segments.py`), what loops and
branches read, unless it is a mere view, and what must be read before an update in place
(`homes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from wengert.ir.forms import Contraction, Form, Region, Update
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.kernels.staging.homes import form_of, homes, replaced
from wengert.kernels.staging.recompute import dear_values
from wengert.kernels.staging.segments import long_values
from wengert.kernels.staging.updates import as_pointwise


@dataclass(frozen=True, slots=True)
class Plan:
    """`stored`: the values with a buffer. `base`: the value whose buffer it is, if another's.

    `updates` are writes to windows that are computed as pointwise values.
    """

    stored: frozenset[Var]
    base: dict[Var, Var]
    forms: dict[Var, Form]
    updates: dict[Var, Update]
    producer: dict[Var, Eqn]

    def root(self, var: Var) -> Var:
        """The first value of the memory that a value lives in."""
        while var in self.base:
            var = self.base[var]
        return var


def plan(
    program: Program,
    call_operands: Callable[[Eqn, Form], Sequence[Atom]],
    mutable: Set[Var] = frozenset(),
    parts: bool = False,
) -> Plan:
    """Chooses the stored values of `program`, whose inputs `mutable` may be overwritten.

    `call_operands` gives the operands that an equation hands to a library as they are. With
    `parts` the library also takes parts of stored arrays where they stand.
    """
    base = _views(program)
    producer = {v: e for e in program.eqns for v in e.outputs}
    forms: dict[Var, Form] = {}
    updates: dict[Var, Update] = {}
    for eqn in program.eqns:
        form = form_of(eqn)
        if isinstance(form, Update) and eqn.outputs and as_pointwise(eqn, form):
            updates[eqn.outputs[0]] = form
        elif form is not None:
            forms.update((v, form) for v in eqn.outputs)
    stored = {base.get(a, a) for a in program.outputs if isinstance(a, Var)}
    stored.update(program.inputs)
    for eqn in program.eqns:
        form = forms.get(eqn.outputs[0]) if eqn.outputs else None
        if form is not None or eqn.op.check is not None or eqn.op.name == "constant":
            stored.update(eqn.outputs)
        operands = () if form is None else _in_memory(eqn, form, call_operands, producer)
        in_parts = parts and isinstance(form, Contraction)
        stored.update(
            base.get(a, a)
            for a in operands
            if isinstance(a, Var) and not (in_parts and _is_part(a, producer, stored))
        )
    stored.update(base.get(v, v) for v in _with_edges(program, producer))
    stored |= dear_values(program, base, forms, stored)
    stored |= long_values(program, base, stored)
    found = homes(program, base, forms, stored, mutable)
    return Plan(frozenset(stored | found.forced), found.base, forms, updates, producer)


def _views(program: Program) -> dict[Var, Var]:
    base: dict[Var, Var] = {}
    for eqn in program.eqns:
        source = eqn.inputs[0] if eqn.inputs else None
        if eqn.op.name == "reshape" and isinstance(source, Var) and source.type.is_static:
            base[eqn.outputs[0]] = base.get(source, source)
    return base


def _in_memory(
    eqn: Eqn,
    form: Form,
    call_operands: Callable[[Eqn, Form], Sequence[Atom]],
    producer: Mapping[Var, Eqn],
) -> Sequence[Atom]:
    """The operands of an equation that must be in memory."""
    if not isinstance(form, Region):
        return call_operands(eqn, form)
    starts = {at for _, at in replaced(eqn, form)}
    starts.update(range(_ONCE.get(form.kind, 0)))
    return [
        _before_repeats(a, producer)
        for k, a in enumerate(eqn.inputs)
        if k not in starts and (not _is_view(a, producer) or _is_read_across(eqn, k, producer))
    ]


# The first operands of a region, that are read once before it runs: a range, or which branch.
_ONCE = {"for_loop": 2, "branch": 1}


def _with_edges(program: Program, producer: Mapping[Var, Eqn]) -> Iterator[Var]:
    """What is read along diagonals and has edges, at which no loop over them can be cut."""
    for eqn in program.eqns:
        source = eqn.inputs[0] if eqn.op.name == "shear" else None
        while isinstance(source, Var) and source in producer:
            maker = producer[source]
            if maker.op.name in ("pad", "concat"):
                yield source
            if maker.op.name not in ("broadcast", "reshape"):
                break
            source = maker.inputs[0]


def _before_repeats(atom: Atom, producer: Mapping[Var, Eqn]) -> Atom:
    """What a value repeats the elements of, as views of it; itself if it repeats none."""
    found = source = atom
    while isinstance(source, Var) and source in producer:
        eqn = producer[source]
        if eqn.op.name not in ("reshape", "broadcast"):
            break
        source = eqn.inputs[0]
        if isinstance(source, Var) and source.type.size < found.type.size:
            found = source
    return found


def _is_read_across(eqn: Eqn, position: int, producer: Mapping[Var, Eqn]) -> bool:
    """Whether loops within loops read an operand whose rows are another array's columns."""
    atom = eqn.inputs[position]
    while isinstance(atom, Var) and atom in producer:
        maker = producer[atom]
        perm = maker.params.get("perm", (0,)) if maker.op.name == "transpose" else (0,)
        if perm[-1] != len(perm) - 1:
            return _times(eqn, position) > 1
        if not maker.inputs:
            return False
        atom = maker.inputs[0]
    return False


def _times(eqn: Eqn, position: int) -> int:
    """How many loops within one another read an operand again in each turn."""
    body, skipped = eqn.params.get("body"), 2 if eqn.op.name == "for_loop" else 0
    if not isinstance(body, Program) or position < skipped:
        return 0
    place = position - skipped
    again = eqn.op.name != "for_each" or place < eqn.params["consts"]
    var = body.inputs[place + (eqn.op.name == "for_loop")]
    inside = [_times(e, k) for e in body.eqns for k, a in enumerate(e.inputs) if a is var]
    return again + max(inside, default=0)


# Ops whose results are parts of their operands, in order or transposed.
_PARTS = frozenset({"reshape", "transpose", "slice", "window"})


def _is_part(atom: Atom, producer: Mapping[Var, Eqn], stored: Set[Var]) -> bool:
    """Whether a value is a part of a stored one, and not stored itself."""
    while isinstance(atom, Var) and atom not in stored and atom in producer:
        eqn = producer[atom]
        if eqn.op.name not in _PARTS:
            return False
        atom = eqn.inputs[0]
    return isinstance(atom, Var)


def _is_view(atom: Atom, producer: Mapping[Var, Eqn]) -> bool:
    """Whether an element costs no more than a load, so that a loop may compute it every time."""
    while isinstance(atom, Var) and atom in producer:
        eqn = producer[atom]
        if eqn.op.name == "iota":
            return True
        if (
            eqn.op.cost
            or len(eqn.inputs) == 0
            or eqn.op.element is None
            or eqn.op.check is not None
        ):
            return False
        if len(eqn.inputs) > 1 and eqn.op.name != "window":
            return False
        atom = eqn.inputs[0]
    return True
