"""Small sums over processes put together, so that many arrays cost one message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.rewrite import rename
from wengert.ir.types import DType

BUCKET = 1 << 20
"""The most bytes of arrays that are put together."""

MANY = 32
"""The most arrays that are put together."""


@dataclass(slots=True)
class _Bucket:
    """Sums of one kind, by their numbers in the program."""

    params: dict[str, object]
    numbers: list[int]
    sizes: list[int]
    dtype: DType
    results: set[Atom] = field(default_factory=set[Atom])

    def takes(self, eqn: Eqn) -> bool:
        """Whether a sum is of the bucket's kind, and there is room for it."""
        kind = eqn.inputs[0].type
        nbytes = (sum(self.sizes) + kind.size) * kind.dtype.itemsize
        room = nbytes <= BUCKET and len(self.numbers) < MANY
        return room and eqn.params == self.params and kind.dtype == self.dtype

    def add(self, number: int, eqn: Eqn) -> None:
        self.numbers.append(number)
        self.sizes.append(eqn.inputs[0].type.size)
        self.results.update(eqn.outputs)


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
    bucket: _Bucket | None = None
    for k, eqn in enumerate(eqns):
        is_sum = eqn.op.name == "psum" and eqn.inputs[0].type.is_static
        if bucket is not None:
            needed = not bucket.results.isdisjoint(eqn.inputs)
            if needed or (is_sum and not bucket.takes(eqn)):
                yield bucket
                bucket = None
        if is_sum:
            if bucket is None:
                bucket = _Bucket(eqn.params, [], [], eqn.inputs[0].type.dtype)
            bucket.add(k, eqn)
    if bucket is not None:
        yield bucket


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
