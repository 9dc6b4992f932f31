"""The interpreter of the loop IR: plain Python over NumPy scalars. Slow, obvious, the oracle.

Arithmetic is that of NumPy scalars of each expression's dtype, so rounding is the machine's.
Loads and stores are bounds-checked. PARALLEL loops, and those of a grid, may be run in any order
(`order`), which shows races.
"""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import OutOfBoundsError
from wengert.ir.floats import kind_of, widened
from wengert.ir.forms import Transform
from wengert.ir.host import HostCall, called
from wengert.ir.op import REGISTRY
from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.activation import ACTIVATIONS
from wengert.kernels.fourier import step
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Communicate,
    Declare,
    Epilogue,
    Factorise,
    Gemm,
    If,
    Kernel,
    Kind,
    Loop,
    LoopProgram,
    Matrix,
    Phase,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.recursion import deep_recursion
from wengert.world import perform

# Loops whose turns may run in any order.
ANY_ORDER = (Kind.PARALLEL, Kind.GRID, Kind.BLOCK, Kind.LANES)


def _truncating(divide: Callable[[int, int], int]) -> Callable[[Any, Any], Any]:
    return lambda x, y: type(x)(divide(int(x), int(y)) if y else 0)


def _quotient(x: int, y: int) -> int:
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _shift(left: bool) -> Callable[[Any, Any], Any]:
    return lambda x, y: np.left_shift(x, y) if left else np.right_shift(x, y)


FUNCTIONS: dict[ScalarOp, Callable[..., Any]] = {
    ScalarOp.ADD: np.add,
    ScalarOp.SUB: np.subtract,
    ScalarOp.MUL: np.multiply,
    ScalarOp.DIV: np.divide,
    ScalarOp.IDIV: _truncating(_quotient),
    ScalarOp.IREM: _truncating(lambda x, y: x - y * _quotient(x, y)),
    ScalarOp.FREM: np.fmod,
    ScalarOp.NEG: np.negative,
    ScalarOp.ABS: np.abs,
    ScalarOp.MIN: np.minimum,
    ScalarOp.MAX: np.maximum,
    ScalarOp.FMA: lambda x, y, z: x * y + z,
    ScalarOp.SQRT: np.sqrt,
    ScalarOp.FLOOR: np.floor,
    ScalarOp.CEIL: np.ceil,
    ScalarOp.TRUNC: np.trunc,
    ScalarOp.RINT: np.rint,
    ScalarOp.COPYSIGN: np.copysign,
    ScalarOp.EQ: np.equal,
    ScalarOp.NE: np.not_equal,
    ScalarOp.LT: np.less,
    ScalarOp.LE: np.less_equal,
    ScalarOp.GT: np.greater,
    ScalarOp.GE: np.greater_equal,
    ScalarOp.AND: np.bitwise_and,
    ScalarOp.OR: np.bitwise_or,
    ScalarOp.XOR: np.bitwise_xor,
    ScalarOp.NOT: np.invert,
    ScalarOp.SHL: _shift(True),
    ScalarOp.SHR: _shift(False),
    ScalarOp.EXP: np.exp,
    ScalarOp.EXP2: np.exp2,
    ScalarOp.EXPM1: np.expm1,
    ScalarOp.LOG: np.log,
    ScalarOp.LOG2: np.log2,
    ScalarOp.LOG10: np.log10,
    ScalarOp.LOG1P: np.log1p,
    ScalarOp.SIN: np.sin,
    ScalarOp.COS: np.cos,
    ScalarOp.TAN: np.tan,
    ScalarOp.ASIN: np.arcsin,
    ScalarOp.ACOS: np.arccos,
    ScalarOp.ATAN: np.arctan,
    ScalarOp.SINH: np.sinh,
    ScalarOp.COSH: np.cosh,
    ScalarOp.TANH: np.tanh,
    ScalarOp.ASINH: np.arcsinh,
    ScalarOp.ACOSH: np.arccosh,
    ScalarOp.ATANH: np.arctanh,
    ScalarOp.ATAN2: np.arctan2,
    ScalarOp.POW: np.power,
    ScalarOp.CBRT: np.cbrt,
    ScalarOp.ERF: lambda x: type(x)(math.erf(x)),
    ScalarOp.ERFC: lambda x: type(x)(math.erfc(x)),
}

# Of NumPy's scalars, Python's operators do the same as the ufuncs, in a tenth of the time.
_OF_SCALARS: dict[ScalarOp, Callable[..., Any]] = FUNCTIONS | {
    ScalarOp.ADD: operator.add,
    ScalarOp.SUB: operator.sub,
    ScalarOp.MUL: operator.mul,
    ScalarOp.DIV: operator.truediv,
    ScalarOp.EQ: operator.eq,
    ScalarOp.NE: operator.ne,
    ScalarOp.LT: operator.lt,
    ScalarOp.LE: operator.le,
    ScalarOp.GT: operator.gt,
    ScalarOp.GE: operator.ge,
    ScalarOp.AND: operator.and_,
    ScalarOp.OR: operator.or_,
    ScalarOp.XOR: operator.xor,
}

COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.logical_and,
    "or": np.logical_or,
}


class CheckFailed(Exception):
    """A Check statement found its condition false."""

    def __init__(self, code: int, value: int) -> None:
        super().__init__(code, value)
        self.code = code
        self.value = value


@dataclass(slots=True)
class Machine:
    """The state of a run: the memory of buffers, registers and loop indices."""

    memory: dict[Buffer, np.ndarray[Any, Any]]
    order: Callable[[range], Iterator[int]] = iter
    indices: dict[Index, int] = field(default_factory=dict[Index, int])
    registers: dict[Register, Any] = field(default_factory=dict[Register, Any])

    def value(self, expr: Expr, memo: dict[int, Any]) -> Any:
        """The value of an expression here and now."""
        found = memo.get(id(expr))
        if found is None:
            found = memo[id(expr)] = self.compute(expr, memo)
        return found

    def compute(self, expr: Expr, memo: dict[int, Any]) -> Any:
        rule = _RULES.get(expr.op)
        if rule is not None:
            return rule(self, expr, memo)
        args = [self.value(a, memo) for a in expr.args]
        return expr.dtype.type(_OF_SCALARS[expr.op](*args))

    def choose(self, expr: Expr, memo: dict[int, Any]) -> Any:
        """The branch that is taken; the other one is not looked at."""
        taken = 1 if self.value(expr.args[0], memo) else 2
        return self.value(expr.args[taken], memo)

    def convert(self, expr: Expr, memo: dict[int, Any]) -> Any:
        return widened(np.asarray(self.value(expr.args[0], memo))).astype(expr.dtype)[()]

    def library(self, expr: Expr, memo: dict[int, Any]) -> Any:
        library: Any = importlib.import_module("scipy.special")
        function = getattr(library, expr.attr, None) or getattr(np, expr.attr)
        return np.float64(function(*[self.value(a, memo) for a in expr.args]))

    def cell(self, buffer: Buffer, offset: Any) -> Any:
        self.check_bounds(buffer, offset)
        return self.memory[buffer][offset]

    def check_bounds(self, buffer: Buffer, offset: Any) -> None:
        if not 0 <= offset < buffer.size:
            raise OutOfBoundsError(f"offset {offset} of a {buffer.space} of {buffer.size}")

    def run(self, body: Sequence[Stmt]) -> None:
        for statement in body:
            self.step(statement)

    def step(self, statement: Stmt) -> None:  # noqa: C901 - a case for each kind
        memo: dict[int, Any] = {}
        match statement:
            case Loop():
                self.loop(statement, memo)
            case Store(buffer, offset, expr):
                value, at = self.value(expr, memo), self.value(offset, memo)
                self.check_bounds(buffer, at)
                self.memory[buffer][at] = value
            case Declare(register, expr) | Assign(register, expr):
                self.registers[register] = self.value(expr, memo)
            case Accumulate(register, combine, expr):
                value = COMBINE[combine](self.registers[register], self.value(expr, memo))
                self.registers[register] = register.dtype.type(value)
            case If(condition, then, otherwise):
                self.run(then if self.value(condition, memo) else otherwise)
            case While():
                self.repeat(statement)
            case Check(condition, code, expr):
                if not self.value(condition, memo):
                    raise CheckFailed(code, int(self.value(expr, memo)))
            case Gemm():
                self.multiply(statement, memo)
            case Factorise():
                self.factorise(statement, memo)
            case Communicate():
                self.communicate(statement)
            case Kernel():
                self.run(statement.body)

    def multiply(self, call: Gemm, memo: dict[int, Any]) -> None:
        """A product and its epilogue."""
        m, n, k = int(self.value(call.m, memo)), call.n, call.k
        wide = np.float32 if call.out.buffer.dtype.itemsize == 2 else None
        lhs, rhs = self.matrix(call.lhs, m, k, memo), self.matrix(call.rhs, k, n, memo)
        product = np.matmul(lhs, rhs, dtype=wide)
        epilogue = call.epilogue or Epilogue("", None)
        if epilogue.bias is not None:
            product = product + self.memory[epilogue.bias]
        self.matrix(call.out, m, n, memo)[...] = ACTIVATIONS[epilogue.activation](product)

    def factorise(self, call: Factorise, memo: dict[int, Any]) -> None:
        """A library's routine, by its op's own meaning."""
        given = [
            self.matrix(x, *shape, memo) for x, shape in zip(call.sources, call.shapes, strict=True)
        ]
        if call.library == "fourier":
            assert call.first is not None
            first, count = int(self.value(call.first, memo)), call.out_shape[1] // 2
            found = step(call.routine, given[0], first, count)
            self.matrix(call.out, *call.out_shape, memo)[...] = found
            return
        if call.library == "pocketfft":  # takes rows, of which its name tells the length
            given = [np.reshape(given[0], (-1, Transform.named(call.routine).row_before))]
        if call.library == "lapack":  # may take several matrices, one below the other
            given = [np.reshape(x, (call.rows, -1, x.shape[-1])) for x in given]
        found = REGISTRY[call.library].evaluate(*given, routine=call.routine)
        shape = call.out_shape
        self.matrix(call.out, *shape, memo)[...] = np.reshape(found, shape)

    def communicate(self, statement: Communicate) -> None:
        """A collective, all of it at its beginning, or a call of Python."""
        if statement.phase is not Phase.WAIT:
            sources, outs = (
                [self.memory[b] for b in x] for x in (statement.sources, statement.outs)
            )
            if isinstance(statement.request, HostCall):
                called(statement.request).perform(sources, outs)
            else:
                perform(statement.request, sources, outs)

    def matrix(self, matrix: Matrix, rows: int, columns: int, memo: dict[int, Any]) -> Any:
        """The matrix as a view of its buffer."""
        offset = int(self.value(matrix.offset, memo))
        if rows and columns:
            last = offset + (rows - 1) * matrix.row + (columns - 1) * matrix.column
            self.check_bounds(matrix.buffer, offset)
            self.check_bounds(matrix.buffer, last)
        memory = self.memory[matrix.buffer]
        strides = tuple(memory.itemsize * s for s in (matrix.row, matrix.column))
        shape = (rows, columns)
        return np.lib.stride_tricks.as_strided(memory[offset:], shape, strides, writeable=True)

    def repeat(self, loop: While) -> None:
        self.run(loop.before)
        while self.value(loop.condition, {}):
            self.run(loop.body)
            self.run(loop.before)

    def loop(self, loop: Loop, memo: dict[int, Any]) -> None:
        turns = range(int(self.value(loop.start, memo)), int(self.value(loop.stop, memo)))
        for turn in self.order(turns) if loop.kind in ANY_ORDER else turns:
            self.indices[loop.index] = turn
            self.run(loop.body)


_RULES: dict[ScalarOp, Callable[[Machine, Expr, dict[int, Any]], Any]] = {
    ScalarOp.CONST: lambda m, x, memo: x.dtype.type(x.attr),
    ScalarOp.INDEX: lambda m, x, memo: np.int64(m.indices[x.attr]),
    ScalarOp.REGISTER: lambda m, x, memo: m.registers[x.attr],
    ScalarOp.LOAD: lambda m, x, memo: m.cell(x.attr, m.value(x.args[0], memo)),
    ScalarOp.GUARD: Machine.choose,
    ScalarOp.SELECT: Machine.choose,
    ScalarOp.CAST: Machine.convert,
    ScalarOp.BITCAST: lambda m, x, memo: np.asarray(m.value(x.args[0], memo)).view(x.dtype)[()],
    ScalarOp.CALL: Machine.library,
}


@deep_recursion()
def interpret(
    program: LoopProgram,
    args: Sequence[Any],
    constants: Sequence[Any] = (),
    order: Callable[[range], Iterator[int]] = iter,
) -> list[np.ndarray[Any, Any]]:
    """The flat outputs of `program` on arrays; raises CheckFailed where a Check fails."""
    memory: dict[Buffer, np.ndarray[Any, Any]] = {}
    for buffers, arrays in ((program.inputs, args), (program.constants, constants)):
        for buffer, array in zip(buffers, arrays, strict=True):
            memory[buffer] = np.array(array, dtype=buffer.dtype).reshape(-1)
    machine = Machine(_Memory(program, memory), order)
    with np.errstate(all="ignore"):
        for step in program.steps:
            machine.run(step.body)
    return [machine.memory[b].copy() for b in program.outputs]


class _Memory(dict[Buffer, np.ndarray[Any, Any]]):
    """Allocates outputs and local buffers at first use, filled with values that stand out.

    Temporaries are views of one arena, as planned, so that a wrong plan shows.
    """

    def __init__(self, program: LoopProgram, known: dict[Buffer, np.ndarray[Any, Any]]) -> None:
        super().__init__(known)
        self.offsets = program.offsets
        self.arena = np.full(program.arena, 0xFF, np.uint8)

    def __missing__(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        if buffer.space is Space.TEMP:
            start = self.offsets[buffer]
            if buffer.packed:  # what printers make of it is not seen here
                self[buffer] = np.zeros(buffer.size, buffer.dtype)
            else:
                self[buffer] = self.arena[start : start + buffer.nbytes].view(buffer.dtype)
            return self[buffer]
        assert buffer.space in (Space.OUTPUT, Space.LOCAL)
        fill: Any = {"f": np.nan, "b": True}.get(kind_of(buffer.dtype), 77)
        self[buffer] = np.full(buffer.size, fill, dtype=buffer.dtype)
        return self[buffer]
