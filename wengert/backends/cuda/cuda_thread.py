"""What one thread does, as C++: a turn of a GRID or LANES loop, or a whole kernel."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.cuda.cuda_expr import Body, Place
from wengert.backends.cuda.cuda_types import memory_type, value_type
from wengert.ir.floats import kind_of
from wengert.ir.scalar import Expr
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
    While,
)
from wengert.kernels.statements import changed, walk

# Below this extent an index, and its overshoot in a strided loop, fits in 32 bits.
INT_EXTENT = 2**31 - 2**23


def changes(body: Sequence[Stmt]) -> set[Place]:
    """The buffers and registers that statements change."""
    found: set[Place] = set(changed(body))
    found.update(st.register for st in walk(body) if isinstance(st, Declare | Assign | Accumulate))
    return found


def index_type(loop: Loop) -> str:
    """The C type of a loop's index."""
    return "int" if loop.index.extent < INT_EXTENT else "long long"


def combination(combine: str, register: Register, x: str, y: str) -> str:
    """combine(x, y) for values of a register's dtype."""
    kind = value_type(register.dtype)
    if register.dtype.kind == "b":
        return f"{x} {'&&' if combine in ('and', 'min', 'mul') else '||'} {y}"
    match combine:
        case "add" | "mul" if kind_of(register.dtype) == "f":
            return f"{x} {'+' if combine == 'add' else '*'} {y}"
        case "add" | "mul":
            return f"wg_i{combine}<{kind}>({x}, {y})"
        case "max" | "min":
            return f"wg_{combine}imum<{kind}>({x}, {y})"
        case _:
            return f"{x} {'&' if combine == 'and' else '|'} {y}"


class Thread:
    """Prints statements into the body of a kernel."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.exits: list[str] = []  # where a turn that has failed goes on
        self.places: dict[int, str] = {}  # stores that go elsewhere, by identity

    def index_of(self, loop: Loop) -> str:
        """Names a loop's index and notes what it runs over."""
        name = self.body.indices[loop.index] = self.body.fresh("i")
        low = loop.start.attr if loop.start.is_const else 0
        high = min(loop.stop.attr, loop.index.extent) if loop.stop.is_const else loop.index.extent
        self.body.intervals.set_range(loop.index, (min(low, 0), max(high - 1, low)))
        return name

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
            case Store():
                self.store(statement)
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
        kind = index_type(loop)
        head = f"for ({kind} {index} = {start}; {index} < {stop}; ++{index})"
        body.open(head, changes(loop.body))
        self.statements(loop.body)
        body.close()

    def branch(self, condition: Expr, then: Sequence[Stmt], otherwise: Sequence[Stmt]) -> None:
        body = self.body
        body.open(f"if ({body.value(condition)})")
        self.statements(then)
        if otherwise:
            body.close("} else {")
            body.reopen()
            self.statements(otherwise)
        body.close()
        body.forget(changes((*then, *otherwise)))

    def repeat(self, loop: While) -> None:
        body = self.body
        body.open("while (true)", changes((*loop.before, *loop.body)))
        self.statements(loop.before)
        body.line(f"if (!{body.value(loop.condition)}) break;")
        self.statements(loop.body)
        body.close()

    def store(self, statement: Store) -> None:
        body, buffer = self.body, statement.buffer
        value = body.value(statement.value)
        if buffer in body.slots:
            body.line(f"{body.slots[buffer]} = {value};")
            body.forget((buffer,))
            return
        new = body.stored(buffer, value)
        where = self.places.get(id(statement)) or self.element(statement)
        body.line(f"{where} = {new};")
        body.forget((buffer,))

    def element(self, statement: Store) -> str:
        return f"{self.body.pointers[statement.buffer]}[{self.body.value(statement.offset)}]"

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
