"""Large temporaries of independent turns: a part of memory for each of the threads that take them.

    for i: for k: t[k] = ...; for k: ... = t[k]         (the tape of each of many small loops)

Turns share t, though nothing passes from one to the next in it. A small t is a thread's own array.
For a large one there are T threads, or teams, each with a t of its own in memory:

    for g in 0 : T:                                      t'[k * T + g] of single threads: neighbours
      for i in g, g + T, ...: the same with t'           access neighbours;
                                                         t'[g * size + k] of teams
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter
from wengert.kernels.grid.nests import extent, replaced
from wengert.kernels.grid.turns import PRIVATE_BYTES, Order, Uses, classify, count_uses
from wengert.kernels.loops import Buffer, Loop, Space, Stmt, Store
from wengert.kernels.statements import map_statements, walk

# So many threads, and teams, keep a large device busy; fewer have no more than so much memory.
THREADS, TEAMS = 1 << 16, 528
MOST_BYTES = 4 << 30
FEWEST = 16


def with_own_memory(s: ScalarBuilder, loop: Loop, uses: Uses, by_teams: bool) -> Loop | None:
    """A loop over threads or teams around `loop`, if nothing but large temporaries is shared."""
    count = extent(loop)
    inside = count_uses((loop.body,))
    written = dict.fromkeys(st.buffer for st in walk(loop.body) if isinstance(st, Store))
    large = [b for b in written if b.space is Space.TEMP and inside[b] == uses[b]]
    size = sum(b.nbytes for b in large)
    if count is None or count < FEWEST or size <= PRIVATE_BYTES:
        return None
    most = min(TEAMS if by_teams else THREADS, MOST_BYTES // size, count)
    if most < FEWEST:
        return None
    rounds = -(-count // most)
    workers = Index(-(-count // rounds))
    made = _of_workers(s, loop, count, (workers, rounds), large, by_teams)
    before, after = count_uses([(loop,)]), count_uses([(made,)])
    uses.subtract(before)
    uses.update(after)
    if classify(made, uses).order is Order.INDEPENDENT:
        return made
    uses.subtract(after)
    uses.update(before)
    return None


def _of_workers(
    s: ScalarBuilder,
    loop: Loop,
    count: int,
    workers: tuple[Index, int],
    large: Sequence[Buffer],
    by_teams: bool,
) -> Loop:
    index, rounds = workers
    number, one = index.extent, s.index(index)
    own = {b: Buffer(b.dtype, b.size * number, Space.TEMP) for b in large}

    def place(buffer: Buffer, offset: Expr) -> Expr:
        if by_teams:
            return s.add(s.mul(one, buffer.size), offset)
        return s.add(s.mul(offset, number), one)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in own:
            return s.load(own[expr.attr], place(expr.attr, rewrite(expr.args[0])))
        return None

    rewrite = Rewriter(s, rule)

    def store(statement: Store) -> Store:
        new = own.get(statement.buffer)
        if new is None:
            return statement
        return Store(new, place(statement.buffer, statement.offset), statement.value)

    body: Sequence[Stmt] = map_statements(loop.body, rewrite, store)
    turn = Index(rounds)
    at = s.add(s.add(s.mul(s.index(turn), number), one), loop.start)
    body = replaced(s, body, {loop.index: at})
    stop = s.int(rounds)
    if count % number:  # the last ones have one turn less
        stop = s.idiv(s.sub(s.int(count + number - 1), one), s.int(number))
    inner = Loop(turn, s.int(0), stop, tuple(body), loop.kind)
    return Loop(index, s.int(0), s.int(number), (inner,) if rounds > 1 else tuple(_first(s, inner)))


def _first(s: ScalarBuilder, loop: Loop) -> tuple[Stmt, ...]:
    """The only turn of a loop."""
    return replaced(s, loop.body, {loop.index: s.int(0)})
