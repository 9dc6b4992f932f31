"""The combining operations of reductions and scans: identity and scalar form."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.floats import kind_of
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import DType

# The scalar operation of each combination that has one.
OPS = {
    "add": ScalarOp.ADD,
    "mul": ScalarOp.MUL,
    "max": ScalarOp.MAX,
    "min": ScalarOp.MIN,
    "and": ScalarOp.AND,
    "or": ScalarOp.OR,
}


def identity(combine: str, dtype: DType) -> Any:
    """The value that leaves every other unchanged under `combine`."""
    match combine:
        case "add" | "or":
            return 0
        case "mul" | "and":
            return 1
        case "max" | "argmax":
            return _lowest(dtype)
        case "min" | "argmin":
            return _highest(dtype)
        case _:
            raise ValueError(f"no combining operation is called '{combine}'")


def combined(s: ScalarBuilder, combine: str, x: Expr, y: Expr) -> Expr:
    """combine(x, y)."""
    match combine:
        case "add":
            return s.add(x, y)
        case "mul":
            return s.mul(x, y)
        case "max":
            return s.or_(x, y) if x.dtype.kind == "b" else s.max(x, y)
        case "min":
            return s.and_(x, y) if x.dtype.kind == "b" else s.min(x, y)
        case "and":
            return s.and_(x, y)
        case "or":
            return s.or_(x, y)
        case _:
            raise ValueError(f"no combining operation is called '{combine}'")


def _lowest(dtype: DType) -> Any:
    if kind_of(dtype) == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _highest(dtype: DType) -> Any:
    if kind_of(dtype) == "f":
        return np.inf
    return True if dtype.kind == "b" else np.iinfo(dtype).max
