"""What scalar operations make of two constants, by the operation's name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.types import INT64, DType

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
}
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


def compared(op: str, x: Any, y: Any) -> bool:
    """A comparison of two constants."""
    return _COMPARISONS[op](x, y)


def folded(op: str, x: Any, y: Any, dtype: DType) -> Any:
    """The arithmetic of two constants of a dtype."""
    if op == "idiv":
        return _truncated_division(x, y)
    if op == "irem":
        return x - y * _truncated_division(x, y)
    if dtype == INT64 and op in _INTEGERS:  # indices, mostly: no need of NumPy
        exact = _INTEGERS[op](x, y)
        if -(2**63) <= exact < 2**63:
            return exact
    with np.errstate(all="ignore"):
        return _FUNCTIONS[op](dtype.type(x), dtype.type(y))


def _truncated_division(x: int, y: int) -> int:
    quotient = abs(x) // abs(y) if y else 0
    return quotient if (x < 0) == (y < 0) else -quotient
