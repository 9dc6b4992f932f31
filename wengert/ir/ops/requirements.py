"""require: a condition that must hold when the program runs (`assert`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import AssertionFailedError, DTypeError
from wengert.ir.builder import Value
from wengert.ir.op import ElementContext, Op, Requirement, Sample, register
from wengert.ir.ops.structural_family import batch_unary, no_tangent
from wengert.ir.scalar import Expr
from wengert.ir.types import BOOL, TensorType

Array = np.ndarray[Any, Any]


def _infer(condition: TensorType, *, message: str) -> tuple[TensorType]:
    if condition.dtype != BOOL:
        raise DTypeError(f"require takes a bool condition, got {condition}; compare it first")
    return (condition,)


def _evaluate(condition: Array, *, message: str) -> Array:
    if not np.all(condition):
        raise AssertionFailedError(message)
    return np.array(condition)


def _element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    return ctx.read(0, index)


def _requirement(ctx: ElementContext, index: tuple[Expr, ...]) -> Requirement:
    return Requirement(
        ctx.read(0, index), ctx.s.int(0), "AssertionFailedError", ctx.params["message"]
    )


def _unchecked(values: Sequence[Value], *, message: str) -> Value:
    return values[0]


require = register(
    Op(
        name="require",
        family="requirements",
        params=("message",),
        infer=_infer,
        evaluate=_evaluate,
        jvp=no_tangent,
        batch=batch_unary("require", lambda count, *, message: {"message": message}),
        element=_element,
        check=_requirement,
        unchecked=_unchecked,
        samples=lambda: [
            Sample((np.array(value),), {"message": "too large"}) for value in (True, [True] * 3)
        ],
        doc="The condition itself; the call fails with `message` where it does not hold.",
    )
)
