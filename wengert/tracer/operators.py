"""Python's operators on traced arrays, installed on `Tracer` by importing this module."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import TracerConversionError
from wengert.ir.types import COMPLEX128, FLOAT64, INT64
from wengert.tracer.affine import compared
from wengert.tracer.array import Tracer, enter, is_array_of_one, is_weak
from wengert.tracer.dispatch import known_result, missing
from wengert.tracer.functions.assignment import update
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.tables import UFUNCS

_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "divmod": "divmod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_COMPARE = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
_OPERANDS = (Tracer, np.ndarray, np.generic, bool, int, float, complex, list, tuple)


def _operate(name: str, *operands: Any) -> Any:
    if name == "multiply":
        _refuse_repetition(*operands)
    result = known_result(getattr(np, name), operands, {})
    if result is not NotImplemented:
        return result
    implementation = UFUNCS.get(name)
    if implementation is None:
        missing(f"the operator '{name}' is not available for traced values yet")
    result = implementation(*operands)
    # Python numbers among themselves give Python numbers
    if all(map(is_weak, operands)):
        for part in result if isinstance(result, tuple) else (result,):
            part.weak = part.dtype in (FLOAT64, INT64, COMPLEX128)
    return result


def _refuse_repetition(a: Any, b: Any) -> None:
    """Raises TracerConversionError for a list times an integer, which is the list repeated.

    Arrays multiply the elements instead, those without axes too.
    """
    items, times = (a, b) if isinstance(a, (list, tuple)) else (b, a)
    if not isinstance(items, (list, tuple)) or not isinstance(times, Tracer):
        return
    if times.ndim or times.dtype.kind not in "iu" or is_array_of_one(times):
        return
    kind = type(items).__name__
    raise TracerConversionError(
        f"a {kind} times an integer is the {kind} repeated, and how often is known only when the "
        f"compiled program runs; for its elements times the number write np.array(...) * number"
    )


def _update(name: str, symbol: str, x: Tracer, y: Any) -> Any:
    """`x op= y`: in place for arrays; the name of a scalar gets a new one."""
    result = _operate(name, x, y)
    return update(symbol, x, result) if x.mutable else result


def _symbol(short: str) -> str:
    symbols = {"floordiv": "//", "pow": "**", "lshift": "<<", "rshift": ">>", "mod": "%"}
    plain = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "matmul": "@"}
    return {**symbols, **plain, "and": "&", "or": "|", "xor": "^"}.get(short, short)


def _install_binary(short: str, name: str, reflected: bool, in_place: bool) -> None:
    def forward(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_operate, name, self, other)

    def backward(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_operate, name, other, self)

    def update(self: Tracer, other: Any) -> Any:
        if isinstance(other, Stretch) and self.mutable:
            return getattr(np, name)(self, other, out=self)
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_update, name, _symbol(short), self, other)

    setattr(Tracer, f"__{short}__", forward)
    if reflected:
        setattr(Tracer, f"__r{short}__", backward)
    if in_place:
        setattr(Tracer, f"__i{short}__", update)


def _install_comparison(short: str, name: str) -> None:
    def compare(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        if not self.type.shape and self.type.dtype.kind == "i":
            known = compared(name, self, other)
            if known is not None:
                return np.bool_(known)
        return enter(_operate, name, self, other)

    setattr(Tracer, f"__{short}__", compare)


def _install_unary(short: str, name: str) -> None:
    def unary(self: Tracer) -> Any:
        return enter(_operate, name, self)

    setattr(Tracer, f"__{short}__", unary)


for _short, _name in _BINARY.items():
    _install_binary(_short, _name, reflected=True, in_place=_short != "divmod")
for _short, _name in _COMPARE.items():
    _install_comparison(_short, _name)
for _short, _name in _UNARY.items():
    _install_unary(_short, _name)


def _round(self: Tracer, digits: int | None = None) -> Any:
    """round(x) gives an integer in Python, so only round(x, digits) is known for arrays."""
    return self.round(digits or 0)


Tracer.__round__ = _round  # pyright: ignore[reportAttributeAccessIssue]
