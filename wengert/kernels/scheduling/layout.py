"""Temporaries in the order in which inner loops walk them.

A batch of loops runs in blocks of lanes: for each turn, an inner loop over the lanes. What is on
tape for a lane lies together, as it does without a batch, so inner loops would take one element
here and one there, which vectors can only do element by element. Where all innermost loops walk an
array with the same stride S, its rows of S elements become columns, and the stride becomes 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wengert.ir.scalar import Affine, Expr, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, from_affine, loaded, nodes
from wengert.kernels.loops import (
    Buffer,
    Call,
    Communicate,
    If,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import (
    buffers,
    changed,
    expressions,
    map_statements,
    own_expressions,
    walk,
)

_OWN = (Space.TEMP, Space.LOCAL)
"""Nobody else sees how these lie."""


def along_inner_loops(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with arrays that inner loops walk across turned, where all of them do."""
    walks = _walks(steps)
    strides = {b: found for b, walk in walks.items() if (found := walk.stride(b)) is not None}
    if not strides:
        return list(steps)

    def turned(buffer: Buffer, offset: Expr) -> Expr:
        """The new place of an element; those that fill the array stay as they are."""
        parts = _parts(offset, strides[buffer])
        assert parts is not None
        row, rest = (from_affine(s, x) for x in parts)
        return s.add(s.mul(rest, buffer.size // strides[buffer]), row)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is not ScalarOp.LOAD or expr.attr not in strides:
            return None
        return s.load(expr.attr, turned(expr.attr, expr.args[0]))

    def store(statement: Store) -> Store:
        buffer = statement.buffer
        if buffer not in strides or (buffer, statement.offset) in fills:
            return statement
        return Store(buffer, turned(buffer, statement.offset), statement.value)

    fills = {(b, offset) for b, walk in walks.items() for offset in walk.fills}
    rewrite = Rewriter(s, rule)
    return [Kernel(k.name, map_statements(k.body, rewrite, store)) for k in steps]


@dataclass(slots=True)
class _Walk:
    """How loops go over an array: where each access is, with the innermost loop around it."""

    accesses: set[tuple[Expr, Loop | None]] = field(default_factory=set["tuple[Expr, Loop | None]"])
    fills: set[Expr] = field(default_factory=set[Expr])
    is_simple: bool = True

    def stride(self, buffer: Buffer) -> int | None:
        """The stride that all innermost loops have, if the array can be turned for them."""
        if not self.is_simple or not self.accesses:
            return None
        own = {x for _, x in self.accesses}
        inner = {x for x in own if x is None or _is_innermost(x)}
        strides = {_step(offset, x) for offset, x in self.accesses if x in inner}
        stride = strides.pop() if strides else 0
        if strides or stride < 2 or buffer.size % stride or stride == buffer.size:
            return None
        if not any(
            loop is not None and loop.kind in (Kind.SERIAL, Kind.FREE) for _, loop in self.accesses
        ):
            return None
        fits = all(x not in self.fills and _parts(x, stride) is not None for x, _ in self.accesses)
        return stride if fits else None


def _is_innermost(loop: Loop) -> bool:
    """Whether a loop has no other in it: one that has takes few elements between those."""
    return not any(isinstance(st, Loop) for st in walk(loop.body))


def _step(offset: Expr, loop: Loop | None) -> int:
    function = affine(offset)
    if function is None or loop is None:
        return 0
    return abs(function.terms.get(loop.index, 0))


def _parts(offset: Expr, stride: int) -> tuple[Affine, Affine] | None:
    """(row, rest) with offset = row * stride + rest and rest below the stride."""
    function = affine(offset)
    if function is None:
        return None
    rows = {i: c // stride for i, c in function.terms.items() if c % stride == 0}
    others = {i: c for i, c in function.terms.items() if c % stride}
    first = function.const % stride
    ends = [c * max(i.extent - 1, 0) for i, c in others.items()]
    if first + sum(e for e in ends if e < 0) < 0:
        return None
    if first + sum(e for e in ends if e > 0) >= stride:
        return None
    return Affine(function.const // stride, rows), Affine(first, others)


def _walks(steps: Sequence[Kernel]) -> dict[Buffer, _Walk]:
    walks: dict[Buffer, _Walk] = {}
    for step in steps:
        for statement, loop in _with_loops(step.body, None):
            own = [x for x in own_expressions(statement) if any(b.space in _OWN for b in x.loads)]
            for node in nodes(own):
                if node.op is ScalarOp.LOAD and node.attr.space in _OWN:
                    walks.setdefault(node.attr, _Walk()).accesses.add((node.args[0], loop))
            if isinstance(statement, Call | Communicate):
                for buffer in buffers((statement,)):
                    walks.setdefault(buffer, _Walk()).is_simple = False
            if isinstance(statement, Store) and statement.buffer.space in _OWN:
                walk = walks.setdefault(statement.buffer, _Walk())
                if _fills(statement, loop):
                    walk.fills.add(statement.offset)
                else:
                    walk.accesses.add((statement.offset, loop))
    return walks


def _fills(statement: Store, loop: Loop | None) -> bool:
    """Whether a loop gives all elements the same value, and does so in each turn."""
    if loop is None or statement.offset.op is not ScalarOp.INDEX or statement not in loop.body:
        return False
    whole = loop.start.is_const and loop.stop.is_const and loop.start.attr == 0
    whole = whole and loop.stop.attr == statement.buffer.size
    alone = statement.buffer not in loaded(expressions(loop.body))
    return statement.offset.attr is loop.index and whole and alone and _is_same(statement, loop)


def _is_same(statement: Store, loop: Loop) -> bool:
    """Whether a value is the same in all turns: it reads nothing that these change."""
    value = statement.value
    if loop.index in value.indices or not value.loads.isdisjoint(changed(loop.body)):
        return False
    return not any(n.op is ScalarOp.REGISTER for n in nodes((value,)))


def _with_loops(body: Sequence[Stmt], loop: Loop | None) -> Iterator[tuple[Stmt, Loop | None]]:
    """All statements, each with the innermost loop around it."""
    for statement in body:
        yield statement, loop
        match statement:
            case Loop():
                yield from _with_loops(statement.body, statement)
            case If(_, then, otherwise):
                yield from _with_loops((*then, *otherwise), loop)
            case While(before, _, inner):
                yield from _with_loops((*before, *inner), None)
            case _:
                pass
