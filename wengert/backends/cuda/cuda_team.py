"""What the threads of a team do together, as C++.

All threads run a team's statements with equal values; loops of kind LANES are shared out. A barrier
stands wherever one statement touches what another thread may have touched in a statement before,
and one of the two wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from wengert.backends.cuda.cuda_rows import Row, plan_rows, vectors_of, whole
from wengert.backends.cuda.cuda_thread import Thread, changes, index_type
from wengert.backends.cuda.cuda_types import constant, exchanged_type, value_type
from wengert.backends.cuda.cuda_vectors import Kept, print_lane, print_vector
from wengert.kernels.combine import identity
from wengert.kernels.expressions import loaded
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Check,
    Declare,
    If,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, changed, expressions, own_expressions, walk


@dataclass(slots=True)
class _Pending:
    """What threads of the team may have read and written since the last barrier."""

    read: set[Buffer]
    written: set[Buffer]

    def copy(self) -> _Pending:
        return _Pending(set(self.read), set(self.written))

    def join(self, other: _Pending) -> None:
        self.read |= other.read
        self.written |= other.written


@dataclass(frozen=True, slots=True)
class Size:
    """How many threads a team has, whether it is the whole grid, and whether programs can fail."""

    threads: int
    wide: bool
    checks: bool


class Team:
    """Prints what a team does; `near` are the local buffers that it shares."""

    def __init__(self, thread: Thread, size: Size, body: Sequence[Stmt], near: set[Buffer]) -> None:
        self.thread = thread
        self.body = thread.body
        self.size = size
        self.near = near
        self.written = changed(body)
        self.rows = {} if size.wide else plan_rows(body, size.threads)
        self.kept = {n: self.open_row(row) for n, row in self.rows.items()}
        self.pending = _Pending(set(), set())

    def open_row(self, row: Row) -> Kept:
        """Declares the arrays of what a thread keeps of a row."""
        kept = Kept()
        for node in row.loads:
            kept.loads[node] = self.array(value_type(node.dtype), row.slots)
        for buffer in row.buffers:
            kept.buffers[buffer] = self.array(value_type(buffer.dtype), row.slots)
        return kept

    def array(self, kind: str, size: int) -> str:
        name = self.body.fresh("k")
        self.body.line(f"{kind} {name}[{size}];")
        return name

    # barriers

    def touch(self, reads: AbstractSet[Buffer], writes: AbstractSet[Buffer]) -> None:
        """Waits for the other threads where what follows touches what they touched."""
        p = self.pending
        if reads & p.written or writes & (p.written | p.read):
            self.barrier()
        self.pending.read |= reads & self.written
        self.pending.written |= writes

    def barrier(self) -> None:
        if self.size.wide:
            self.body.line("wg_grid_sync((unsigned*)meeting);")
        else:
            self.body.line("wg_sync();" if self.size.threads > 32 else "wg_warp_sync();")
        self.pending = _Pending(set(), set())

    def leave_if(self, condition: str) -> None:
        """All threads of the team return if the condition holds for any."""
        self.body.line(f"if ({self.reduced('or', 'int', f'({condition}) ? 1 : 0')}) return;")

    def reduced(self, combine: str, kind: str, value: str) -> str:
        """The name of the combination of all threads' values, in all threads."""
        name = self.body.fresh("t")
        op = f"wg_{combine}"
        if self.size.wide:
            call = f"wg_wide_reduce<{op}, {kind}>({value}, scratch, meeting)"
        elif self.size.threads > 32:
            call = f"wg_team_reduce<{self.size.threads}, {op}, {kind}>({value}, scratch)"
        else:
            call = f"wg_warp_reduce<{op}, {kind}>({value})"
        self.body.line(f"const {kind} {name} = {call};")
        if self.size.threads > 32:
            self.pending = _Pending(set(), set())
        return name

    # statements

    def statements(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Stmt) -> None:
        match statement:
            case Loop() if statement.kind is Kind.LANES:
                self.lanes(statement)
            case Loop():
                self.loop(statement)
            case If():
                self.branch(statement)
            case While():
                self.repeat(statement)
            case Store(buffer, offset, value):
                self.touch(loaded((offset, value)), {buffer})
                new = self.body.stored(buffer, self.body.value(value))
                self.body.line(f"if (lane == 0) {self.thread.element(statement)} = {new};")
                self.body.forget((buffer,))
            case Check(condition, code, value):
                self.touch(loaded((condition, value)), set())
                self.thread.check(condition, code, value, "return;")
            case _:
                self.touch(loaded(own_expressions(statement)), set())
                self.thread.statement(statement)

    def loop(self, loop: Loop) -> None:
        """A loop that all threads run together."""
        body = self.body
        self.touch(loaded((loop.start, loop.stop)), set())
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.thread.index_of(loop)
        kind = index_type(loop)
        before = self.pending.copy()
        head = f"for ({kind} {index} = {start}; {index} < {stop}; ++{index})"
        body.open(head, changes(loop.body))
        self.statements(loop.body)
        self.end_turn(loop.body)
        body.close()
        self.pending.join(before)

    def end_turn(self, inner: Sequence[Stmt]) -> None:
        """Before the next turn, if it touches what this one did."""
        written = changed(inner)
        reads = loaded(expressions(inner))
        if written & (self.pending.written | self.pending.read) or reads & self.pending.written:
            self.barrier()

    def branch(self, statement: If) -> None:
        body = self.body
        self.touch(loaded((statement.condition,)), set())
        condition = body.value(statement.condition)
        before = self.pending.copy()
        body.open(f"if ({condition})")
        self.statements(statement.then)
        after = self.pending
        self.pending = before
        if statement.otherwise:
            body.close("} else {")
            body.reopen()
            self.statements(statement.otherwise)
        body.close()
        self.pending.join(after)
        body.forget(changes((*statement.then, *statement.otherwise)))

    def repeat(self, loop: While) -> None:
        body = self.body
        inner = (*loop.before, *loop.body)
        before = self.pending.copy()
        body.open("while (true)", changes(inner))
        self.statements(loop.before)
        self.touch(loaded((loop.condition,)), set())
        body.line(f"if (!{body.value(loop.condition)}) break;")
        left = self.pending.copy()
        self.statements(loop.body)
        self.end_turn(inner)
        body.close()
        self.pending = left
        self.pending.join(before)

    def lanes(self, loop: Loop) -> None:
        """A loop whose turns the threads share."""
        body = self.body
        checks = any(isinstance(st, Check) for st in walk(loop.body))
        row = self.rows.get(whole(loop))
        own = self.private(loop) | set(row.buffers if row is not None else ())
        self.touch(
            loaded([loop.start, loop.stop, *expressions(loop.body)]) - own,
            changed(loop.body) - own,
        )
        sums = self.open_sums(loop)
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.thread.index_of(loop)
        body.forget(changes(loop.body))
        if row is not None and (row.slots > 1 or row.buffers or row.loads):
            self.row_turns(loop, row)
        else:
            self.strided(loop, (index, start, stop))
        self.close_sums(sums)
        if checks:
            self.leave_if("failure[0] != 0")

    def strided(self, loop: Loop, names: tuple[str, str, str]) -> None:
        """Every thread takes each so-manieth turn."""
        body, (index, start, stop) = self.body, names
        kind, size = index_type(loop), self.size.threads
        first = "lane" if start == "0" else f"{start} + lane"
        step = f"{size} * wg_blocks()" if self.size.wide else str(size)
        body.open(f"for ({kind} {index} = {first}; {index} < {stop}; {index} += {step})")
        self.thread.turn(loop.body, self.turn_locals(loop))
        body.close()

    def row_turns(self, loop: Loop, row: Row) -> None:
        """Every thread takes vectors of turns, always the same ones of a row."""
        body, kept = self.body, self.kept[row.turns]
        keeps = bool(kept.loads or kept.buffers)
        size, width = self.size.threads, row.width
        first = body.fresh("i")
        if keeps:
            body.line("#pragma unroll")
            body.open(f"for (int u = 0; u < {row.items}; ++u)")
            body.line(f"const int {first} = (u * {size} + lane) * {width};")
            exact = row.turns == row.items * size * width
            body.open("" if exact else f"if ({first} < {row.turns})")
        else:
            step = size * width
            body.open(
                f"for (int {first} = lane * {width}; {first} < {row.turns}; {first} += {step})"
            )
        self.vector_turn(loop, row, first, kept if keeps else None)
        body.close()
        if keeps:
            body.close()

    def vector_turn(self, loop: Loop, row: Row, first: str, kept: Kept | None) -> None:
        body, local = self.body, self.turn_locals(loop)
        slot = f"u * {row.width}" if kept is not None else ""
        vectors = vectors_of(loop, row)
        if vectors is not None and vectors.width == row.width:
            print_vector(self.thread, loop.body, loop.index, first, vectors, local, kept, slot)
            return
        if row.width > 1:
            body.line("#pragma unroll")
            body.open(f"for (int k = 0; k < {row.width}; ++k)")
            slot = slot and f"{slot} + k"
            first = f"{first} + k"
        print_lane(self.thread, loop.body, loop.index, first, local, kept, slot)
        if row.width > 1:
            body.close()

    def turn_locals(self, loop: Loop) -> list[Buffer]:
        return [b for b in self.private(loop) if b.space is Space.LOCAL]

    def private(self, loop: Loop) -> set[Buffer]:
        """The local buffers of one turn of a shared-out loop."""
        kept = {b for row in self.rows.values() for b in row.buffers}
        return {
            b for b in buffers(loop.body) if b.space is Space.LOCAL and b not in self.near | kept
        }

    def open_sums(self, loop: Loop) -> list[tuple[Register, str, str]]:
        """Each thread's own part of every register that the turns add to."""
        own = {st.register for st in walk(loop.body) if isinstance(st, Declare)}
        sums: dict[Register, str] = {}
        for statement in walk(loop.body):
            if isinstance(statement, Accumulate) and statement.register not in own:
                sums[statement.register] = statement.combine
        found: list[tuple[Register, str, str]] = []
        for register, combine in sums.items():
            total = self.body.registers[register]
            part = self.body.registers[register] = self.body.fresh("p")
            empty = constant(identity(combine, register.dtype), register.dtype)
            self.body.line(f"{value_type(register.dtype)} {part} = {empty};")
            found.append((register, combine, total))
        return found

    def close_sums(self, sums: Sequence[tuple[Register, str, str]]) -> None:
        for register, combine, total in sums:
            part = self.body.registers[register]
            kind = exchanged_type(register.dtype)
            if register.dtype.kind == "b":
                combine = "and" if combine in ("and", "min", "mul") else "or"
            whole = self.reduced(combine, kind, f"({kind}){part}")
            self.body.registers[register] = total
            value = f"({value_type(register.dtype)}){whole}"
            self.thread.add(register, combine, value)
