"""Reads the text form of the tensor IR; `ir.text` has the grammar."""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from wengert.errors import Location, ParseError
from wengert.ir.floats import BFLOAT16, dtype_of, kind_of
from wengert.ir.op import REGISTRY, Op
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import (
    BOOL,
    COMPLEX128,
    FLOAT64,
    INT64,
    SUPPORTED,
    Dim,
    DType,
    Symbol,
    TensorType,
)

T = TypeVar("T")
Number = bool | int | float | complex

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<number>[-+]?(?:inf|nan)\b|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<name>%[A-Za-z0-9_]+)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<mark>[(){}\[\]<>,:=*])""",
    re.VERBOSE,
)
_SYMBOL = re.compile(r"i\d+")
_DTYPES = (*(d.name for d in SUPPORTED), BFLOAT16)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(text: str) -> Program:
    """The program that `text` describes; raises ParseError with the line and what was expected.

    Only the syntax is checked: `ir.verify` says whether the program makes sense.
    """
    parser = _Parser(_tokens(text))
    program = parser.program()
    parser.expect_kind("end", "the end of the text")
    return program


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    line, position = 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(f"line {line}: {text[position]!r} is not part of any word or mark")
        kind = match.lastgroup or ""
        if kind == "newline":
            line += 1
        elif kind != "space":
            tokens.append(_Token(kind, match.group(), line))
        position = match.end()
    tokens.append(_Token("end", "the end of the text", line))
    return tokens


class _Parser:
    """Recursive descent over the tokens; one method for each rule of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.ahead = tokens[0]
        self.symbols: dict[str, Symbol] = {}

    # tokens

    def take(self) -> _Token:
        token = self.ahead
        if token.kind != "end":
            self.position += 1
            self.ahead = self.tokens[self.position]
        return token

    def accept(self, text: str) -> bool:
        if self.ahead.text != text or self.ahead.kind == "string":
            return False
        self.take()
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(repr(text))

    def expect_kind(self, kind: str, expected: str) -> str:
        if self.ahead.kind != kind:
            raise self.error(expected)
        return self.take().text

    def error(self, expected: str) -> ParseError:
        token = self.ahead
        found = token.text if token.kind == "end" else repr(token.text)
        return ParseError(f"line {token.line}: expected {expected}, found {found}")

    def fail(self, line: int, message: str) -> ParseError:
        return ParseError(f"line {line}: {message}")

    def separated(self, end: str, item: Callable[[], T]) -> list[T]:
        """Items between commas up to the mark `end`, which is taken; a last comma may stand."""
        items: list[T] = []
        while not self.accept(end):
            items.append(item())
            if not self.accept(","):
                self.expect(end)
                break
        return items

    def integer(self, expected: str) -> int:
        if self.ahead.kind != "number" or not _is_integer(self.ahead.text):
            raise self.error(expected)
        return int(self.take().text)

    # programs

    def program(self) -> Program:
        self.expect("program")
        names: dict[str, Var] = {}
        self.expect("(")
        inputs = self.separated(")", lambda: self.value(names))
        self.expect("{")
        eqns: list[Eqn] = []
        while not self.accept("return"):
            eqns.append(self.eqn(names))
        outputs = self.separated("}", lambda: self.atom(names))
        return Program(tuple(inputs), tuple(eqns), tuple(outputs))

    def value(self, names: dict[str, Var]) -> Var:
        line = self.ahead.line
        name = self.expect_kind("name", "the name of a value, such as %0")
        if name in names:
            raise self.fail(line, f"{name} is bound twice")
        self.expect(":")
        var = names[name] = Var(self.type())
        return var

    def eqn(self, names: dict[str, Var]) -> Eqn:
        if self.ahead.kind != "name":
            raise self.error("an equation or 'return'")
        fresh: dict[str, Var] = {}
        outputs = [self.value(fresh)]
        while self.accept(","):
            outputs.append(self.value(fresh))
        line = self.ahead.line
        self.expect("=")
        op = self.op()
        params = dict(self.separated("]", self.named_param)) if self.accept("[") else {}
        self.expect("(")
        inputs = self.separated(")", lambda: self.atom(names))
        location = self.location() if self.accept("at") else None
        for name, var in fresh.items():
            if name in names:
                raise self.fail(line, f"{name} is bound twice")
            names[name] = var
        return Eqn(op, tuple(inputs), tuple(outputs), params, location)

    def op(self) -> Op:
        if self.ahead.kind != "word":
            raise self.error("the name of an op")
        found = REGISTRY.get(self.ahead.text)
        if found is None:
            close = difflib.get_close_matches(self.ahead.text, REGISTRY, 1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise self.error(f"the name of an op{hint}")
        self.take()
        return found

    def location(self) -> Location:
        file: str = json.loads(self.expect_kind("string", "the name of a file in quotes"))
        self.expect(":")
        line = self.integer("a line number")
        function = ""
        if self.accept("in"):
            function = json.loads(self.expect_kind("string", "the name of a function in quotes"))
        return Location(file, line, function)

    # types and atoms

    def dtype(self) -> DType:
        if self.ahead.text not in _DTYPES:
            raise self.error(f"a dtype ({', '.join(_DTYPES)})")
        return dtype_of(self.take().text)

    def type(self) -> TensorType:
        dtype = self.dtype()
        self.expect("[")
        return TensorType(dtype, self.shape())

    def shape(self) -> tuple[int, ...]:
        return tuple(self.separated("]", lambda: self.dim("a dimension")))

    def dim(self, expected: str) -> int:
        """An integer, or an affine form of symbols; terms after the first begin with a sign."""
        total = self.term(expected)
        while self.ahead.kind == "number" and self.ahead.text[0] in "+-":
            total = total + self.term(expected)
        return total

    def term(self, expected: str) -> int:
        if self.ahead.kind != "word":
            number = self.integer(expected)
            return self.symbol(expected) * number if self.accept("*") else number
        return self.symbol(expected)

    def symbol(self, expected: str) -> int:
        found = self.symbols.get(self.ahead.text)
        if found is None:
            raise self.error(expected)
        self.take()
        return Dim.make({found: 1}, 0)

    def new_symbol(self) -> Symbol:
        name = self.take().text
        self.expect("(")
        low = self.integer("the least value of the index")
        self.expect(",")
        high = self.integer("the greatest value of the index")
        self.expect(")")
        self.symbols[name] = Symbol(low, high)
        return self.symbols[name]

    def atom(self, names: dict[str, Var]) -> Atom:
        if self.ahead.kind == "name":
            if self.ahead.text not in names:
                raise self.fail(self.ahead.line, f"{self.ahead.text} is used before it is bound")
            return names[self.take().text]
        line = self.ahead.line
        value = self.number("a value such as %0, or a number")
        dtype = BOOL if isinstance(value, bool) else INT64 if isinstance(value, int) else FLOAT64
        dtype = COMPLEX128 if isinstance(value, complex) else dtype
        if self.accept(":"):
            dtype = self.dtype()
        return self.literal(value, dtype, line)

    def literal(self, value: Number, dtype: DType, line: int) -> Literal:
        kinds = {"f": float, "b": bool, "i": int, "u": int, "c": complex}
        if type(value) is not kinds[kind_of(dtype)]:
            raise self.fail(line, f"{value!r} is not a number of dtype {dtype.name}")
        if (
            isinstance(value, int)
            and dtype.kind in "iu"
            and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
        ):
            raise self.fail(line, f"{value!r} does not fit into dtype {dtype.name}")
        return Literal(value, dtype)

    def number(self, expected: str) -> Number:
        if self.accept("true"):
            return True
        if self.accept("false"):
            return False
        if self.accept("complex"):
            return self.complex()
        if self.ahead.kind != "number":
            raise self.error(expected)
        text = self.take().text
        return int(text) if _is_integer(text) else float(text)

    def complex(self) -> complex:
        self.expect("(")
        re = float(self.expect_kind("number", "the real part"))
        self.expect(",")
        im = float(self.expect_kind("number", "the imaginary part"))
        self.expect(")")
        return complex(re, im)

    # params

    def named_param(self) -> tuple[str, Any]:
        name = self.expect_kind("word", "the name of a param")
        self.expect("=")
        return name, self.param()

    def param(self) -> Any:
        token = self.ahead
        if token.kind == "string":
            return json.loads(self.take().text)
        if self.accept("("):
            return tuple(self.separated(")", self.param))
        if self.accept("none"):
            return None
        if token.text == "program":
            return self.program()
        if self.accept("array"):
            return self.array()
        if token.text in _DTYPES:
            dtype = self.dtype()
            return TensorType(dtype, self.shape()) if self.accept("[") else dtype
        if token.kind == "word" and _SYMBOL.fullmatch(token.text):
            following = self.tokens[self.position + 1].text
            return self.new_symbol() if following == "(" else self.dim("a dimension")
        if token.kind == "number" and _is_integer(token.text):
            return self.dim("a number")
        return self.number("a param (a number, string, dtype, tuple, array or program)")

    def array(self) -> np.ndarray[Any, Any]:
        line = self.ahead.line
        self.expect("<")
        type_ = self.type()
        self.expect(">")
        self.expect("(")
        if self.ahead.kind == "string":
            flat = self.bytes(type_, line)
            self.expect(")")
        else:
            numbers = self.separated(")", lambda: self.number("a number"))
            flat = np.array(
                [self.literal(v, type_.dtype, line).value for v in numbers], type_.dtype
            )
        if flat.size != type_.size:
            raise self.fail(
                line, f"an array of type {type_} has {type_.size} elements, not {flat.size}"
            )
        array = flat.reshape(type_.shape)
        array.flags.writeable = False
        return array

    def bytes(self, type_: TensorType, line: int) -> np.ndarray[Any, Any]:
        try:
            data = base64.b64decode(json.loads(self.take().text), validate=True)
        except binascii.Error as error:
            raise self.fail(line, f"the elements are not valid base64: {error}") from None
        if len(data) != type_.size * type_.dtype.itemsize:
            raise self.fail(
                line,
                f"an array of type {type_} has "
                f"{type_.size * type_.dtype.itemsize} bytes, not {len(data)}",
            )
        return np.frombuffer(data, type_.dtype)


def _is_integer(text: str) -> bool:
    return text.lstrip("+-").isdecimal()
