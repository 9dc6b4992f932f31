"""From kernels of serial loops to launches on a grid.

Each statement of a kernel becomes a launch of its own, unless it shares registers or local buffers
with its neighbours. A loop of independent turns is spread over the grid: a thread for each turn, or
a team where the turns have loops inside whose turns can be shared out and which read memory in
their own order. Everything else is the work of one team, which may be the whole grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.grid.nests import Sum, as_sum, chain, extents, one_loop
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
    Kernel,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.stages import nodes
from wengert.kernels.statements import own_expressions, renamed, walk

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
    simpler = [
        replace(k, body=in_registers(s, with_running_values(s, k.body), uses)) for k in kernels
    ]
    placer = _Placer(s, count_uses([k.body for k in simpler], kept))
    for kernel in simpler:
        if library_call(kernel) is not None or is_collective(kernel):
            placer.launches.append(kernel)
            continue
        for group in groups(kernel.body):
            placer.group(kernel.name, group)
    return placer.launches


def library_call(kernel: Kernel) -> Call | None:
    """The call, if a kernel is one of a library, or a batch of such."""
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], Loop):
        body = body[0].body
    return body[0] if len(body) == 1 and isinstance(body[0], Call) else None


def is_collective(kernel: Kernel) -> bool:
    """Whether a kernel is a collective of all processes."""
    return len(kernel.body) == 1 and isinstance(kernel.body[0], Communicate)


def groups(body: Sequence[Stmt]) -> list[tuple[Stmt, ...]]:
    """`body` cut wherever no register and no local buffer is shared across the cut.

    Statements without loops stay with each other.
    """
    last: dict[Register | Buffer, int] = {}
    for at, statement in enumerate(body):
        for thing in _bound(statement):
            last[thing] = at
    found: list[list[Stmt]] = []
    until = -1
    for at, statement in enumerate(body):
        plain = not isinstance(statement, Loop)
        joins = found and plain and not any(isinstance(st, Loop) for st in found[-1])
        if at > until and not joins:
            found.append([])
        found[-1].append(statement)
        until = max([until, *(last[thing] for thing in _bound(statement))])
    return [tuple(group) for group in found]


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

    def group(self, name: str, body: tuple[Stmt, ...]) -> None:
        """Launches for statements that belong together."""
        if len(body) == 1 and isinstance(body[0], Loop):
            turns = classify(body[0], self.uses)
            if turns.order is Order.INDEPENDENT:
                own = {b: Buffer(b.dtype, b.size, Space.LOCAL) for b in turns.private}
                self.uses.update({new: self.uses[old] for old, new in own.items()})
                loop = renamed(self.s, body, own)[0] if own else body[0]
                assert isinstance(loop, Loop)
                self.independent(name, loop)
                return
            chunked = in_chunks(self.s, body[0], self.uses)
            if chunked is not None:
                self.independent(name, chunked.chunks)
                for total in chunked.totals:
                    self.independent(f"{name}_combine", total)
                return
            parted = in_parts(self.s, body[0], self.uses)
            if parted is not None:
                for fill in parted.fills:
                    self.independent(f"{name}_fill", fill)
                self.independent(name, parted.chunks)
                for total in parted.totals:
                    self.independent(f"{name}_combine", total)
                return
        sum_ = as_sum(body, self.uses)
        if sum_ is None or not self.split(name, [], sum_, together=True):
            self.one_team(name, body)

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
        self.uses.update(count_uses([(first,), second]))
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
    wanted = lanes // 4 if teams < 256 else lanes // TURNS_PER_THREAD
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
