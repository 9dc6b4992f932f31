"""Additions to arrays move into the branch that has something to add.

Reverse mode of `if c: x[i] = f(y[j])` adds the cotangent of y[j] to an array after the branch, and
it is zero unless the branch was taken. Inside the branch, a turn that does not take it touches
nothing, and does not wait for what the turn before has added to the same element.

    o, a = branch(c, ...: (0, x) | (v, x'));  b = window_add(a, o)
 -> b = branch(c, ...: x | window_add(x', v))
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.rewrite import count_uses, map_regions


def sink(program: Program) -> Program:
    """`program` with windows added to in branches where only one of them adds anything."""
    program = map_regions(program, sink)
    eqns = list(program.eqns)
    changed = False
    while (found := _candidate(eqns, program)) is not None:
        eqns = _moved(eqns, found)
        changed = True
    return Program(program.inputs, tuple(eqns), program.outputs) if changed else program


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A branch, by place, the addition that moves into it, and what it adds, an output of it.

    `between` reshapes that output.
    """

    branch: int
    addition: int
    added: int
    between: Eqn | None


def _candidate(eqns: list[Eqn], program: Program) -> _Candidate | None:
    uses = count_uses(Program(program.inputs, tuple(eqns), program.outputs))
    makers = {v: k for k, e in enumerate(eqns) for v in e.outputs}
    for place, eqn in enumerate(eqns):
        if eqn.op.name != "window_add" or not all(v.type.is_static for v in eqn.outputs):
            continue
        found = _source(eqns, makers, eqn.inputs[1])
        if found is not None and _may_move(eqns, makers, uses, place, found):
            return _Candidate(found[0], place, found[1], found[2])
    return None


def _source(
    eqns: list[Eqn], makers: dict[Var, int], atom: Atom
) -> tuple[int, int, Eqn | None] | None:
    """The branch and its output that `atom` is, perhaps reshaped."""
    between: Eqn | None = None
    while isinstance(atom, Var) and atom in makers:
        maker = eqns[makers[atom]]
        if maker.op.name == "branch":
            number = maker.outputs.index(atom)
            zero = any(_is_zero(b, b.outputs[number]) for b in maker.params["branches"])
            return (makers[atom], number, between) if zero else None
        if maker.op.name != "reshape" or between is not None:
            return None
        between, atom = maker, maker.inputs[0]
    return None


def _is_zero(branch: Program, atom: Atom) -> bool:
    if isinstance(atom, Literal):
        return atom.value == 0
    maker = next((e for e in branch.eqns if atom in e.outputs), None)
    return maker is not None and maker.op.name == "broadcast" and _is_zero(branch, maker.inputs[0])


def _may_move(
    eqns: list[Eqn],
    makers: dict[Var, int],
    uses: dict[Atom, int],
    place: int,
    found: tuple[int, int, Eqn | None],
) -> bool:
    """Whether all that the addition reads is there before the branch, or comes from it alone."""
    target, _, *starts = eqns[place].inputs
    branch = found[0]
    if any(isinstance(a, Var) and makers.get(a, -1) >= branch for a in starts):
        return False
    own = isinstance(target, Var) and target in eqns[branch].outputs
    if own:
        return uses.get(target, 0) == 1
    # an array of its own must not be read between, where it still has its old contents
    early = not isinstance(target, Var) or makers.get(target, -1) < branch
    return early and uses.get(target, 0) == 1


def _moved(eqns: list[Eqn], found: _Candidate) -> list[Eqn]:
    old, addition = eqns[found.branch], eqns[found.addition]
    target, _, *starts = addition.inputs
    own = old.outputs.index(target) if target in old.outputs else None  # pyright: ignore
    operands = [*old.inputs[1:], *([] if own is not None else [target]), *starts]
    regions = tuple([_region(b, found, addition, own, operands) for b in old.params["branches"]])
    kept = [v for k, v in enumerate(old.outputs) if k != own]
    made = Eqn(
        old.op,
        (old.inputs[0], *operands),
        (*kept, addition.outputs[0]),
        {"branches": regions},
        old.location,
    )
    between = eqns[found.branch + 1 : found.addition]
    return [*eqns[: found.branch], made, *between, *eqns[found.addition + 1 :]]


def _region(
    branch: Program, found: _Candidate, addition: Eqn, own: int | None, operands: list[Atom]
) -> Program:
    """A branch that also adds what it returns, unless that is zero."""
    fresh = tuple([Var(a.type) for a in operands[len(branch.inputs) :]])
    more = list(fresh)
    target = branch.outputs[own] if own is not None else more.pop(0)
    builder = Builder(inputs=[*branch.inputs, *fresh], eqns=list(branch.eqns))
    builder.location = addition.location
    added = branch.outputs[found.added]
    result = Value(builder, target)
    if not _is_zero(branch, added):
        value = Value(builder, added)
        if found.between is not None:
            value = value.reshape(shape=found.between.params["shape"])
        starts = [Value(builder, v) for v in more]
        result = result.window_add(value, *starts, **addition.params)
    kept = [a for k, a in enumerate(branch.outputs) if k != own]
    return builder.finish([*(Value(builder, a) for a in kept), result])
