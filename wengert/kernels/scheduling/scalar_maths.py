"""Maths functions in code that runs one number at a time.

The expansions of `maths/` are made for vectors: they have no branches, and give eight results in
the time of one. In a loop whose turns wait for one another only the time of the one
counts, and there the C library's functions are two to five times faster for those listed here
(measured with glibc 2.36; the others are level or slower). They are as accurate.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT32, FLOAT64
from wengert.kernels.expressions import Rewriter
from wengert.kernels.loops import If, Loop, Stmt, While
from wengert.kernels.statements import map_statements

# Functions of the C library for float64, and those that pay for float32 too, by way of float64.
DOUBLE = {
    ScalarOp.EXP: "exp",
    ScalarOp.EXP2: "exp2",
    ScalarOp.LOG: "log",
    ScalarOp.LOG2: "log2",
    ScalarOp.LOG10: "log10",
    ScalarOp.SIN: "sin",
    ScalarOp.COS: "cos",
    ScalarOp.ASIN: "asin",
    ScalarOp.ACOS: "acos",
    ScalarOp.ATAN: "atan",
    ScalarOp.ERF: "erf",
    ScalarOp.ERFC: "erfc",
    ScalarOp.POW: "pow",
}
_OPS = {name: op for op, name in DOUBLE.items()}
SINGLE = frozenset(
    {
        ScalarOp.EXP,
        ScalarOp.EXP2,
        ScalarOp.LOG,
        ScalarOp.LOG2,
        ScalarOp.LOG10,
        ScalarOp.ERF,
        ScalarOp.ERFC,
        ScalarOp.POW,
    }
)


def one_at_a_time(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """`body` with library calls in the statements that stand in none of its loops."""
    rewrite = Rewriter(s, lambda expr: _called(s, expr, rewrite))

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop() | While():
                return statement
            case If(condition, then, otherwise):
                return If(rewrite(condition), many(then), many(otherwise))
            case _:
                return map_statements((statement,), rewrite)[0]

    def many(statements: Sequence[Stmt]) -> tuple[Stmt, ...]:
        return tuple(one(st) for st in statements)

    return many(body)


def has_loops(body: Sequence[Stmt]) -> bool:
    """Whether a loop stands in `body`, so that a loop around it is not the innermost one."""
    return any(
        isinstance(st, Loop | While)
        or (isinstance(st, If) and (has_loops(st.then) or has_loops(st.otherwise)))
        for st in body
    )


def _called(s: ScalarBuilder, expr: Expr, rewrite: Rewriter) -> Expr | None:
    name = DOUBLE.get(expr.op)
    if name is None or (expr.dtype == FLOAT32 and expr.op not in SINGLE):
        return None
    if expr.dtype not in (FLOAT32, FLOAT64):
        return None
    args = [s.cast(rewrite(a), FLOAT64) for a in expr.args]
    return s.cast(s.call(name, *args), expr.dtype)


def in_lanes(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """What `one_at_a_time` made of `body`, as it was: for loops that become vectors after all."""
    rewrite = Rewriter(s, lambda expr: _vocabulary(s, expr, rewrite))
    return map_statements(body, rewrite)


def _vocabulary(s: ScalarBuilder, expr: Expr, rewrite: Rewriter) -> Expr | None:
    single = expr.op is ScalarOp.CAST and expr.dtype == FLOAT32
    called = expr.args[0] if single else expr
    op = _OPS.get(called.attr) if called.op is ScalarOp.CALL else None
    if op is None:
        return None
    if not single:
        return s.maths(op, *map(rewrite, called.args))
    if op not in SINGLE or not all(_is_wide(a) for a in called.args):
        return None
    return s.maths(op, *(rewrite(_narrow(s, a)) for a in called.args))


def _is_wide(expr: Expr) -> bool:
    """Whether a float64 is surely a float32 made wider."""
    return expr.is_const or (expr.op is ScalarOp.CAST and expr.args[0].dtype == FLOAT32)


def _narrow(s: ScalarBuilder, expr: Expr) -> Expr:
    return s.const(expr.attr, FLOAT32) if expr.is_const else expr.args[0]
