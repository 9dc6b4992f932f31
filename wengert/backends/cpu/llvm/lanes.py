"""Loops of vectors (`llvm/widen.py` says which)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.access import (
    far_apart,
    fetch,
    gather,
    is_gathered,
    is_pair,
    read,
    step_of,
    write,
    write_pairs,
)
from wengert.backends.cpu.llvm.expr import Body, Place
from wengert.backends.cpu.llvm.ops import emit_op
from wengert.backends.cpu.llvm.types import constant, intrinsic_suffix, value_type
from wengert.backends.cpu.llvm.widen import varies
from wengert.ir.floats import kind_of
from wengert.ir.scalar import MATHS, Expr, Index, ScalarOp
from wengert.ir.types import BOOL, INT64, DType
from wengert.kernels import combine
from wengert.kernels.loops import Accumulate, Assign, Buffer, Declare, Register, Stmt, Store

_INT32 = np.dtype(np.int32)


@dataclass(slots=True)
class Around:
    """What all vectors of a loop share.

    `start` is where the loop begins. `streams` are arrays of which the turns fetch what later ones
    read. `same` has the vectors of values that are the same in all turns. If vectors begin not with
    the loop, but where an element of bits is the first one of a byte, `filled` is its place.
    """

    body: Body
    index: Index
    changed: frozenset[Place]
    lanes: int
    start: Expr
    streams: frozenset[Buffer] = frozenset()
    same: dict[Expr, str] = field(default_factory=dict[Expr, str])
    filled: Expr | None = None


class Lanes:
    """Prints what one vector of turns computes; as an `Emitter` it prints operations of vectors.

    `sums` are the stack slots of the vectors in which sums over all turns are made, by register.
    `mask` has the turns that there are, if these may be fewer than lanes. If no loop is printed
    around the vector, its values may leave the loops that are (`leaves`).
    """

    def __init__(
        self, around: Around, sums: dict[Register, str], mask: str = "", leaves: bool = False
    ) -> None:
        self.around, self.body, self.lanes = around, around.body, around.lanes
        self.sums, self.mask, self._leaves = sums, mask, leaves
        self.fma = self.body.fma
        self._own: dict[Register, str] = {}
        self._known: dict[Expr, str] = {}
        self._readers: dict[Place, list[Expr]] = {}

    # an `Emitter`

    @property
    def is_masked(self) -> bool:
        return self.body.module.target.masks

    def op(self, text: str) -> str:
        return self.body.op(text)

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        self.body.intrinsic(name, result, parameters)

    def helper(self, name: str, text: str) -> None:
        self.body.helper(name, text)

    def at_byte(self, offset: Expr) -> bool:
        if self.around.filled is not None:
            return llvm_bits.begin_alike(offset, self.around.filled)
        return llvm_bits.begins_at_byte(offset, self.around.index, self.around.start)

    def is_index(self, x: Expr) -> bool:
        return self.body.is_index(x)

    def nonnegative(self, x: Expr) -> bool:
        return self.body.nonnegative(x)

    # expressions

    def value(self, x: Expr) -> str:
        """The vector of the values of `x`."""
        stack = [x]
        while stack:
            node = stack[-1]
            if node in self._known:
                stack.pop()
                continue
            missing = [a for a in self._needed(node) if a not in self._known]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._remember(node)
        return self._known[x]

    def _needed(self, x: Expr) -> tuple[Expr, ...]:
        same = not varies(self.body, x, self.around.index, self.around.changed)
        if same:
            return ()
        if x.op is ScalarOp.LOAD:
            step = step_of(self.body, self.around.index, x.args[0])
            return x.args if self._is_by_address(step) else ()
        operands = self.body.operands(x)
        # the operands of a comparison that decides for 0 are taken by `_unless_equal`
        inner = operands[0].args if x.op is ScalarOp.SELECT else ()
        return (*operands, *inner)

    def _remember(self, x: Expr) -> None:
        inside = self.body.target
        if self._leaves:
            self.body.target = self.body.home(x)
        self._known[x] = self._printed(x)
        self.body.target = inside
        for place in self.body.reads(x) & self.around.changed:
            self._readers.setdefault(place, []).append(x)

    def _printed(self, x: Expr) -> str:
        if x.is_const:
            literal = constant(x.attr, x.dtype, self.lanes)
            held = kind_of(x.dtype) == "f" and literal != "zeroinitializer"
            return self.body.hold(value_type(x.dtype, self.lanes), literal) if held else literal
        if not varies(self.body, x, self.around.index, self.around.changed):
            return self._in_all(x)
        match x.op:
            case ScalarOp.LOAD:
                return self._load(x)
            case ScalarOp.REGISTER:
                return self._own[x.attr]
            case ScalarOp.INDEX:
                return self._turns(self.body.indices[x.attr])
            case ScalarOp.GUARD:
                condition, *values = (self._known[a] for a in x.args)
                return self._select(condition, values[0], values[1], x.dtype)
            case ScalarOp.SELECT if x.args[0].op is ScalarOp.EQ and _is_zero(x.args[1]):
                return self._unless_equal(x)
            case ScalarOp.LOOKUP:
                self.body.is_quick = False  # tables stay in registers only if LLVM sees the loop
                return emit_op(self, x, [self._known[a] for a in x.args])
            case _ if x.op in MATHS:
                return self._known[self.body.module.expansion(x)]
            case _:
                operands = [self._known[a] for a in x.args]
                return emit_op(self, x, self.body.chosen(self, x, operands))

    def _unless_equal(self, x: Expr) -> str:
        """0 where two values are equal, else a third: machines clear lanes that are left out."""
        equal, zero, value = x.args
        unequal = replace(equal, op=ScalarOp.NE)
        condition = emit_op(self, unequal, [self._known[a] for a in equal.args])
        operands = [condition, self._known[zero], self._known[value]]
        _, otherwise, name = self.body.chosen(self, x, operands)
        return self._select(condition, name, otherwise, x.dtype)

    def _select(self, condition: str, value: str, otherwise: str, dtype: DType) -> str:
        kind, truth = value_type(dtype, self.lanes), value_type(BOOL, self.lanes)
        return self.op(f"select {truth} {condition}, {kind} {value}, {kind} {otherwise}")

    def _in_all(self, x: Expr) -> str:
        """One value in all lanes, made where the value is."""
        body = self.body
        if x in self.around.same:
            return self.around.same[x]
        name, home = body.value(x), body.home(x)
        inside, body.target = body.target, home
        result = splat(body, name, x.dtype, self.lanes)
        body.target = inside
        if home is not inside:
            self.around.same[x] = result
        return result

    def _turns(self, first: str) -> str:
        kind = value_type(INT64, self.lanes)
        start = splat(self.body, first, INT64, self.lanes)
        return self.op(f"add nsw {kind} {start}, {numbers('i64', self.lanes)}")

    # memory

    def _load(self, x: Expr) -> str:
        buffer: Buffer = x.attr
        if self.around.index not in x.indices:  # of an array that other turns change elsewhere
            return splat(self.body, self.body.value(x), x.dtype, self.lanes)
        step = step_of(self.body, self.around.index, x.args[0])
        if step is None or self._is_by_address(step):
            return gather(self, buffer, self._known[x.args[0]])
        if is_gathered(step):
            return far_apart(self, buffer, x.args[0], step)
        found = read(self, buffer, x.args[0], step)
        if buffer in self.around.streams and not (self.mask or self._leaves):
            fetch(self, buffer, x.args[0])
        return found

    def _is_by_address(self, step: int | None) -> bool:
        """Whether each lane of what is read has an address that a vector holds."""
        return step is None or (is_gathered(step) and (self.is_masked or bool(self.mask)))

    def _store(self, stmt: Store) -> None:
        body, step = self.body, step_of(self.body, self.around.index, stmt.offset)
        assert step in (1, -1)
        write(self, stmt.buffer, stmt.offset, step, self.value(stmt.value))
        self._forget((body.place(stmt.buffer),))
        body.forget((body.place(stmt.buffer),))

    def _store_pair(self, first: Store, second: Store) -> None:
        values = self.value(first.value), self.value(second.value)
        write_pairs(self, first.buffer, first.offset, values)
        self._forget((self.body.place(first.buffer),))
        self.body.forget((self.body.place(first.buffer),))

    # statements

    def statements(self, body: Sequence[Stmt]) -> None:
        """Prints the statements of the loop."""
        done = 0
        while done < len(body):
            pair = body[done : done + 2]
            if len(pair) == 2 and is_pair(self.around.index, *pair):
                first, second = pair
                assert isinstance(first, Store) and isinstance(second, Store)
                self._store_pair(first, second)
            else:
                self.statement(pair[0])
            done += 2 if len(pair) == 2 and is_pair(self.around.index, *pair) else 1

    def statement(self, stmt: Stmt) -> None:
        """Prints a statement of the loop."""
        if isinstance(stmt, Store):
            self._store(stmt)
        elif isinstance(stmt, Accumulate):
            self._accumulate(stmt)
        elif isinstance(stmt, Declare):
            self._set(stmt.register, self.value(stmt.init))
        elif isinstance(stmt, Assign):
            self._set(stmt.register, self.value(stmt.value))

    def _set(self, register: Register, name: str) -> None:
        self._own[register] = name
        self._forget((register,))

    def _forget(self, places: Iterable[Place]) -> None:
        for place in places:
            for x in self._readers.pop(place, ()):
                self._known.pop(x, None)

    def _accumulate(self, stmt: Accumulate) -> None:
        body, register, value = self.body, stmt.register, stmt.value
        kind = value_type(register.dtype, self.lanes)
        values: tuple[Expr, ...] = (value,)
        if stmt.combine == "add" and kind_of(register.dtype) == "f" and value.op is ScalarOp.MUL:
            values = value.args  # of a product of its own, which is fused with the sum
        operands = [self.value(x) for x in values]
        if register not in self.sums:
            self._set(register, self._combined(stmt, self._own[register], operands))
            return
        old = self.op(f"load {kind}, ptr {self.sums[register]}")
        new = self._combined(stmt, old, operands)
        if self.mask:
            new = self._select(self.mask, new, old, register.dtype)
        body.line(f"store {kind} {new}, ptr {self.sums[register]}")

    def _combined(self, stmt: Accumulate, old: str, operands: Sequence[str]) -> str:
        """A register with one more operand, or with the product of two."""
        register = stmt.register
        if len(operands) == 1:
            return combined(self, register, stmt.combine, old, operands[0])
        kind = value_type(register.dtype, self.lanes)
        if not self.fma:
            product = self.op(f"fmul contract {kind} {operands[0]}, {operands[1]}")
            return combined(self, register, stmt.combine, old, product)
        name = f"@llvm.fma.{intrinsic_suffix(register.dtype, self.lanes)}"
        self.intrinsic(name, kind, ", ".join([kind] * 3))
        given = ", ".join(f"{kind} {x}" for x in (*operands, old))
        return self.op(f"call reassoc contract {kind} {name}({given})")


def combined(e: Lanes | Body, register: Register, how: str, old: str, operand: str) -> str:
    """Two values of a register as one: numbers or vectors."""
    kind = value_type(register.dtype, e.lanes)
    if how in ("add", "mul") and kind_of(register.dtype) == "f":
        return e.op(f"f{how} reassoc contract {kind} {old}, {operand}")
    s = (e.body if isinstance(e, Lanes) else e).module.builder
    x = s.register(register)
    return emit_op(e, s.node(combine.OPS[how], (x, x), register.dtype), [old, operand])


def splat(body: Body, name: str, dtype: DType, lanes: int) -> str:
    """The vector that has one number in all lanes."""
    kind = value_type(dtype, lanes)
    first = body.op(f"insertelement {kind} poison, {value_type(dtype)} {name}, i64 0")
    order = value_type(_INT32, lanes)
    return body.op(f"shufflevector {kind} {first}, {kind} poison, {order} zeroinitializer")


def numbers(kind: str, lanes: int, first: int = 0) -> str:
    """first, first + 1, ... as a literal."""
    return f"<{', '.join(f'{kind} {first + k}' for k in range(lanes))}>"


def _is_zero(x: Expr) -> bool:
    return x.is_const and str(x.attr) in ("0", "0.0", "False")


def nothing(how: str, dtype: DType) -> object:
    """What changes no value: -0.0 for sums, as 0.0 would make 0.0 of it."""
    if how == "add" and kind_of(dtype) == "f":
        return -0.0
    return combine.identity(how, dtype)
