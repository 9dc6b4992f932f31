"""Placing expressions in the body of one CUDA kernel.

Every shared expression gets a name once per block where its value holds. A remembered value dies
when a buffer or register that it reads is written. Loop-invariant code is left to the compiler;
here no expression leaves its block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wengert.backends.cuda.cuda_ops import print_op
from wengert.backends.cuda.cuda_types import constant, half_of, value_type
from wengert.ir.scalar import COMPARISONS, Expr, Index, ScalarOp
from wengert.ir.types import INT64
from wengert.kernels.intervals import Intervals
from wengert.kernels.loops import Buffer, Register

Place = Buffer | Register


@dataclass(slots=True)
class Scope:
    """A block of code: its depth, and the values named in it."""

    depth: int
    known: dict[Expr, str] = field(default_factory=dict[Expr, str])
    readers: dict[Place, list[Expr]] = field(default_factory=dict[Place, "list[Expr]"])


class Body:
    """The lines of one kernel, and the names of what is computed in it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scopes = [Scope(1)]
        self.intervals = Intervals()
        self.indices: dict[Index, str] = {}
        self.pointers: dict[Buffer, str] = {}
        self.registers: dict[Register, str] = {}
        self.renamed: dict[Expr, str] = {}  # loads whose values are at hand
        self.slots: dict[Buffer, str] = {}  # local buffers kept in registers: the current element
        self._count = 0
        self._reads: dict[Expr, frozenset[Place]] = {}

    # text

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def line(self, text: str) -> None:
        self.lines.append("  " * self.scopes[-1].depth + text)

    def open(self, head: str, written: Iterable[Place] = ()) -> None:
        """Begins a block; what is `written` in it is unknown from its first line on."""
        self.forget(written)
        self.line(f"{head} {{".lstrip())
        self.scopes.append(Scope(self.scopes[-1].depth + 1))

    def reopen(self) -> None:
        """Goes on in a block that the line before has opened."""
        self.scopes.append(Scope(self.scopes[-1].depth + 1))

    def close(self, tail: str = "}") -> None:
        self.scopes.pop()
        self.line(tail)

    def forget(self, places: Iterable[Place]) -> None:
        """Drops the remembered values that read `places`."""
        for place in places:
            for scope in self.scopes:
                for x in scope.readers.pop(place, ()):
                    scope.known.pop(x, None)

    # expressions

    def lookup(self, x: Expr) -> str | None:
        """The text of a value that needs no line of its own, or has one."""
        match x.op:
            case ScalarOp.CONST:
                fits = x.dtype == INT64 and -(2**31) < x.attr < 2**31
                return self._small(x.attr) if fits else constant(x.attr, x.dtype)
            case ScalarOp.INDEX:
                return self.indices[x.attr]
            case ScalarOp.REGISTER:
                return self.registers[x.attr]
            case _:
                return next((s.known[x] for s in reversed(self.scopes) if x in s.known), None)

    def _small(self, value: int) -> str:
        return str(value) if value >= 0 else f"({value})"

    def kind(self, x: Expr) -> str:
        """The C type that the value of `x` has: index arithmetic takes 32 bits where it can."""
        return "int" if self.intervals.fits_int32(x) else value_type(x.dtype)

    def value(self, x: Expr) -> str:
        """The text of the value of `x`, after the lines that it needs."""
        found = self.lookup(x)
        if found is not None:
            return found
        stack = [x]
        while stack:
            node = stack[-1]
            if self.lookup(node) is not None:
                stack.pop()
                continue
            args = node.args
            if node.op is ScalarOp.GUARD:
                args = (args[0], args[2])  # the value is computed under its condition
            elif node in self.renamed or (node.op is ScalarOp.LOAD and node.attr in self.slots):
                args = ()
            missing = [a for a in args if self.lookup(a) is None]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._name(node)
        found = self.lookup(x)
        assert found is not None
        return found

    def _name(self, x: Expr) -> None:
        if x.op is ScalarOp.GUARD and self._is_hazard(x.args[1]):
            name = self._guard(x)
        else:
            name = self.fresh("v")
            self.line(f"const {self.kind(x)} {name} = {self._text(x)};")
        scope = self.scopes[-1]
        scope.known[x] = name
        for place in self.reads(x):
            scope.readers.setdefault(place, []).append(x)

    def _text(self, x: Expr) -> str:
        if x.op is ScalarOp.LOAD:
            return self.loaded(x)
        kind = self.kind(x)
        args = [self._operand(x, a, k) for k, a in enumerate(x.args)]
        if x.op is ScalarOp.GUARD:
            return f"{args[0]} ? {args[1]} : {args[2]}"
        return print_op(x, args, kind)

    def _operand(self, x: Expr, arg: Expr, position: int) -> str:
        """An operand in the type of the operation: int may have to widen to long long."""
        text = self.lookup(arg) or self.value(arg)
        if arg.dtype != INT64 or self.kind(arg) != "int":
            return text
        wide = self._compares_wide(x) if x.op in COMPARISONS else self.kind(x) != "int"
        return f"(long long){text}" if wide and x.op is not ScalarOp.CAST else text

    def _compares_wide(self, x: Expr) -> bool:
        return any(self.kind(a) != "int" for a in x.args)

    def loaded(self, x: Expr) -> str:
        """The text of a load."""
        if x in self.renamed:
            return self.renamed[x]
        if x.attr in self.slots:
            return self.slots[x.attr]
        return self.of_memory(x.attr, f"{self.pointers[x.attr]}[{self.value(x.args[0])}]")

    def of_memory(self, buffer: Buffer, element: str) -> str:
        """The value of an element in memory."""
        half = half_of(buffer.dtype)
        return f"wg_from_{half}({element})" if half else element

    def stored(self, buffer: Buffer, value: str) -> str:
        """A value as an element of memory."""
        half = half_of(buffer.dtype)
        return f"wg_to_{half}({value})" if half else value

    def _is_hazard(self, x: Expr) -> bool:
        """Whether `x` reads memory and is not at hand yet."""
        return self.lookup(x) is None and any(isinstance(p, Buffer) for p in self.reads(x))

    def _guard(self, x: Expr) -> str:
        condition, value, otherwise = x.args
        name, kind = self.fresh("g"), value_type(x.dtype)
        self.line(f"{kind} {name} = {self.value(otherwise)};")
        self.open(f"if ({self.value(condition)})")
        self.line(f"{name} = {self.value(value)};")
        self.close()
        return name

    def reads(self, x: Expr) -> frozenset[Place]:
        """The buffers and registers that `x` reads."""
        found = self._reads.get(x)
        if found is not None:
            return found
        stack = [x]
        while stack:
            node = stack[-1]
            missing = [a for a in node.args if a not in self._reads]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            parts = [self._reads[a] for a in node.args if self._reads[a]]
            if node.op in (ScalarOp.LOAD, ScalarOp.REGISTER):
                parts.append(frozenset((node.attr,)))
            self._reads[node] = parts[0].union(*parts[1:]) if parts else frozenset()
        return self._reads[x]
