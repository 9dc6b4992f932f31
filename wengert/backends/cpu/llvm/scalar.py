"""Code that runs one number at a time, where the time of one counts.

With AVX-512 a comparison goes through a mask register, and what it decides waits for that: eight
cycles from a number to "a product with it, but 0 if it is 0", by which tangents are multiplied
with partials. The older form, an "and" with all ones or zeros, takes the comparison while the
product is made, and one cycle more. LLVM forms masks wherever it sees a comparison, so this uses
the machine's instruction, which the vectoriser cannot take apart: not for loops of vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def tested_for_zero(x: Expr) -> tuple[Expr, ...]:
    """The values of which none may be 0, in an expression that is a product then and else 0.

    There are none if it has another form. Other values than products may be dear (a quotient), and
    are then better left to a branch around them.
    """
    if x.op is not ScalarOp.SELECT or x.dtype not in _COMPARE:
        return ()
    condition, value, zero = x.args
    if value.op is not ScalarOp.MUL or not _is_zero(zero):
        return ()
    conditions = condition.args if condition.op is ScalarOp.AND else (condition,)
    tests = tuple(c.args[0] for c in conditions if c.op is ScalarOp.NE and _is_zero(c.args[1]))
    found = len(tests) == len(conditions) and all(t.dtype == x.dtype for t in tests)
    return tests if found else ()


def _is_zero(x: Expr) -> bool:
    return x.is_const and str(float(x.attr)) == "0.0"


def unless_zero(e: Printer, x: Expr, tests: Sequence[str], value: str) -> str:
    """Prints 0 if one of `tests` is 0, else `value`, all of the type of `x`.

    The first is that for which the product waits: it is looked at last.
    """
    kind, count = value_type(x.dtype), _LANES[x.dtype]
    name, compare = f"@wg.unless_zero.{intrinsic_suffix(x.dtype)}", _COMPARE[x.dtype]
    floats, ints = f"<{count} x {kind}>", f"<{count} x i{8 * x.dtype.itemsize}>"
    e.intrinsic(compare, floats, f"{floats}, {floats}, i8")
    text = _UNLESS_ZERO.format(
        kind=kind, name=name, floats=floats, ints=ints, compare=compare, unequal=_UNEQUAL
    )
    e.helper(name, text)
    for test in reversed(tests):
        value = e.op(f"call {kind} {name}({kind} {test}, {kind} {value})")
    return value
