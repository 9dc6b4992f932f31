"""Evaluates element rules with NumPy: the meaning of the scalar vocabulary, on many lanes at once.

A lane is one output element. A GUARD evaluates its value only on the lanes where its condition
holds, so that a load out of bounds elsewhere is not made, and one that is made fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

from wengert.ir.op import Op
from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import TensorType, type_of
from wengert.kernels.interpret import FUNCTIONS


@dataclass(frozen=True, eq=False)
class Buffer:
    array: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype


@dataclass
class Context:
    """The `ElementContext` of an op on concrete arrays."""

    s: ScalarBuilder
    in_types: tuple[TensorType, ...]
    out_type: TensorType
    params: dict[str, Any]
    buffers: list[Buffer]

    def read(self, operand: int, index: Sequence[Expr]) -> Expr:
        shape = self.in_types[operand].shape
        assert len(index) == len(shape), f"operand {operand} read with {len(index)} indices"
        offset = self.s.int(0)
        for i, extent in zip(index, shape, strict=True):
            offset = self.s.add(self.s.mul(offset, self.s.int(extent)), i)
        return self.s.load(self.buffers[operand], offset)


def element_context(op: Op, args: Sequence[np.ndarray], params: dict[str, Any]) -> Context:
    in_types = tuple(type_of(a) for a in args)
    (out_type,) = op.infer(*in_types, **params)
    buffers = [Buffer(np.ascontiguousarray(a).reshape(-1)) for a in args]
    return Context(ScalarBuilder(), in_types, out_type, params, buffers)


def evaluate_element(op: Op, args: Sequence[np.ndarray], params: dict[str, Any]) -> np.ndarray:
    """The op's output computed by its `element` rule."""
    ctx = element_context(op, args, params)
    shape = ctx.out_type.shape
    expr, lanes = _traced(ctx, op.rule("element"), shape)
    assert expr.dtype == ctx.out_type.dtype, f"{op}: element gives {expr.dtype}"
    return evaluate_expr(expr, lanes, ctx.out_type.size).reshape(shape)


def evaluate_requirement(
    op: Op, args: Sequence[np.ndarray], params: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The condition and the value of the op's `check` rule, flat."""
    ctx = element_context(op, args, params)
    requirement, lanes = _traced(ctx, op.rule("check"), ctx.out_type.shape)
    parts = (requirement.condition, requirement.value)
    condition, value = (evaluate_expr(e, lanes, ctx.out_type.size) for e in parts)
    return condition, value


def _traced(ctx: Context, rule: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Any, Any]:
    axes = [Index(extent) for extent in shape]
    result = rule(ctx, tuple(ctx.s.index(i) for i in axes))
    grids = np.indices(shape).reshape(len(shape), -1) if shape else np.zeros((0, 1), int)
    return result, dict(zip(axes, grids, strict=True))


def evaluate_expr(expr: Expr, lanes: dict[Index, np.ndarray], count: int) -> np.ndarray:
    """The value of `expr` on `count` lanes, whose loop indices are given."""
    with np.errstate(all="ignore"):
        value = _Lanes(lanes, count).value(expr)
    return np.broadcast_to(value, (count,))


@dataclass
class _Lanes:
    indices: dict[Index, np.ndarray]
    count: int

    def __post_init__(self) -> None:
        self.memo: dict[Expr, Any] = {}

    def value(self, expr: Expr) -> Any:
        found = self.memo.get(expr)
        if found is None:
            found = self.memo[expr] = self._compute(expr)
        return found

    def _compute(self, expr: Expr) -> Any:
        match expr.op:
            case ScalarOp.CONST:
                return expr.dtype.type(expr.attr)
            case ScalarOp.INDEX:
                return self.indices[expr.attr]
            case ScalarOp.LOAD:
                return self._load(expr)
            case ScalarOp.GUARD:
                return self._guard(expr)
            case ScalarOp.CAST:
                return np.asarray(self.value(expr.args[0])).astype(expr.dtype)
            case ScalarOp.BITCAST:
                return np.array(self.value(expr.args[0]), expr.args[0].dtype).view(expr.dtype)
            case ScalarOp.CALL:
                function = getattr(scipy.special, expr.attr)
                return np.asarray(function(*map(self.value, expr.args)), float)
        args = [self.value(a) for a in expr.args]
        result = np.asarray(TABLE[expr.op](*args))
        assert result.dtype == expr.dtype, f"{expr.op} gave {result.dtype}, not {expr.dtype}"
        return result

    def _load(self, expr: Expr) -> Any:
        offset = np.broadcast_to(self.value(expr.args[0]), (self.count,))
        array = expr.attr.array
        if self.count and not (offset.min() >= 0 and offset.max() < array.size):
            raise IndexError(f"load out of bounds: {offset} of {array.size}")
        return array[offset]

    def _guard(self, expr: Expr) -> Any:
        condition, value, otherwise = expr.args
        holds = np.broadcast_to(self.value(condition), (self.count,))
        result = np.array(np.broadcast_to(self.value(otherwise), (self.count,)))
        chosen = {i: lanes[holds] for i, lanes in self.indices.items()}
        result[holds] = _Lanes(chosen, int(holds.sum())).value(value)
        return result


def _idiv(x: Any, y: Any) -> Any:
    x, y = np.broadcast_arrays(x, y)
    quotient = np.floor_divide(x, y)
    exact = (np.remainder(x, y) == 0) | ((x < 0) == (y < 0)) | (y == 0)
    return np.where(exact, quotient, quotient + x.dtype.type(1))


def _trunc_shift(shift: Any) -> Any:
    def checked(x: Any, y: Any) -> Any:
        bits = np.asarray(x).dtype.itemsize * 8
        assert np.all((np.asarray(y) >= 0) & (np.asarray(y) < bits)), "shift out of range"
        return shift(x, y)

    return checked


def _maths(function: Any) -> Any:
    return lambda x: np.asarray(function(x), np.asarray(x).dtype)


# Arithmetic is that of the loop interpreter; here whole arrays pass, and shifts are checked.
TABLE: dict[ScalarOp, Any] = {
    **FUNCTIONS,
    ScalarOp.IDIV: _idiv,
    ScalarOp.IREM: np.fmod,
    ScalarOp.SHL: _trunc_shift(np.left_shift),
    ScalarOp.SHR: _trunc_shift(np.right_shift),
    ScalarOp.SELECT: np.where,
    ScalarOp.ERF: _maths(scipy.special.erf),
    ScalarOp.ERFC: _maths(scipy.special.erfc),
}
