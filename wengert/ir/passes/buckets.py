"""Small sums over processes put together, so that many arrays cost one message.

Large arrays travel alone, and small ones wait for others of their kind meanwhile: the biases of a
network are one message, its matrices one each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.rewrite import rename

BUCKET = 1 << 20
"""The most bytes of arrays that are put together."""

LARGE = BUCKET // 2
"""The bytes from which on an array is worth a message of its own."""

MANY = 32
"""The most arrays that are put together."""


@dataclass(slots=True)
class _Bucket:
    """Sums of one kind, by their numbers in the program, and how many bytes they are."""

    nbytes: int = 0
    numbers: list[int] = field(default_factory=list[int])
    results: set[Atom] = field(default_factory=set[Atom])

    def takes(self, eqn: Eqn) -> bool:
        """Whether there is room for a sum."""
        return self.nbytes + _nbytes(eqn) <= BUCKET and len(self.numbers) < MANY

    def add(self, number: int, eqn: Eqn) -> None:
        self.numbers.append(number)
        self.nbytes += _nbytes(eqn)
        self.results.update(eqn.outputs)


def _nbytes(eqn: Eqn) -> int:
    return eqn.inputs[0].type.size * eqn.inputs[0].type.dtype.itemsize


def in_buckets(program: Program) -> Program:
    """`program` with sums in buckets, each where its last one stands."""
    full = [b for b in _buckets(program.eqns) if len(b.numbers) > 1]
    if not full:
        return program
    at = {b.numbers[-1]: b for b in full}
    inside = {k for b in full for k in b.numbers}
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    for k, eqn in enumerate(program.eqns):
        if k in at:
            members = [rename(program.eqns[n], env) for n in at[k].numbers]
            env.update(_together(builder, members))
        elif k not in inside:
            builder.eqns.append(rename(eqn, env))
    outputs = tuple([substitute(env, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)


def _buckets(eqns: Sequence[Eqn]) -> Iterator[_Bucket]:
    """The buckets: of each kind of sums, one at a time, until it is full or a result is needed."""
    open_ones: dict[tuple[object, ...], _Bucket] = {}
    for k, eqn in enumerate(eqns):
        for kind, bucket in list(open_ones.items()):
            if not bucket.results.isdisjoint(eqn.inputs):
                yield open_ones.pop(kind)
        if eqn.op.name != "psum" or not eqn.inputs[0].type.is_static or _nbytes(eqn) > LARGE:
            continue
        kind = (eqn.inputs[0].type.dtype, *sorted(eqn.params.items()))
        if kind in open_ones and not open_ones[kind].takes(eqn):
            yield open_ones.pop(kind)
        open_ones.setdefault(kind, _Bucket()).add(k, eqn)
    yield from open_ones.values()


def _together(builder: Builder, members: Sequence[Eqn]) -> dict[Atom, Atom]:
    """The results of sums, as parts of the sum of one long array."""
    builder.location = members[-1].location
    parts = [Value(builder, e.inputs[0]) for e in members]
    flat = [x.reshape(shape=(x.type.size,)) for x in parts]
    total = flat[0].concat(*flat[1:], axis=0).psum(**members[0].params)
    ends = [0]
    for x in parts:
        ends.append(ends[-1] + x.type.size)
    found: dict[Atom, Atom] = {}
    for eqn, x, (start, stop) in zip(members, parts, pairwise(ends), strict=True):
        part = total.slice(start=(start,), stop=(stop,), step=(1,)).reshape(shape=x.shape)
        assert isinstance(part.atom, Var)
        found[eqn.outputs[0]] = part.atom
    return found
