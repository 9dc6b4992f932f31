"""Sums of a value with itself, and products with powers of two.

Derivatives of squares and products are full of x + x. A product with 2 or -2 is the same number to
the last bit, and it can merge with another constant factor: multiplying by a power of two rounds
nothing, so (x * c) * 2 and x * (2c) round the same real number once. They differ only where x * c
is subnormal, by the distance of two subnormal numbers. (A zero that wins in `scale` may change
its sign.)
"""

from __future__ import annotations

import math

from wengert.ir.floats import finfo, kind_of
from wengert.ir.passes.splats import splat_value
from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter
from wengert.ir.types import DType


def add_self(r: Rewriter, n: Node) -> Atom | None:
    """x + x -> x * 2 for floats."""
    x, y = n.inputs
    if x is not y or kind_of(n.type.dtype) != "f":
        return None
    merged = _merged(r, x, 2.0, r.uses.get(x, 0) <= 2)
    return r.emit("mul", x, r.literal(2, n.type.dtype)) if merged is None else merged


def merge_factors(r: Rewriter, n: Node) -> Atom | None:
    """(x * c) * k -> x * (c k), scale(x * c, p) * k -> scale(x * (c k), p); k = 2, -2, 4, ..."""
    x = n.inputs[0]
    if kind_of(n.type.dtype) != "f" or x.type != n.type:
        return None
    factor = _power_of_two(splat_value(r, n.inputs[1]))
    if factor is None:
        return None
    return _merged(r, x, factor, r.used_once(x))


def _merged(r: Rewriter, x: Atom, factor: float, alone: bool) -> Atom | None:
    """x * factor, where x is a product with a constant, or, if nothing else reads x, scaled one."""
    scaled = r.maker(x, "scale") if alone else None
    product = r.maker(x if scaled is None else scaled.inputs[0], "mul")
    if product is None or product.inputs[0].type != x.type:
        return None
    merged = _product(splat_value(r, product.inputs[1]), factor, x.type.dtype)
    if merged is None:
        return None
    result = r.emit("mul", product.inputs[0], r.literal(merged, x.type.dtype))
    return result if scaled is None else r.emit("scale", result, scaled.inputs[1])


def _power_of_two(value: float | None) -> float | None:
    """`value` if it is 2, 4, 8, ... or the negative of one: a product never loses digits then."""
    if value is None or not math.isfinite(value) or abs(value) < 2:
        return None
    return value if abs(math.frexp(value)[0]) == 0.5 else None


def _product(constant: float | None, factor: float, dtype: DType) -> float | None:
    """constant * factor if both it and `constant` are normal numbers of the dtype."""
    info = finfo(dtype)
    low, high = float(info.smallest_normal), float(info.max)
    if constant is None or not low <= abs(constant) <= high:
        return None
    return constant * factor if abs(constant * factor) <= high else None


TABLE = {"add": (add_self,), "mul": (merge_factors,)}
