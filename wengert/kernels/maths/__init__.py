"""Branch-free expansions of the maths functions in the scalar vocabulary.

`expand` turns one maths node into arithmetic, bit operations and SELECTs of its dtype, which a
loop vectoriser takes as it is. Special values are NumPy's: NaN, infinities, signed zeros, overflow
to inf, gradual underflow. `ULP` states the largest error in units in the last place.

sin, cos and tan of a huge argument, and the remainder of a huge quotient, are the exceptions: their
exact form is a CALL of the C library under a GUARD. `expand(..., guard=False)` leaves it out for a
caller that has another way, with `needs_slow_path` and `expand_slow`.

Machines whose vectors hold tables (AVX-512) take shorter polynomials, with exponents and powers of
two by instructions; others take the forms in `_WITHOUT_TABLES`.

Adding a function: one expansion `(builder, format, *operands) -> Expr` in its family's file, one
row in `_EXPANSIONS`, one in `ULP`; tests/test_maths.py takes its cases from these tables.
"""

from __future__ import annotations

from collections.abc import Callable

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.maths import (
    error_function,
    exponential,
    hyperbolic,
    inverse_trigonometric,
    logarithm,
    power,
    remainder,
    trigonometric,
)
from wengert.kernels.maths.formats import FORMATS, Format

__all__ = ["ULP", "expand", "expand_slow", "needs_slow_path"]

_EXPANSIONS: dict[ScalarOp, Callable[..., Expr]] = {
    ScalarOp.EXP: exponential.exp,
    ScalarOp.EXP2: exponential.exp2,
    ScalarOp.EXPM1: exponential.expm1,
    ScalarOp.LOG: logarithm.log,
    ScalarOp.LOG2: logarithm.log2,
    ScalarOp.LOG10: logarithm.log10,
    ScalarOp.LOG1P: logarithm.log1p,
    ScalarOp.SIN: trigonometric.sin,
    ScalarOp.COS: trigonometric.cos,
    ScalarOp.TAN: trigonometric.tan,
    ScalarOp.ASIN: inverse_trigonometric.asin,
    ScalarOp.ACOS: inverse_trigonometric.acos,
    ScalarOp.ATAN: inverse_trigonometric.atan,
    ScalarOp.ATAN2: inverse_trigonometric.atan2,
    ScalarOp.SINH: hyperbolic.sinh,
    ScalarOp.COSH: hyperbolic.cosh,
    ScalarOp.TANH: hyperbolic.tanh,
    ScalarOp.ASINH: hyperbolic.asinh,
    ScalarOp.ACOSH: hyperbolic.acosh,
    ScalarOp.ATANH: hyperbolic.atanh,
    ScalarOp.POW: power.pow_,
    ScalarOp.CBRT: power.cbrt,
    ScalarOp.ERF: error_function.erf,
    ScalarOp.ERFC: error_function.erfc,
    ScalarOp.FREM: remainder.frem,
}
_WITHOUT_TABLES: dict[ScalarOp, Callable[..., Expr]] = {
    ScalarOp.EXP: exponential.plain_exp,
    ScalarOp.EXP2: exponential.plain_exp2,
    ScalarOp.LOG: logarithm.plain_log,
    ScalarOp.TANH: hyperbolic.plain_tanh,
    ScalarOp.ERF: error_function.plain_erf,
    ScalarOp.ERFC: error_function.plain_erfc,
    ScalarOp.POW: power.plain_pow,
}
"""The forms without tables, and without exponents and powers of two by one instruction."""
_PLAIN = {**_EXPANSIONS, **_WITHOUT_TABLES}
PERIODIC = frozenset({ScalarOp.SIN, ScalarOp.COS, ScalarOp.TAN, ScalarOp.FREM})
"""Those whose exact form for huge arguments is a library call."""


def _both(single: float, double: float) -> dict[str, float]:
    return {"float32": single, "float64": double}


# The largest error in units in the last place, with a margin over the largest one found.
ULP: dict[ScalarOp, dict[str, float]] = {
    ScalarOp.EXP: _both(1.0, 1.0),
    ScalarOp.EXP2: _both(1.0, 1.0),
    ScalarOp.EXPM1: _both(2.0, 2.0),
    ScalarOp.LOG: _both(1.0, 1.0),
    ScalarOp.LOG2: _both(1.0, 1.0),
    ScalarOp.LOG10: _both(1.0, 1.0),
    ScalarOp.LOG1P: _both(1.5, 1.5),
    ScalarOp.SIN: _both(1.6, 1.6),
    ScalarOp.COS: _both(1.6, 1.6),
    ScalarOp.TAN: _both(4.0, 4.0),
    ScalarOp.ASIN: _both(2.5, 2.5),
    ScalarOp.ACOS: _both(1.5, 1.5),
    ScalarOp.ATAN: _both(2.5, 2.5),
    ScalarOp.ATAN2: _both(2.5, 2.5),
    ScalarOp.SINH: _both(3.5, 3.5),
    ScalarOp.COSH: _both(3.0, 3.0),
    ScalarOp.TANH: _both(2.0, 2.0),
    ScalarOp.ASINH: _both(2.0, 2.0),
    ScalarOp.ACOSH: _both(2.5, 2.5),
    ScalarOp.ATANH: _both(2.5, 2.5),
    ScalarOp.POW: _both(1.0, 1.5),
    ScalarOp.CBRT: _both(1.0, 1.0),
    ScalarOp.ERF: _both(1.5, 1.5),
    ScalarOp.ERFC: _both(4.0, 4.0),
    ScalarOp.FREM: _both(0.0, 0.0),
}


def _format(expr: Expr) -> Format:
    found = FORMATS.get(expr.dtype)
    if found is None:
        raise TypeError(f"{expr.op} of {expr.dtype}: only float32 and float64 have expansions")
    return found


def needs_slow_path(s: ScalarBuilder, expr: Expr) -> Expr | None:
    """Where the fast form of `expr` does not hold: a bool expression, or None for nowhere."""
    if expr.op not in PERIODIC:
        return None
    return (remainder.is_large if expr.op is ScalarOp.FREM else trigonometric.is_huge)(
        s, *expr.args
    )


def expand_slow(s: ScalarBuilder, expr: Expr) -> Expr:
    """`expr` by a CALL of the C library: right everywhere, but not vectorised."""
    if expr.op is ScalarOp.FREM:
        return remainder.slow(s, *expr.args)
    return trigonometric.slow(s, str(expr.op), expr.args[0])


def expand(s: ScalarBuilder, expr: Expr, *, guard: bool = True, tables: bool = True) -> Expr:
    """A maths node other than CALL, of dtype float32 or float64, in terms of the other ops.

    With `guard`, it is right for all operands: where the fast form is not, a GUARD takes
    `expand_slow`. Without `tables`, none is looked up: the form for machines that read them from
    memory, and have no instructions for exponents and powers of two either.
    """
    forms = _EXPANSIONS if tables else _PLAIN
    fast = forms[expr.op](s, _format(expr), *expr.args)
    condition = needs_slow_path(s, expr) if guard else None
    return fast if condition is None else s.guard(condition, expand_slow(s, expr), fast)
