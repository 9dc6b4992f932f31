"""What programs that communicate go through: collectives begin early, in buckets, and agree first.

*Early.* A derivative has its collectives at the end, when all gradients are there. Each moves up
to where its operand is ready, with what is done to that operand alone (a weight, say), so that the
rest of the reverse sweep can go on meanwhile.

*Buckets.* Small sums of one kind become one sum of one long array, up to BUCKET bytes, where
nothing needs the first of them before the last: many gradients then cost one message. Large arrays
between them travel alone.

*Agree.* Processes whose programs communicate differently would wait for ever for one another, or
take one thing for another. A program begins with a collective that compares what is to come.

Processes may have batches of different sizes, whose programs differ in detail. So order and buckets
are decided before anything is simplified, where programs still are what the function says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from wengert.ir.op import REGISTRY
from wengert.ir.ops.collectives import FAMILY
from wengert.ir.passes.buckets import in_buckets
from wengert.ir.program import Atom, Eqn, Program, Var, equations
from wengert.ir.types import INT64, TensorType
from wengert.world import WORLD, communicator


def communicates(program: Program) -> bool:
    """Whether a program has collectives."""
    return any(e.op.family == FAMILY for e in equations(program))


def early(program: Program) -> Program:
    """`program` with its collectives where what they need is there, small sums in buckets."""
    if not any(e.op.family == FAMILY for e in program.eqns):
        return program
    moved = Program(program.inputs, tuple(_early(program)), program.outputs)
    order = {id(e): k for k, e in enumerate(e for e in program.eqns if e.op.family == FAMILY)}
    places = [order[id(e)] for e in moved.eqns if id(e) in order]
    return _compared(in_buckets(moved), str(places))


def agree(program: Program) -> Program:
    """`program` with a collective in front that compares all others between the processes.

    They are those along its axis, if all collectives have the same one: others may do other things.
    What `early` has put there, the order in which arrays of one type follow one another, is a part
    of what is compared.
    """
    found = [e for e in equations(program) if e.op.family == FAMILY]
    plan = "\n".join([described(e.op.name, [a.type for a in e.inputs], e.params) for e in found])
    rest = tuple([e for e in program.eqns if e.op is not REGISTRY["agree"]])
    return _compared(Program(program.inputs, rest, program.outputs), plan)


def _compared(program: Program, plan: str) -> Program:
    """`program`, before which the processes compare their plans, if it communicates."""
    axes = {e.params["axis"] for e in equations(program) if e.op.family == FAMILY}
    axis = next(iter(axes)) if len(axes) == 1 else WORLD
    world = communicator(axis).size
    if world == 1 or not axes:
        return program
    params = {"axis": axis, "size": world, "detail": (number_of(plan),)}
    first = Eqn(REGISTRY["agree"], (), (Var(TensorType(INT64, ())),), params)
    return Program(program.inputs, (first, *program.eqns), program.outputs)


def number_of(plan: str) -> int:
    """A number that differs where what processes are about to send does."""
    return int.from_bytes(hashlib.sha256(plan.encode()).digest()[:7], "little")


def described(name: str, types: Sequence[TensorType], params: Mapping[str, object]) -> str:
    """A collective in words."""
    listed = ", ".join(f"{k}={v}" for k, v in sorted(params.items()))
    return f"{name}[{listed}]({', '.join(map(str, types))})"


def _early(program: Program) -> Iterator[Eqn]:
    """The equations, each collective with its own ones as soon as what they need is there."""
    chains = _chains(program)
    own = {k for chain in chains.values() for k in chain}
    made = {v: k for k, e in enumerate(program.eqns) for v in e.outputs}
    waits = {c: _needs(program, chain, made) for c, chain in chains.items()}
    ready: set[int] = set()
    order = [k for k in range(len(program.eqns)) if k not in own]
    for k in (-1, *order):
        if k >= 0:
            ready.add(k)
            yield program.eqns[k]
        while due := [c for c, needs in waits.items() if needs <= ready]:
            for c in due:
                del waits[c]
                ready.add(c)
                yield from (program.eqns[x] for x in chains[c])


def _chains(program: Program) -> dict[int, list[int]]:
    """By the number of a collective: it and the equations that nothing but it needs, in order."""
    users: dict[Atom, set[int]] = {}
    for k, eqn in enumerate(program.eqns):
        for atom in eqn.inputs:
            users.setdefault(atom, set()).add(k)
    kept = set(program.outputs)
    owner: dict[int, int] = {}
    for k in reversed(range(len(program.eqns))):
        eqn = program.eqns[k]
        if eqn.op.family == FAMILY:
            owner[k] = k
        elif _is_plain(eqn) and eqn.outputs[0] not in kept:
            found = {owner.get(u, -1) for u in users.get(eqn.outputs[0], ())}
            if len(found) == 1 and -1 not in found:
                owner[k] = found.pop()
    chains: dict[int, list[int]] = {c: [] for c in sorted(set(owner.values()))}
    for k in sorted(owner):
        chains[owner[k]].append(k)
    return chains


def _is_plain(eqn: Eqn) -> bool:
    """Whether an equation is computed where it is read, and cannot fail."""
    return eqn.op.element is not None and eqn.op.check is None


def _needs(program: Program, chain: Sequence[int], made: Mapping[Var, int]) -> set[int]:
    """The equations outside of a chain that it reads."""
    reads = (a for k in chain for a in program.eqns[k].inputs if isinstance(a, Var))
    return {made[a] for a in reads if a in made} - set(chain)
