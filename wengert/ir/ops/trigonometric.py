"""Circular and hyperbolic functions and their inverses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.complex_functions import (
    arccosh,
    arccosine,
    arcsine,
    arcsinh,
    arctangent,
    arctanh,
    cosh,
    cosine,
    sine,
    sinh,
    tangent,
    tanh,
)
from wengert.ir.ops.families import Over, PartialRule, elementwise
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.samples import operands
from wengert.ir.scalar import ScalarOp
from wengert.ir.types import FLOATS


def _function(
    name: str,
    function: Any,
    partial: PartialRule,
    low: float,
    high: float,
    doc: str,
    parts: Callable[[Parts], Parts] | None = None,
) -> None:
    """A unary function that is in the scalar vocabulary under its own name."""
    op = ScalarOp(name)
    elementwise(
        name,
        1,
        FLOATS,
        function,
        lambda s, x: s.maths(op, x),
        partials=[partial],
        samples=operands((low, high), tolerance=4),
        parts=parts,
        cost=25,
        doc=doc,
    )


_function("sin", np.sin, lambda x, out: x.cos(), -6, 6, "the sine of x radians", sine)
_function("cos", np.cos, lambda x, out: -x.sin(), -6, 6, "the cosine of x radians", cosine)
_function(
    "tan", np.tan, lambda x, out: out * out + 1, -1.2, 1.2, "the tangent of x radians", tangent
)
_function(
    "asin", np.arcsin, lambda x, out: Over(_root(1 - x, x + 1)), -0.9, 0.9, "arc sine", arcsine
)
_function(
    "acos", np.arccos, lambda x, out: Over(-_root(1 - x, x + 1)), -0.9, 0.9, "arc cosine", arccosine
)
_function("atan", np.arctan, lambda x, out: Over(x * x + 1), -3, 3, "arc tangent", arctangent)
_function("sinh", np.sinh, lambda x, out: x.cosh(), -3, 3, "hyperbolic sine", sinh)
_function("cosh", np.cosh, lambda x, out: x.sinh(), -3, 3, "hyperbolic cosine", cosh)
_function("tanh", np.tanh, lambda x, out: 1 - out * out, -3, 3, "hyperbolic tangent", tanh)
_function("asinh", np.arcsinh, lambda x, out: Over(_size(x)), -3, 3, "inverse of sinh", arcsinh)
_function(
    "acosh", np.arccosh, lambda x, out: Over(_far_root(x)), 1.2, 5, "inverse of cosh", arccosh
)
_function(
    "atanh",
    np.arctanh,
    lambda x, out: Over((1 - x) * (x + 1)),
    -0.9,
    0.9,
    "inverse of tanh",
    arctanh,
)


def _root(x: Value, y: Value) -> Value:
    """sqrt(x y): of 1 - x and 1 + x, which lose nothing near |x| = 1, as 1 - x**2 would."""
    return (x * y).sqrt()


def _size(x: Value) -> Value:
    """sqrt(x**2 + 1)"""
    return (x * x + 1).sqrt() if x.type.is_complex else x.hypot(1.0)


def _far_root(x: Value) -> Value:
    """sqrt(x - 1) sqrt(x + 1), which for complex x need not be the root of the product."""
    return (x - 1).sqrt() * (x + 1).sqrt() if x.type.is_complex else _root(x - 1, x + 1)


# The gradient of the angle of (x, y) is (-y, x) / r**2, and 0 by convention at the origin. The
# division by r is done twice, so that r**2 neither overflows nor underflows.


def _angle_partial(numerator: Value, x: Value, y: Value) -> Value:
    r = x.hypot(y)
    return r.eq(0).select(r.builder.literal(0, r.dtype), numerator / r / r)


elementwise(
    "atan2",
    2,
    FLOATS,
    np.arctan2,
    lambda s, y, x: s.maths(ScalarOp.ATAN2, y, x),
    partials=[
        lambda y, x, out: _angle_partial(x, x, y),
        lambda y, x, out: _angle_partial(-y, x, y),
    ],
    samples=operands((0.5, 3), (-3, 3), tolerance=4),
    cost=40,
    doc="the angle of the point (x, y)",
)
