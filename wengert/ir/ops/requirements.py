"""require: a condition that must hold when the program runs (`assert`, `raise` in a branch)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import errors
from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.ir.op import ElementContext, Op, Requirement, Sample, register
from wengert.ir.ops.structural_family import batch_unary, no_tangent
from wengert.ir.scalar import Expr
from wengert.ir.types import BOOL, TensorType

Array = np.ndarray[Any, Any]


ASSERTION = "AssertionFailedError"


def _infer(condition: TensorType, *, message: str, error: str = ASSERTION) -> tuple[TensorType]:
    if condition.dtype != BOOL:
        raise DTypeError(f"require takes a bool condition, got {condition}; compare it first")
    return (condition,)


def _evaluate(condition: Array, *, message: str, error: str = ASSERTION) -> Array:
    if not np.all(condition):
        raise errors.exception(error, message)
    return np.array(condition)


def _element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    return ctx.read(0, index)


def _requirement(ctx: ElementContext, index: tuple[Expr, ...]) -> Requirement:
    error = ctx.params.get("error", ASSERTION)
    return Requirement(ctx.read(0, index), ctx.s.int(0), error, ctx.params["message"])


def _unchecked(values: Sequence[Value], *, message: str, error: str = ASSERTION) -> Value:
    return values[0]


require = register(
    Op(
        name="require",
        family="requirements",
        params=("message", "error"),
        optional=frozenset({"error"}),
        infer=_infer,
        evaluate=_evaluate,
        jvp=no_tangent,
        batch=batch_unary("require", lambda count, **params: params),
        element=_element,
        check=_requirement,
        unchecked=_unchecked,
        samples=lambda: [
            *(Sample((np.array(v),), {"message": "too large"}) for v in (True, [True] * 3)),
            Sample((np.array(True),), {"message": "singular", "error": "SingularMatrixError"}),
        ],
        doc="The condition itself; the call fails with `error: message` where it does not hold.",
    )
)
