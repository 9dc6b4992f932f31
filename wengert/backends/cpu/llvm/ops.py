"""One LLVM printing rule for each scalar operation.

A rule gets the `Emitter`, the expression, and the names of its operands; it returns the name of
the result. Operands of float16 and bfloat16 never reach a float rule: `emit_op` widens them, and
rounds the result, because the vocabulary says that these are storage formats.

Where C or LLVM leave a result open, the rules do what NumPy does on x86:
- a zero divisor gives 0 and INT_MIN / -1 wraps (the machine would trap on both);
- a shift by the width or more gives 0, or the sign;
- a float outside the range of an integer type gives what `cvttsd2si` gives, INT_MIN for the
  wide types, and wraps for the narrow ones (`freeze` takes LLVM's poison away at no cost).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from wengert.backends.cpu.llvm import parts as llvm_parts
from wengert.backends.cpu.llvm.types import constant, intrinsic_suffix, value_type
from wengert.ir.floats import FLOAT16, is_bfloat16, is_half
from wengert.ir.scalar import COMPARISONS, Expr, ScalarOp
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, INT64, DType


class Emitter(Protocol):
    """What a rule may ask of the printer.

    Values are vectors of so many `lanes`, or numbers if that is 0.
    """

    fma: bool
    lanes: int

    @property
    def is_masked(self) -> bool:
        """Whether it prints vectors for a machine that has masks."""
        ...

    def op(self, text: str) -> str:
        """Append `%name = text` and return the name."""
        ...

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        """Declare a function of this module once."""
        ...

    def helper(self, name: str, text: str) -> None:
        """Define a function of this module once."""
        ...

    def is_index(self, x: Expr) -> bool:
        """Whether `x` is arithmetic on loop indices, which cannot overflow."""
        ...

    def nonnegative(self, x: Expr) -> bool:
        """Whether `x` is known to be at least 0."""
        ...


Rule = Callable[[Emitter, Expr, list[str]], str]


def emit_op(e: Emitter, x: Expr, args: list[str]) -> str:
    """Print one operation of `RULES`."""
    operand = x.args[0].dtype
    if not is_half(operand) or x.op in _KEEP_HALF:
        return RULES[x.op](e, x, args)
    wide = [_widen(e, operand, a) for a in args]
    children = tuple(_widened(a) for a in x.args)
    dtype = x.dtype if x.op in COMPARISONS else FLOAT32
    result = RULES[x.op](e, Expr(x.op, children, dtype, x.attr, x.indices), wide)
    return result if x.op in COMPARISONS else _narrow(e, operand, result)


def _widen(e: Emitter, half: DType, value: str) -> str:
    """A float16 or bfloat16 as float32."""
    if half == FLOAT16:
        return e.op(f"fpext half {value} to float")
    upper = e.op(f"shl nuw i32 {e.op(f'zext i16 {value} to i32')}, 16")
    return e.op(f"bitcast i32 {upper} to float")


def _narrow(e: Emitter, half: DType, value: str) -> str:
    """A float32 rounded to float16 or bfloat16."""
    if half == FLOAT16:
        return e.op(f"fptrunc float {value} to half")
    e.helper("@wg.round_bfloat", _ROUND_BFLOAT)
    return e.op(f"call i16 @wg.round_bfloat(float {value})")


# To the nearest, of two equally near ones to the even one: what is cut off carries into the kept
# bits if it is more than half, or half and the last kept bit is set. A NaN stays one.
_ROUND_BFLOAT = """define internal i16 @wg.round_bfloat(float %x) alwaysinline {
  %bits = bitcast float %x to i32
  %kept = lshr i32 %bits, 16
  %last = and i32 %kept, 1
  %half = add i32 %last, 32767
  %sum = add i32 %bits, %half
  %near = lshr i32 %sum, 16
  %quiet = or i32 %kept, 64
  %lost = fcmp uno float %x, %x
  %chosen = select i1 %lost, i32 %quiet, i32 %near
  %narrow = trunc i32 %chosen to i16
  ret i16 %narrow
}
"""


def _widened(x: Expr) -> Expr:
    """A stand-in for an operand that has been widened; only its dtype is read."""
    return Expr(x.op, (), FLOAT32, x.attr, x.indices)


def call_intrinsic(e: Emitter, name: str, dtype: DType, args: list[str], flags: str = "") -> str:
    """A call of an overloaded LLVM intrinsic whose arguments and result have one type."""
    kind = value_type(dtype, e.lanes)
    full = f"@llvm.{name}.{intrinsic_suffix(dtype, e.lanes)}"
    e.intrinsic(full, kind, ", ".join([kind] * len(args)))
    operands = ", ".join(f"{kind} {a}" for a in args)
    return e.op(f"call {flags}{kind} {full}({operands})")


def _binary(floats: str, integers: str, bools: str) -> Rule:
    def rule(e: Emitter, x: Expr, args: list[str]) -> str:
        name = {"f": floats, "b": bools}.get(x.dtype.kind, integers)
        flags = " nsw" if x.dtype == INT64 and e.is_index(x) else ""
        return e.op(f"{name}{flags} {value_type(x.dtype, e.lanes)} {args[0]}, {args[1]}")

    return rule


def _float_intrinsic(name: str) -> Rule:
    def rule(e: Emitter, x: Expr, args: list[str]) -> str:
        # on integers and bools floor, ceil, trunc and rint change nothing
        return call_intrinsic(e, name, x.dtype, args) if x.dtype.kind == "f" else args[0]

    return rule


def _extreme(floats: str, signed: str, unsigned: str, bools: str) -> Rule:
    def rule(e: Emitter, x: Expr, args: list[str]) -> str:
        if x.dtype.kind == "b":
            return e.op(f"{bools} {value_type(x.dtype, e.lanes)} {args[0]}, {args[1]}")
        if x.dtype.kind == "f":
            # nsz: NumPy does not order the two zeros either, and it saves half the instructions
            return call_intrinsic(e, floats, x.dtype, args, "nsz ")
        return call_intrinsic(e, signed if x.dtype.kind == "i" else unsigned, x.dtype, args)

    return rule


def _divide(e: Emitter, x: Expr, args: list[str]) -> str:
    return _integer_division(e, x, args, "div")


def _remainder(e: Emitter, x: Expr, args: list[str]) -> str:
    return _integer_division(e, x, args, "rem")


def _integer_division(e: Emitter, x: Expr, args: list[str], name: str) -> str:
    kind, (a, b) = value_type(x.dtype, e.lanes), args
    divisor = x.args[1]
    positive = divisor.is_const and divisor.attr > 0 and e.nonnegative(x.args[0])
    unsigned = x.dtype.kind == "u" or positive
    operation = ("u" if unsigned else "s") + name
    if divisor.is_const and divisor.attr not in (0, -1):
        return e.op(f"{operation} {kind} {a}, {b}")
    zero = e.op(f"icmp eq {kind} {b}, 0")
    if x.dtype.kind == "u":
        safe = e.op(f"select i1 {zero}, {kind} 1, {kind} {b}")
        result = e.op(f"{operation} {kind} {a}, {safe}")
    else:
        # divide by 1 instead of 0 and -1; the latter's quotient is -a, and its remainder 0
        minus = e.op(f"icmp eq {kind} {b}, -1")
        special = e.op(f"or i1 {zero}, {minus}")
        safe = e.op(f"select i1 {special}, {kind} 1, {kind} {b}")
        result = e.op(f"s{name} {kind} {a}, {safe}")
        if name == "div":
            negated = e.op(f"sub {kind} 0, {a}")
            result = e.op(f"select i1 {minus}, {kind} {negated}, {kind} {result}")
    return e.op(f"select i1 {zero}, {kind} 0, {kind} {result}")


def _negate(e: Emitter, x: Expr, args: list[str]) -> str:
    kind = value_type(x.dtype, e.lanes)
    if is_bfloat16(x.dtype):
        return e.op(f"xor i16 {args[0]}, {-(2**15)}")
    if x.dtype.kind == "f":
        return e.op(f"fneg {kind} {args[0]}")
    return e.op(f"sub {kind} {constant(0, x.dtype, e.lanes)}, {args[0]}")


def _absolute(e: Emitter, x: Expr, args: list[str]) -> str:
    if x.dtype.kind == "f":
        return call_intrinsic(e, "fabs", x.dtype, args)
    if x.dtype.kind in "ub":
        return args[0]
    kind = value_type(x.dtype, e.lanes)
    name = f"@llvm.abs.{intrinsic_suffix(x.dtype, e.lanes)}"
    e.intrinsic(name, kind, f"{kind}, i1")
    return e.op(f"call {kind} {name}({kind} {args[0]}, i1 false)")


def _fma(e: Emitter, x: Expr, args: list[str]) -> str:
    return call_intrinsic(e, "fma" if e.fma else "fmuladd", x.dtype, args)


def _comparison(floats: str, signed: str, unsigned: str) -> Rule:
    def rule(e: Emitter, x: Expr, args: list[str]) -> str:
        dtype = x.args[0].dtype
        kind = value_type(dtype, e.lanes)
        if dtype.kind == "f":
            return e.op(f"fcmp {floats} {kind} {args[0]}, {args[1]}")
        code = signed if dtype.kind == "i" else unsigned
        return e.op(f"icmp {code} {kind} {args[0]}, {args[1]}")

    return rule


def _bitwise(name: str) -> Rule:
    def rule(e: Emitter, x: Expr, args: list[str]) -> str:
        return e.op(f"{name} {value_type(x.dtype, e.lanes)} {args[0]}, {args[1]}")

    return rule


def _not(e: Emitter, x: Expr, args: list[str]) -> str:
    kind = value_type(x.dtype, e.lanes)
    ones = constant(True if x.dtype.kind == "b" else -1, x.dtype, e.lanes)
    return e.op(f"xor {kind} {args[0]}, {ones}")


def _shift_left(e: Emitter, x: Expr, args: list[str]) -> str:
    return _shift(e, x, args, "shl")


def _shift_right(e: Emitter, x: Expr, args: list[str]) -> str:
    if x.dtype.kind != "i":
        return _shift(e, x, args, "lshr")
    kind, last = value_type(x.dtype, e.lanes), 8 * x.dtype.itemsize - 1
    amount = args[1]
    if not _in_range(x.args[1], last):
        amount = call_intrinsic(e, "umin", x.dtype, [args[1], constant(last, x.dtype, e.lanes)])
    return e.op(f"ashr {kind} {args[0]}, {amount}")


def _shift(e: Emitter, x: Expr, args: list[str], name: str) -> str:
    kind, last = value_type(x.dtype, e.lanes), 8 * x.dtype.itemsize - 1
    if _in_range(x.args[1], last):
        return e.op(f"{name} {kind} {args[0]}, {args[1]}")
    # a select between poison and a number is fine: only the chosen side counts
    shifted = e.op(f"{name} {kind} {args[0]}, {args[1]}")
    most, zero = constant(last, x.dtype, e.lanes), constant(0, x.dtype, e.lanes)
    small = e.op(f"icmp ule {kind} {args[1]}, {most}")
    truth = value_type(BOOL, e.lanes)
    return e.op(f"select {truth} {small}, {kind} {shifted}, {kind} {zero}")


def _in_range(amount: Expr, last: int) -> bool:
    return amount.is_const and 0 <= amount.attr <= last


def _select(e: Emitter, x: Expr, args: list[str]) -> str:
    kind = value_type(x.dtype, e.lanes)
    truth = value_type(BOOL, e.lanes)
    return e.op(f"select {truth} {args[0]}, {kind} {args[1]}, {kind} {args[2]}")


def _bitcast(e: Emitter, x: Expr, args: list[str]) -> str:
    source, target = value_type(x.args[0].dtype, e.lanes), value_type(x.dtype, e.lanes)
    return args[0] if source == target else e.op(f"bitcast {source} {args[0]} to {target}")


def _cast(e: Emitter, x: Expr, args: list[str]) -> str:
    source, target, value = x.args[0].dtype, x.dtype, args[0]
    if source == target:
        return value
    if is_bfloat16(source):
        value, source = _widen(e, source, value), FLOAT32
    if is_bfloat16(target):  # by way of float32, as NumPy converts to the dtype of ml_dtypes
        return _narrow(e, target, _converted(e, source, FLOAT32, value))
    return _converted(e, source, target, value)


def _converted(e: Emitter, source: DType, target: DType, value: str) -> str:
    """A conversion between other dtypes than bfloat16."""
    if source == target:
        return value
    if target.kind == "b":
        kind, zero = value_type(source, e.lanes), constant(0, source, e.lanes)
        compare = "fcmp une" if source.kind == "f" else "icmp ne"
        return e.op(f"{compare} {kind} {value}, {zero}")
    if source.kind == "f":
        if target.kind == "f":
            return _float_to_float(e, source, target, value)
        return _float_to_integer(e, source, target, value)
    if target.kind == "f":
        return _integer_to_float(e, source, target, value)
    return _integer_to_integer(e, source, target, value)


def _float_to_float(e: Emitter, source: DType, target: DType, value: str) -> str:
    if source == FLOAT16 and target == FLOAT64:
        value = e.op(f"fpext half {value} to float")
        return e.op(f"fpext float {value} to double")
    if source == FLOAT64 and target == FLOAT16:
        e.intrinsic("@llvm.fabs.f64", "double", "double")
        e.helper("@wg.round_half", _ROUND_HALF)
        return e.op(f"call half @wg.round_half(double {value})")
    name = "fpext" if source.itemsize < target.itemsize else "fptrunc"
    return e.op(f"{name} {value_type(source, e.lanes)} {value} to {value_type(target, e.lanes)}")


# float64 to float16 in two roundings that equal one: the first is to odd (towards zero, then the
# last bit set if anything was lost), which keeps enough to decide the second. LLVM's own
# conversion is a call of a compiler library that a JIT has not got.
_ROUND_HALF = """define internal half @wg.round_half(double %x) alwaysinline {
  %near = fptrunc double %x to float
  %back = fpext float %near to double
  %inexact = fcmp one double %back, %x
  %size = call double @llvm.fabs.f64(double %x)
  %back.size = call double @llvm.fabs.f64(double %back)
  %above = fcmp ogt double %back.size, %size
  %bits = bitcast float %near to i32
  %one = zext i1 %above to i32
  %down = sub i32 %bits, %one
  %odd = zext i1 %inexact to i32
  %kept = or i32 %down, %odd
  %rounded = bitcast i32 %kept to float
  %half = fptrunc float %rounded to half
  ret half %half
}
"""


def _float_to_integer(e: Emitter, source: DType, target: DType, value: str) -> str:
    if source == FLOAT16:
        value, source = e.op(f"fpext half {value} to float"), FLOAT32
    kind = value_type(source, e.lanes)
    if target.name == "uint64":
        limit, whole = constant(2.0**63, source, e.lanes), value_type(INT64, e.lanes)
        small = e.op(f"fcmp olt {kind} {value}, {limit}")
        lower = _frozen(e, kind, value, whole)
        upper = _frozen(e, kind, e.op(f"fsub {kind} {value}, {limit}"), whole)
        flipped = e.op(f"xor {whole} {upper}, {constant(-(2**63), INT64, e.lanes)}")
        mask = f"<{e.lanes} x i1>" if e.lanes else "i1"
        return e.op(f"select {mask} {small}, {whole} {lower}, {whole} {flipped}")
    long = target.itemsize == 8 or target.name == "uint32"
    wide = value_type(INT64 if long else np.dtype(np.int32), e.lanes)
    result = _frozen(e, kind, value, wide)
    narrow = value_type(target, e.lanes)
    return result if narrow == wide else e.op(f"trunc {wide} {result} to {narrow}")


def _frozen(e: Emitter, kind: str, value: str, target: str) -> str:
    converted = e.op(f"fptosi {kind} {value} to {target}")
    return e.op(f"freeze {target} {converted}")


def _integer_to_float(e: Emitter, source: DType, target: DType, value: str) -> str:
    name = "sitofp" if source.kind == "i" else "uitofp"
    if source == INT64 and target == FLOAT64 and e.lanes and not e.is_masked:
        return _by_halves(e, value)
    if target != FLOAT16:
        kind = value_type(target, e.lanes)
        return e.op(f"{name} {value_type(source, e.lanes)} {value} to {kind}")
    middle = FLOAT64 if source.itemsize >= 4 else FLOAT32
    wide = e.op(f"{name} {value_type(source, e.lanes)} {value} to {value_type(middle, e.lanes)}")
    return _float_to_float(e, middle, FLOAT16, wide)


def _by_halves(e: Emitter, value: str) -> str:
    """int64 to float64 in vectors that have no instruction for it.

    Both halves are put below the significands of powers of two, which makes floats of them; taking
    these away again is exact, and so the sum is the only rounding.
    """
    kind, bits = value_type(FLOAT64, e.lanes), value_type(INT64, e.lanes)

    def number(value: int) -> str:
        return constant(value, INT64, e.lanes)

    upper, lower = (int(np.float64(2.0**n).view(np.int64)) for n in (84, 52))
    high = e.op(f"lshr {bits} {value}, {number(32)}")
    flipped = e.op(f"xor {bits} {high}, {number(upper | 1 << 31)}")  # the sign: 2**63 more
    low = e.op(f"and {bits} {value}, {number((1 << 32) - 1)}")
    placed = e.op(f"or {bits} {low}, {number(lower)}")
    first = e.op(f"bitcast {bits} {flipped} to {kind}")
    second = e.op(f"bitcast {bits} {placed} to {kind}")
    over = constant(2.0**84 + 2.0**63 + 2.0**52, FLOAT64, e.lanes)
    return e.op(f"fadd {kind} {e.op(f'fsub {kind} {first}, {over}')}, {second}")


def _integer_to_integer(e: Emitter, source: DType, target: DType, value: str) -> str:
    kind, result = value_type(source, e.lanes), value_type(target, e.lanes)
    if kind == result:
        return value
    if source.itemsize > target.itemsize and source.kind != "b":
        return e.op(f"trunc {kind} {value} to {result}")
    return e.op(f"{'sext' if source.kind == 'i' else 'zext'} {kind} {value} to {result}")


_KEEP_HALF = frozenset({ScalarOp.CAST, ScalarOp.BITCAST, ScalarOp.NEG})

RULES: dict[ScalarOp, Rule] = {
    ScalarOp.ADD: _binary("fadd", "add", "or"),
    ScalarOp.SUB: _binary("fsub", "sub", "xor"),
    ScalarOp.MUL: _binary("fmul", "mul", "and"),
    ScalarOp.DIV: _binary("fdiv", "sdiv", "and"),
    ScalarOp.IDIV: _divide,
    ScalarOp.IREM: _remainder,
    ScalarOp.NEG: _negate,
    ScalarOp.ABS: _absolute,
    ScalarOp.MIN: _extreme("minimum", "smin", "umin", "and"),
    ScalarOp.MAX: _extreme("maximum", "smax", "umax", "or"),
    ScalarOp.FMA: _fma,
    ScalarOp.SQRT: _float_intrinsic("sqrt"),
    ScalarOp.FLOOR: _float_intrinsic("floor"),
    ScalarOp.CEIL: _float_intrinsic("ceil"),
    ScalarOp.TRUNC: _float_intrinsic("trunc"),
    ScalarOp.RINT: _float_intrinsic("rint"),
    ScalarOp.COPYSIGN: _float_intrinsic("copysign"),
    ScalarOp.EXPONENT: llvm_parts.exponent,
    ScalarOp.SIGNIFICAND: llvm_parts.significand,
    ScalarOp.SCALE: llvm_parts.scale,
    ScalarOp.LOOKUP: llvm_parts.lookup,
    ScalarOp.EQ: _comparison("oeq", "eq", "eq"),
    ScalarOp.NE: _comparison("une", "ne", "ne"),
    ScalarOp.LT: _comparison("olt", "slt", "ult"),
    ScalarOp.LE: _comparison("ole", "sle", "ule"),
    ScalarOp.GT: _comparison("ogt", "sgt", "ugt"),
    ScalarOp.GE: _comparison("oge", "sge", "uge"),
    ScalarOp.AND: _bitwise("and"),
    ScalarOp.OR: _bitwise("or"),
    ScalarOp.XOR: _bitwise("xor"),
    ScalarOp.NOT: _not,
    ScalarOp.SHL: _shift_left,
    ScalarOp.SHR: _shift_right,
    ScalarOp.SELECT: _select,
    ScalarOp.CAST: _cast,
    ScalarOp.BITCAST: _bitcast,
}
