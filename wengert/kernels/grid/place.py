"""From kernels of serial loops to launches on a grid.

Each statement of a kernel becomes a launch of its own, unless it shares registers or local buffers
with its neighbours. A loop of independent turns is spread over the grid: a thread for each turn, or
a team where the turns have loops inside whose turns can be shared out and which read memory in
their own order. Everything else is the work of one team, which may be the whole grid.

Loops and branches with calls of libraries in them are run by the host. What stands in them becomes
launches in the same way, in the place of statements. A launch cannot know the number of the turn:
it is in memory, where a kernel of its own counts, if any launch asks for it. Conditions and bounds
are left in memory too, for the host to look at.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import BOOL, INT64
from wengert.kernels.expressions import nodes
from wengert.kernels.grid.grouped import as_updates, grouped
from wengert.kernels.grid.nests import (
    Sum,
    as_sum,
    chain,
    extents,
    one_loop,
    replaced,
    with_values,
    without_copies,
)
from wengert.kernels.grid.outer_sums import with_parts
from wengert.kernels.grid.own_memory import with_own_memory
from wengert.kernels.grid.partial import in_chunks
from wengert.kernels.grid.registers import in_registers
from wengert.kernels.grid.scans import with_running_values
from wengert.kernels.grid.scattered import in_parts
from wengert.kernels.grid.split import chunks, cut
from wengert.kernels.grid.team import Shared, has_lanes, share, team_locals
from wengert.kernels.grid.tile import THREADS, find_square, tiled
from wengert.kernels.grid.turns import Order, Uses, classify, count_uses, linear, touched
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Call,
    Communicate,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import expressions, own_expressions, renamed, walk

# A team has a thread for each of these many turns, and sizes between these.
TURNS_PER_THREAD = 16
SMALLEST_TEAM = 32
LARGEST_TEAM = 1_024
# A team of one block gives way to one of the whole grid where it shares out more turns than this.
WIDE = 16_384
# A thread for each turn is best where there are at least so many turns and the inner loops short.
MANY = 1 << 15
SHORT = 32


def place(s: ScalarBuilder, kernels: Sequence[Kernel], kept: Sequence[Buffer]) -> list[Kernel]:
    """The launches that do what `kernels` do; `kept` buffers are used outside of them."""
    uses = count_uses([k.body for k in kernels], kept)
    simpler = [replace(k, body=_simplified(s, k.body, uses)) for k in kernels]
    placer = _Placer(s, count_uses([k.body for k in simpler], kept))
    for kernel in simpler:
        placer.kernel(kernel.name, kernel.body)
    return placer.launches


def _simplified(s: ScalarBuilder, body: Sequence[Stmt], uses: Uses) -> tuple[Stmt, ...]:
    """`body` with sums and running values in registers, as far as a launch reaches."""
    made: list[Stmt] = []
    for by_host, part in itertools.groupby(body, is_by_host):
        if not by_host:
            made += in_registers(s, with_running_values(s, with_parts(s, list(part))), uses)
            continue
        for statement in part:
            match statement:
                case Loop():
                    made.append(replace(statement, body=_simplified(s, statement.body, uses)))
                case If(condition, then, otherwise):
                    first, second = (_simplified(s, x, uses) for x in (then, otherwise))
                    made.append(If(condition, first, second))
                case While(before, condition, inner):
                    first, second = (_simplified(s, x, uses) for x in (before, inner))
                    made.append(While(first, condition, second))
                case _:
                    made.append(statement)
    return tuple(made)


def is_by_host(statement: Stmt) -> bool:
    """Whether a statement is a loop or branch with calls in it that only the host can make."""
    if not isinstance(statement, Loop | If | While) or library_call((statement,)) is not None:
        return False
    return any(isinstance(st, Call | Communicate) for st in walk((statement,)))


def library_call(body: Sequence[Stmt]) -> Call | None:
    """The call, if statements are one of a library, or a batch of such."""
    while len(body) == 1 and isinstance(body[0], Loop) and body[0].kind is not Kind.HOST:
        body = body[0].body
    return body[0] if len(body) == 1 and isinstance(body[0], Call) else None


def is_collective(body: Sequence[Stmt]) -> bool:
    """Whether statements are a collective of all processes, or a call of Python."""
    return len(body) == 1 and isinstance(body[0], Communicate)


def groups(body: Sequence[Stmt]) -> list[tuple[Stmt, ...]]:
    """`body` cut wherever no register and no local buffer is shared across the cut.

    Statements without loops stay with each other, but for calls.
    """
    bound = _lives(body)
    last = {thing: at for at, things in enumerate(bound) for thing in things}
    found: list[list[Stmt]] = []
    until = -1
    for at, statement in enumerate(body):
        joins = found and _is_plain(statement) and all(map(_is_plain, found[-1]))
        if at > until and not joins:
            found.append([])
        found[-1].append(statement)
        until = max([until, *(last[thing] for thing in bound[at])])
    return [tuple(group) for group in found]


def _is_plain(statement: Stmt) -> bool:
    return not isinstance(statement, Loop | Call | Communicate) and not is_by_host(statement)


def _lives(body: Sequence[Stmt]) -> list[set[tuple[Register | Buffer, int]]]:
    """What each statement binds that others may: with each declaration a register begins anew."""
    begun: Counter[Register] = Counter()
    found: list[set[tuple[Register | Buffer, int]]] = []
    for statement in body:
        own: set[Register | Buffer] = set()
        if isinstance(statement, Declare):
            begun[statement.register] += 1
        else:
            own.update(st.register for st in walk((statement,)) if isinstance(st, Declare))
        things = _bound(statement) - own
        found.append({(x, begun[x] if isinstance(x, Register) else 0) for x in things})
    return found


def _bound(statement: Stmt) -> set[Register | Buffer]:
    """The registers and local buffers that a statement, or one inside it, uses."""
    found: set[Register | Buffer] = set()
    for inner in walk((statement,)):
        found.update(b for b in touched(inner) if b.space is Space.LOCAL)
        exprs = own_expressions(inner)
        found.update(n.attr for n in nodes(exprs) if n.op is ScalarOp.REGISTER)
        if isinstance(inner, Declare | Assign | Accumulate):
            found.add(inner.register)
    return found


@dataclass(slots=True)
class _Placer:
    s: ScalarBuilder
    uses: Uses
    launches: list[Kernel] = field(default_factory=list[Kernel])

    def kernel(self, name: str, body: Sequence[Stmt]) -> None:
        """Launches for statements."""
        for group in groups(body):
            if library_call(group) is not None or is_collective(group):
                self.launches.append(Kernel(name, group))
            elif is_by_host(group[0]):
                self.by_host(name, group[0])
            else:
                self.group(name, group)

    def by_host(self, name: str, statement: Stmt) -> None:
        """A loop or branch whose body is launches."""
        s = self.s
        match statement:
            case Loop():
                made = self.turns(name, statement)
            case If(condition, then, otherwise):
                first, second = self.inside(name, then), self.inside(name, otherwise)
                made = If(self.asked(name, condition), first, second)
            case While(before, condition, body):
                flag = Buffer(BOOL, 1, Space.TEMP)
                asks = Kernel(f"{name}_asks", (Store(flag, s.int(0), condition),))
                first, second = self.inside(name, before), self.inside(name, body)
                made = While((*first, asks), s.load(flag, s.int(0)), second)
            case _:
                raise AssertionError("the host runs loops and branches")
        self.launches.append(Kernel(name, (made,)))

    def inside(self, name: str, body: Sequence[Stmt]) -> tuple[Kernel, ...]:
        """The launches for statements that the host comes to."""
        around, self.launches = self.launches, []
        self.kernel(name, body)
        found, self.launches = self.launches, around
        return tuple(found)

    def asked(self, name: str, value: Expr) -> Expr:
        """A value in memory, where a launch leaves it for the host; a constant as it is."""
        if value.is_const:
            return value
        place, first = Buffer(value.dtype, 1, Space.TEMP), self.s.int(0)
        self.launches.append(Kernel(f"{name}_asks", (Store(place, first, value),)))
        return self.s.load(place, first)

    def turns(self, name: str, loop: Loop) -> Loop:
        """A loop of the host; the number of the turn is counted where a launch asks for it."""
        s, index = self.s, loop.index
        body = self.inside(name, loop.body)
        start, stop = self.asked(name, loop.start), self.asked(name, loop.stop)
        if any(index in e.indices for e in expressions(body)):
            counter, first = Buffer(INT64, 1, Space.TEMP), s.int(0)
            number = s.load(counter, first)
            self.launches.append(Kernel(f"{name}_first", (Store(counter, first, loop.start),)))
            count = Kernel(f"{name}_next", (Store(counter, first, s.add(number, 1)),))
            body = (*replaced(s, body, {index: number}), count)
        return replace(loop, start=start, stop=stop, body=body)

    def group(self, name: str, body: tuple[Stmt, ...]) -> None:
        """Launches for statements that belong together."""
        loop = body[0] if len(body) == 1 else without_copies(self.s, body)
        if isinstance(loop, Loop):
            # the copies are gone, but arrays that others use are no turn's own
            found = count_uses([(loop,)]) if len(body) > 1 else Uses()
            others = Uses({b: n for b, n in found.items() if b.space is not Space.LOCAL})
            self.uses.update(others)
            if self.spread(name, loop):
                return
            self.uses.subtract(others)
        sum_ = as_sum(body, self.uses)
        if sum_ is None or not self.split(name, [], sum_, together=True):
            self.one_team(name, body)

    def spread(self, name: str, loop: Loop) -> bool:
        """Launches for a loop whose turns many threads can share, if they can."""
        turns = classify(loop, self.uses)
        if turns.order is Order.INDEPENDENT:
            own = {b: Buffer(b.dtype, b.size, Space.LOCAL) for b in turns.private}
            self.uses.update({new: self.uses[old] for old, new in own.items()})
            one = renamed(self.s, (loop,), own)[0] if own else loop
            assert isinstance(one, Loop)
            self.independent(name, one)
            return True
        by_teams = share(self.s, loop.body, self.uses).lanes >= SHORT and loop.index.extent < MANY
        for teams in (True, False) if by_teams else (False,):
            owned = with_own_memory(self.s, loop, self.uses, teams)
            if owned is not None:
                self.independent(name, owned)
                return True
        chunked = in_chunks(self.s, loop, self.uses)
        if chunked is not None:
            self.in_order(name, [], chunked.chunks, chunked.totals)
            return True
        plain = with_values(self.s, loop, self.uses)
        parted = in_parts(self.s, plain, self.uses)
        if parted is not None:
            self.in_order(name, parted.fills, parted.chunks, parted.totals)
            return True
        updates = as_updates(self.s, plain)
        if updates is not None:
            self.by_row(name, grouped(self.s, name, updates))
        return updates is not None

    def in_order(
        self, name: str, fills: Sequence[Loop], chunks: Loop, totals: Sequence[Loop]
    ) -> None:
        """Launches for sums in chunks."""
        for fill in fills:
            self.independent(f"{name}_fill", fill)
        self.independent(name, chunks)
        for total in totals:
            self.independent(f"{name}_combine", total)

    def by_row(self, name: str, steps: Sequence[Loop | Kernel]) -> None:
        """Launches for updates of rows that the data name."""
        self.uses.update(count_uses([st.body for st in steps]))
        for step in steps:
            if isinstance(step, Kernel):
                self.launches.append(step)
            else:
                self.independent(name, step)

    def independent(self, name: str, loop: Loop, whole: bool = False) -> None:
        """A launch of independent turns; `whole` sums are not cut."""
        loops, body = chain(loop, self.uses, Order.INDEPENDENT)
        shared = share(self.s, body, self.uses)
        together = self.is_teamwork(loops, shared)
        sum_ = None if whole else as_sum(body, self.uses)
        if sum_ is not None and self.split(name, loops, sum_, together):
            return
        square = None if together else find_square(loops, body)
        if square is not None:
            self.launches.append(Kernel(name, (tiled(self.s, loops, body, square),), THREADS))
            return
        if together:
            made = one_loop(self.s, loops, shared.body, Kind.BLOCK)
            size = team_size(shared.lanes, made.index.extent)
        else:
            made = one_loop(self.s, loops, body, Kind.GRID)
            size = 1
        self.launches.append(Kernel(name, (made,), size))

    def split(self, name: str, loops: Sequence[Loop], sum_: Sum, together: bool) -> bool:
        """Launches a sum in chunks, if there is reason to."""
        known, summed = extents(loops) if loops else [], extents(sum_.loops)
        if known is None or summed is None:
            return False
        count = chunks(prod(known), prod(summed), together)
        if count < 2:
            return False
        first, second = cut(self.s, loops, sum_, count, together)
        before = count_uses([(*sum_.opened, sum_.loops[0], *sum_.closed)])
        after = count_uses([(first,), second])
        self.uses.subtract(before)
        self.uses.update(after)
        if classify(first, self.uses).order is not Order.INDEPENDENT:
            self.uses.subtract(after)
            self.uses.update(before)
            return False
        self.independent(name, first, whole=True)
        if loops:
            nest = second[0]
            assert isinstance(nest, Loop)
            self.independent(f"{name}_combine", nest, whole=True)
        else:
            self.one_team(f"{name}_combine", second)
        return True

    def is_teamwork(self, loops: Sequence[Loop], shared: Shared) -> bool:
        """Whether a team for each turn is better than a thread."""
        if shared.lanes < SHORT:
            return False
        known = extents(loops)
        last = loops[-1].index
        own, across = strides(shared.body, last)
        if across > own:
            return known is not None and prod(known) < MANY // 8 and own > 0
        return True

    def one_team(self, name: str, body: tuple[Stmt, ...]) -> None:
        """A launch of one team, or of one thread where nothing can be shared out."""
        shared = share(self.s, body, self.uses)
        if not has_lanes(shared.body):
            self.launches.append(Kernel(name, body, 1))
            return
        if shared.lanes > WIDE:
            near = {b: Buffer(b.dtype, b.size, Space.TEMP) for b in team_locals(shared.body)}
            self.launches.append(Kernel(name, renamed(self.s, shared.body, near), 256, wide=True))
            return
        self.launches.append(Kernel(name, shared.body, team_size(shared.lanes, 1)))


def team_size(lanes: int, teams: int) -> int:
    """Threads for a team that shares out `lanes` turns; more where there are few teams."""
    wanted = lanes // 4 if teams <= 256 else lanes // TURNS_PER_THREAD
    size = SMALLEST_TEAM
    while size < wanted and size < LARGEST_TEAM:
        size *= 2
    return size


def strides(body: Sequence[Stmt], outer: Index) -> tuple[int, int]:
    """How many accesses walk by one with a shared-out index, and how many with `outer`."""
    own = across = 0
    lanes = {st.index for st in walk(body) if isinstance(st, Loop) and st.kind is Kind.LANES}
    for offset in _offsets(body):
        terms = linear(offset).terms
        own += any(abs(c) == 1 and _walks(t, lanes) for t, c in terms.items())
        across += any(t is outer and abs(c) == 1 for t, c in terms.items())
    return own, across


def _walks(term: Index | Expr, lanes: set[Index]) -> bool:
    """Whether a term follows a shared-out index; the last axis of several is its remainder."""
    if isinstance(term, Index):
        return term in lanes
    return term.op is ScalarOp.IREM and not term.indices.isdisjoint(lanes)


def _offsets(body: Sequence[Stmt]) -> list[Expr]:
    found: list[Expr] = []
    for statement in walk(body):
        if isinstance(statement, Store):
            found.append(statement.offset)
        loads = nodes(own_expressions(statement))
        found.extend(n.args[0] for n in loads if n.op is ScalarOp.LOAD)
    return found
