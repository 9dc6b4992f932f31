"""LLVM text of plain Python loops, for functions that all programs share.

The functions are run by Python too, which is how they are tested. What they may use: parameters
annotated `Numbers` (flat arrays that do not overlap), `int`, `float`; variables that keep one type;
`for` over ranges, `while`, `if`, assignments, calls of each other; arithmetic, comparisons, `and`,
`or`, `not`, choices, and `sqrt`, `copysign`, `abs`. What `capture` makes of a user's loops is a
program of arrays, whose buffers and sizes are fixed; these are C functions for any size.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.backends.cpu.llvm_function import Function

Numbers = list[float]
"""A flat array, in Python anything that is indexed."""

_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
_ORDER = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
_INTRINSICS = {"sqrt": "sqrt", "abs": "fabs", "copysign": "copysign"}

_Typed = tuple[str, str]
"""LLVM's type of a value, and the value."""


def module(functions: Sequence[Callable[..., None]], kind: str, symbol: str) -> str:
    """The text of functions for numbers of a kind (`double` or `float`).

    The last function calls the others, and is exported as `symbol`.
    """
    suffix = {"double": "f64", "float": "f32"}[kind]
    heads = [
        f"declare {kind} @llvm.{name}.{suffix}({', '.join([kind] * (1 + (name == 'copysign')))})"
        for name in _INTRINSICS.values()
    ]
    names = {f.__name__: f"plain.{f.__name__}" for f in functions}
    names[functions[-1].__name__] = symbol
    return "\n".join([*heads, *(_Printer(f, kind, names).text() for f in functions)])


class _Printer:
    """The text of one function. Variables are memory, which LLVM takes into registers."""

    def __init__(self, function: Callable[..., None], kind: str, names: Mapping[str, str]) -> None:
        tree: Any = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        self.body: list[ast.stmt] = tree.body
        self.kind = kind
        self.names = names
        types = {"Numbers": "ptr", "int": "i64", "float": kind}
        given = [(p.arg, types[p.annotation.id]) for p in tree.args.args]
        listed = ", ".join(f"{t}{' noalias' * (t == 'ptr')} %{name}" for name, t in given)
        symbol = names[function.__name__]
        linkage = "internal" if symbol.startswith("plain.") else ""
        self.f = Function(f"void @{symbol}({listed})", linkage)
        self.arrays = {name for name, t in given if t == "ptr"}
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
            self.f.line(f"store {self.kind} {value[1]}, ptr {self._place(target)}")

    def _assign(self, name: str, value: _Typed) -> None:
        if name not in self.rooms:
            self.rooms[name] = value[0], self.f.room(value[0])
        kind, room = self.rooms[name]
        self.f.line(f"store {kind} {value[1]}, ptr {room}")

    def _place(self, node: Any) -> str:
        return self.f.at(self.kind, f"%{node.value.id}", self._value(node.slice)[1])

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
            if isinstance(each, ast.Name) and each.id in self.arrays:
                given.append(f"ptr %{each.id}")
            else:
                given.append(" ".join(self._value(each)))
        self.f.line(f"call void @{self.names[node.func.id]}({', '.join(given)})")

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
                return self.kind, self.f.op(f"load {self.kind}, ptr {self._place(node)}")
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
                prefix = "" if t == "i64" else "f"
                return t, self.f.op(f"{prefix}{_ARITHMETIC[type(op)]} {t} {x}, {y}")
            case ast.Compare(left, [op], [right]):
                return "i1", self._compared(left, _ORDER[type(op)], right)
            case ast.BoolOp(op, values):
                return "i1", self._joined(values, isinstance(op, ast.And))
            case ast.IfExp(test, left, right):
                condition = self._value(test)[1]
                t, (x, y) = self._both(left, right)
                return t, self.f.op(f"select i1 {condition}, {t} {x}, {t} {y}")
            case ast.Call(ast.Name(name), values):
                suffix = "f64" if self.kind == "double" else "f32"
                given = ", ".join(f"{self.kind} {self._value(v)[1]}" for v in values)
                called = f"@llvm.{_INTRINSICS[name]}.{suffix}({given})"
                return self.kind, self.f.op(f"call {self.kind} {called}")
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _both(self, left: ast.expr, right: ast.expr) -> tuple[str, tuple[str, str]]:
        (t, x), (u, y) = self._value(left), self._value(right)
        if t != u:
            raise TypeError(f"{ast.unparse(left)} is {t}, {ast.unparse(right)} is {u}")
        return t, (x, y)

    def _compared(self, left: ast.expr, order: str, right: ast.expr) -> str:
        t, (x, y) = self._both(left, right)
        if t == self.kind:
            return self.f.op(f"fcmp {'une' if order == 'ne' else 'o' + order} {t} {x}, {y}")
        sign = "s" if order not in ("eq", "ne") else ""
        return self.f.op(f"icmp {sign}{order} {t} {x}, {y}")

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
