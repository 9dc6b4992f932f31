"""Independent rows that are worked on twice are worked on once.

Reverse mode of a batch of loops gives two for_each: the first runs each loop and keeps its tape,
the second reads the tapes backwards. As one, the tape of a row is written and read while it is in
the cache, and never has to be kept for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.ops.structural_family import in_front
from wengert.ir.program import Atom, Eqn, Program, Var, acts, regions
from wengert.ir.rewrite import map_regions, rename
from wengert.ir.transforms.batch import spread


def fuse_rows(program: Program) -> Program:
    """`program` with each for_each joined to an earlier one over as many rows, if that may be."""
    program = map_regions(program, fuse_rows)
    eqns = list(program.eqns)
    while (pair := _pair(eqns)) is not None:
        eqns = _joined(eqns, *pair, program.outputs)
    if len(eqns) == len(program.eqns):
        return program
    return Program(program.inputs, tuple(eqns), program.outputs)


def _pair(eqns: list[Eqn]) -> tuple[int, int] | None:
    """The places of two for_each of which the second may run with the first, and reads it."""
    places = [k for k, e in enumerate(eqns) if e.op.name == "for_each"]
    for number, second in enumerate(places):
        for first in reversed(places[:number]):
            if _may_join(eqns, first, second):
                return first, second
    return None


def _may_join(eqns: list[Eqn], first: int, second: int) -> bool:
    left, right = eqns[first], eqns[second]
    if left.params["size"] != right.params["size"]:
        return False
    made = set[Atom](left.outputs)
    count = right.params["consts"]
    if made.isdisjoint(right.inputs[count:]):
        return False
    if any(map(acts, eqns[first : second + 1])):
        return False  # what acts has its order
    dependent = _dependent(eqns, first, second)
    others = [a for a in right.inputs[count:] if a not in made]
    return not any(a in dependent or a in made for a in (*right.inputs[:count], *others))


def _dependent(eqns: list[Eqn], first: int, second: int) -> set[Atom]:
    """What is computed from the outputs of equation `first`, up to equation `second`."""
    made = set[Atom](eqns[first].outputs)
    found: set[Atom] = set()
    for eqn in eqns[first + 1 : second]:
        if not made.isdisjoint(eqn.inputs) or not found.isdisjoint(eqn.inputs):
            found.update(eqn.outputs)
    return found


def _joined(eqns: list[Eqn], first: int, second: int, outputs: tuple[Atom, ...]) -> list[Eqn]:
    """The equations with two for_each as one, which stands after what it needs."""
    dependent = _dependent(eqns, first, second)
    between = eqns[first + 1 : second]
    before = [e for e in between if dependent.isdisjoint(e.outputs)]
    after = [e for e in between if not dependent.isdisjoint(e.outputs)]
    rest = [*eqns[:first], *between, *eqns[second + 1 :]]
    read = {a for e in rest for a in e.inputs} | set(outputs)
    made = _Pair(eqns[first], eqns[second]).joined(read)
    return [*eqns[:first], *before, made, *after, *eqns[second + 1 :]]


@dataclass(frozen=True, slots=True)
class _Pair:
    left: Eqn
    right: Eqn

    def joined(self, read: set[Atom]) -> Eqn:
        """Both as one equation; outputs of the first that nothing else reads are no outputs."""
        left, right = self.left, self.right
        first, second = left.params["consts"], right.params["consts"]
        one: Program = left.params["body"]
        two: Program = right.params["body"]
        rows: dict[Atom, Atom] = dict(zip(left.outputs, one.outputs, strict=True))
        env: dict[Var, Atom] = {}
        new: list[tuple[Var, Atom]] = []
        for var, atom in zip(two.inputs[second:], right.inputs[second:], strict=True):
            if atom in rows:
                env[var] = rows[atom]
            else:
                new.append((var, atom))
        kept = [(v, a) for v, a in zip(left.outputs, one.outputs, strict=True) if v in read]
        eqns = (*one.eqns, *(_renamed(e, env) for e in two.eqns))
        outs = [substitute(env, a) for a in two.outputs]
        inputs = (
            *one.inputs[:first],
            *two.inputs[:second],
            *one.inputs[first:],
            *(v for v, _ in new),
        )
        operands = (
            *left.inputs[:first],
            *right.inputs[:second],
            *left.inputs[first:],
            *(a for _, a in new),
        )
        body = Program(inputs, eqns, (*(a for _, a in kept), *outs))
        params = {**right.params, "body": body, "consts": first + second}
        outputs = (*(v for v, _ in kept), *right.outputs)
        return Eqn(left.op, operands, outputs, params, right.location)


def _renamed(eqn: Eqn, env: dict[Var, Atom]) -> Eqn:
    inputs = tuple([substitute(env, a) for a in eqn.inputs])
    return Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location)


def as_batches(program: Program) -> Program:
    """`program` with each for_each of plain operations as these operations on the whole batch.

    For a device whose threads are many, and whose library takes a batch of products at once.
    """
    if not any(map(_is_plain, program.eqns)):
        return program
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    for eqn in program.eqns:
        eqn = rename(eqn, env)
        if not _is_plain(eqn):
            builder.eqns.append(eqn)
            continue
        builder.location = eqn.location
        size, count = eqn.params["size"], eqn.params["consts"]
        operands = [Value(builder, a) for a in eqn.inputs]
        flags = [k >= count for k in range(len(operands))]
        values, found = spread(builder, eqn.params["body"], operands, flags, size)
        rows = [in_front(v, on, size).atom for v, on in zip(values, found, strict=True)]
        env.update(zip(eqn.outputs, rows, strict=True))
    outputs = tuple([env.get(a, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)


def _is_plain(eqn: Eqn) -> bool:
    """Whether an equation is a for_each of rows without loops, branches and calls."""
    if eqn.op.name != "for_each":
        return False
    body: Program = eqn.params["body"]
    return not any(acts(e) or regions(e) for e in body.eqns)
