"""The closed scalar vocabulary, and expressions over it.

Every tensor op lowers to scalar expressions of loop indices and loaded elements; loop programs
and back ends know nothing else. An `Expr` is an immutable DAG node made by a `ScalarBuilder`,
which shares equal nodes, so that identity is equality within one builder.

Conventions
- Operands of arithmetic, comparison and bit operations have one common dtype.
- Index arithmetic is int64.
- MIN and MAX propagate NaN, as `np.minimum` does. IDIV and IREM truncate, as C does, and give 0
  for a zero divisor, as NumPy does. SHR is arithmetic for signed integers.
- float16 and bfloat16 are storage formats: arithmetic on them is done in float32 and rounded after
  each op.
- SELECT evaluates both branches. GUARD evaluates its value only where the condition holds: it
  protects loads that would be out of bounds elsewhere.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.ir.floats import kind_of
from wengert.ir.folding import compared, folded
from wengert.ir.types import BOOL, FLOAT64, INT64, DType


class ScalarOp(enum.StrEnum):
    """The vocabulary. Each back end is a table keyed by it; a test checks that none is missing."""

    # leaves: attr holds the value, the Index, the buffer (args: flat offset), the register
    CONST = "const"
    INDEX = "index"
    LOAD = "load"
    REGISTER = "register"
    # arithmetic
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    IDIV = "idiv"
    IREM = "irem"
    NEG = "neg"
    ABS = "abs"
    MIN = "min"
    MAX = "max"
    FMA = "fma"
    SQRT = "sqrt"
    FLOOR = "floor"
    CEIL = "ceil"
    TRUNC = "trunc"
    RINT = "rint"
    COPYSIGN = "copysign"
    # parts of floats and tables, in expansions of maths functions alone (kernels/maths/formats.py)
    EXPONENT = "exponent"
    SIGNIFICAND = "significand"
    SCALE = "scale"
    LOOKUP = "lookup"  # attr: the table
    # comparison: bool results
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    # bits: integers, and bool for AND, OR, XOR, NOT
    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"
    SHL = "shl"
    SHR = "shr"
    # choice and conversion
    SELECT = "select"
    GUARD = "guard"
    CAST = "cast"
    BITCAST = "bitcast"
    # maths functions: expanded by kernels/maths or mapped to the device's own
    EXP = "exp"
    EXP2 = "exp2"
    EXPM1 = "expm1"
    LOG = "log"
    LOG2 = "log2"
    LOG10 = "log10"
    LOG1P = "log1p"
    SIN = "sin"
    COS = "cos"
    TAN = "tan"
    ASIN = "asin"
    ACOS = "acos"
    ATAN = "atan"
    SINH = "sinh"
    COSH = "cosh"
    TANH = "tanh"
    ASINH = "asinh"
    ACOSH = "acosh"
    ATANH = "atanh"
    ATAN2 = "atan2"
    POW = "pow"
    CBRT = "cbrt"
    ERF = "erf"
    ERFC = "erfc"
    FREM = "frem"  # as C's fmod
    # a float64 function of float64 arguments from a library, by name in attr (gammaln, psi, ...)
    CALL = "call"


COMPARISONS = frozenset(
    {ScalarOp.EQ, ScalarOp.NE, ScalarOp.LT, ScalarOp.LE, ScalarOp.GT, ScalarOp.GE}
)
MATHS = frozenset(
    op for op in ScalarOp if list(ScalarOp).index(op) >= list(ScalarOp).index(ScalarOp.EXP)
)


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Index:
    """A loop index, known by identity. Printers name it by order of appearance.

    `extent` is an upper bound of its values plus one. A loop over the whole of it stops at
    `stop`, where that depends on loops around it.
    """

    extent: int
    stop: Expr | None = None


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Expr:
    """A scalar expression: one node of a DAG.

    `indices` is the set of loop indices it depends on, `loads` that of the buffers it reads. What
    `affine` found for it is in `known`.
    """

    op: ScalarOp
    args: tuple[Expr, ...]
    dtype: DType
    attr: Any
    indices: frozenset[Index]
    loads: frozenset[Any] = frozenset()
    known: tuple[Affine | None, ...] = field(default=(), repr=False)

    @property
    def is_const(self) -> bool:
        return self.op is ScalarOp.CONST


_NOTHING: frozenset[Any] = frozenset()
_OWN_TYPE: dict[Any, type] = {FLOAT64: float, INT64: int, BOOL: bool}
"""The types of Python whose values are those of a dtype."""


@dataclass(slots=True)
class ScalarBuilder:
    """Makes expressions, sharing equal ones and folding the index arithmetic it can."""

    _nodes: dict[tuple[Any, ...], Expr] = field(default_factory=dict[tuple[Any, ...], Expr])

    def node(self, op: ScalarOp, args: tuple[Expr, ...], dtype: DType, attr: Any = None) -> Expr:
        """The shared node of these parts."""
        # operands are hashed and compared by identity; 0.0 and -0.0, 1 and True are no equals
        key = (op, args, dtype, repr(attr) if op is ScalarOp.CONST else attr)
        found = self._nodes.get(key)
        if found is None:
            indices = frozenset((attr,)) if op is ScalarOp.INDEX else _NOTHING
            loads = frozenset((attr,)) if op is ScalarOp.LOAD else _NOTHING
            for a in args:
                if a.indices is not indices and not a.indices <= indices:
                    indices = indices | a.indices if indices else a.indices
                if a.loads is not loads and not a.loads <= loads:
                    loads = loads | a.loads if loads else a.loads
            found = self._nodes[key] = Expr(op, args, dtype, attr, indices, loads)
        return found

    # leaves

    def const(self, value: Any, dtype: Any) -> Expr:
        """A constant, rounded to `dtype`."""
        dtype = np.dtype(dtype)
        as_it_is = _OWN_TYPE.get(dtype) is type(value)
        if not as_it_is or (dtype == INT64 and not -(2**63) <= value < 2**63):
            value = np.asarray(value).astype(dtype).item()
        return self.node(ScalarOp.CONST, (), dtype, value)

    def like(self, value: Any, other: Expr) -> Expr:
        """A constant of the dtype of `other`."""
        return self.const(value, other.dtype)

    def int(self, value: int) -> Expr:
        """An int64 constant."""
        return self.node(ScalarOp.CONST, (), INT64, int(value))

    def index(self, index: Index) -> Expr:
        return self.node(ScalarOp.INDEX, (), INT64, index)

    def load(self, buffer: Any, offset: Expr) -> Expr:
        """The element of `buffer` (anything with a dtype) at a flat offset."""
        return self.node(ScalarOp.LOAD, (offset,), buffer.dtype, buffer)

    def register(self, register: Any) -> Expr:
        """The current value of a mutable register of the loop program."""
        return self.node(ScalarOp.REGISTER, (), register.dtype, register)

    # arithmetic

    def _coerce(self, x: Any, other: Expr) -> Expr:
        return x if isinstance(x, Expr) else self.const(x, other.dtype)

    def _pair(self, x: Any, y: Any) -> tuple[Expr, Expr]:
        if isinstance(x, Expr):
            return x, y if isinstance(y, Expr) else self.const(y, x.dtype)
        return self._coerce(x, y), y

    def _arith(self, op: ScalarOp, x: Any, y: Any) -> Expr:
        return self._joined(op, *self._pair(x, y))

    def _joined(self, op: ScalarOp, x: Expr, y: Expr) -> Expr:
        if x.dtype is not y.dtype and x.dtype != y.dtype:
            raise TypeError(f"{op} of {x.dtype} and {y.dtype}")
        if y.op is ScalarOp.CONST and x.op is ScalarOp.CONST:
            return self.const(folded(op, x.attr, y.attr, x.dtype), x.dtype)
        return self.node(op, (x, y), x.dtype)

    def add(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.dtype.kind in "iu":
            if x.op is ScalarOp.CONST:
                x, y = y, x
            if y.op is ScalarOp.CONST:
                if y.attr == 0:
                    return x
                if x.op is ScalarOp.ADD and x.args[1].is_const:
                    return self.add(x.args[0], self._joined(ScalarOp.ADD, x.args[1], y))
        return self._joined(ScalarOp.ADD, x, y)

    def sub(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.dtype == INT64 and y.is_const:
            return self.add(x, self.int(-y.attr))
        if x is y and x.dtype.kind in "iu":
            return self.like(0, x)
        return self._arith(ScalarOp.SUB, x, y)

    def mul(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.op is ScalarOp.CONST:
            x, y = y, x
        if y.op is ScalarOp.CONST:
            if y.attr == 1 and y.dtype.kind != "b":
                return x
            if y.attr == 0 and x.dtype.kind in "iu":
                return y
            if x.op is ScalarOp.MUL and x.dtype == INT64 and x.args[1].is_const:
                return self.mul(x.args[0], self._joined(ScalarOp.MUL, x.args[1], y))
        return self._joined(ScalarOp.MUL, x, y)

    def div(self, x: Any, y: Any) -> Expr:
        """True division of floats."""
        return self._arith(ScalarOp.DIV, x, y)

    def idiv(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return x if y.is_const and y.attr == 1 else self._arith(ScalarOp.IDIV, x, y)

    def irem(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return self.like(0, x) if y.is_const and y.attr == 1 else self._arith(ScalarOp.IREM, x, y)

    def frem(self, x: Any, y: Any) -> Expr:
        return self.node(ScalarOp.FREM, self._pair(x, y), self._pair(x, y)[0].dtype)

    def min(self, x: Any, y: Any) -> Expr:
        return self._arith(ScalarOp.MIN, x, y)

    def max(self, x: Any, y: Any) -> Expr:
        return self._arith(ScalarOp.MAX, x, y)

    def fma(self, x: Expr, y: Any, z: Any) -> Expr:
        """x * y + z, rounded once where the machine can."""
        return self.node(ScalarOp.FMA, (x, self._coerce(y, x), self._coerce(z, x)), x.dtype)

    def copysign(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return self.node(ScalarOp.COPYSIGN, (x, y), x.dtype)

    def unary(self, op: ScalarOp, x: Expr) -> Expr:
        return self.node(op, (x,), x.dtype)

    def neg(self, x: Expr) -> Expr:
        return self.const(-x.attr, x.dtype) if x.is_const else self.unary(ScalarOp.NEG, x)

    def abs(self, x: Expr) -> Expr:
        return self.unary(ScalarOp.ABS, x)

    # comparison and bits

    def _compare(self, op: ScalarOp, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.dtype != y.dtype:
            raise TypeError(f"{op} of {x.dtype} and {y.dtype}")
        if x.is_const and y.is_const:
            return self.const(compared(op, x.attr, y.attr), BOOL)
        if op in (ScalarOp.EQ, ScalarOp.NE) and _is_truth(x) and y.is_const and y.attr == 0:
            return x.args[0] if op is ScalarOp.NE else self.not_(x.args[0])
        return self.node(op, (x, y), BOOL)

    def eq(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.EQ, x, y)

    def ne(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.NE, x, y)

    def lt(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.LT, x, y)

    def le(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.LE, x, y)

    def gt(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.GT, x, y)

    def ge(self, x: Any, y: Any) -> Expr:
        return self._compare(ScalarOp.GE, x, y)

    def and_(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.dtype == BOOL:
            if x.is_const:
                return y if x.attr else x
            if y.is_const:
                return x if y.attr else y
        return self.node(ScalarOp.AND, (x, y), x.dtype)

    def or_(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if x.dtype == BOOL:
            if x.is_const:
                return x if x.attr else y
            if y.is_const:
                return y if y.attr else x
        return self.node(ScalarOp.OR, (x, y), x.dtype)

    def xor(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return self.node(ScalarOp.XOR, (x, y), x.dtype)

    def not_(self, x: Expr) -> Expr:
        if x.is_const and x.dtype == BOOL:
            return self.const(not x.attr, BOOL)
        return x.args[0] if x.op is ScalarOp.NOT else self.unary(ScalarOp.NOT, x)

    def shl(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return self.node(ScalarOp.SHL, (x, y), x.dtype)

    def shr(self, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        return self.node(ScalarOp.SHR, (x, y), x.dtype)

    # choice and conversion

    def select(self, condition: Expr, x: Any, y: Any) -> Expr:
        x, y = self._pair(x, y)
        if condition.is_const:
            return x if condition.attr else y
        if condition.op is ScalarOp.NOT:
            return self.select(condition.args[0], y, x)
        return x if x is y else self.node(ScalarOp.SELECT, (condition, x, y), x.dtype)

    def guard(self, condition: Expr, x: Expr, otherwise: Any) -> Expr:
        """`x` where `condition` holds, else `otherwise`; `x` is evaluated only where it holds."""
        otherwise = self._coerce(otherwise, x)
        if condition.is_const:
            return x if condition.attr else otherwise
        return self.node(ScalarOp.GUARD, (condition, x, otherwise), x.dtype)

    def cast(self, x: Expr, dtype: Any) -> Expr:
        """Conversion with C's meaning (floats to integers truncate; anything to bool is != 0)."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        if x.is_const and np.isfinite(x.attr):
            return self.const(x.attr, dtype)
        return self.node(ScalarOp.CAST, (x,), dtype)

    def bitcast(self, x: Expr, dtype: Any) -> Expr:
        return self.node(ScalarOp.BITCAST, (x,), np.dtype(dtype))

    # functions

    def maths(self, op: ScalarOp, *args: Expr) -> Expr:
        """One of `MATHS` but CALL, on floats of one dtype."""
        return self.node(op, args, args[0].dtype)

    def call(self, name: str, *args: Expr) -> Expr:
        """A library function on float64 arguments."""
        return self.node(ScalarOp.CALL, args, np.dtype(np.float64), name)

    def isnan(self, x: Expr) -> Expr:
        return self.ne(x, x) if kind_of(x.dtype) == "f" else self.const(False, BOOL)


def _unary_method(op: ScalarOp) -> Callable[[ScalarBuilder, Expr], Expr]:
    def method(self: ScalarBuilder, x: Expr) -> Expr:
        return self.unary(op, x)

    method.__name__ = str(op)
    return method


for _op in (
    *(o for o in MATHS if o not in (ScalarOp.CALL, ScalarOp.POW, ScalarOp.ATAN2, ScalarOp.FREM)),
    *(ScalarOp.SQRT, ScalarOp.FLOOR, ScalarOp.CEIL, ScalarOp.TRUNC, ScalarOp.RINT),
):
    setattr(ScalarBuilder, str(_op), _unary_method(_op))


def _is_truth(x: Expr) -> bool:
    """Whether `x` is a bool made a number: 0 or 1."""
    return x.op is ScalarOp.CAST and x.args[0].dtype == BOOL


@dataclass(frozen=TYPE_CHECKING, slots=True)
class Affine:
    """const + sum of coefficient * index."""

    const: int
    terms: dict[Index, int]


def affine(expr: Expr) -> Affine | None:
    """`expr` as an affine function of loop indices, or None if it is not one."""
    if not expr.known:
        object.__setattr__(expr, "known", (_affine(expr),))
    return expr.known[0]


def _affine(expr: Expr) -> Affine | None:
    if expr.is_const:
        return Affine(int(expr.attr), {})
    if expr.op is ScalarOp.INDEX:
        return Affine(0, {expr.attr: 1})
    if expr.op is ScalarOp.NEG:
        return _combine(Affine(0, {}), affine(expr.args[0]), -1)
    if expr.op in (ScalarOp.ADD, ScalarOp.SUB):
        sign = 1 if expr.op is ScalarOp.ADD else -1
        return _combine(affine(expr.args[0]), affine(expr.args[1]), sign)
    if expr.op is ScalarOp.MUL and expr.args[1].is_const:
        return _combine(Affine(0, {}), affine(expr.args[0]), int(expr.args[1].attr))
    return None


def _combine(x: Affine | None, y: Affine | None, factor: int) -> Affine | None:
    if x is None or y is None:
        return None
    terms = dict(x.terms)
    for index, coefficient in y.terms.items():
        terms[index] = terms.get(index, 0) + factor * coefficient
    kept = {index: c for index, c in terms.items() if c != 0}
    return Affine(x.const + factor * y.const, kept)


def linear_in(
    s: ScalarBuilder, expr: Expr, given: Set[Index]
) -> tuple[dict[Index, int], Expr] | None:
    """`expr` as a sum of constant multiples of the `given` indices, and of what has none of them.

    None if it is no such sum.
    """
    if not expr.indices & given:
        return {}, expr
    if expr.op is ScalarOp.INDEX:
        return {expr.attr: 1}, s.int(0)
    if expr.op in (ScalarOp.ADD, ScalarOp.SUB):
        x, y = (linear_in(s, a, given) for a in expr.args)
        if x is None or y is None:
            return None
        sign = 1 if expr.op is ScalarOp.ADD else -1
        terms = dict(x[0])
        for index, factor in y[0].items():
            terms[index] = terms.get(index, 0) + sign * factor
        return terms, s.add(x[1], y[1]) if sign == 1 else s.sub(x[1], y[1])
    if expr.op is ScalarOp.MUL and expr.args[1].is_const:
        found, factor = linear_in(s, expr.args[0], given), int(expr.args[1].attr)
        if found is not None:
            return {i: c * factor for i, c in found[0].items()}, s.mul(found[1], factor)
    return None
