"""LLVM text of plain Python loops, for functions that all programs share.

The functions are run by Python too, which is how they are tested. What they may use: parameters
annotated `Numbers`, `Scalars` or `Words` (flat arrays), `int`, `float`; variables that keep one
type; `for` over ranges, `while`, `if`, assignments, calls of each other, given arrays from an
element on; arithmetic, bits of integers, comparisons, `and`, `or`, `not`, choices, and `sqrt`,
`copysign`, `abs`, `int`, `float`. What `capture` makes of a user's loops is a program of arrays,
whose buffers and sizes are fixed; these are C functions for any size.

With `lanes`, an element of `Numbers` is a vector, of so many matrices or columns side by side, and
all that is computed of one is a vector too; a scalar is spread where it meets one. Choices between
vectors are made lane by lane, branches hang on scalars; conditions are joined by `&` and `|`, and
`some` asks whether one holds in any lane. Lanes know nothing of one another: what is in one has the
same bits whatever is in the others.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.gemm_kernels import VECTORS

Numbers = list[float]
"""A flat array, in Python anything that is indexed."""

Scalars = list[float]
"""A flat array whose elements are no vectors, whatever the lanes are."""

Words = list[int]
"""The same of integers, of 64 bits in native code."""


def some(condition: bool) -> bool:
    """Whether a condition holds in any lane."""
    return condition


_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
_BITS = {
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "ashr",
}
_ORDER = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
_INTRINSICS = {"sqrt": "sqrt", "abs": "fabs", "copysign": "copysign"}

_Typed = tuple[str, str]
"""LLVM's type of a value, and the value."""


_SUFFIXES = {"double": "f64", "float": "f32"}


def module(
    functions: Sequence[Callable[..., None]],
    kind: str,
    symbol: str,
    lanes: int = 1,
    given: Mapping[str, str] | None = None,
) -> str:
    """The text of functions for numbers of a kind (`double` or `float`).

    The last function calls the others, and is exported as `symbol`. `given` has the symbols of
    functions that they may call besides, whose text is written elsewhere. Without lanes, arrays do
    not overlap.
    """
    heads = [_declared(name, t) for name in _INTRINSICS.values() for t in _types(kind, lanes)]
    names = {f.__name__: f"plain.{f.__name__}" for f in functions} | dict(given or {})
    names[functions[-1].__name__] = symbol
    return "\n".join([*heads, *(_Printer(f, kind, names, lanes).text() for f in functions)])


def _types(kind: str, lanes: int) -> tuple[str, ...]:
    """LLVM's types of numbers."""
    return (kind,) if lanes == 1 else (kind, f"<{lanes} x {kind}>")


def _declared(name: str, t: str) -> str:
    return f"declare {t} {_intrinsic(name, t)}({', '.join([t] * (1 + (name == 'copysign')))})"


def _intrinsic(name: str, t: str) -> str:
    """The symbol of an intrinsic for numbers of a type."""
    count, _, kind = t.strip("<>").rpartition(" x ")
    return f"@llvm.{name}.{'v' * bool(count)}{count}{_SUFFIXES[kind]}"


class _Printer:
    """The text of one function. Variables are memory, which LLVM takes into registers."""

    def __init__(
        self, function: Callable[..., None], kind: str, names: Mapping[str, str], lanes: int
    ) -> None:
        tree: Any = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        self.body: list[ast.stmt] = tree.body
        self.kind = kind
        self.lanes = lanes
        self.wide = _types(kind, lanes)[-1]
        self._condition = "i1" if lanes == 1 else f"<{lanes} x i1>"
        self.names = names
        types = {"Numbers": "ptr", "Scalars": "ptr", "Words": "ptr", "int": "i64", "float": kind}
        given = [(p.arg, types[p.annotation.id]) for p in tree.args.args]
        apart = " noalias" * (lanes == 1)
        listed = ", ".join(f"{t}{apart * (t == 'ptr')} %{name}" for name, t in given)
        symbol = names[function.__name__]
        linkage = "internal" if symbol.startswith("plain.") else ""
        attributes = "nounwind" if lanes == 1 else f"nounwind {VECTORS}"
        self.f = Function(f"void @{symbol}({listed})", linkage, attributes)
        elements = {"Numbers": self.wide, "Scalars": kind, "Words": "i64"}
        notes = {p.arg: p.annotation.id for p in tree.args.args}
        self.arrays = {name: elements[notes[name]] for name, t in given if t == "ptr"}
        self.rooms: dict[str, _Typed] = {}
        self.given = [(name, t) for name, t in given if t != "ptr"]

    def text(self) -> str:
        for name, t in self.given:
            self._assign(name, (t, f"%{name}"))
        self._block(self.body)
        self.f.line("ret void")
        return self.f.text()

    def _block(self, statements: Sequence[ast.stmt]) -> None:
        for each in statements:
            self._statement(each)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(ast.Call() as call):
                self._call(call)
            case ast.Expr(ast.Constant()):
                pass  # the docstring
            case ast.Assign([target], value):
                self._set(target, self._value(value))
            case ast.AugAssign(target, op, value):
                self._set(target, self._value(ast.BinOp(target, op, value)))
            case ast.If(test, then, otherwise):
                self._if(test, then, otherwise)
            case ast.While(test, body):
                self._while(test, body)
            case ast.For(ast.Name(index), ast.Call(_, bounds), body):
                self._for(index, bounds, body)
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _set(self, target: ast.expr, value: _Typed) -> None:
        if isinstance(target, ast.Name):
            self._assign(target.id, value)
        else:
            t, place = self._place(target)
            self.f.line(f"store {t} {self._spread(value, t)}, ptr {place}{self._aligned(t)}")

    def _assign(self, name: str, value: _Typed) -> None:
        if name not in self.rooms:
            self.rooms[name] = value[0], self.f.room(value[0])
        kind, room = self.rooms[name]
        self.f.line(f"store {kind} {self._spread(value, kind)}, ptr {room}")

    def _place(self, node: Any) -> _Typed:
        """The type and the address of an element."""
        t = self.arrays[node.value.id]
        return t, self.f.at(t, f"%{node.value.id}", self._value(node.slice)[1])

    def _aligned(self, t: str) -> str:
        """Vectors stand wherever a number can."""
        return "" if t in (self.kind, "i64") else f", align {8 if self.kind == 'double' else 4}"

    def _spread(self, value: _Typed, t: str) -> str:
        """A value as one of type t, which may be the vector of its kind."""
        found, x = value
        if found == t:
            return x
        if (found, t) != (self.kind, self.wide):
            raise TypeError(f"{x} is {found}, not {t}")
        one = self.f.op(f"insertelement {t} poison, {found} {x}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.f.op(f"shufflevector {t} {one}, {t} poison, {zeros}")

    def _if(self, test: ast.expr, then: list[ast.stmt], otherwise: list[ast.stmt]) -> None:
        first, second, after = (self.f.fresh(x) for x in ("then", "else", "after"))
        self.f.line(f"br i1 {self._value(test)[1]}, label {first}, label {second}")
        for label, block in ((first, then), (second, otherwise)):
            self.f.label(label)
            self._block(block)
            self.f.go(after)
        self.f.label(after)

    def _while(self, test: ast.expr, body: list[ast.stmt]) -> None:
        head, inside, after = (self.f.fresh(x) for x in ("head", "body", "after"))
        self.f.go(head)
        self.f.label(head)
        self.f.line(f"br i1 {self._value(test)[1]}, label {inside}, label {after}")
        self.f.label(inside)
        self._block(body)
        self.f.go(head)
        self.f.label(after)

    def _for(self, index: str, bounds: list[ast.expr], body: list[ast.stmt]) -> None:
        start = bounds[0] if len(bounds) > 1 else ast.Constant(0)
        self._assign(index, self._value(start))
        step = ast.Assign([ast.Name(index)], ast.BinOp(ast.Name(index), ast.Add(), ast.Constant(1)))
        test = ast.Compare(ast.Name(index), [ast.Lt()], [bounds[-1] if bounds[1:] else bounds[0]])
        self._while(test, [*body, step])

    def _call(self, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Name)
        given: list[str] = []
        for each in node.args:
            given.append(" ".join(self._argument(each)))
        self.f.line(f"call void @{self.names[node.func.id]}({', '.join(given)})")

    def _argument(self, node: ast.expr) -> _Typed:
        match node:
            case ast.Name(name) if name in self.arrays:
                return "ptr", f"%{name}"
            case ast.Subscript(ast.Name(name), ast.Slice(ast.expr() as first, None, None)):
                return "ptr", self.f.at(self.arrays[name], f"%{name}", self._value(first)[1])
            case _:
                return self._value(node)

    def _value(self, node: ast.expr) -> _Typed:
        match node:
            case ast.Constant(bool(value)):
                return "i1", str(value).lower()
            case ast.Constant(int(value)):
                return "i64", str(value)
            case ast.Constant(float(value)):
                return self.kind, str(value)
            case ast.Name(name):
                kind, room = self.rooms[name]
                return kind, self.f.op(f"load {kind}, ptr {room}")
            case ast.Subscript():
                t, place = self._place(node)
                return t, self.f.op(f"load {t}, ptr {place}{self._aligned(t)}")
            case _:
                return self._computed(node)

    def _computed(self, node: ast.expr) -> _Typed:
        match node:
            case ast.UnaryOp(ast.Not(), value):
                return "i1", self.f.op(f"xor i1 {self._value(value)[1]}, true")
            case ast.UnaryOp(ast.USub(), value):
                t, x = self._value(value)
                return t, self.f.op(f"sub i64 0, {x}" if t == "i64" else f"fneg {t} {x}")
            case ast.BinOp(left, op, right):
                t, (x, y) = self._both(left, right)
                # with lanes, products and sums may be fused: all lanes are then fused alike
                whole = t in ("i64", self._condition)
                prefix, flag = ("", "") if whole else ("f", " contract" * (self.lanes > 1))
                name = _BITS.get(type(op)) or prefix + _ARITHMETIC[type(op)]
                return t, self.f.op(f"{name}{flag} {t} {x}, {y}")
            case ast.Compare(left, [op], [right]):
                return self._compared(left, _ORDER[type(op)], right)
            case ast.BoolOp(op, values):
                return "i1", self._joined(values, isinstance(op, ast.And))
            case ast.IfExp(test, left, right):
                c, condition = self._value(test)
                t, (x, y) = self._both(left, right, wide=c != "i1")
                return t, self.f.op(f"select {c} {condition}, {t} {x}, {t} {y}")
            case ast.Call(ast.Name(name), values):
                return self._called(name, [self._value(v) for v in values])
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _called(self, name: str, found: Sequence[_Typed]) -> _Typed:
        t, x = found[0]
        match name:
            case "int":
                return "i64", self.f.op(f"fptosi {t} {x} to i64")
            case "float":
                return self.kind, self.f.op(f"sitofp {t} {x} to {self.kind}")
            case "some" if t == "i1":
                return found[0]
            case "some":
                bits = self.f.op(f"bitcast {t} {x} to i{self.lanes}")
                return "i1", self.f.op(f"icmp ne i{self.lanes} {bits}, 0")
            case _:
                t = self.wide if any(u == self.wide for u, _ in found) else self.kind
                given = ", ".join(f"{t} {self._spread(v, t)}" for v in found)
                return t, self.f.op(f"call {t} {_intrinsic(_INTRINSICS[name], t)}({given})")

    def _both(
        self, left: ast.expr, right: ast.expr, wide: bool = False
    ) -> tuple[str, tuple[str, str]]:
        """Two values of one type; of vectors if one is, or if they are to be `wide`."""
        first, second = self._value(left), self._value(right)
        t = self.wide if wide or self.wide in (first[0], second[0]) else first[0]
        return t, (self._spread(first, t), self._spread(second, t))

    def _compared(self, left: ast.expr, order: str, right: ast.expr) -> _Typed:
        t, (x, y) = self._both(left, right)
        if t in ("i64", "i1"):
            sign = "s" if order not in ("eq", "ne") else ""
            return "i1", self.f.op(f"icmp {sign}{order} {t} {x}, {y}")
        found = "i1" if t == self.kind else self._condition
        return found, self.f.op(f"fcmp {'une' if order == 'ne' else 'o' + order} {t} {x}, {y}")

    def _joined(self, values: Sequence[ast.expr], conjunction: bool) -> str:
        """Values after the one that decides are not computed."""
        room, after = self.f.room("i1"), self.f.fresh("after")
        for number, value in enumerate(values):
            found = self._value(value)[1]
            self.f.line(f"store i1 {found}, ptr {room}")
            following = after if number == len(values) - 1 else self.f.fresh("more")
            labels = (following, after) if conjunction else (after, following)
            self.f.line(f"br i1 {found}, label {labels[0]}, label {labels[1]}")
            self.f.label(following)
        return self.f.op(f"load i1, ptr {room}")
