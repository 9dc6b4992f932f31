"""One CUDA C++ printing rule for each scalar operation.

A rule gets the expression, the texts of its operands and the C type of the result; it returns the
text of the result. What C++ leaves open is in text/scalar.h. float16 and bfloat16 are storage
formats: values are floats between a load and a store, rounded where the program converts to them.
"""

from __future__ import annotations

from collections.abc import Callable

from wengert.backends.cuda.cuda_types import half_of
from wengert.backends.cuda.source import MORE, ORDERS
from wengert.errors import MissingRuleError
from wengert.ir.floats import kind_of
from wengert.ir.scalar import Expr, ScalarOp

Rule = Callable[[Expr, list[str], str], str]


def _infix(sign: str, wrapping: str, bools: str) -> Rule:
    def rule(x: Expr, args: list[str], kind: str) -> str:
        if x.dtype.kind == "b":
            return f"{args[0]} {bools} {args[1]}"
        if kind_of(x.dtype) == "f" or (kind == "int" and x.dtype.itemsize == 8):
            return f"{args[0]} {sign} {args[1]}"
        return f"{wrapping}<{kind}>({args[0]}, {args[1]})"

    return rule


def _divide(x: Expr, args: list[str], kind: str) -> str:
    divisor = x.args[1]
    if divisor.is_const and divisor.attr > 0:
        return f"{args[0]} / {args[1]}"
    return f"wg_idiv<{kind}>({args[0]}, {args[1]})"


def _remainder(x: Expr, args: list[str], kind: str) -> str:
    divisor = x.args[1]
    if divisor.is_const and divisor.attr > 0:
        return f"{args[0]} % {args[1]}"
    return f"wg_irem<{kind}>({args[0]}, {args[1]})"


def _maths(name: str) -> Rule:
    def rule(x: Expr, args: list[str], kind: str) -> str:
        suffix = "" if kind == "double" else "f"
        return f"{name}{suffix}({', '.join(args)})"

    return rule


def _rounding(name: str) -> Rule:
    def rule(x: Expr, args: list[str], kind: str) -> str:
        # integers and bools are whole already
        return _maths(name)(x, args, kind) if kind_of(x.dtype) == "f" else args[0]

    return rule


def _extreme(name: str, bools: str) -> Rule:
    def rule(x: Expr, args: list[str], kind: str) -> str:
        if x.dtype.kind == "b":
            return f"{args[0]} {bools} {args[1]}"
        return f"{name}<{kind}>({args[0]}, {args[1]})"

    return rule


def _negate(x: Expr, args: list[str], kind: str) -> str:
    return f"-{args[0]}" if kind_of(x.dtype) == "f" else f"wg_isub<{kind}>(0, {args[0]})"


def _absolute(x: Expr, args: list[str], kind: str) -> str:
    if kind_of(x.dtype) == "f":
        return _maths("fabs")(x, args, kind)
    if x.dtype.kind in "ub":
        return args[0]
    return f"{args[0]} < 0 ? wg_isub<{kind}>(0, {args[0]}) : {args[0]}"


def _comparison(sign: str) -> Rule:
    return lambda x, args, kind: f"{args[0]} {sign} {args[1]}"


def _bitwise(sign: str) -> Rule:
    return lambda x, args, kind: f"({kind})({args[0]} {sign} {args[1]})"


def _not(x: Expr, args: list[str], kind: str) -> str:
    return f"!{args[0]}" if x.dtype.kind == "b" else f"({kind})~{args[0]}"


def _shift(name: str) -> Rule:
    return lambda x, args, kind: f"{name}<{kind}>({args[0]}, {args[1]})"


def _select(x: Expr, args: list[str], kind: str) -> str:
    return f"{args[0]} ? {args[1]} : {args[2]}"


def _cast(x: Expr, args: list[str], kind: str) -> str:
    source, target, value = x.args[0].dtype, x.dtype, args[0]
    if target.kind == "b":
        return f"{value} != 0"
    half = half_of(target)
    if half is not None:
        return f"wg_from_{half}({_to_half(half, source.name, value)})"
    if kind_of(source) == "f" and kind_of(target) != "f":
        return _to_integer(target.name, target.itemsize, value, kind)
    return f"({kind}){value}"


def _to_half(half: str, source: str, value: str) -> str:
    """To float16 in one rounding, from doubles and wide integers too; to bfloat16 by way of float,
    as on the CPU."""
    wide = half == "half" and source in ("float64", "int32", "uint32", "int64", "uint64")
    return f"wg_to_{half}(({'double' if wide else 'float'}){value})"


def _to_integer(target: str, itemsize: int, value: str, kind: str) -> str:
    if target == "uint64":
        return f"wg_to_uint64({value})"
    if itemsize == 8 or target == "uint32":
        return f"({kind})wg_to_int64({value})"
    return f"({kind})wg_to_int32({value})"


def _bitcast(x: Expr, args: list[str], kind: str) -> str:
    if x.args[0].dtype == x.dtype:
        return args[0]
    before, after = half_of(x.args[0].dtype), half_of(x.dtype)
    if before is not None:
        return f"wg_bits<{kind}>(wg_to_{before}({args[0]}))"
    if after is not None:
        return f"wg_from_{after}(wg_bits<wg_{after}>({args[0]}))"
    return f"wg_bits<{kind}>({args[0]})"


# Library functions of float64 by the name that programs call them by.
CALLS = {
    **{n: n for n in ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "exp2", "log", "log2")},
    **{n: n for n in ("log10", "pow", "erf", "erfc", "fmod", "lgamma", "tgamma")},
    "gammaln": "wg_gammaln",
    "gamma": "tgamma",
    "psi": "wg_digamma",
    "j0": "wg_j0",
    "j1": "wg_j1",
    **{n: f"wg_{n}" for n in ("gammainc", "gammaincc", "betainc", "hyp1f1", *MORE, *ORDERS)},
}


def _call(x: Expr, args: list[str], kind: str) -> str:
    name = CALLS.get(x.attr)
    if name is None:
        raise MissingRuleError(
            f"the CUDA back end has no {x.attr} yet; run this function with backend='cpu'"
        )
    return f"{name}({', '.join(args)})"


RULES: dict[ScalarOp, Rule] = {
    ScalarOp.ADD: _infix("+", "wg_iadd", "||"),
    ScalarOp.SUB: _infix("-", "wg_isub", "!="),
    ScalarOp.MUL: _infix("*", "wg_imul", "&&"),
    ScalarOp.DIV: _infix("/", "wg_idiv", "&&"),
    ScalarOp.IDIV: _divide,
    ScalarOp.IREM: _remainder,
    ScalarOp.FREM: _maths("fmod"),
    ScalarOp.NEG: _negate,
    ScalarOp.ABS: _absolute,
    ScalarOp.MIN: _extreme("wg_minimum", "&&"),
    ScalarOp.MAX: _extreme("wg_maximum", "||"),
    ScalarOp.FMA: _maths("fma"),
    ScalarOp.SQRT: _maths("sqrt"),
    ScalarOp.FLOOR: _rounding("floor"),
    ScalarOp.CEIL: _rounding("ceil"),
    ScalarOp.TRUNC: _rounding("trunc"),
    ScalarOp.RINT: _rounding("rint"),
    ScalarOp.COPYSIGN: _maths("copysign"),
    ScalarOp.EQ: _comparison("=="),
    ScalarOp.NE: _comparison("!="),
    ScalarOp.LT: _comparison("<"),
    ScalarOp.LE: _comparison("<="),
    ScalarOp.GT: _comparison(">"),
    ScalarOp.GE: _comparison(">="),
    ScalarOp.AND: _bitwise("&"),
    ScalarOp.OR: _bitwise("|"),
    ScalarOp.XOR: _bitwise("^"),
    ScalarOp.NOT: _not,
    ScalarOp.SHL: _shift("wg_shl"),
    ScalarOp.SHR: _shift("wg_shr"),
    ScalarOp.SELECT: _select,
    ScalarOp.CAST: _cast,
    ScalarOp.BITCAST: _bitcast,
    ScalarOp.CALL: _call,
    ScalarOp.EXP: _maths("exp"),
    ScalarOp.EXP2: _maths("exp2"),
    ScalarOp.EXPM1: _maths("expm1"),
    ScalarOp.LOG: _maths("log"),
    ScalarOp.LOG2: _maths("log2"),
    ScalarOp.LOG10: _maths("log10"),
    ScalarOp.LOG1P: _maths("log1p"),
    ScalarOp.SIN: _maths("sin"),
    ScalarOp.COS: _maths("cos"),
    ScalarOp.TAN: _maths("tan"),
    ScalarOp.ASIN: _maths("asin"),
    ScalarOp.ACOS: _maths("acos"),
    ScalarOp.ATAN: _maths("atan"),
    ScalarOp.SINH: _maths("sinh"),
    ScalarOp.COSH: _maths("cosh"),
    ScalarOp.TANH: _maths("tanh"),
    ScalarOp.ASINH: _maths("asinh"),
    ScalarOp.ACOSH: _maths("acosh"),
    ScalarOp.ATANH: _maths("atanh"),
    ScalarOp.ATAN2: _maths("atan2"),
    ScalarOp.POW: _maths("pow"),
    ScalarOp.CBRT: _maths("cbrt"),
    ScalarOp.ERF: _maths("erf"),
    ScalarOp.ERFC: _maths("wg_erfc"),
}


def print_op(x: Expr, args: list[str], kind: str) -> str:
    """The C++ text of an operation on operands given as texts."""
    return RULES[x.op](x, args, kind)
