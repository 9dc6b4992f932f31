"""Checks a loop program against the invariants of `kernels.loops`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wengert.errors import VerificationError
from wengert.ir.scalar import Expr, Index, ScalarOp, affine
from wengert.ir.types import BOOL, INT64
from wengert.kernels.expressions import nodes
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
from wengert.kernels.statements import buffers, own_expressions


@deep_recursion()
def verify(program: LoopProgram) -> None:
    """Raises VerificationError, naming the kernel and the fault, if an invariant is broken."""
    written: set[Buffer] = {*program.inputs, *program.constants}
    for step in program.steps:
        _Kernel(step.name, len(program.failures), written, program.donated).run(step.body)
        for buffer in buffers(step.body):
            if buffer.space is Space.TEMP and buffer not in program.offsets:
                raise VerificationError("a temporary buffer has no place in the arena")
    for buffer in program.outputs:
        if buffer not in written and buffer.size:
            raise VerificationError("an output is never written")
    _arena(program)


def _arena(program: LoopProgram) -> None:
    for buffer, offset in program.offsets.items():
        if offset + buffer.nbytes > program.arena:
            raise VerificationError("a temporary buffer reaches beyond the arena")


@dataclass(slots=True)
class _Kernel:
    name: str
    failures: int
    written: set[Buffer]
    donated: frozenset[Buffer]
    bounds: dict[Index, tuple[int, int] | None] = field(
        default_factory=dict[Index, tuple[int, int] | None]
    )
    registers: set[Register] = field(default_factory=set[Register])
    parallel: bool = False

    def fail(self, what: str) -> None:
        raise VerificationError(f"kernel {self.name}: {what}")

    def run(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            own = statement.buffer if isinstance(statement, Store) else None
            if not isinstance(statement, While):  # what stands before its condition comes first
                for expr in own_expressions(statement):
                    self.expression(expr, own)
            self.statement(statement)

    def statement(self, statement: Stmt) -> None:  # noqa: C901 - a case for each kind
        match statement:
            case Loop():
                self.loop(statement)
            case If(condition, then, otherwise):
                self.boolean(condition)
                self.run(then)
                self.run(otherwise)
            case While(before, condition, body):
                self.run(before)
                self.expression(condition)
                self.boolean(condition)
                self.run(body)
            case Declare(register, value):
                self.registers.add(register)
                self.typed(register, value)
            case Assign(register, value) | Accumulate(register, _, value):
                self.typed(register, value)
            case Store():
                self.store(statement)
            case Check(condition, code, value):
                self.boolean(condition)
                if code >= self.failures or value.dtype != INT64:
                    self.fail(f"has a check with failure number {code} that does not exist")
            case Gemm():
                self.gemm(statement)
            case Factorise():
                self.factorise(statement)
            case Communicate():
                self.communicate(statement)
            case Kernel():
                self.run(statement.body)

    def store(self, store: Store) -> None:
        """Checks the dtype, the space and the offset of a store."""
        if store.value.dtype != store.buffer.dtype:
            self.fail(f"stores {store.value.dtype} in a buffer of {store.buffer.dtype}")
        fixed = store.buffer.space in (Space.INPUT, Space.CONSTANT)
        if fixed and store.buffer not in self.donated:
            self.fail(f"writes to a buffer of space {store.buffer.space}")
        self.access(store.buffer, store.offset)
        self.written.add(store.buffer)

    def gemm(self, call: Gemm) -> None:
        """Checks that the operands exist and that all matrices fit their buffers."""
        if call.lhs.buffer not in self.written or call.rhs.buffer not in self.written:
            self.fail("multiplies a buffer that was never written")
        bias = None if call.epilogue is None else call.epilogue.bias
        if bias is not None and (bias not in self.written or bias.size != call.n):
            self.fail("adds a bias that was never written, or has not a number for each column")
        rows = call.m.attr if call.m.is_const else 1
        self.matrix(call.out, rows, call.n)
        self.matrix(call.lhs, rows, call.k)
        self.matrix(call.rhs, call.k, call.n)
        self.written.add(call.out.buffer)

    def factorise(self, call: Factorise) -> None:
        """Checks that the sources exist and that all matrices fit their buffers."""
        if any(x.buffer not in self.written for x in call.sources):
            self.fail("factorises a buffer that was never written")
        for source, (rows, columns) in zip(call.sources, call.shapes, strict=True):
            self.matrix(source, rows, columns)
        self.matrix(call.out, *call.out_shape)
        self.written.add(call.out.buffer)

    def communicate(self, statement: Communicate) -> None:
        """Checks that the sources exist, and that nothing else happens to what is in flight."""
        if any(b not in self.written for b in statement.sources):
            self.fail("sends a buffer that was never written")
        if statement.request.in_place and statement.sources != statement.outs:
            self.fail("puts a collective elsewhere that works in place")
        if statement.code >= self.failures:
            self.fail(f"communicates with failure number {statement.code} that does not exist")
        self.written.update(statement.outs)

    def matrix(self, matrix: Matrix, rows: int, columns: int) -> None:
        """Checks the strides and the last element of a matrix at its offset's lowest value."""
        last = (rows - 1) * matrix.row + (columns - 1) * matrix.column
        if 1 not in (matrix.row, matrix.column) or last >= matrix.buffer.size:
            self.fail(f"has a matrix of {rows} by {columns} that does not fit its buffer")

    def loop(self, loop: Loop) -> None:
        if loop.kind is Kind.PARALLEL:
            if self.parallel:
                self.fail("has a parallel loop inside a parallel one")
            self.parallel = True
        if loop.index in self.bounds:
            self.fail("binds an index inside a loop over it")
        constant = loop.start.is_const and loop.stop.is_const
        self.bounds[loop.index] = (loop.start.attr, loop.stop.attr) if constant else None
        if constant and loop.stop.attr > loop.index.extent:
            self.fail("has a loop that runs beyond its index's extent")
        self.run(loop.body)
        self.parallel = self.parallel and loop.kind is not Kind.PARALLEL
        del self.bounds[loop.index]

    def typed(self, register: Register, value: Expr) -> None:
        if register not in self.registers:
            self.fail("uses a register before its declaration")
        if value.dtype != register.dtype:
            self.fail(f"puts {value.dtype} in a register of {register.dtype}")

    def boolean(self, condition: Expr) -> None:
        if condition.dtype != BOOL:
            self.fail(f"has a condition of dtype {condition.dtype}")

    def expression(self, expr: Expr, own: Buffer | None = None) -> None:
        """Checks what an expression reads.

        What is stored in `own` may be made of what turns before have stored there (a scan), if the
        first turn is kept from reading it.
        """
        missing = expr.indices - self.bounds.keys()
        if missing:
            self.fail("uses an index outside its loop")
        guarded = {
            id(n) for g in nodes((expr,)) if g.op is ScalarOp.GUARD for n in nodes((g.args[1],))
        }
        for node in nodes((expr,)):
            if node.op is ScalarOp.REGISTER and node.attr not in self.registers:
                self.fail("reads a register before its declaration")
            if node.op is ScalarOp.LOAD:
                known = node.attr in self.written or node.attr.space is Space.LOCAL
                known = known or (node.attr is own and id(node) in guarded)
                if not known and node.attr.size:
                    self.fail(f"reads a {node.attr.space} buffer before it is written")
                if id(node) not in guarded:
                    self.access(node.attr, node.args[0])

    def access(self, buffer: Buffer, offset: Expr) -> None:
        """Checks an offset whose range can be known."""
        function = affine(offset)
        if function is None or any(self.bounds.get(i) is None for i in function.terms):
            return
        low = high = function.const
        for index, coefficient in function.terms.items():
            bound = self.bounds[index]
            assert bound is not None
            if bound[0] >= bound[1]:
                return
            ends = (coefficient * bound[0], coefficient * (bound[1] - 1))
            low, high = low + min(ends), high + max(ends)
        if (low < 0 or high >= buffer.size) and all(
            b is None or b[0] < b[1] for b in self.bounds.values()
        ):
            self.fail(f"reaches offsets {low} to {high} of a buffer of {buffer.size}")
