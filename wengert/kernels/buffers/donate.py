"""Outputs in the memory of inputs that are not used again.

An output may take an input's place if no element of the input is read once the element of the
output at its place is written: all reads stand in earlier statements, or in the same nest of
independent turns, where each turn reads its own element before it writes it. There the store may
have to move behind other statements of the turn. The output's buffer then becomes the input's, and
the program is one that changes its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wengert.ir.scalar import ScalarBuilder, ScalarOp
from wengert.ir.types import TensorType
from wengert.kernels.expressions import nodes
from wengert.kernels.grid.nests import perfect
from wengert.kernels.grid.turns import Order, classify, count_uses
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    If,
    Kernel,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, changed, own_expressions, renamed

Typed = Sequence[tuple[Buffer, TensorType]]


def in_donated(
    s: ScalarBuilder, steps: Sequence[Kernel], donated: Typed, outputs: Typed
) -> tuple[list[Kernel], tuple[Buffer, ...]]:
    """The steps and outputs, with outputs in the memory of donated inputs of the same type.

    Outputs that are made where an input is read last come first: its elements are at hand there.
    Among those, inputs and outputs are paired in their order. Numbers, no arrays, are left out.
    """
    body = _Body(s, [list(k.body) for k in steps])
    returned = {b for b, _ in outputs}
    givers = [(b, kind) for b, kind in donated if kind.shape and b not in returned | body.changed]
    takers = {b: (k, kind) for k, (b, kind) in enumerate(outputs) if b.space is Space.OUTPUT}
    taken: set[Buffer] = set()
    for same_nest in (True, False):
        for given, kind in givers:
            if given in taken:
                continue
            found = [b for b in body.takers(given, same_nest) if b in takers]
            for output in sorted(found, key=lambda b: takers[b][0]):
                wanted = takers[output][1] == kind and output not in body.places
                if wanted and body.put(output, given):
                    taken.add(given)
                    break
    made = [replace(k, body=tuple(b)) for k, b in zip(steps, body.parts, strict=True)]
    return made, tuple(body.places.get(b, b) for b, _ in outputs)


At = tuple[int, int]
"""A statement: the number of its step, and its place there."""


@dataclass(slots=True)
class _Body:
    """The statements of all steps, and which of them uses what."""

    s: ScalarBuilder
    parts: list[list[Stmt]]
    places: dict[Buffer, Buffer] = field(default_factory=dict[Buffer, Buffer])
    first: dict[Buffer, At] = field(default_factory=dict[Buffer, At])  # its first write
    written: dict[At, list[Buffer]] = field(default_factory=dict[At, list[Buffer]])
    uses: dict[Buffer, list[At]] = field(default_factory=dict[Buffer, list[At]])

    def __post_init__(self) -> None:
        for step, part in enumerate(self.parts):
            for k, statement in enumerate(part):
                at, written = (step, k), changed((statement,))
                for buffer in buffers((statement,)):
                    self.uses.setdefault(buffer, []).append(at)
                    if buffer in written and self.first.setdefault(buffer, at) == at:
                        self.written.setdefault(at, []).append(buffer)

    @property
    def changed(self) -> set[Buffer]:
        """All buffers that are written."""
        return set(self.first)

    def last(self, buffer: Buffer) -> At:
        """The last statement that uses a buffer; one before all if there is none."""
        return self.uses[buffer][-1] if buffer in self.uses else (-1, -1)

    def takers(self, given: Buffer, same_nest: bool) -> list[Buffer]:
        """What is written first where `given` is read last, or only later."""
        last = self.last(given)
        if same_nest:
            return list(self.written.get(last, ()))
        return [b for b, at in self.first.items() if at > last]

    def put(self, output: Buffer, given: Buffer) -> bool:
        """Lets `output` lie where `given` does, if it can."""
        step, k = self.first[output]
        if self.last(given) == (step, k):
            moved = _own_elements(self.s, self.parts[step][k], given, output)
            if moved is None:
                return False
            self.parts[step][k] = moved
        self.places[output] = given
        for at in self.uses[output]:
            if at != (step, k) or self.last(given) != at:
                part = self.parts[at[0]]
                part[at[1]] = renamed(self.s, (part[at[1]],), {output: given})[0]
        self.uses[given] = [*self.uses.get(given, ()), *self.uses[output]]
        return True


def _own_elements(s: ScalarBuilder, statement: Stmt, given: Buffer, output: Buffer) -> Stmt | None:
    """The nest with `output` where `given` is; None if that cannot be.

    Each turn may read `given` only where it writes `output` itself, and before.
    """
    if not isinstance(statement, Loop):
        return None
    loops, body = perfect(statement)
    if any(isinstance(st, Loop | If | While) for st in body):
        return None
    stores = [k for k, st in enumerate(body) if isinstance(st, Store) and st.buffer is output]
    loads = [(k, n) for k, st in enumerate(body) for n in nodes(own_expressions(st))]
    loads = [(k, n) for k, n in loads if n.op is ScalarOp.LOAD and n.attr is given]
    offsets = {id(n.args[0]) for _, n in loads}
    if len(stores) != 1 or len(offsets) != 1:
        return None
    store = body[stores[0]]
    assert isinstance(store, Store)
    moved = _later(body, stores[0], max(k for k, _ in loads))
    if moved is None or id(store.offset) not in offsets:
        return None
    inner = moved
    for loop in reversed(loops):
        inner = (replace(loop, body=inner),)
    nest = renamed(s, inner, {output: given})[0]
    assert isinstance(nest, Loop)
    loops, _ = perfect(nest)
    uses = count_uses((loops,), (given,))
    independent = all(classify(loop, uses).order is Order.INDEPENDENT for loop in loops)
    return nest if independent else None


def _later(body: Sequence[Stmt], at: int, place: int) -> tuple[Stmt, ...] | None:
    """`body` with statement `at`, a store, behind statement `place`; None if that cannot be."""
    if place <= at:
        return tuple(body)
    store, over = body[at], body[at + 1 : place + 1]
    read = set(buffers((store,)))  # and written
    own = nodes(own_expressions(store))
    registers = {n.attr for n in own if n.op is ScalarOp.REGISTER}
    target = changed((store,))
    if any(target & set(buffers((st,))) or changed((st,)) & read for st in over):
        return None
    if any(_set_register(st) in registers for st in over):
        return None
    return (*body[:at], *over, store, *body[place + 1 :])


def _set_register(statement: Stmt) -> Register | None:
    match statement:
        case Declare(register) | Assign(register) | Accumulate(register):
            return register
        case _:
            return None
