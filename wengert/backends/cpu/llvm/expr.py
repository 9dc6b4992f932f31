"""Placing expressions in the body of one LLVM function.

Each shared expression is printed once per place where its value holds. Places are scopes, one
for the function, one for each loop body and one for each branch. A scope collects its own lines,
and a loop's text is put together when it closes; until then the surrounding scope, the loop's
preheader, still takes lines. So an expression that a loop does not change goes to the preheader
of the outermost such loop, whenever it is first met.

Rules of placement
- A loop can be left by an expression that does not depend on its index and reads no buffer or
  register that the loop changes; an expression that loads, only if the loop surely runs and
  contains no check, which the load may rely on.
- A branch can be left only on the way out of a loop, and never by a load.
- A remembered value dies when a buffer or register that it reads is written.
- What a register was set to is its value where that was written and in what is inside of it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from wengert.backends.cpu import libraries
from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.ops import Emitter, emit_op
from wengert.backends.cpu.llvm.scalar import tested_for_zero, unless_zero
from wengert.backends.cpu.llvm.target import Target
from wengert.backends.cpu.llvm.types import constant, memory_type, value_type
from wengert.ir.scalar import MATHS, Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64, INT64
from wengert.kernels.expressions import along
from wengert.kernels.intervals import BOUNDS, Interval, combined
from wengert.kernels.loops import Buffer, Register

Place = Buffer | Register
_HELD = re.compile(r"%held\d+")
NOTHING: frozenset[Any] = frozenset()
# a place that library calls are said to read, so that they stay behind the branches around them
_LIBRARY = Register(FLOAT64)
_CHOICES = frozenset({ScalarOp.SELECT, ScalarOp.MIN, ScalarOp.MAX})


@dataclass(slots=True)
class Module:
    """What all functions of one LLVM module share; metadata 0 is of a branch hardly ever left."""

    target: Target
    expand: Callable[[ScalarBuilder, Expr], Expr]
    builder: ScalarBuilder = field(default_factory=ScalarBuilder)
    declarations: dict[str, str] = field(default_factory=dict[str, str])
    helpers: dict[str, str] = field(default_factory=dict[str, str])
    metadata: list[str] = field(
        default_factory=lambda: ['!0 = !{!"branch_weights", i32 2000, i32 1}']
    )
    expansions: dict[Expr, Expr] = field(default_factory=dict[Expr, Expr])
    parts: list[str] = field(default_factory=list[str])  # functions of parallel loops
    failing: set[str] = field(default_factory=set[str])  # those of them that can fail

    def declare(self, name: str, result: str, parameters: str, attributes: str = "") -> None:
        """Declare an external function once."""
        if name not in self.declarations:
            self.declarations[name] = f"declare {result} {name}({parameters}){attributes}"

    def expansion(self, x: Expr) -> Expr:
        """A maths function in arithmetic; that of a 16-bit float is rounded from float32."""
        found = self.expansions.get(x)
        if found is None:
            s = self.builder
            if x.dtype.itemsize == 2:
                wide = s.maths(x.op, *(s.cast(a, "float32") for a in x.args))
                found = s.cast(self.expand(s, wide), x.dtype)
            else:
                found = self.expand(s, x)
            self.expansions[x] = found
        return found


@dataclass(slots=True)
class Scope:
    """A stretch of code: its lines so far, and the values that hold in it.

    `is_scalar` says that it runs one number at a time, never as vector code. `group` marks what
    a loop of independent turns accesses.
    """

    label: str
    loop: Index | None = None
    mutated: frozenset[Place] = NOTHING
    lets_loads_out: bool = False
    is_scalar: bool = False
    group: str = ""
    lines: list[str] = field(default_factory=list[str])
    known: dict[Expr, str] = field(default_factory=dict[Expr, str])
    readers: dict[Place, list[Expr]] = field(default_factory=dict[Place, "list[Expr]"])
    rows: dict[tuple[Buffer, str], str] = field(default_factory=dict[tuple[Buffer, str], str])
    registers: dict[Place, str] = field(default_factory=dict[Place, str])


class Body:
    """Prints expressions into the scopes of one function."""

    lanes = 0

    def __init__(self, module: Module) -> None:
        self.module = module
        self.fma = module.target.fma
        self.scopes = [Scope("entry")]
        self.indices: dict[Index, str] = {}
        self.ranges: dict[Index, Interval] = {}
        self.pointers: dict[Buffer, str] = {}
        self.same: dict[Place, Place] = {}
        self.registers: dict[Register, str] = {}
        self._count = 0
        self._reads: dict[Expr, frozenset[Place]] = {}
        self._bounds: dict[Expr, Interval | None] = {}
        self.is_quick = module.target.masks  # little is lost if LLVM does not see it as a whole
        self.held: dict[tuple[str, str], str] = {}  # names of constants, by type and value
        self.steps: dict[tuple[Expr, Index], tuple[int | None]] = {}
        self._along: dict[tuple[Expr, Index], tuple[Expr, Expr]] = {}
        self._passing: Index | None = None
        self._passed: list[tuple[Scope, Expr]] = []
        self.target = self.scopes[0]

    # emitting

    @property
    def is_masked(self) -> bool:
        return False

    def fresh(self, prefix: str = "v") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def op(self, text: str) -> str:
        """Append an instruction to the scope being printed into; the name of its result."""
        self._count += 1
        name = f"%v{self._count}"
        self.target.lines.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        """Append an instruction without a result to the innermost scope."""
        self.scopes[-1].lines.append("  " + text)

    def start_block(self, scope: Scope, label: str) -> None:
        scope.lines.append(f"{label}:")
        scope.label = label

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        self.module.declare(name, result, parameters)

    def helper(self, name: str, text: str) -> None:
        self.module.helpers[name] = text

    # scopes

    def push(self, scope: Scope) -> Scope:
        """Enter a loop or branch. What a loop changes is unknown from its first line on."""
        self.forget(scope.mutated)
        self.scopes.append(scope)
        self.target = scope
        return scope

    def pop(self) -> Scope:
        scope = self.scopes.pop()
        self.target = self.scopes[-1]
        return scope

    @contextlib.contextmanager
    def at(self, index: Index, name: str) -> Generator[None]:
        """Prints what an index has one value for, without a loop: it may leave loops around.

        What is printed for a value that is no number stays where that is known, which is here.
        """
        self.indices[index], self._passing = name, index
        yield
        for scope, x in self._passed:
            scope.known.pop(x, None)
        self._passing = None
        self._passed.clear()

    def forget(self, places: Iterable[Place]) -> None:
        """Drop the remembered values that read `places`."""
        for place in places:
            for scope in self.scopes:
                scope.registers.pop(place, None)
                for x in scope.readers.pop(place, ()):
                    scope.known.pop(x, None)

    def set_register(self, register: Register, value: str) -> None:
        """Writes a register: until it is written again, reads need no memory."""
        kind = value_type(register.dtype)
        self.line(f"store {kind} {value}, ptr {self.registers[register]}")
        self.forget((register,))
        self.scopes[-1].registers[register] = value

    def in_register(self, register: Register) -> str:
        """The value of a register here."""
        for scope in reversed(self.scopes):
            found = scope.registers.get(register)
            if found is not None:
                return found
        return self.op(f"load {value_type(register.dtype)}, ptr {self.registers[register]}")

    def lookup(self, x: Expr) -> str | None:
        if x.op is ScalarOp.CONST:
            return constant(x.attr, x.dtype)
        if x.op is ScalarOp.INDEX:
            return self.indices[x.attr]
        for scope in reversed(self.scopes):
            found = scope.known.get(x)
            if found is not None:
                return found
        return None

    def home(self, x: Expr) -> Scope:
        """The scope to print `x` in: outside of as many loops as may be."""
        reads = self.reads(x)
        position = home = len(self.scopes) - 1
        if self._passing in x.indices and not self.indices[self._passing].isdecimal():
            return self.scopes[home]
        while position > 0:
            scope = self.scopes[position]
            if scope.loop is None:
                if reads:
                    break
            else:
                if scope.loop in x.indices or not reads.isdisjoint(scope.mutated):
                    break
                if reads and not scope.lets_loads_out:
                    break
                home = position - 1
            position -= 1
        return self.scopes[home]

    # facts

    def place(self, buffer: Place) -> Place:
        """The one that stands for all buffers that overlap `buffer`."""
        return self.same.get(buffer, buffer)

    def reads(self, x: Expr) -> frozenset[Place]:
        """The buffers and registers that `x` reads (and whether it calls a library)."""
        found = self._reads.get(x)
        if found is not None:
            return found
        for node in self._unknown(x):
            parts = [self._reads[a] for a in self.operands(node) if self._reads[a]]
            if node.op in (ScalarOp.LOAD, ScalarOp.REGISTER):
                parts.append(frozenset((self.place(node.attr),)))
            elif node.op is ScalarOp.CALL:
                parts.append(frozenset((_LIBRARY,)))
            self._reads[node] = parts[0].union(*parts[1:]) if parts else NOTHING
        return self._reads[x]

    def _unknown(self, x: Expr) -> list[Expr]:
        """Subexpressions of `x` whose reads are not known yet, operands first."""
        order: list[Expr] = []
        seen: set[Expr] = set()
        stack = [(x, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen and node not in self._reads:
                seen.add(node)
                stack.append((node, True))
                stack.extend((a, False) for a in self.operands(node))
        return order

    def operands(self, x: Expr) -> tuple[Expr, ...]:
        if x.op in MATHS and x.op is not ScalarOp.CALL:
            return (self.module.expansion(x),)
        return x.args

    def is_index(self, x: Expr) -> bool:
        """Whether `x` is arithmetic on loop indices and constants that cannot overflow."""
        return self.bounds(x) is not None

    def set_range(self, index: Index, interval: Interval) -> None:
        """Notes what an index runs over; one index may stand in several loops after another."""
        if self.ranges.get(index, interval) != interval:
            self._bounds.clear()
        self.ranges[index] = interval

    def nonnegative(self, x: Expr) -> bool:
        """Whether `x` is index arithmetic that is never below 0."""
        bounds = self.bounds(x)
        return bounds is not None and bounds[0] >= 0

    def bounds(self, x: Expr) -> Interval | None:
        """The least and greatest value of index arithmetic; None if it may overflow."""
        if x.op is ScalarOp.INDEX:
            return self.ranges.get(x.attr)
        if x.dtype != INT64 or (x.op not in BOUNDS and x.op is not ScalarOp.CONST):
            return None
        if x not in self._bounds:
            if x.is_const:
                self._bounds[x] = (x.attr, x.attr)
            else:
                first, second = (self.bounds(a) for a in x.args)
                self._bounds[x] = combined(x.op, first, second)
        return self._bounds[x]

    # expressions

    def value(self, x: Expr) -> str:
        """The name of the value of `x`, printed if it is not known here."""
        found = self.lookup(x)
        if found is not None:
            return found
        self.reads(x)  # in one pass, for all nodes below
        stack = [x]
        while stack:
            node = stack[-1]
            if self.lookup(node) is not None:
                stack.pop()
                continue
            # the value under a guard is printed inside of its branch
            operands = self.operands(node)
            if node.op is ScalarOp.GUARD:
                operands = (operands[0], operands[2])
            missing = [a for a in operands if self.lookup(a) is None]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._remember(node)
        name = self.lookup(x)
        assert name is not None
        return name

    def _remember(self, x: Expr) -> None:
        """Print `x`, whose operands are known, and note its name where it holds."""
        home = self.home(x)
        previous, self.target = self.target, home
        rule = LEAVES.get(x.op)
        if rule is not None:
            name = rule(self, x)
        elif x.op in MATHS:
            self.is_quick = False
            name = self._known(self.module.expansion(x))
        else:
            name = self._operation(x, [self._known(a) for a in x.args])
        self.target = previous
        home.known[x] = name
        if self._passing in x.indices:
            self._passed.append((home, x))
        for place in self.reads(x):
            home.readers.setdefault(place, []).append(x)

    def _operation(self, x: Expr, args: list[str]) -> str:
        if self.target.is_scalar and self.module.target.masks:
            tests = [self.lookup(t) for t in tested_for_zero(x)]
            names = [name for name in tests if name is not None]
            if names and len(names) == len(tests):
                return unless_zero(self, x, names, args[1])
        return emit_op(self, x, self.chosen(self, x, args))

    def chosen(self, e: Emitter, x: Expr, args: list[str]) -> list[str]:
        """Operands of a choice, of which none is where the result may be stored.

        LLVM stores the lanes that change under a mask if the others are what is there. Without
        mask registers a processor takes ten times as long for that as for whole vectors (A. Fog,
        Instruction tables, VMASKMOV), and reads that follow wait. What is frozen is no such load.
        """
        if self.module.target.masks or x.op not in _CHOICES:
            return args
        changed = [scope.mutated for scope in self.scopes]

        def apart(a: Expr, name: str) -> str:
            if a.op is not ScalarOp.LOAD or not any(self.place(a.attr) in c for c in changed):
                return name
            return e.op(f"freeze {value_type(a.dtype, e.lanes)} {name}")

        return [apart(a, name) for a, name in zip(x.args, args, strict=True)]

    def _known(self, x: Expr) -> str:
        name = self.lookup(x)
        assert name is not None
        return name

    def _load(self, x: Expr) -> str:
        buffer: Buffer = x.attr
        if buffer.packed:
            return llvm_bits.read_one(self, self.pointers[buffer], self._known(x.args[0]))
        address = self.address(buffer, self._known(x.args[0]))
        kind = memory_type(buffer.dtype)
        mark = self.target.group
        loaded = self.op(f"load {kind}, ptr {address}, align {buffer.dtype.itemsize}{mark}")
        return self.op(f"icmp ne i8 {loaded}, 0") if buffer.dtype.kind == "b" else loaded

    def address(self, buffer: Buffer, offset: str) -> str:
        kind = memory_type(buffer.dtype)
        if offset == "0":
            return self.pointers[buffer]
        return self.op(f"getelementptr inbounds {kind}, ptr {self.pointers[buffer]}, i64 {offset}")

    def element(self, buffer: Buffer, offset: Expr) -> str:
        """The address of an element, in a loop as its place in what the loop walks along.

        Where that begins is an address that the loop does not change.
        """
        index = self.scopes[-1].loop
        if index is None or index not in offset.indices:
            return self.address(buffer, self.value(offset))
        found = self._along.get((offset, index))
        if found is None:
            found = self._along[offset, index] = along(self.module.builder, offset, index)
        first, place = found
        if first.is_const:
            return self.address(buffer, self.value(place))
        row, name = self._row(buffer, first), self.value(place)
        return self.op(f"getelementptr {memory_type(buffer.dtype)}, ptr {row}, i64 {name}")

    def _row(self, buffer: Buffer, offset: Expr) -> str:
        """The address of the first element of a row, which may lie before the array."""
        key = (buffer, self.value(offset))
        for scope in reversed(self.scopes):
            if key in scope.rows:
                return scope.rows[key]
        home = self.home(offset)
        previous, self.target = self.target, home
        kind = memory_type(buffer.dtype)
        home.rows[key] = self.op(f"getelementptr {kind}, ptr {self.pointers[buffer]}, i64 {key[1]}")
        self.target = previous
        return home.rows[key]

    def constants(self, text: str) -> str:
        """A function's text with its vector constants in their place.

        Each is read once at its beginning where LLVM itself would not move it out of the loops.
        """
        if self.is_quick:
            lines = (f"  {name} = freeze {kind} {x}\n" for (kind, x), name in self.held.items())
            return text.replace("entry:\n", f"entry:\n{''.join(lines)}", 1)
        literal = {name: x for (_, x), name in self.held.items()}
        return _HELD.sub(lambda found: literal[found[0]], text)

    def hold(self, kind: str, literal: str) -> str:
        """The name of a vector constant, for which `constants` puts what it is."""
        return self.held.setdefault((kind, literal), f"%held{len(self.held)}")

    def _register(self, x: Expr) -> str:
        return self.in_register(x.attr)

    def _call(self, x: Expr) -> str:
        name, hidden = libraries.call_symbol(x.attr)
        parameters = ", ".join(["double"] * len(x.args) + ["i32"] * hidden)
        # a function of the C library is the rare form of one that has a fast form, and must stay
        # behind its branch, where the vectoriser would else run it for all elements
        effect = "none" if hidden else "inaccessiblemem: readwrite"
        attributes = f" nounwind willreturn memory({effect})"
        self.module.declare(f"@{name}", "double", parameters, attributes)
        operands = [f"double {self._known(a)}" for a in x.args] + ["i32 0"] * hidden
        return self.op(f"call double @{name}({', '.join(operands)})")

    def _guard(self, x: Expr) -> str:
        condition, value, otherwise = x.args
        kind = value_type(x.dtype)
        if not self.reads(value) or self.lookup(value) is not None:
            names = (self._known(condition), self.value(value), self._known(otherwise))
            return self.op(f"select i1 {names[0]}, {kind} {names[1]}, {kind} {names[2]}")
        home = self.target
        position = next(i for i, s in enumerate(self.scopes) if s is home)
        inner, self.scopes = self.scopes[position + 1 :], self.scopes[: position + 1]
        inside, after = self.fresh("guarded"), self.fresh("joined")
        branch = self.push(Scope(inside, is_scalar=home.is_scalar, group=home.group))
        name = self.value(value)
        self.pop()
        home.lines.append(f"  br i1 {self._known(condition)}, label %{inside}, label %{after}")
        came_from = home.label
        home.lines.append(f"{inside}:")
        home.lines += branch.lines
        home.lines.append(f"  br label %{after}")
        self.start_block(home, after)
        self.target = home
        result = self.op(
            f"phi {kind} [ {name}, %{branch.label} ], [ {self._known(otherwise)}, %{came_from} ]"
        )
        self.scopes += inner
        return result


LEAVES: dict[ScalarOp, Callable[[Body, Expr], str]] = {
    ScalarOp.LOAD: Body._load,  # pyright: ignore[reportPrivateUsage]
    ScalarOp.REGISTER: Body._register,  # pyright: ignore[reportPrivateUsage]
    ScalarOp.GUARD: Body._guard,  # pyright: ignore[reportPrivateUsage]
    ScalarOp.CALL: Body._call,  # pyright: ignore[reportPrivateUsage]
}
