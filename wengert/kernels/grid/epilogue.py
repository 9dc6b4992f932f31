"""What follows a product becomes its epilogue: a bias for each column, then relu or gelu.

A library adds these to its sums before it stores them, which saves a kernel that reads and writes
the whole product. A kernel qualifies if all it does is to store f(product[i] + bias[i % n]), and
nothing else reads the product. Which function f is gets found by its values, not by how it was
written: gelu has many spellings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.ir.floats import kind_of
from wengert.ir.scalar import Expr, ScalarOp
from wengert.ir.types import FLOAT32, FLOAT64, DType
from wengert.kernels.activation import ACTIVATIONS
from wengert.kernels.expressions import nodes
from wengert.kernels.grid.turns import Uses
from wengert.kernels.interpret import FUNCTIONS
from wengert.kernels.loops import Buffer, Epilogue, Gemm, Kernel, Kind, Loop, Space, Store
from wengert.kernels.statements import map_inner_kernels

Array = np.ndarray[Any, Any]

# Where f is compared with the functions that libraries have: both tails, and densely around 0.
POINTS: Array = np.concatenate([np.linspace(-8, 8, 161), [-1e4, -60, -1e-3, 0, 1e-3, 60, 1e4]])


def with_epilogues(launches: Sequence[Kernel], uses: Uses) -> list[Kernel]:
    """The launches, with kernels that can be epilogues taken into the products before them."""
    made: list[Kernel] = []
    for kernel in launches:
        kernel = map_inner_kernels(kernel, lambda inner: with_epilogues(inner, uses))
        joined = _joined(made[-1], kernel, uses) if made else None
        if joined is None:
            made.append(kernel)
        else:
            made[-1] = joined
    return made


def _joined(product: Kernel, after: Kernel, uses: Uses) -> Kernel | None:
    """The product with what `after` does as its epilogue."""
    call = product.body[0] if len(product.body) == 1 else None
    if not isinstance(call, Gemm) or not _is_whole(call, uses):
        return None
    loop = after.body[0] if len(after.body) == 1 else None
    if not isinstance(loop, Loop) or loop.kind is not Kind.GRID or len(loop.body) != 1:
        return None
    store = loop.body[0]
    if not isinstance(store, Store) or not _is_flat(loop, store, call):
        return None
    found = _epilogue(store.value, call, store.offset)
    operands = {call.lhs.buffer, call.rhs.buffer}
    if found is None or store.buffer in operands or store.buffer is found.bias:
        return None
    out = replace(call.out, buffer=store.buffer)
    return Kernel(f"{product.name}_{after.name}", (replace(call, out=out, epilogue=found),))


def _is_whole(call: Gemm, uses: Uses) -> bool:
    """Whether a product fills a temporary buffer that one other statement uses."""
    out, m = call.out, call.m
    plain = out.buffer.space is Space.TEMP and uses[out.buffer] == 2 and call.epilogue is None
    fills = m.is_const and m.attr * call.n == out.buffer.size and out.row == call.n
    return plain and fills and out.buffer.dtype != FLOAT64  # libraries have none for float64


def _is_flat(loop: Loop, store: Store, call: Gemm) -> bool:
    """Whether a loop stores elements of the product's dtype at its own index, for all of them."""
    whole = loop.start.is_const and loop.start.attr == 0 and loop.stop.is_const
    size = call.out.buffer.size
    if not whole or loop.stop.attr != size or store.buffer.size != size:
        return False
    own = store.offset.op is ScalarOp.INDEX and store.offset.attr is loop.index
    return own and store.buffer.dtype == call.out.buffer.dtype


def _epilogue(value: Expr, call: Gemm, at: Expr) -> Epilogue | None:
    """A value as f(product + bias), at the flat index `at`."""
    loads = [n for n in nodes((value,)) if n.op is ScalarOp.LOAD]
    sums = [n for n in loads if n.attr is call.out.buffer]
    if len(sums) != 1 or sums[0].args[0] is not at or _rounds(value, call.out.buffer.dtype):
        return None
    if len(loads) == 1:
        inner, bias = sums[0], None
    else:
        found = next((n for n in nodes((value,)) if _is_biased(n, sums[0], at, call.n)), None)
        if found is None:
            return None
        inner = found
        bias = next(x.attr for x in map(_number, found.args) if x is not sums[0])
    activation = _activation(value, inner, call.out.buffer.dtype)
    return None if activation is None else Epilogue(activation, bias)


def _is_biased(expr: Expr, product: Expr, at: Expr, n: int) -> bool:
    """Whether `expr` adds to the product an element for its column."""
    if expr.op is not ScalarOp.ADD:
        return False
    args = [_number(x) for x in expr.args]
    others = [x for x in args if x is not product]
    if len(others) != 1 or others[0].op is not ScalarOp.LOAD:
        return False
    buffer: Buffer = others[0].attr
    column = others[0].args[0]
    size = column.args[1] if column.op is ScalarOp.IREM else None
    walks = size is not None and size.is_const and size.attr == n and column.args[0] is at
    return walks and buffer.size == n and buffer.dtype == product.dtype


def _number(expr: Expr) -> Expr:
    """What is converted, and maybe rounded: an epilogue has only float32 until it stores."""
    while expr.op is ScalarOp.CAST and kind_of(expr.args[0].dtype) == "f":
        expr = expr.args[0]
    return expr


def _rounds(value: Expr, dtype: DType) -> bool:
    """Whether anything is converted to another float than products of `dtype` and their sums."""
    kinds = [n.dtype for n in nodes((value,)) if n.op is ScalarOp.CAST and kind_of(n.dtype) == "f"]
    return any(k not in (dtype, FLOAT32) for k in kinds)


def _activation(value: Expr, inner: Expr, dtype: DType) -> str | None:
    """The name of the function that leads from `inner` to `value`, of products of this dtype."""
    with np.errstate(all="ignore"):
        found = _values(value, {id(inner): POINTS})
    if found is None:
        return None
    rounding = 1e-5 if dtype.itemsize > 2 else 2.0**-8  # of constants in the expression
    bound = rounding * np.maximum(1, np.abs(POINTS))
    for name, function in ACTIVATIONS.items():
        if np.all(np.abs(found - function(POINTS)) <= bound):
            return name
    return None


def _values(expr: Expr, known: dict[int, Any]) -> Any:
    """The values of an expression in float64, or None if it has anything but arithmetic in it."""
    if id(expr) not in known:
        known[id(expr)] = _value(expr, known)
    return known[id(expr)]


def _value(expr: Expr, known: dict[int, Any]) -> Any:
    if expr.is_const:
        return float(expr.attr)
    args = [_values(x, known) for x in expr.args]
    if not args or any(x is None for x in args) or kind_of(expr.dtype) not in "fb":
        return None
    if expr.op is ScalarOp.CAST:
        return args[0]
    function: Any = np.where if expr.op is ScalarOp.SELECT else FUNCTIONS.get(expr.op)
    vectorised = function is np.where or type(function) is np.ufunc
    return function(*args) if vectorised else None
