"""Prints loop programs. Names are given by order of appearance, so equal programs print alike.

    program(x0: float64[12]) -> (y0: float64[3])  arena 0 bytes
    kernel reduce_map:
      for i0 in 0 : 3
        r0: float64 = 0.0
        for i1 in 0 : 4
          r0 add= exp(x0[4 * i0 + i1])
        y0[i0] = r0

A subexpression that a statement uses more than once stands on a line of its own: `%3 = ...`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Communicate,
    Declare,
    Factorise,
    Gemm,
    If,
    Kernel,
    Kind,
    Loop,
    LoopProgram,
    Matrix,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.recursion import deep_recursion
from wengert.kernels.statements import own_expressions

INFIX = {
    ScalarOp.ADD: "+",
    ScalarOp.SUB: "-",
    ScalarOp.MUL: "*",
    ScalarOp.DIV: "/",
    ScalarOp.EQ: "==",
    ScalarOp.NE: "!=",
    ScalarOp.LT: "<",
    ScalarOp.LE: "<=",
    ScalarOp.GT: ">",
    ScalarOp.GE: ">=",
    ScalarOp.AND: "&",
    ScalarOp.OR: "|",
    ScalarOp.XOR: "^",
    ScalarOp.SHL: "<<",
    ScalarOp.SHR: ">>",
}
PREFIX = {
    Space.INPUT: "x",
    Space.CONSTANT: "c",
    Space.OUTPUT: "y",
    Space.TEMP: "t",
    Space.LOCAL: "l",
}


@deep_recursion()
def to_text(program: LoopProgram) -> str:
    """The whole program as text."""
    printer = _Printer()
    inputs = ", ".join(printer.declaration(b) for b in (*program.inputs, *program.constants))
    outputs = ", ".join(printer.declaration(b) for b in program.outputs)
    lines = [f"program({inputs}) -> ({outputs})  arena {program.arena} bytes"]
    for step in program.steps:
        lines.extend(printer.step(step))
    for code, failure in enumerate(program.failures):
        lines.append(f"failure {code}: {failure.error}: {failure.message}")
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class _Printer:
    names: dict[Buffer | Index | Register, str] = field(
        default_factory=dict[Buffer | Index | Register, str]
    )
    counts: Counter[str] = field(default_factory=Counter[str])

    def name(self, thing: Buffer | Index | Register, prefix: str) -> str:
        if thing not in self.names:
            self.names[thing] = f"{prefix}{self.counts[prefix]}"
            self.counts[prefix] += 1
        return self.names[thing]

    def buffer(self, buffer: Buffer) -> str:
        return self.name(buffer, PREFIX[buffer.space])

    def declaration(self, buffer: Buffer) -> str:
        return f"{self.buffer(buffer)}: {buffer.dtype.name}[{buffer.size}]"

    def step(self, step: Kernel) -> Iterator[str]:
        yield f"kernel {step.name}:"
        yield from self.block(step.body, "  ")

    def block(self, body: Sequence[Stmt], indent: str) -> Iterator[str]:
        for statement in body:
            yield from self.statement(statement, indent)

    def statement(self, statement: Stmt, indent: str) -> Iterator[str]:
        if isinstance(statement, While):
            yield indent + "repeat"
            yield from self.block(statement.before, indent + "  ")
        exprs = _Expressions(self, own_expressions(statement))
        head = exprs.statement(statement)
        for line in (*exprs.lines, head):
            yield indent + line
        match statement:
            case Loop() | Kernel():
                yield from self.block(statement.body, indent + "  ")
            case If(_, then, otherwise):
                yield from self.block(then, indent + "  ")
                if otherwise:
                    yield indent + "else"
                    yield from self.block(otherwise, indent + "  ")
            case While():
                yield from self.block(statement.body, indent + "  ")
            case _:
                pass


class _Expressions:
    """The expressions of one statement; shared ones go to lines of their own."""

    def __init__(self, printer: _Printer, roots: Sequence[Expr]) -> None:
        self.printer = printer
        self.lines: list[str] = []
        self.named: dict[int, str] = {}
        self.uses: Counter[int] = Counter()
        seen: set[int] = set()
        todo = list(roots)
        while todo:
            expr = todo.pop()
            self.uses[id(expr)] += 1
            if id(expr) not in seen:
                seen.add(id(expr))
                todo.extend(expr.args)

    def statement(self, statement: Stmt) -> str:  # noqa: C901 - a case for each kind
        name = self.printer.name
        match statement:
            case Loop(index, start, stop, _, kind):
                word = "for" if kind is Kind.SERIAL else f"{kind} for"
                return f"{word} {name(index, 'i')} in {self.of(start)} : {self.of(stop)}"
            case Store(buffer, offset, value):
                target = f"{self.printer.buffer(buffer)}[{self.of(offset)}]"
                return f"{target} = {self.of(value)}"
            case Declare(register, init):
                return f"{name(register, 'r')}: {register.dtype.name} = {self.of(init)}"
            case Assign(register, value):
                return f"{name(register, 'r')} = {self.of(value)}"
            case Accumulate(register, combine, value):
                return f"{name(register, 'r')} {combine}= {self.of(value)}"
            case If(condition):
                return f"if {self.of(condition)}"
            case While(_, condition):
                return f"while {self.of(condition)}"
            case Check(condition, code, value):
                return f"check {self.of(condition)} else failure {code} ({self.of(value)})"
            case Gemm(out, lhs, rhs, m):
                product = f"{self.matrix(lhs)} @ {self.matrix(rhs)}"
                sizes = f"m {self.of(m)}, n {statement.n}, k {statement.k}"
                return f"gemm {self.matrix(out)} = {self.finished(statement, product)}  ({sizes})"
            case Factorise(routine, out, _, sources):
                given = ", ".join(map(self.matrix, sources))
                place = "" if statement.first is None else f"  (from {self.of(statement.first)} on)"
                return f"{routine} {self.matrix(out)} = {given}{place}"
            case Communicate(request, sources, outs, _, phase):
                given, results = (", ".join(map(self.printer.buffer, x)) for x in (sources, outs))
                return f"{phase} of {request}: {results} = {given}"
            case Kernel():
                return f"kernel {statement.name}:"

    def finished(self, call: Gemm, product: str) -> str:
        """A product with its epilogue."""
        if call.epilogue is None:
            return product
        bias = call.epilogue.bias
        biased = product if bias is None else f"{product} + {self.printer.buffer(bias)}"
        return f"{call.epilogue.activation}({biased})"

    def matrix(self, matrix: Matrix) -> str:
        """A matrix as buffer[offset; row stride, column stride]."""
        strides = f"{matrix.row}, {matrix.column}"
        return f"{self.printer.buffer(matrix.buffer)}[{self.of(matrix.offset)}; {strides}]"

    def of(self, expr: Expr) -> str:
        """The text of an expression; brackets are set around every infix operand."""
        known = self.named.get(id(expr))
        if known is not None:
            return known
        written = self.write(expr)
        if self.uses[id(expr)] > 1 and expr.args and expr.op is not ScalarOp.LOAD:
            known = self.named[id(expr)] = f"%{len(self.named)}"
            self.lines.append(f"{known} = {written}")
            return known
        return written

    def operand(self, expr: Expr) -> str:
        written = self.of(expr)
        return f"({written})" if " " in written and expr.op in INFIX else written

    def write(self, expr: Expr) -> str:
        match expr.op:
            case ScalarOp.CONST:
                return repr(expr.attr)
            case ScalarOp.INDEX:
                return self.printer.name(expr.attr, "i")
            case ScalarOp.REGISTER:
                return self.printer.name(expr.attr, "r")
            case ScalarOp.LOAD:
                return f"{self.printer.buffer(expr.attr)}[{self.of(expr.args[0])}]"
            case op if op in INFIX:
                return f" {INFIX[op]} ".join(self.operand(a) for a in expr.args)
            case op:
                args = [self.of(a) for a in expr.args]
                if op in (ScalarOp.CAST, ScalarOp.BITCAST):
                    args.append(expr.dtype.name)
                called = expr.attr if op is ScalarOp.CALL else str(op)
                return f"{called}({', '.join(args)})"
