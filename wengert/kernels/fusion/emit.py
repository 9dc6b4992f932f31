"""Loop trees -> loop IR.

A reduction whose combined loops are the innermost ones runs in a register, declared before the
first of them and stored after it. If a kept loop lies inside a combined one, it accumulates into
memory, which is filled with the identity before the outermost combined loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from wengert.ir.floats import kind_of
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.kernels.combine import combined, identity
from wengert.kernels.fusion.nest import Node
from wengert.kernels.fusion.storage import Storage, assign
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Declare,
    If,
    Loop,
    Register,
    Stmt,
    Store,
)
from wengert.kernels.staging.stages import Stage, StageKind, whole

# Stages whose combined loops must run in order.
SEQUENTIAL = (StageKind.SCAN, StageKind.ARGREDUCE)


@dataclass(frozen=True, slots=True)
class Partial:
    """A reduction over a kernel's outermost loop, in a register or in a buffer's elements."""

    combine: str
    register: Register | None
    buffer: Buffer | None
    identity: Expr


@dataclass(frozen=True, slots=True)
class Nest:
    """A kernel before scheduling: statements before, in and after its outermost loop."""

    name: str
    before: tuple[Stmt, ...]
    loop: Loop | None
    after: tuple[Stmt, ...]
    partials: tuple[Partial, ...] = ()
    parallel: bool = True


@dataclass(slots=True)
class Emitter:
    """Emits the kernels of one program, or of a region; `kept` are its outputs' buffers."""

    s: ScalarBuilder
    stages: Sequence[Stage]
    kept: frozenset[Buffer] = frozenset()
    readers: dict[Buffer, list[Stage]] = field(init=False)

    def __post_init__(self) -> None:
        self.readers = defaultdict(list)
        for stage in self.stages:
            for buffer in stage.loads:
                self.readers[buffer].append(stage)

    def kernel(self, root: Node) -> Nest:
        """The statements of one fused loop tree."""
        if root.stages[0].kind is StageKind.SCATTER:
            return self.scatter(root.stages[0])
        storage = assign(self.s, root, self.readers, self.kept)
        body = _Body(self.s, storage)
        statements = body.node(root, 0)
        name = "_".join(dict.fromkeys(str(s.kind) for s in root.stages))
        if root.index is None:
            return Nest(name, tuple(statements), None, ())
        at, loop = next(
            (i, s)
            for i, s in enumerate(statements)
            if isinstance(s, Loop) and s.index is root.index
        )
        return Nest(
            name,
            tuple(statements[:at]),
            loop,
            tuple(statements[at + 1 :]),
            tuple(body.partials),
            not any(s.kind in SEQUENTIAL and 0 in s.reduced for s in root.stages),
        )

    def scatter(self, stage: Stage) -> Nest:
        """A copy of the target, unless it is there already, then the updates one after another."""
        s = self.s
        value = stage.value
        if stage.combine != "set":
            old = s.load(stage.buffer, stage.offset)
            value = combined(s, stage.combine, old, value)
        update = Store(stage.buffer, stage.offset, value)
        loops = loops_around(s, stage.domain, (update,))
        if stage.initial is not None:
            copy = Store(stage.buffer, stage.initial.offset, stage.initial.value)
            loops = (*loops_around(s, stage.initial.domain, (copy,)), *loops)
        return Nest("scatter", loops, None, ())


def loops_around(
    s: ScalarBuilder, domain: Sequence[Index], body: tuple[Stmt, ...]
) -> tuple[Stmt, ...]:
    """`body` inside serial loops over the whole of `domain`."""
    for index in reversed(domain):
        body = (Loop(index, s.int(0), whole(s, index), body),)
    return body


@dataclass(slots=True)
class _Body:
    s: ScalarBuilder
    storage: Storage
    partials: list[Partial] = field(default_factory=list[Partial])
    registers: dict[Stage, tuple[Register, ...]] = field(
        default_factory=dict[Stage, tuple[Register, ...]]
    )

    def node(self, node: Node, depth: int) -> list[Stmt]:
        if node.index is None:
            return [st for stage in node.stages for st in self.leaf(stage)]
        before: list[Stmt] = []
        after: list[Stmt] = []
        for stage in node.stages:
            if stage.kind is StageKind.REDUCE and depth == min(stage.reduced):
                before += self.open(stage, depth)
            elif stage.kind is StageKind.ARGREDUCE and depth in stage.reduced:
                before += self.open_position(stage)
        self.storage.leave()
        body = [st for child in node.children for st in self.node(child, depth + 1)]
        self.storage.leave()
        for stage in node.stages:
            if stage in self.registers and depth == min(stage.reduced):
                after += self.close(stage)
        loop = Loop(node.index, self.s.int(0), whole(self.s, node.index), tuple(body))
        return [*before, loop, *after]

    def open(self, stage: Stage, depth: int) -> list[Stmt]:
        """Before the first combined loop: the identity in a register, or all over the output."""
        empty = self.s.const(identity(stage.combine, stage.buffer.dtype), stage.buffer.dtype)
        place = self.storage.places[stage.buffer]
        kept = [i for t, i in enumerate(stage.domain) if t > depth and t not in stage.reduced]
        if not kept:
            register = place.register or Register(stage.buffer.dtype)
            self.registers[stage] = (register,)
            if depth == 0:
                self.partials.append(Partial(stage.combine, register, None, empty))
            return [Declare(register, empty)]
        assert place.buffer is not None
        if depth == 0:
            self.partials.append(Partial(stage.combine, None, place.buffer, empty))
        store = Store(place.buffer, self.storage.offset(place, stage.offset), empty)
        return list(loops_around(self.s, kept, (store,)))

    def open_position(self, stage: Stage) -> list[Stmt]:
        place = self.storage.places[stage.buffer]
        best = Register(stage.value.dtype)
        position = place.register or Register(stage.buffer.dtype)
        self.registers[stage] = (position, best)
        first = self.s.const(identity(stage.combine, stage.value.dtype), stage.value.dtype)
        return [Declare(best, first), Declare(position, self.s.int(-1))]

    def close(self, stage: Stage) -> list[Stmt]:
        """After the last combined loop: the register's value to memory, if it has any."""
        register = self.registers[stage][0]
        place = self.storage.places[stage.buffer]
        if place.buffer is None:
            return []
        offset = self.storage.offset(place, stage.offset)
        return [Store(place.buffer, offset, self.s.register(register))]

    def leaf(self, stage: Stage) -> list[Stmt]:
        match stage.kind:
            case StageKind.MAP:
                return self.map(stage)
            case StageKind.REDUCE:
                return self.reduce(stage)
            case StageKind.ARGREDUCE:
                return self.argreduce(stage)
            case StageKind.SCAN:
                return self.scan(stage)
            case _:
                raise AssertionError(f"a {stage.kind} stage has no loop body")

    def map(self, stage: Stage) -> list[Stmt]:
        value = self.storage.rewrite(stage.value)
        statements: list[Stmt] = []
        if stage.requirement is not None:
            condition = self.storage.rewrite(stage.requirement.condition)
            checked = self.storage.rewrite(stage.requirement.value)
            statements.append(Check(condition, stage.code, checked))
        place = self.storage.places[stage.buffer]
        if place.register is not None:
            statements.append(Declare(place.register, value))
        elif place.buffer is not None:
            offset = self.storage.offset(place, self.storage.rewrite(stage.offset))
            statements.append(Store(place.buffer, offset, value))
        if place.forwarded:
            self.storage.forward(stage, value)
        return statements

    def reduce(self, stage: Stage) -> list[Stmt]:
        value = self.storage.rewrite(stage.value)
        if stage in self.registers:
            return [Accumulate(self.registers[stage][0], stage.combine, value)]
        place = self.storage.places[stage.buffer]
        assert place.buffer is not None
        offset = self.storage.offset(place, stage.offset)
        old = self.s.load(place.buffer, offset)
        return [Store(place.buffer, offset, combined(self.s, stage.combine, old, value))]

    def argreduce(self, stage: Stage) -> list[Stmt]:
        """Takes a better value, or the first NaN, or the very first element of all."""
        s = self.s
        position, best = self.registers[stage]
        value = self.storage.rewrite(stage.value)
        assert stage.position is not None
        old, at = s.register(best), s.register(position)
        better = self.better(stage.combine, value, old)
        taken = s.or_(better, s.lt(at, s.int(0)))
        return [
            If(taken, (Assign(best, value), Assign(position, stage.position))),
        ]

    def better(self, combine: str, value: Expr, old: Expr) -> Expr:
        s = self.s
        if value.dtype.kind == "b":
            value, old = s.cast(value, "int8"), s.cast(old, "int8")
        beats = s.gt(value, old) if combine == "argmax" else s.lt(value, old)
        if kind_of(value.dtype) != "f":
            return beats
        return s.or_(beats, s.and_(s.isnan(value), s.not_(s.isnan(old))))

    def scan(self, stage: Stage) -> list[Stmt]:
        s, rewrite = self.s, self.storage.rewrite
        assert stage.first is not None and stage.previous is not None
        value = rewrite(stage.value)
        before = s.load(stage.buffer, stage.previous)
        if stage.factor is not None:
            total = s.add(s.mul(rewrite(stage.factor), before), value)
        else:
            total = combined(s, stage.combine, before, value)
        chosen = s.guard(s.not_(stage.first), total, value)
        return [Store(stage.buffer, stage.offset, chosen)]
