"""Code that runs one number at a time, where the time of one counts.

With AVX-512 a comparison goes through a mask register, and what it decides waits for that: eight
cycles from a number to "0 if it is 0, else a product with it", by which tangents are multiplied
with partials. The older form, an "and" with all ones or zeros, takes the comparison while the
product is made, and one cycle more. LLVM forms masks wherever it sees a comparison, so this uses
the machine's instruction, which the vectoriser cannot take apart: not for loops of vectors.
"""

from __future__ import annotations

from typing import Protocol

from wengert.backends.cpu.llvm.types import intrinsic_suffix, value_type
from wengert.ir.scalar import Expr, ScalarOp
from wengert.ir.types import FLOAT32, FLOAT64

_LANES = {FLOAT32: 4, FLOAT64: 2}
_COMPARE = {FLOAT32: "@llvm.x86.sse.cmp.ss", FLOAT64: "@llvm.x86.sse2.cmp.sd"}
_UNEQUAL = 4

_UNLESS_ZERO = """define internal {kind} {name}({kind} %test, {kind} %value) alwaysinline {{
  %tests = insertelement {floats} poison, {kind} %test, i64 0
  %ones = call {floats} {compare}({floats} %tests, {floats} zeroinitializer, i8 {unequal})
  %mask = bitcast {floats} %ones to {ints}
  %values = insertelement {floats} poison, {kind} %value, i64 0
  %bits = bitcast {floats} %values to {ints}
  %kept = and {ints} %bits, %mask
  %result = bitcast {ints} %kept to {floats}
  %first = extractelement {floats} %result, i64 0
  ret {kind} %first
}}"""


class Printer(Protocol):
    """What is asked of the printer of a function."""

    def op(self, text: str) -> str:
        """Append `%name = text` and return the name."""
        ...

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        """Declare a function of this module once."""
        ...

    def helper(self, name: str, text: str) -> None:
        """Define a function of this module once."""
        ...


def tested_for_zero(x: Expr) -> Expr | None:
    """The t of an expression of the form "0 if t is 0, else a product".

    Other values may be dear (a quotient), and are then better left to a branch around them.
    """
    if x.op is not ScalarOp.SELECT or x.dtype not in _COMPARE:
        return None
    condition, zero, value = x.args
    if value.op is not ScalarOp.MUL:
        return None
    if condition.op is not ScalarOp.EQ or not _is_zero(condition.args[1]) or not _is_zero(zero):
        return None
    found = condition.args[0]
    return found if found.dtype == x.dtype else None


def _is_zero(x: Expr) -> bool:
    return x.is_const and str(float(x.attr)) == "0.0"


def unless_zero(e: Printer, x: Expr, test: str, value: str) -> str:
    """Prints 0 if `test` is 0, else `value`, both of the type of `x`."""
    kind, count = value_type(x.dtype), _LANES[x.dtype]
    name, compare = f"@wg.unless_zero.{intrinsic_suffix(x.dtype)}", _COMPARE[x.dtype]
    floats, ints = f"<{count} x {kind}>", f"<{count} x i{8 * x.dtype.itemsize}>"
    e.intrinsic(compare, floats, f"{floats}, {floats}, i8")
    text = _UNLESS_ZERO.format(
        kind=kind, name=name, floats=floats, ints=ints, compare=compare, unequal=_UNEQUAL
    )
    e.helper(name, text)
    return e.op(f"call {kind} {name}({kind} {test}, {kind} {value})")
