"""Grid-scheduled kernels as CUDA C++.

A kernel's parameters are the addresses of its buffers, then of the program's failure record if it
has any checks, then of what a wide kernel's threads meet at.

Work of one thread (a turn of a GRID or LANES loop, or all of a kernel of one thread) is printed as
plain C++. A team's work is run by all of its threads with equal values; `_Team` puts a barrier
wherever one statement touches what another thread may have touched in a statement before, and one
of the two wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.backends.cuda.cuda_expr import Body, Place
from wengert.backends.cuda.cuda_types import exchanged_type, memory_type, value_type
from wengert.backends.cuda.device import KernelSpec
from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.combine import identity
from wengert.kernels.grid.place import team_locals
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
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
from wengert.kernels.statements import changed, expressions, walk
from wengert.backends.cuda.cuda_types import constant
from wengert.kernels.stages import nodes
from wengert.kernels.statements import own_expressions

BLOCK = 256  # threads of a block where each does work of its own
WARPS = 4  # teams of a warp that share a block
MAX_BLOCKS = 1 << 20
# Blocks of a loop whose number of turns is not known, and of a wide kernel: two for each of the
# processors of a large device.
RESIDENT = 264
ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class Printed:
    """A kernel's text, its launch, and the buffers that its first parameters are."""

    text: str
    spec: KernelSpec
    buffers: tuple[Buffer, ...]
    checks: bool
    wide: bool


def print_kernel(kernel: Kernel, name: str, checks: bool) -> Printed:
    """The text of one kernel; with `checks` it takes part in the program's failure record."""
    return _KernelPrinter(kernel, name, checks).run()


class _KernelPrinter:
    def __init__(self, kernel: Kernel, name: str, checks: bool) -> None:
        self.kernel = kernel
        self.name = name
        self.checks = checks
        self.body = Body()
        self.shared = 0  # bytes of shared memory of one team
        self.exits: list[str] = []  # where a turn that has failed goes on
        self.written = changed(kernel.body)
        used = dict.fromkeys(b for st in walk(kernel.body) for b in _touched(st))
        self.buffers = tuple(b for b in used if b.space is not Space.LOCAL)
        self.local = [b for b in used if b.space is Space.LOCAL]
        first = kernel.body[0] if len(kernel.body) == 1 else None
        self.outer = first if isinstance(first, Loop) and first.kind in _OUTER else None
        self.size = BLOCK if self.is_grid else kernel.threads
        self.packed = WARPS if self.is_blocks and self.size == 32 else 1

    @property
    def is_grid(self) -> bool:
        return self.outer is not None and self.outer.kind is Kind.GRID

    @property
    def is_blocks(self) -> bool:
        return self.outer is not None and self.outer.kind is Kind.BLOCK

    def run(self) -> Printed:
        for k, buffer in enumerate(self.buffers):
            self.body.pointers[buffer] = f"b{k}"
        threads = self.size * self.packed
        if self.is_grid:
            self.grid()
        elif self.size == 1:
            self.single()
        else:
            _Team(self).kernel()
        spec = KernelSpec(
            self.name, self.blocks(), threads, self.shared * self.packed, self.kernel.wide
        )
        head = f"WG_KERNEL({self.name}, {threads})({', '.join(self.parameters())})"
        text = "\n".join([f"// {self.kernel.name}", f"{head} {{", *self.body.lines, "}", ""])
        return Printed(text, spec, self.buffers, self.checks, self.kernel.wide)

    def parameters(self) -> list[str]:
        found: list[str] = []
        for buffer in self.buffers:
            const = "" if buffer in self.written else "const "
            name = self.body.pointers[buffer]
            found.append(f"{const}{memory_type(buffer.dtype)}* __restrict__ {name}")
        if self.checks:
            found.append("long long* failure")
        if self.kernel.wide:
            found.append("unsigned char* meeting")
        return found

    def blocks(self) -> int:
        if self.kernel.wide:
            return RESIDENT
        if self.outer is None:
            return 1
        per = self.size if self.is_grid else self.packed
        count = -(-self.outer.index.extent // per)
        return max(1, count if count <= MAX_BLOCKS else RESIDENT * 8)

    # whole kernels

    def grid(self) -> None:
        """A thread for each turn."""
        assert self.outer is not None
        loop = self.outer
        if self.checks:
            self.body.line("if (failure[0] != 0) return;")
        index = self.index_of(loop)
        kind = "int" if loop.index.extent < 2**31 - 2**22 else "long long"
        start, stop = self.body.value(loop.start), self.body.value(loop.stop)
        thread = f"({kind})wg_block() * {BLOCK} + wg_thread()"
        once = self.blocks() * BLOCK >= loop.index.extent
        first = thread if start == "0" else f"{start} + {thread}"
        if once:
            self.body.line(f"const {kind} {index} = {first};")
            self.body.open(f"if ({index} < {stop})")
        else:
            step = f"({kind})wg_blocks() * {BLOCK}"
            self.body.open(f"for ({kind} {index} = {first}; {index} < {stop}; {index} += {step})")
        self.turn(loop.body, self.local)
        self.body.close()

    def single(self) -> None:
        """All of it by one thread."""
        if self.checks:
            self.body.line("if (failure[0] != 0) return;")
        self.turn(self.kernel.body, self.local)

    def index_of(self, loop: Loop) -> str:
        name = self.body.indices[loop.index] = self.body.fresh("i")
        low = loop.start.attr if loop.start.is_const else 0
        high = min(loop.stop.attr, loop.index.extent) if loop.stop.is_const else loop.index.extent
        self.body.intervals.set_range(loop.index, (min(low, 0), max(high - 1, low)))
        return name

    # work of one thread

    def turn(self, body: Sequence[Stmt], local: Sequence[Buffer]) -> None:
        """A thread's own piece of work; a failed check ends it."""
        leaves = any(isinstance(st, Check) for st in walk(body))
        if leaves:
            self.exits.append(self.body.fresh("end"))
            self.body.open("")
        for buffer in local:
            name = self.body.pointers[buffer] = self.body.fresh("l")
            self.body.line(f"{memory_type(buffer.dtype)} {name}[{max(1, buffer.size)}];")
        self.statements(body)
        if leaves:
            self.body.close()
            self.body.line(f"{self.exits.pop()}:;")

    def statements(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Stmt) -> None:
        body = self.body
        match statement:
            case Loop():
                self.loop(statement)
            case If(condition, then, otherwise):
                self.branch(condition, then, otherwise)
            case While():
                self.repeat(statement)
            case Store(buffer, offset, value):
                self.store(buffer, offset, value)
            case Declare(register, value):
                self.declare(register, value)
            case Assign(register, value):
                body.line(f"{body.registers[register]} = {body.value(value)};")
                body.forget((register,))
            case Accumulate(register, combine, value):
                self.add(register, combine, body.value(value))
            case Check(condition, code, value):
                self.check(condition, code, value, f"goto {self.exits[-1]};")
            case _:
                raise AssertionError("library calls stand in no kernel")

    def loop(self, loop: Loop) -> None:
        body = self.body
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.index_of(loop)
        kind = "int" if loop.index.extent < 2**31 - 1 else "long long"
        head = f"for ({kind} {index} = {start}; {index} < {stop}; ++{index})"
        body.open(head, _changes(loop.body))
        self.statements(loop.body)
        body.close()

    def branch(self, condition: Expr, then: Sequence[Stmt], otherwise: Sequence[Stmt]) -> None:
        body = self.body
        body.open(f"if ({body.value(condition)})")
        self.statements(then)
        if otherwise:
            body.close("} else {")
            body.scopes.append(type(body.scopes[0])(body.scopes[-1].depth + 1))
            self.statements(otherwise)
        body.close()
        body.forget(_changes((*then, *otherwise)))

    def repeat(self, loop: While) -> None:
        body = self.body
        body.open("while (true)", _changes((*loop.before, *loop.body)))
        self.statements(loop.before)
        body.line(f"if (!{body.value(loop.condition)}) break;")
        self.statements(loop.body)
        body.close()

    def store(self, buffer: Buffer, offset: Expr, value: Expr) -> None:
        body = self.body
        at, new = body.value(offset), body.stored(buffer, body.value(value))
        body.line(f"{body.pointers[buffer]}[{at}] = {new};")
        body.forget((buffer,))

    def declare(self, register: Register, value: Expr) -> None:
        body = self.body
        text = body.value(value)
        name = body.registers[register] = body.fresh("r")
        body.line(f"{value_type(register.dtype)} {name} = {text};")
        body.forget((register,))

    def add(self, register: Register, combine: str, value: str) -> None:
        name = self.body.registers[register]
        self.body.line(f"{name} = {combination(combine, register, name, value)};")
        self.body.forget((register,))

    def check(self, condition: Expr, code: int, value: Expr, then: str) -> None:
        body = self.body
        held, shown = body.value(condition), body.value(value)
        body.open(f"if (!{held})")
        body.line(f"wg_fail(failure, {code}, {shown});")
        body.line(then)
        body.close()

    def share(self, buffer: Buffer) -> int:
        """A place for a buffer in the team's shared memory."""
        at = self.shared
        self.shared += -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT
        return at


_OUTER = (Kind.GRID, Kind.BLOCK)


def combination(combine: str, register: Register, x: str, y: str) -> str:
    """combine(x, y) for values of a register's dtype."""
    kind = value_type(register.dtype)
    if register.dtype.kind == "b":
        return f"{x} {'&&' if combine in ('and', 'min', 'mul') else '||'} {y}"
    match combine:
        case "add" | "mul" if register.dtype.kind == "f":
            return f"{x} {'+' if combine == 'add' else '*'} {y}"
        case "add" | "mul":
            return f"wg_i{combine}<{kind}>({x}, {y})"
        case "max" | "min":
            return f"wg_{combine}imum<{kind}>({x}, {y})"
        case _:
            return f"{x} {'&' if combine == 'and' else '|'} {y}"


def _touched(statement: Stmt) -> list[Buffer]:
    found = [n.attr for n in nodes(own_expressions(statement)) if n.op is ScalarOp.LOAD]
    return [*found, statement.buffer] if isinstance(statement, Store) else found


def _changes(body: Sequence[Stmt]) -> set[Place]:
    """The buffers and registers that statements change."""
    found: set[Place] = set(changed(body))
    found.update(
        st.register for st in walk(body) if isinstance(st, Declare | Assign | Accumulate)
    )
    return found


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


class _Team:
    """Prints what a team does together."""

    def __init__(self, printer: _KernelPrinter) -> None:
        self.p = printer
        self.body = printer.body
        self.size = printer.size
        self.wide = printer.kernel.wide
        self.pending = _Pending(set(), set())
        self.near = set(team_locals(printer.kernel.body))
        self.has_scratch = self.size > 32
        self.scratch = 0
        if self.has_scratch:
            self.scratch = printer.shared
            printer.shared += 32 * 8

    def kernel(self) -> None:
        """All of the kernel."""
        p, body = self.p, self.body
        body.line("WG_DYNAMIC(dynamic);")
        base = "dynamic"
        if p.packed > 1:
            body.line(f"const int lane = wg_thread() % {self.size};")
            places = [(b, p.share(b)) for b in p.local if b in self.near]
            base = f"(dynamic + wg_thread() / {self.size} * {p.shared})"
        else:
            what = f"wg_block() * {self.size} + " if self.wide else ""
            body.line(f"const int lane = {what}wg_thread();")
            places = [(b, p.share(b)) for b in p.local if b in self.near]
        if self.has_scratch:
            body.line(f"unsigned char* scratch = {base} + {self.scratch};")
        for buffer, at in places:
            name = body.pointers[buffer] = body.fresh("s")
            kind = memory_type(buffer.dtype)
            body.line(f"{kind}* {name} = ({kind}*)({base} + {at});")
        if p.checks:
            self.leave_if("failure[0] != 0" if self.wide else "lane == 0 && failure[0] != 0")
        if p.is_blocks:
            assert p.outer is not None
            self.teams(p.outer)
        else:
            self.statements(p.kernel.body)

    def teams(self, loop: Loop) -> None:
        """A turn for each team."""
        p, body = self.p, self.body
        kind = "int" if loop.index.extent < 2**31 - 2**22 else "long long"
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = p.index_of(loop)
        team = f"({kind})wg_block()"
        if p.packed > 1:
            team = f"({kind})wg_block() * {p.packed} + wg_thread() / {self.size}"
        first = team if start == "0" else f"{start} + {team}"
        if p.blocks() * p.packed >= loop.index.extent:
            body.line(f"const {kind} {index} = {first};")
            body.open(f"if ({index} < {stop})")
            self.statements(loop.body)
        else:
            step = f"({kind})wg_blocks() * {p.packed}"
            body.open(f"for ({kind} {index} = {first}; {index} < {stop}; {index} += {step})")
            self.statements(loop.body)
            self.barrier()
        body.close()

    # barriers

    def touch(self, reads: set[Buffer], writes: set[Buffer]) -> None:
        """Waits for the other threads where what follows touches what they touched."""
        p = self.pending
        if reads & p.written or writes & (p.written | p.read):
            self.barrier()
        self.pending.read |= reads & self.p.written
        self.pending.written |= writes

    def barrier(self) -> None:
        if self.wide:
            self.body.line("wg_grid_sync((unsigned*)meeting);")
        else:
            self.body.line("wg_sync();" if self.size > 32 else "wg_warp_sync();")
        self.pending = _Pending(set(), set())

    def leave_if(self, condition: str) -> None:
        """All threads of the team return if the condition holds for any."""
        self.body.line(f"if ({self.reduced('or', 'int', f'({condition}) ? 1 : 0')}) return;")

    def reduced(self, combine: str, kind: str, value: str) -> str:
        """The name of the combination of all threads' values, in all threads."""
        name = self.body.fresh("t")
        op = f"wg_{combine}"
        if self.wide:
            call = f"wg_wide_reduce<{op}, {kind}>({value}, scratch, meeting)"
        elif self.size > 32:
            call = f"wg_team_reduce<{self.size}, {op}, {kind}>({value}, scratch)"
        else:
            call = f"wg_warp_reduce<{op}, {kind}>({value})"
        self.body.line(f"const {kind} {name} = {call};")
        if self.size > 32:
            self.pending = _Pending(set(), set())
        return name

    # statements

    def statements(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def own(self, exprs: Sequence[Expr]) -> set[Buffer]:
        return {n.attr for n in nodes(exprs) if n.op is ScalarOp.LOAD}

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
                self.touch(self.own((offset, value)), {buffer})
                at = self.body.value(offset)
                new = self.body.stored(buffer, self.body.value(value))
                where = f"{self.body.pointers[buffer]}[{at}]"
                self.body.line(f"if (lane == 0) {where} = {new};")
                self.body.forget((buffer,))
            case Check(condition, code, value):
                self.touch(self.own((condition, value)), set())
                self.p.check(condition, code, value, "return;")
            case _:
                self.touch(self.own(own_expressions(statement)), set())
                self.p.statement(statement)

    def loop(self, loop: Loop) -> None:
        """A loop that all threads run together."""
        body = self.body
        self.touch(self.own((loop.start, loop.stop)), set())
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.p.index_of(loop)
        kind = "int" if loop.index.extent < 2**31 - 1 else "long long"
        before = self.pending.copy()
        head = f"for ({kind} {index} = {start}; {index} < {stop}; ++{index})"
        body.open(head, _changes(loop.body))
        self.statements(loop.body)
        self.end_turn(loop.body)
        body.close()
        self.pending.join(before)

    def end_turn(self, inner: Sequence[Stmt]) -> None:
        """Before the next turn, if it touches what this one did."""
        written = changed(inner)
        reads = self.own(expressions(inner))
        if written & (self.pending.written | self.pending.read) or reads & self.pending.written:
            self.barrier()

    def branch(self, statement: If) -> None:
        body = self.body
        self.touch(self.own((statement.condition,)), set())
        condition = body.value(statement.condition)
        before = self.pending.copy()
        body.open(f"if ({condition})")
        self.statements(statement.then)
        after = self.pending
        self.pending = before
        if statement.otherwise:
            body.close("} else {")
            body.scopes.append(type(body.scopes[0])(body.scopes[-1].depth + 1))
            self.statements(statement.otherwise)
        body.close()
        self.pending.join(after)
        body.forget(_changes((*statement.then, *statement.otherwise)))

    def repeat(self, loop: While) -> None:
        body = self.body
        inner = (*loop.before, *loop.body)
        before = self.pending.copy()
        body.open("while (true)", _changes(inner))
        self.statements(loop.before)
        self.touch(self.own((loop.condition,)), set())
        body.line(f"if (!{body.value(loop.condition)}) break;")
        left = self.pending.copy()
        self.statements(loop.body)
        self.end_turn(inner)
        body.close()
        self.pending = left
        self.pending.join(before)

    def lanes(self, loop: Loop) -> None:
        """A loop whose turns the threads share."""
        body, p = self.body, self.p
        checks = any(isinstance(st, Check) for st in walk(loop.body))
        self.touch(
            self.own([loop.start, loop.stop, *expressions(loop.body)]) - self.private(loop),
            set(changed(loop.body)) - self.private(loop),
        )
        sums = self.open_sums(loop)
        bad = body.fresh("bad") if checks else ""
        if checks:
            body.line(f"int {bad} = 0;")
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = p.index_of(loop)
        kind = "int" if loop.index.extent < 2**31 - 2**22 else "long long"
        first = "lane" if start == "0" else f"{start} + lane"
        step = f"{self.size} * wg_blocks()" if self.wide else str(self.size)
        head = f"for ({kind} {index} = {first}; {index} < {stop}; {index} += {step})"
        body.open(head, _changes(loop.body))
        if checks:
            body.line(f"{bad} = 1;")
        p.turn(loop.body, [b for b in self.private(loop) if b.space is Space.LOCAL])
        body.close()
        self.close_sums(sums)
        if checks:
            self.leave_if(f"{bad} != 0 && failure[0] != 0")

    def private(self, loop: Loop) -> set[Buffer]:
        """The local buffers of one turn of a shared-out loop."""
        used = {b for st in walk(loop.body) for b in _touched(st)}
        return {b for b in used if b.space is Space.LOCAL and b not in self.near}

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
            self.p.add(register, combine, value)
