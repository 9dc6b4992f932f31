"""Which pointwise values are stored because computing them again would be dear.

A pointwise value is computed once if all its readers end up in one loop at the same index. That
is so where they are elementwise and have the same level, the level of a value being the number of
barriers (reductions and the like) on the longest path to it: readers of different levels cannot
share a loop, since one needs a complete result that depends on the other.

So each value has *places* where it is computed: those of its readers, as far as these are
computed in place themselves. A walk from the outputs back finds them and stores the dear values
that have several; a second walk, forwards, drops those that the stored ones have made cheap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from wengert.ir.forms import Contraction, Form, Reduction, Scan
from wengert.ir.program import Eqn, Program, Var

# An expression dearer than this is stored rather than computed twice; the unit is one vector
# instruction per element. Storing an element and loading it again costs about as much.
DEAR = 12
# A value repeated by a broadcast is computed many times over.
DEAR_REPEATED = 3
# More places than this make no difference.
MANY_PLACES = 8

# A loop: the level of its stage, and the equations that change the index on the way to it.
Place = tuple[int, ...]


def dear_values(
    program: Program, base: Mapping[Var, Var], forms: Mapping[Var, Form], stored: Set[Var]
) -> set[Var]:
    """The values to store besides `stored`."""
    return _Search(program, base, forms, stored).run()


@dataclass(slots=True)
class _Search:
    program: Program
    base: Mapping[Var, Var]
    forms: Mapping[Var, Form]
    stored: Set[Var]
    chosen: set[Var] = field(default_factory=set[Var])
    users: dict[Var, list[tuple[int, Eqn, int]]] = field(init=False)
    level: dict[Var, int] = field(default_factory=dict[Var, int])
    places: dict[Var, set[Place]] = field(default_factory=dict[Var, set[Place]])

    def run(self) -> set[Var]:
        self.users = defaultdict(list)
        for number, eqn in enumerate(self.program.eqns):
            self._enter(number, eqn)
        expense = self._expense()
        for eqn in reversed(self._valued()):
            self._place(eqn, expense)
        self._drop_cheap()
        return self.chosen

    def _valued(self) -> list[Eqn]:
        """The equations that have outputs."""
        return [eqn for eqn in self.program.eqns if eqn.outputs]

    def _enter(self, number: int, eqn: Eqn) -> None:
        read = [a for a in eqn.inputs if isinstance(a, Var)]
        above = max((self.level.get(a, 0) for a in read), default=0)
        for var in eqn.outputs:
            self.level[var] = above + (var in self.forms)
        for position, atom in enumerate(eqn.inputs):
            if isinstance(atom, Var):
                self.users[atom].append((number, eqn, position))

    def _is_stored(self, var: Var) -> bool:
        root = self.base.get(var, var)
        return root in self.stored or root in self.chosen

    def _expense(self) -> dict[Var, int]:
        """What an element costs, computed in place from stored values."""
        expense: dict[Var, int] = {}
        for eqn in self._valued():
            var = eqn.outputs[0]
            if not self._is_stored(var):
                expense[var] = self._own_expense(eqn, expense)
        return expense

    def _own_expense(self, eqn: Eqn, expense: dict[Var, int]) -> int:
        operands = dict.fromkeys(a for a in eqn.inputs if isinstance(a, Var))
        return eqn.op.cost + sum(expense.get(a, 1) for a in operands)

    def _repeated(self, var: Var) -> bool:
        return any(
            _repeats(var, e, at, self.forms) or self._gathered_as(e.outputs[0], var)
            for _, e, at in self.users[var]
            if e.outputs
        )

    def _gathered_as(self, view: Var, var: Var) -> bool:
        """Whether a mere view of `var` is read in another order. (One that is broadcast is mostly
        a single number, which the loops that read it keep in a register.)"""
        return self.base.get(view) == var and any(
            e.op.name == "gather" and _repeats(view, e, at, self.forms)
            for _, e, at in self.users[view]
            if e.outputs
        )

    def _place(self, eqn: Eqn, expense: dict[Var, int]) -> None:
        var = eqn.outputs[0]
        places: set[Place] = set()
        for number, user, _ in self.users[var]:
            if user.outputs:
                places |= self._through(var, number, user)
        self.places[var] = places if len(places) <= MANY_PLACES else set(sorted(places)[:9])
        if self._is_stored(var):
            return
        repeated = self._repeated(var)
        branches = len({number for number, _, _ in self.users[var]}) > 1
        limit = DEAR_REPEATED if repeated else DEAR
        if expense[var] > limit and (repeated or (branches and len(places) > 1)):
            self.chosen.add(self.base.get(var, var))

    def _through(self, var: Var, number: int, user: Eqn) -> set[Place]:
        """Where `var` is computed on behalf of one reader."""
        out = user.outputs[0]
        form = self.forms.get(out)
        if isinstance(form, Reduction | Scan):
            return {(self.level[out] - 1,)}
        if form is not None:
            return {(-1, number)}
        aligned = _is_elementwise(user, var) or user.op.name == "reshape"
        if self._is_stored(out):
            return {(self.level[out],)} if aligned else {(self.level[out], number)}
        return self.places[out] if aligned else {(*p, number) for p in self.places[out]}

    def _drop_cheap(self) -> None:
        expense: dict[Var, int] = {}
        for eqn in self._valued():
            var = eqn.outputs[0]
            root = self.base.get(var, var)
            if root in self.stored:
                continue
            own = self._own_expense(eqn, expense)
            limit = DEAR_REPEATED if self._repeated(var) else DEAR
            if root in self.chosen and own <= limit and root is var:
                self.chosen.discard(var)
            if root not in self.chosen:
                expense[var] = own


def _is_elementwise(eqn: Eqn, var: Var) -> bool:
    aligned = eqn.op.family in ("elementwise", "special")
    return aligned and eqn.outputs[0].type.shape == var.type.shape


def _repeats(var: Var, eqn: Eqn, position: int, forms: Mapping[Var, Form]) -> bool:
    """Whether `eqn` reads elements of `var` more than once, or most of them in another order, in
    which they could not be computed in vectors."""
    out = eqn.outputs[0].type
    form = forms.get(eqn.outputs[0])
    if isinstance(form, Contraction) and position < 2:
        contracted = 1
        for axis in form.contract[position]:
            contracted *= var.type.shape[axis]
        return out.size * contracted > var.type.size
    if form is not None or position > 0:
        return False
    if eqn.op.name == "gather":
        return 2 * out.size > var.type.size
    return eqn.op.name == "broadcast" and out.size > var.type.size
