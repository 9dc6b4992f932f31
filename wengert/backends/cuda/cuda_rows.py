"""What the threads of a team can keep in registers between the loops over one row.

If all shared-out loops over a row give each thread the same turns, a value that one turn stores and
the same turn of a later loop reads needs no memory: each thread keeps those of its own turns in an
array that is indexed by constants once the loops are unrolled. The same goes for what several loops
load from memory that the kernel does not write: it is loaded once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.backends.cuda.vectors import Vectors, find_vectors, narrowed
from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, If, Kind, Loop, Space, Stmt, Store, While
from wengert.kernels.statements import changed, own_expressions, walk

# 32-bit registers per thread for what is kept, and turns per thread for which loops are unrolled.
REGISTERS = 96
MOST_ITEMS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """How loops over so many turns are shared out: `items` vectors of `width` for each thread."""

    turns: int
    width: int
    items: int
    buffers: tuple[Buffer, ...]
    loads: tuple[Expr, ...]

    @property
    def slots(self) -> int:
        return self.width * self.items


def plan_rows(body: Sequence[Stmt], threads: int) -> dict[int, Row]:
    """By their number of turns, how the shared-out loops of a team's body run."""
    found: dict[int, list[Loop]] = defaultdict(list)
    for statement in walk(body):
        if isinstance(statement, Loop) and statement.kind is Kind.LANES:
            turns = whole(statement)
            if turns:
                found[turns].append(statement)
    return {turns: _row(body, turns, loops, threads) for turns, loops in found.items()}


def whole(loop: Loop) -> int:
    """The number of turns of a loop from 0 to a known end; else 0."""
    if loop.start.is_const and loop.start.attr == 0 and loop.stop.is_const:
        return int(loop.stop.attr)
    return 0


def vectors_of(loop: Loop, row: Row) -> Vectors | None:
    """The vector accesses to memory of a loop over a row."""
    found = narrowed(loop.body, loop.index, row.width) if row.width > 1 else None
    if found is None:
        return None
    loads = tuple(n for n in found.loads if n.attr not in row.buffers)
    stores = tuple(st for st in found.stores if st.buffer not in row.buffers)
    return replace(found, loads=loads, stores=stores)


def _row(body: Sequence[Stmt], turns: int, loops: Sequence[Loop], threads: int) -> Row:
    width = 1
    wide = [find_vectors(loop.body, loop.index) for loop in loops]
    for vectors in wide:
        width = max(width, 1 if vectors is None else vectors.width)
    while turns % width:
        width //= 2
    plain = [any(isinstance(st, Loop | While | If) for st in loop.body) for loop in loops]
    if any(plain):
        width = 1
    items = -(-turns // (threads * width))
    if items > MOST_ITEMS or any(plain):
        return Row(turns, width, items, (), ())
    words = REGISTERS
    buffers: list[Buffer] = []
    for buffer in _own_turn(body, loops):
        cost = items * width * max(1, buffer.dtype.itemsize // 4)
        if cost <= words:
            words -= cost
            buffers.append(buffer)
    loads: list[Expr] = []
    for node in _again(body, loops):
        cost = items * width * max(1, node.dtype.itemsize // 4)
        if cost <= words:
            words -= cost
            loads.append(node)
    return Row(turns, width, items, tuple(buffers), tuple(loads))


def _own_turn(body: Sequence[Stmt], loops: Sequence[Loop]) -> list[Buffer]:
    """Local buffers whose elements are only used by the turn of their own number."""
    allowed: Counter[Buffer] = Counter()
    for loop in loops:
        for statement in loop.body:
            for buffer, offset in _places(statement):
                own = offset.op is ScalarOp.INDEX and offset.attr is loop.index
                if own and buffer.space is Space.LOCAL:
                    allowed[buffer] += 1
    total: Counter[Buffer] = Counter()
    for statement in walk(body):
        total.update(b for b, _ in _places(statement))
    return [b for b, count in allowed.items() if count == total[b]]


def _places(statement: Stmt) -> list[tuple[Buffer, Expr]]:
    loads = [n for n in nodes(own_expressions(statement)) if n.op is ScalarOp.LOAD]
    found = [(n.attr, n.args[0]) for n in loads]
    return [*found, (statement.buffer, statement.offset)] if isinstance(statement, Store) else found


def _again(body: Sequence[Stmt], loops: Sequence[Loop]) -> list[Expr]:
    """Loads of unchanged memory that several loops of one block make in the same turn."""
    written = changed(body)
    seen: Counter[Expr] = Counter()
    siblings = _siblings(body, loops)
    for loop in siblings:
        exprs = [e for st in loop.body for e in own_expressions(st)]
        guarded = {n for g in nodes(exprs) if g.op is ScalarOp.GUARD for n in nodes((g.args[1],))}
        for node in nodes(exprs):
            fine = node.op is ScalarOp.LOAD and loop.index in node.indices and node not in guarded
            if fine and node.attr not in written:
                seen[node] += 1
    return [node for node, count in seen.items() if count > 1]


def _siblings(body: Sequence[Stmt], loops: Sequence[Loop]) -> list[Loop]:
    """The given loops, if all of them stand in one block; else none."""
    blocks: list[Sequence[Stmt]] = [body]
    for statement in walk(body):
        match statement:
            case Loop():
                blocks.append(statement.body)
            case If(_, then, otherwise):
                blocks += [then, otherwise]
            case While(before, _, inner):
                blocks += [before, inner]
            case _:
                pass
    for block in blocks:
        if all(any(st is loop for st in block) for loop in loops):
            return list(loops)
    return []
