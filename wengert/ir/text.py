"""The printed form of the tensor IR, and the fingerprint made from it.

Grammar (`ir.parser` reads it back; `#` starts a comment)

    program  = "program(" [value ("," value)*] ")" "{" eqn* "return" [atom ("," atom)*] "}"
    value    = name ":" type                            %0: float64[3,4]
    type     = dtype "[" [dim ("," dim)*] "]"
    dim      = number | affine form of symbols               i0-1, 2*i0+1*i1+3
    eqn      = value ("," value)* "=" op [params] "(" [atom ("," atom)*] ")" [location]
    params   = "[" key "=" param ("," key "=" param)* "]"
    atom     = name | literal
    literal  = number | true | false | number ":" dtype         2.0 and 2 are float64 and int64
             | "complex(" number "," number ")" [":" dtype]     complex128 if no dtype is given
    param    = none | true | false | dim | "string" | dtype | type | "(" param* ")"
             | program | array | symbol "(" least "," greatest ")"
    array    = "array<" type ">(" number* | "base64" ")"
    location = "at" "file" ":" line ["in" "function"]

Names are given by order when printing, those of symbols (`i0`) too; a symbol is known from where
its loop names it to the end of the loop's params. The text does not depend on the identity of
objects, nor on locations unless they are asked for, so equal programs have equal text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from wengert.errors import Location
from wengert.ir.floats import kind_of
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.types import BOOL, COMPLEX128, FLOAT64, INT64, Dim, DType, Symbol, TensorType

_SMALL = 16
"""Arrays of at most this many elements are printed as numbers."""

_ELIDED = 64
"""Arrays of more elements than this are cut short where the reader asks for it."""


@runtime_checkable
class Opaque(Protocol):
    """A param without a text that could be read back: its name is for people, and its own alone."""

    @property
    def opaque_name(self) -> str: ...


def to_text(program: Program, *, locations: bool = False, elide: bool = False) -> str:
    """The program as text that `ir.parser.parse` reads back exactly, but for opaque params.

    `locations` adds the user's file and line to each equation. `elide` cuts large constants
    short, for reading only.
    """
    printer = _Printer(_elided_array if elide else _array, locations)
    return printer.program(program, "") + "\n"


def eqn_lines(program: Program) -> list[str]:
    """One line for each equation of `program`, with names as in its whole text.

    Works on broken programs: a value that is not bound is called `%?`, and a param that has no
    text `<its type>`.
    """
    return _Printer(_elided_array, False, strict=False).lines(program, "    ")


def fingerprint(program: Program) -> str:
    """A SHA-256 of all that a program means: equal for equal programs, in every process."""
    text = _Printer(_hashed_array, False).program(program, "")
    return hashlib.sha256(text.encode()).hexdigest()


def region_key(region: Program) -> str:
    """A fingerprint for use within one process: symbols of loops around the region keep theirs."""
    text = _Printer(_hashed_array, False, identities=True).program(region, "")
    return hashlib.sha256(text.encode()).hexdigest()


class _Printer:
    """Prints one program; caches the texts of types, which repeat a lot."""

    def __init__(
        self,
        array: Callable[[np.ndarray[Any, Any]], str],
        locations: bool,
        strict: bool = True,
        identities: bool = False,
    ) -> None:
        self.array = array
        self.locations = locations
        self.strict = strict
        self.identities = identities
        self.types: dict[TensorType, str] = {}
        self.symbols: dict[Symbol, int] = {}
        self.declared = 0

    def type(self, type_: TensorType) -> str:
        found = self.types.get(type_)
        if found is None:
            dims = ",".join([self.dim(n) for n in type_.shape])
            found = self.types[type_] = f"{type_.dtype.name}[{dims}]"
        return found

    def dim(self, dim: int) -> str:
        """The dimension, its symbols in the order in which they are bound."""
        if not isinstance(dim, Dim):
            return str(dim)
        named = sorted([(self.symbol(s), c) for s, c in dim.terms])
        first, *others = [f"{c:+d}*{name}" for (_, name), c in named]
        text = first.removeprefix("+").removeprefix("1*") + "".join(others)
        return text + (f"{dim.const:+d}" if dim.const else "")

    def symbol(self, symbol: Symbol) -> tuple[int, str]:
        """The number and the name of a symbol; one of a loop outside of what is printed is new."""
        if symbol not in self.symbols and self.identities:
            return id(symbol), f"outer{id(symbol)}"
        if symbol not in self.symbols:
            self.declare(symbol)
        return self.symbols[symbol], f"i{self.symbols[symbol]}"

    def declare(self, symbol: Symbol) -> str:
        """Names a symbol anew for each loop, since two loops may share one.

        Types that have its old name are forgotten.
        """
        if symbol in self.symbols:
            self.types = {t: text for t, text in self.types.items() if t.is_static}
        self.symbols[symbol] = self.declared
        self.declared += 1
        return f"{self.symbol(symbol)[1]}({symbol.low}, {symbol.high})"

    def program(self, program: Program, indent: str) -> str:
        names: dict[Atom, str] = {}
        inputs = ", ".join([self.bind(names, v) for v in program.inputs])
        lines = [self.eqn(e, names, indent + "    ") for e in program.eqns]
        outputs = self.atoms(program.outputs, names)
        end = f"{indent}    return {outputs}".rstrip()
        return "\n".join([f"program({inputs}) {{", *lines, end, indent + "}"])

    def lines(self, program: Program, indent: str) -> list[str]:
        names: dict[Atom, str] = {}
        for var in program.inputs:
            self.bind(names, var)
        return [self.eqn(e, names, indent) for e in program.eqns]

    def bind(self, names: dict[Atom, str], var: Var) -> str:
        name = names[var] = f"%{len(names)}"
        return f"{name}: {self.type(var.type)}"

    def atoms(self, atoms: Sequence[Atom], names: dict[Atom, str]) -> str:
        return ", ".join([names.get(a) or _atom(a) for a in atoms])

    def eqn(self, eqn: Eqn, names: dict[Atom, str], indent: str) -> str:
        operands = self.atoms(eqn.inputs, names)
        params = f"[{self.params(eqn, indent)}]" if eqn.params else ""
        outputs = ", ".join([self.bind(names, v) for v in eqn.outputs])
        line = f"{indent}{outputs} = {eqn.op.name}{params}({operands})"
        if self.locations and eqn.location is not None:
            line += _location(eqn.location)
        return line

    def params(self, eqn: Eqn, indent: str) -> str:
        """The params in the order in which the op declares them."""
        params = eqn.params
        names = [k for k in eqn.op.params if k in params]
        if len(names) < len(params):
            names += [k for k in params if k not in names]
        return ", ".join([f"{k}={self.param(params[k], indent)}" for k in names])

    def param(self, value: Any, indent: str) -> str:
        if type(value) is tuple:
            items = [self.param(v, indent) for v in cast(tuple[Any, ...], value)]
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        if isinstance(value, Program):
            return self.program(value, indent)
        if isinstance(value, np.ndarray):
            return self.array(cast(np.ndarray[Any, Any], value))
        if isinstance(value, Dim):
            return self.dim(value)
        if isinstance(value, TensorType):
            return self.type(value)
        if isinstance(value, Symbol):
            return self.declare(value)
        printer = _PARAMS.get(type(value))  # pyright: ignore[reportUnknownArgumentType]
        if printer is not None:
            return printer(value)
        if isinstance(value, Opaque):
            return f"<{value.opaque_name}>"
        text = _other_param(value)
        if text is None and self.strict:
            kind = type(value).__name__
            raise TypeError(f"a param of type {kind} has no text form: {value!r}")
        return text or f"<{type(value).__name__}>"


def _location(location: Location) -> str:
    where = f" at {json.dumps(location.file)}:{location.line}"
    return where + (f" in {json.dumps(location.function)}" if location.function else "")


def _atom(atom: Atom) -> str:
    if isinstance(atom, Var):
        return "%?"
    text = number(atom.value, atom.dtype)
    if atom.dtype in (FLOAT64, INT64, BOOL, COMPLEX128):
        return text
    return f"{text}:{atom.dtype.name}"


def number(value: Any, dtype: DType) -> str:
    """A scalar of a dtype, exactly; what it looks like tells floats, ints and bools apart."""
    if kind_of(dtype) == "f":
        return _float(float(value))
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind == "c":
        return f"complex({_float(value.real)}, {_float(value.imag)})"
    return str(int(value))


def _float(value: float) -> str:
    text = repr(value)
    return "-nan" if value != value and math.copysign(1, value) < 0 else text


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _none(value: None) -> str:
    return "none"


def _dtype(value: DType) -> str:
    return value.name


_PARAMS: dict[type, Callable[[Any], str]] = {
    int: str,
    bool: _bool,
    float: _float,
    str: json.dumps,
    type(None): _none,
    **{type(np.dtype(c)): _dtype for c in "?bhilqBHILQefdFD"},
}


def _other_param(value: Any) -> str | None:
    if isinstance(value, np.generic):
        plain: Any = cast(np.generic, value).item()
        return _PARAMS[type(plain)](plain) if type(plain) in _PARAMS else None
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, np.dtype):  # bfloat16, whose class is there once it is imported
        return cast(DType, value).name
    return None


def _array(value: np.ndarray[Any, Any]) -> str:
    head = f"array<{value.dtype.name}[{','.join(map(str, value.shape))}]>"
    if value.size <= _SMALL and not (kind_of(value.dtype) in "fc" and np.isnan(value).any()):
        return f"{head}({', '.join([number(v, value.dtype) for v in value.ravel().tolist()])})"
    return f'{head}("{base64.b64encode(value.tobytes()).decode()}")'


def _elided_array(value: np.ndarray[Any, Any]) -> str:
    if value.size <= _ELIDED:
        return _array(value)
    first = ", ".join([number(v, value.dtype) for v in value.ravel()[:4].tolist()])
    return f"array<{value.dtype.name}[{','.join(map(str, value.shape))}]>({first}, ...)"


def _hashed_array(value: np.ndarray[Any, Any]) -> str:
    digest = hashlib.sha256(value.tobytes()).hexdigest()
    return f"array<{value.dtype.name}{list(value.shape)}>({digest})"
