"""Loops and branches of the program -> statements of the loop IR.

What a loop carries lives in one buffer each, and a turn works on it in place as far as the block's
plan allows (`homes.py`). Where a turn leaves a new version in another buffer, it is copied back;
if that is much beside what the turn does, the turn is written twice with the two buffers in
exchanged roles, and nothing is copied. Small carried values are kept on the stack during the loop,
from where LLVM takes them into registers.

On a grid, a region that has calls of libraries, of Python or of other processes in it is run by the
host: its statements become launches, so all that passes between them is in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from wengert.ir.forms import Region
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import BOOL, INT64, Symbol
from wengert.kernels.expressions import at_turn
from wengert.kernels.fusion.emit import loops_around
from wengert.kernels.loops import Buffer, Communicate, If, Kind, Loop, Space, Stmt, Store, While
from wengert.kernels.scheduling.dependence import Independent, independent, overwritten
from wengert.kernels.scheduling.ranges import checked_at_ends
from wengert.kernels.scheduling.scalar_maths import has_loops, one_at_a_time
from wengert.kernels.scheduling.schedule import CHUNK_WORK, INNER_CHUNK, INNER_WORK, MAX_CHUNKS
from wengert.kernels.scheduling.summed import in_parts, parts, touched
from wengert.kernels.staging.block import Block, Context, Inputs
from wengert.kernels.staging.calls import calls_host
from wengert.kernels.staging.homes import replaced
from wengert.kernels.staging.materialise import Plan
from wengert.kernels.staging.pull import Pull, Reader
from wengert.kernels.staging.stages import Domains, Stage, StageKind
from wengert.kernels.statements import buffers, in_turn, map_statements, renamed, walk, work

# Carried values of at most this many elements are kept on the stack.
NEAR = 64
# Copying at most this many elements a turn is cheaper than a second copy of the code, and so is
# copying where a turn does this many times as much besides: of nested loops that were all written
# in pairs, and once more for an odd turn, the innermost one would be there 3 times for each level.
FEW_MOVES = 64
FEW_TO_WORK = 128
# Arrays of at most this many elements are copied without a loop.
SHORT = 8
# Stands for a number of turns that is not known.
UNKNOWN = 1 << 40

Moves = Sequence[tuple[Buffer, Buffer]]


class Enclosing(Protocol):
    """The block that a region stands in."""

    s: ScalarBuilder
    shared: Context
    inputs: Inputs
    top: bool
    plan: Plan
    pull: Pull
    buffers: dict[Var, Buffer]
    domains: Domains
    stages: list[Stage]

    def home(self, var: Var) -> Buffer: ...

    def copy(self, atom: Atom, buffer: Buffer) -> None: ...


def lower(block: Enclosing, form: Region, eqn: Eqn) -> None:
    """Adds the stages of a loop or branch to its block: first copies, and the statements."""
    carried = dict(replaced(eqn, form))
    homes: list[Buffer] = []
    blank: set[Buffer] = set()
    for number, var in enumerate(eqn.outputs):
        at = carried.get(number)
        operand = eqn.inputs[at] if at is not None else None
        stays = isinstance(operand, Var) and block.plan.root(operand) is block.plan.root(var)
        homes.append(block.home(var))
        if operand is None or stays or form.kind == "branch":
            continue
        if form.kind == "for_loop" and overwritten(eqn, number):
            blank.add(homes[-1])
        else:
            block.copy(operand, homes[-1])
    lowering = _Region(block, eqn, homes, blank)
    body = tuple(getattr(lowering, form.kind)())
    first = homes[0] if homes else Buffer(INT64, 0, Space.LOCAL)
    zero = block.s.const(0, first.dtype)
    block.stages.append(
        Stage(
            StageKind.REGION,
            first,
            (),
            frozenset(),
            block.s.int(0),
            zero,
            product=body,
            loads=frozenset((*buffers(body), *homes)),
            writes=tuple(homes),
        )
    )


class _Region:
    """The statements of one equation; a method for each kind of region."""

    def __init__(
        self, block: Enclosing, eqn: Eqn, homes: Sequence[Buffer], blank: set[Buffer]
    ) -> None:
        self.blank = blank  # homes that hold nothing before the loop
        self.block = block
        self.s = block.s
        self.eqn = eqn
        self.params = eqn.params
        self.homes = homes
        inputs = block.inputs
        self.by_host = block.shared.grid and inputs.steps and calls_host(eqn)

    # kinds

    def for_loop(self) -> list[Stmt]:
        """A loop over a range."""
        params = self.params
        start, stop = (self.block.pull.read(a, ()) for a in self.eqn.inputs[:2])
        known = self.eqn.inputs[2 : 2 + params["consts"]]
        if start.is_const and stop.is_const and stop.attr <= start.attr:
            return []
        index, low, high, i = self.range(start, stop)
        near = [self.near(home) for home in self.homes]
        body: Program = params["body"]
        symbols = dict(self.block.inputs.symbols)
        if params["symbol"] is not None:
            symbols[params["symbol"]] = i
        variable, *rest = body.inputs
        bound: dict[Var, Reader] = {variable: lambda _: i}
        turn, consts = self.region(body, known, rest, near, bound, symbols)
        moves = [(w, t) for w, t in zip(near, turn.outputs, strict=True) if w is not t]
        found = independent(index, turn.body, near) if not moves else None
        inside = turn.body
        in_order = found is None or bool(found.sums)
        if in_order or has_loops(inside):
            inside = self.in_turn(inside)
        if self.alternates(inside, moves, near, consts):
            loop = self.alternating(inside, moves, (index, low, high))
        else:
            kind = self.kind(Kind.ORDERED if in_order else Kind.SERIAL)
            whole = Loop(index, low, high, (*inside, *self.moved(moves, near)), kind)
            loop = [whole] if found is None else self.threaded(whole, found)
            if loop == [whole]:
                loop = [whole] if self.block.shared.grid else checked_at_ends(self.s, whole)
        return self.around(near, loop)

    def kind(self, otherwise: Kind) -> Kind:
        return Kind.HOST if self.by_host else otherwise

    def threaded(self, loop: Loop, found: Independent) -> list[Stmt]:
        """A loop of independent turns, in chunks for the threads if that is worth it."""
        if not (self.block.inputs.threads and loop.start.is_const and loop.stop.is_const):
            return [loop]
        turns = loop.stop.attr - loop.start.attr
        chunks = self.chunks(turns, loop.body)
        sums = touched(loop, found.sums)
        if sums:
            chunks = min(chunks, parts(sums, turns * work(loop.body)))
        if chunks <= 1:
            return [loop]
        own = {b: Buffer(b.dtype, b.size, Space.LOCAL) for b in found.private}
        body = in_turn(loop.body)
        body = renamed(self.s, body, own) if own else body
        run = replace(loop, body=body)
        chunked = self.chunked(run, loop.start.attr, loop.stop.attr, chunks)
        return in_parts(self.s, chunked, sums) if sums else [chunked]

    def chunks(self, turns: int, body: Sequence[Stmt]) -> int:
        """Into how many chunks independent turns are cut; 1 if that is not worth the threads."""
        if any(isinstance(st, Communicate) for st in walk(body)):
            return 1
        total = turns * work(body)
        if not self.block.top and total < INNER_WORK:
            return 1
        return min(turns, MAX_CHUNKS, total // (CHUNK_WORK if self.block.top else INNER_CHUNK))

    def chunked(self, loop: Loop, low: int, high: int, chunks: int) -> Loop:
        """A loop from `low` to `high` cut into chunks, which run in parallel."""
        s = self.s
        size = -(-(high - low) // chunks)
        chunk = Index(-(-(high - low) // size))
        start = s.add(s.mul(s.index(chunk), size), low)
        stop = s.min(s.add(start, size), s.int(high))
        inner = replace(loop, start=start, stop=stop)
        return Loop(chunk, s.int(0), s.int(chunk.extent), (inner,), Kind.PARALLEL)

    def range(self, start: Expr, stop: Expr) -> tuple[Index, Expr, Expr, Expr]:
        """The native loop's index and bounds, and the program's index as an expression."""
        s, turns = self.s, self.params["turns"]
        if start.is_const and stop.is_const:
            turns = stop.attr - start.attr
        limit = UNKNOWN if turns is None else max(int(turns), 0)
        if start.is_const and start.attr >= 0 and not self.params["reverse"]:
            index = Index(limit + start.attr)
            return index, start, stop, s.index(index)
        index = Index(limit)
        count = s.sub(stop, start) if not stop.is_const or not start.is_const else s.int(limit)
        own = s.index(index)
        if self.params["reverse"]:
            return index, s.int(0), count, s.sub(s.sub(stop, 1), own)
        return index, s.int(0), count, s.add(start, own)

    def while_loop(self) -> list[Stmt]:
        """A loop on a condition."""
        count = self.params["consts"]
        known = self.eqn.inputs[:count]
        near = [self.near(home) for home in self.homes]
        cond, body = self.params["cond"], self.params["body"]
        symbols = self.block.inputs.symbols
        test, _ = self.region(cond, known, cond.inputs, near, {}, symbols, mutable=False)
        turn, _ = self.region(body, known, body.inputs, near, {}, symbols)
        moves = [(w, t) for w, t in zip(near, turn.outputs, strict=True) if w is not t]
        condition = self.s.load(test.outputs[0], self.s.int(0))
        before, inside = (self.in_turn(x.body) for x in (test, turn))
        loop = While(before, condition, (*inside, *self.moved(moves, near)))
        return self.around(near, [loop])

    def branch(self) -> list[Stmt]:
        """One of several regions."""
        s = self.s
        index = self.block.pull.read(self.eqn.inputs[0], ())
        operands = self.eqn.inputs[1:]
        parts = [self.taken(region, operands) for region in self.params["branches"]]
        chosen = parts[-1]
        for number in range(len(parts) - 2, -1, -1):
            if len(parts) == 2 and index.op is ScalarOp.CAST and index.args[0].dtype == BOOL:
                condition = s.not_(index.args[0])
                return [If(index.args[0], parts[1], parts[0])]
            condition = s.eq(index, number)
            chosen = (If(condition, parts[number], chosen),)
        return list(chosen)

    def taken(self, region: Program, operands: Sequence[Atom]) -> tuple[Stmt, ...]:
        """A branch that leaves its outputs in their homes."""
        roots = {
            self.block.plan.root(v): home
            for v, home in zip(self.eqn.outputs, self.homes, strict=True)
        }
        carried: dict[Var, Buffer] = {}
        known: list[Atom] = []
        rest: list[Var] = []
        for var, atom in zip(region.inputs, operands, strict=True):
            root = self.block.plan.root(atom) if isinstance(atom, Var) else None
            if root in roots:
                carried[var] = roots[root]
            else:
                known.append(atom)
                rest.append(var)
        inner, _ = self.bind(region, known, rest, carried, {}, self.block.inputs.symbols)
        moves = [
            (home, out)
            for home, out in zip(self.homes, inner.outputs, strict=True)
            if home is not out
        ]
        return (*inner.body, *self.moved(moves, self.homes))

    def for_each(self) -> list[Stmt]:
        """Independent rows, in chunks on the threads where they are the whole kernel."""
        s, params = self.s, self.params
        size, count = params["size"], params["consts"]
        if size == 0:
            return []
        index = Index(size)
        row = s.index(index)
        body: Program = params["body"]
        known, mapped = self.eqn.inputs[:count], self.eqn.inputs[count:]
        bound: dict[Var, Reader] = {
            var: self.row_reader(atom, row)
            for var, atom in zip(body.inputs[count:], mapped, strict=True)
        }
        inner, _ = self.bind(
            body,
            known,
            body.inputs[:count],
            {},
            bound,
            self.block.inputs.symbols,
            alone=self.block.inputs.threads,
        )
        stores = [
            st
            for home, out in zip(self.homes, inner.outputs, strict=True)
            for st in self.transfer(home, out, s.mul(row, out.size))
        ]
        rows = (*inner.body, *stores)
        return self.spread(index, self.in_turn(rows) if has_loops(rows) else rows)

    def in_turn(self, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        """Statements that run one number at a time, with the maths functions that are best then."""
        return body if self.block.shared.grid else one_at_a_time(self.s, body)

    def row_reader(self, atom: Atom, row: Expr) -> Reader:
        return lambda place: self.block.pull.read(atom, (row, *place))

    def spread(self, index: Index, body: tuple[Stmt, ...]) -> list[Stmt]:
        s = self.s
        chunks = self.chunks(index.extent, body)
        kind = self.kind(Kind.SERIAL)
        loop = Loop(index, s.int(0), s.int(index.extent), body, kind)
        if not self.block.inputs.threads or chunks <= 1:
            return [loop]
        return [self.chunked(loop, 0, index.extent, chunks)]

    # the regions

    def region(
        self,
        program: Program,
        known: Sequence[Atom],
        inputs: Sequence[Var],
        carry: Sequence[Buffer],
        bound: dict[Var, Reader],
        symbols: Mapping[Symbol, Expr],
        mutable: bool = True,
    ) -> tuple[Block, frozenset[Buffer]]:
        """A loop's region: constants, then what is carried."""
        carried = dict(zip(inputs[len(known) :], carry, strict=True))
        constants = inputs[: len(known)]
        return self.bind(program, known, constants, carried, bound, symbols, mutable=mutable)

    def bind(
        self,
        program: Program,
        known: Sequence[Atom],
        constants: Sequence[Var],
        carried: Mapping[Var, Buffer],
        bound: dict[Var, Reader],
        symbols: Mapping[Symbol, Expr],
        mutable: bool = True,
        alone: bool = False,
    ) -> tuple[Block, frozenset[Buffer]]:
        """The region as statements, and the buffers of its constants.

        One that runs `alone` on a thread has memory of its own and uses no other threads.
        """
        given: dict[Var, Buffer] = dict(carried)
        for var, atom in zip(constants, known, strict=True):
            buffer = self.buffer(atom)
            if buffer is not None:
                given[var] = buffer
            else:
                bound[var] = self.reader(atom)
        block = self.block.shared.block(
            self.block.shared,
            program,
            Inputs(
                given,
                bound,
                frozenset(carried if mutable else ()),
                symbols,
                Space.LOCAL if alone else self.block.inputs.space,
                self.block.inputs.threads and not alone,
                self.by_host,
            ),
        )
        return block, frozenset(given[v] for v in constants if v in given)

    def buffer(self, atom: Atom) -> Buffer | None:
        """The buffer that holds an operand as a whole."""
        if isinstance(atom, Literal):
            return None
        return self.block.buffers.get(self.block.plan.root(atom))

    def reader(self, atom: Atom) -> Reader:
        return lambda place: self.block.pull.read(atom, place)

    # what is carried

    def near(self, home: Buffer) -> Buffer:
        """Where a carried value is kept during the loop."""
        if home.space is Space.LOCAL or home.size > NEAR or self.by_host:
            return home
        return Buffer(home.dtype, home.size, Space.LOCAL)

    def around(self, near: Sequence[Buffer], loop: Sequence[Stmt]) -> list[Stmt]:
        """The loop, with its small carried values brought and taken away."""
        pairs = [(n, h) for n, h in zip(near, self.homes, strict=True) if n is not h]
        brought = [st for n, h in pairs if h not in self.blank for st in self.transfer(n, h)]
        taken = [st for n, h in pairs for st in self.transfer(h, n)]
        return [*brought, *loop, *taken]

    def transfer(self, target: Buffer, source: Buffer, first: Expr | None = None) -> list[Stmt]:
        """target[first:] = source."""
        s = self.s
        if source.size == 0:
            return []
        if source.size <= SHORT:
            places = [s.int(k) for k in range(source.size)]
            return [
                Store(target, at if first is None else s.add(first, at), s.load(source, at))
                for at in places
            ]
        element = Index(source.size)
        at = s.index(element)
        place = at if first is None else s.add(first, at)
        return list(loops_around(s, (element,), (Store(target, place, s.load(source, at)),)))

    def moved(self, moves: Moves, carried: Sequence[Buffer]) -> list[Stmt]:
        """Copies as if all at once: what another copy overwrites is put aside first."""
        written = {w for w, _ in moves}
        aside: dict[Buffer, Buffer] = {}
        statements: list[Stmt] = []
        for _, source in moves:
            if source in written and source not in aside:
                near = source.size <= NEAR and not self.by_host
                space = Space.LOCAL if near else self.block.inputs.space
                aside[source] = Buffer(source.dtype, source.size, space)
                statements += self.transfer(aside[source], source)
        for target, source in moves:
            statements += self.transfer(target, aside.get(source, source))
        return statements

    def alternates(
        self,
        body: tuple[Stmt, ...],
        moves: Moves,
        carried: Sequence[Buffer],
        consts: frozenset[Buffer],
    ) -> bool:
        """Whether two turns are to exchange the roles of the buffers instead of copying."""
        size = sum(t.size for _, t in moves)
        if size <= FEW_MOVES or _work(body) > FEW_TO_WORK * size:
            return False
        goes = dict(moves)
        targets = [t for _, t in moves]
        for w, t in moves:
            if t in consts or t.space in (Space.INPUT, Space.CONSTANT) or targets.count(t) > 1:
                return False
            if (t.size, t.dtype) != (w.size, w.dtype) or (t in carried and goes.get(t) is not w):
                return False
        return True

    def alternating(
        self, body: tuple[Stmt, ...], moves: Moves, loop: tuple[Index, Expr, Expr]
    ) -> list[Stmt]:
        """Pairs of turns, the second with each pair of buffers exchanged, and the odd one."""
        s, (index, low, high) = self.s, loop
        names = {**dict(moves), **{t: w for w, t in moves}}
        if self.by_host:  # launches share nothing but memory, so neither do the two turns
            own = (b for b in buffers(body) if b.space is Space.LOCAL)
            names.update({b: Buffer(b.dtype, b.size, Space.LOCAL) for b in own})
        swapped = renamed(s, body, names)

        def at(turn: tuple[Stmt, ...], place: Expr) -> tuple[Stmt, ...]:
            return map_statements(turn, at_turn(s, index, place))

        pair = Index((index.extent + 1) // 2)
        count = s.sub(high, low)
        first = s.add(low, s.mul(s.index(pair), 2))
        both = (*at(body, first), *at(swapped, s.add(first, 1)))
        half = s.int(count.attr // 2) if count.is_const else s.shr(count, 1)
        last = (*at(body, s.sub(high, 1)), *self.moved(moves, ()))
        statements: list[Stmt] = []
        if not half.is_const or half.attr > 0:
            kind = self.kind(Kind.ORDERED)
            statements.append(Loop(pair, s.int(0), half, both, kind))
        if not count.is_const:
            odd = s.and_(s.gt(count, 0), s.eq(s.and_(count, s.int(1)), 1))
            statements.append(If(odd, last))
        elif count.attr % 2:
            statements += last
        return statements


def _work(body: tuple[Stmt, ...]) -> int:
    """About how many vector instructions a turn runs: each loop in chunks runs once in all."""
    chunks = (
        st.body if isinstance(st, Loop) and st.kind is Kind.PARALLEL else (st,) for st in body
    )
    return work([st for part in chunks for st in part])
