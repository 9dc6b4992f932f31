"""Short loops of updates go inside the loops that they stand around.

    for p in 0:5:  for j:  x[j] = x[j] + y[p, j]

passes through x five times. If each element is updated from itself alone, the same numbers come, in
the same order of operations, from one pass that makes all five updates of an element at once:

    for j:  x[j] = ((((x[j] + y[0, j]) + y[1, j]) + ...

Of long loops, a few turns go inside at a time: sums over the rows of a matrix load and store each
of their elements once for so many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.loops import Kind, Loop, Stmt, Store
from wengert.kernels.scheduling.conditions import breakpoints

# Loops of at most this many turns, while an element's updates are below so many nodes.
MAX_TURNS = 8
MAX_NODES = 300

# Longer loops around so long ones have so many turns at a time moved inwards, while an update is so
# few nodes that loads and stores are what it takes. (With more than that, caches and
# prefetchers would have to follow more rows at once.) It may be some less: turns that are left over
# are one more loop to compile.
TURNS = 8
WIDE = 32
CHEAP = 36


def inward(s: ScalarBuilder, loop: Loop) -> Loop:
    """`loop` with the short loops inside it moved inwards where that changes nothing."""
    return replace(loop, body=tuple(_one(s, st) for st in loop.body))


def some_turns_inward(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    """`loop` with TURNS of its turns at a time inside the loops that it stands around, or itself;
    then what this leaves over. The same for the loops in it."""
    found = _some_turns(s, loop)
    if found:
        return found
    body: list[Stmt] = []
    for st in loop.body:
        body += some_turns_inward(s, st) if isinstance(st, Loop) else (st,)
    return (replace(loop, body=tuple(body)),)


def _some_turns(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    extent = loop.index.extent
    whole = loop.start.is_const and loop.stop.is_const and loop.kind is Kind.SERIAL
    if not whole or (loop.start.attr, loop.stop.attr) != (0, extent) or extent <= MAX_TURNS:
        return ()
    store = _wide_update(loop)
    if store is None or sum(1 for _ in nodes((store.value,))) > CHEAP or breakpoints(loop):
        return ()
    number = next((n for n in range(TURNS, TURNS // 2, -1) if extent % n == 0), TURNS)
    block = Index(extent // number)
    first = s.mul(s.index(block), number)
    places = [s.add(first, s.int(turn)) for turn in range(number)]
    main = _with_turns(s, loop.index, places, loop.body[0])
    if main is None:
        return ()
    result = [Loop(block, s.int(0), s.int(block.extent), (main,), loop.kind)]
    left = [s.int(turn) for turn in range(block.extent * number, extent)]
    rest = _with_turns(s, loop.index, left, loop.body[0]) if left else None
    return (*result, rest) if isinstance(rest, Loop) else tuple(result)


def _wide_update(loop: Loop) -> Store | None:
    """The one store in the nest below `loop`, if the innermost loop is long."""
    inner = loop
    while len(inner.body) == 1 and isinstance(inner.body[0], Loop):
        inner = inner.body[0]
    (only,) = inner.body if len(inner.body) == 1 else (None,)
    wide = inner is not loop and inner.index.extent >= WIDE
    return only if isinstance(only, Store) and wide else None


def _one(s: ScalarBuilder, statement: Stmt) -> Stmt:
    if not isinstance(statement, Loop):
        return statement
    loop = inward(s, statement)
    if not _is_short(loop) or len(loop.body) != 1:
        return loop
    turns = [s.int(turn) for turn in range(loop.index.extent)]
    return _with_turns(s, loop.index, turns, loop.body[0]) or loop


def _is_short(loop: Loop) -> bool:
    bounds = loop.start.is_const and loop.stop.is_const
    whole = bounds and (loop.start.attr, loop.stop.attr) == (0, loop.index.extent)
    return whole and loop.kind is Kind.SERIAL and loop.index.extent <= MAX_TURNS


def _with_turns(
    s: ScalarBuilder, index: Index, turns: Sequence[Expr], statement: Stmt
) -> Stmt | None:
    """`statement`, a nest around one store, with the store for some turns of a loop at once."""
    match statement:
        case Loop(_, start, stop, (inner,)) if index not in start.indices | stop.indices:
            found = _with_turns(s, index, turns, inner)
            return None if found is None else replace(statement, body=(found,))
        case Store(_, offset) if index not in offset.indices:
            return _updated(s, index, turns, statement)
        case _:
            return None


def _updated(s: ScalarBuilder, index: Index, turns: Sequence[Expr], store: Store) -> Store | None:
    old = s.load(store.buffer, store.offset)
    own = [n for n in nodes((store.value,)) if n.op is ScalarOp.LOAD and n.attr is store.buffer]
    size = len(turns) * sum(1 for _ in nodes((store.value,)))
    if own != [old] or size > MAX_NODES:
        return None
    value = old
    for turn in turns:
        value = Rewriter(s, _at(s.index(index), turn, old, value))(store.value)
    return replace(store, value=value)


def _at(own: Expr, turn: Expr, old: Expr, before: Expr) -> Callable[[Expr], Expr | None]:
    """The rule that puts `turn` for the index and `before` for the element's value."""

    def rule(expr: Expr) -> Expr | None:
        if expr is old:
            return before
        return turn if expr is own else None

    return rule
