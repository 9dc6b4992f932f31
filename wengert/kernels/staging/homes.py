"""Which values share memory: updates in place, and what has to be computed before them.

An op that changes part of an array (a write to a window, a scatter), and a loop for what it
carries, may work in the memory of their operand where nothing needs the old contents afterwards.
Equations run in the order of the program, and programs that were traced from in-place code read
before they write. So one walk in that order decides:

- the operand must live in memory that this block may change (made in it, or carried by the loop
  around it), and no later equation, nor an output, may read it under any of its names;
- a value that is computed where it is read, and reads the memory, must be stored before the
  update if anything reads it later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from wengert.ir.forms import Collective, Form, Region, Scatter, Update
from wengert.ir.program import Eqn, Program, Var


@dataclass(frozen=True, slots=True)
class Homes:
    """`base`: the first value of the memory that a value lives in. `forced`: values to store."""

    base: dict[Var, Var]
    forced: frozenset[Var]


def replaced(eqn: Eqn, form: Form | None) -> Iterator[tuple[int, int]]:
    """Pairs (output, operand) of an equation that may share their memory."""
    match form:
        case Update() | Scatter():
            yield 0, 0
        case Collective(request) if request.in_place:
            yield 0, 0
        case Region("for_loop" | "while_loop"):
            first = eqn.params["consts"] + (2 if form.kind == "for_loop" else 0)
            yield from ((k, first + k) for k in range(len(eqn.outputs)))
        case Region("branch"):
            yield from _kept(eqn.params["branches"])
        case _:
            return


def _kept(branches: Sequence[Program]) -> Iterator[tuple[int, int]]:
    """What each branch returns as an updated operand, or as the operand itself."""
    for number, outs in enumerate(zip(*(b.outputs for b in branches), strict=True)):
        origins = {_origin(b, a) for b, a in zip(branches, outs, strict=True)}
        (first, *others) = origins
        if not others and first is not None:
            yield number, first + 1


def _origin(branch: Program, atom: object) -> int | None:
    """The operand whose updated form an output of a branch is."""
    producer = {v: e for e in branch.eqns for v in e.outputs}
    while isinstance(atom, Var) and atom in producer:
        eqn = producer[atom]
        form = form_of(eqn)
        pairs = dict(replaced(eqn, form))
        at = pairs.get(eqn.outputs.index(atom))
        if at is None:
            return None
        atom = eqn.inputs[at]
    inputs = branch.inputs
    return inputs.index(atom) if isinstance(atom, Var) and atom in inputs else None


def form_of(eqn: Eqn) -> Form | None:
    """The kernel form of an equation; None if it is pointwise."""
    if eqn.op.form is None:
        return None
    return eqn.op.form(tuple(a.type for a in eqn.inputs), **eqn.params)


def homes(
    program: Program,
    base: Mapping[Var, Var],
    forms: Mapping[Var, Form],
    stored: Set[Var],
    mutable: Set[Var],
) -> Homes:
    """Finds the updates in place of a block, whose inputs `mutable` may be changed."""
    return _Walk(program, dict(base), forms, stored, set(mutable)).run()


@dataclass(slots=True)
class _Walk:
    program: Program
    base: dict[Var, Var]
    forms: Mapping[Var, Form]
    stored: Set[Var]
    owned: set[Var]  # first values of memory that may be changed
    last: dict[Var, int] = field(default_factory=dict[Var, int])
    names: dict[Var, list[Var]] = field(default_factory=dict[Var, "list[Var]"])
    reads: dict[Var, frozenset[Var]] = field(default_factory=dict[Var, "frozenset[Var]"])
    lazy: list[Var] = field(default_factory=list[Var])
    forced: set[Var] = field(default_factory=set[Var])

    def run(self) -> Homes:
        eqns = self.program.eqns
        for position, eqn in enumerate(eqns):
            self.last.update((a, position) for a in eqn.inputs if isinstance(a, Var))
        self.last.update((a, len(eqns)) for a in self.program.outputs if isinstance(a, Var))
        for var in self.program.inputs:
            self.reads[var] = frozenset((var,))
            self.names.setdefault(var, []).append(var)
        for position, eqn in enumerate(eqns):
            self.enter(position, eqn)
        return Homes(self.base, frozenset(self.forced))

    def root(self, var: Var) -> Var:
        """The first value of the memory of a stored value."""
        while var in self.base:
            var = self.base[var]
        return var

    def enter(self, position: int, eqn: Eqn) -> None:
        form = self.forms.get(eqn.outputs[0]) if eqn.outputs else None
        shared = dict(replaced(eqn, form)) if form is not None else {}
        taken: set[Var] = set()
        for number, var in enumerate(eqn.outputs):
            at = shared.get(number)
            operand = eqn.inputs[at] if at is not None else None
            if (
                isinstance(operand, Var)
                and self.root(operand) not in taken
                and self.may_share(position, eqn, var, operand, at)
            ):
                taken.add(self.root(operand))
                self.share(position, eqn, var, operand)
            elif self.is_stored(var):
                self.store(var, eqn)
            else:
                parts = [self.reads[a] for a in eqn.inputs if isinstance(a, Var)]
                self.reads[var] = frozenset[Var]().union(*parts)
                self.lazy.append(var)

    def is_stored(self, var: Var) -> bool:
        return self.first(var) in self.stored

    def first(self, var: Var) -> Var:
        """What a reshaped value is a view of, if it is one."""
        return self.base.get(var, var)

    def store(self, var: Var, eqn: Eqn) -> None:
        root = self.root(var)
        self.reads[var] = frozenset((root,))
        self.names.setdefault(root, []).append(var)
        if root is var and eqn.op.name != "constant":
            self.owned.add(var)

    def may_share(self, position: int, eqn: Eqn, var: Var, operand: Var, at: int | None) -> bool:
        if not self.is_stored(operand) or self.root(operand) not in self.owned:
            return False
        if var.type.size != operand.type.size or var.type.dtype != operand.type.dtype:
            return False
        root = self.root(operand)
        if any(self.last.get(name, -1) > position for name in self.names[root]):
            return False
        others = [a for k, a in enumerate(eqn.inputs) if k != at]
        return not any(isinstance(a, Var) and self.is_direct(a, root) for a in others)

    def is_direct(self, var: Var, root: Var) -> bool:
        return self.is_stored(var) and self.root(var) is root

    def share(self, position: int, eqn: Eqn, var: Var, operand: Var) -> None:
        """`var` takes over the memory of `operand`."""
        root = self.root(operand)
        written = eqn.inputs[1] if isinstance(self.forms[eqn.outputs[0]], Update) else None
        for lazy in self.lazy:
            if root not in self.reads[lazy] or self.last.get(lazy, -1) < position:
                continue
            if lazy is written and self.last[lazy] == position:
                continue  # the update itself sees to it
            if not self.initial(position, eqn, lazy):
                self.force(lazy)
        self.base[var] = root
        self.reads[var] = frozenset((root,))
        self.names[root] = [var]

    def initial(self, position: int, eqn: Eqn, lazy: Var) -> bool:
        """Whether a value is only what another carried value of this loop starts from.

        A loop copies what it starts from before its first turn; a branch does so when it comes to
        the value, which may be after its updates.
        """
        form = self.forms[eqn.outputs[0]]
        if self.last[lazy] > position or (isinstance(form, Region) and form.kind == "branch"):
            return False
        starts = {at for _, at in replaced(eqn, form)}
        return all(k in starts for k, a in enumerate(eqn.inputs) if a is lazy)

    def force(self, lazy: Var) -> None:
        self.forced.add(self.first(lazy))
        self.reads[lazy] = frozenset((lazy,))
        self.names.setdefault(lazy, []).append(lazy)
