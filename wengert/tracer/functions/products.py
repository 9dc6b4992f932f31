"""Products of arrays: matmul, dot, inner, outer, tensordot, kron and their kin.

All of them are products of two operands whose axes carry labels: `pairwise` contracts, batches
or spreads each label. einsum builds on the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, AxisRangeError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64
from wengert.tracer.functions.factorisations import inverse
from wengert.tracer.functions.operands import (
    broadcast_shapes,
    expand,
    integer,
    materialise,
    normal_axis,
    operand,
    refuse,
    reshape,
    size_of,
    transpose,
    values,
    wrapped,
)
from wengert.tracer.functions.ufuncs import call, loop_dtypes
from wengert.tracer.tables import UFUNCS, function, method

Labels = tuple[Any, ...]


def pairwise(x: Value, xs: Labels, y: Value, ys: Labels, out: Labels) -> Value:
    """sum over the labels not in `out` of x[xs] * y[ys], as an array with the labels `out`.

    Labels are distinct within each operand. A label of length 1 in one operand and longer in the
    other is broadcast. bools are combined by `and` and `or`. Without a shared sum, or where
    neither operand has an axis of its own, this is elementwise work that fuses with its
    neighbours; otherwise it is one contraction.
    """
    if x.dtype == BOOL:
        return pairwise(x.to(INT64), xs, y.to(INT64), ys, out).ne(0)
    sizes: dict[Any, int] = {}
    for label, n in [*zip(xs, x.shape, strict=True), *zip(ys, y.shape, strict=True)]:
        sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
    x, xs = _squeezed(x, xs, ys, sizes)
    y, ys = _squeezed(y, ys, xs, sizes)
    x, xs = _summed(x, xs, {*ys, *out})
    y, ys = _summed(y, ys, {*xs, *out})
    shared = [a for a in xs if a in ys]
    contract = [a for a in shared if a not in out]
    batch = [a for a in out if a in shared]
    own = [a for a in (*xs, *ys) if a not in shared]
    if not contract:
        return _spread(x, xs, out, sizes).mul(_spread(y, ys, out, sizes))
    if not own:
        order = (*batch, *contract)
        product = transpose(x, [xs.index(a) for a in order])
        other = transpose(y, [ys.index(a) for a in order])
        return product.mul(other).reduce_sum(axes=tuple(range(len(batch), len(order))))
    return _contracted(x, xs, y, ys, out, contract, batch)


def _contracted(
    x: Value,
    xs: Labels,
    y: Value,
    ys: Labels,
    out: Labels,
    contract: Sequence[Any],
    batch: Sequence[Any],
) -> Value:
    """dot_general with the operands in the order that leaves the fewest axes to move."""
    first = [*batch, *(a for a in xs if a not in ys), *(a for a in ys if a not in xs)]
    second = [*batch, *(a for a in ys if a not in xs), *(a for a in xs if a not in ys)]
    if tuple(second) == out != tuple(first):
        x, xs, y, ys, first = y, ys, x, xs, second
    axes = {
        "contract": tuple(tuple(ls.index(a) for a in contract) for ls in (xs, ys)),
        "batch": tuple(tuple(ls.index(a) for a in batch) for ls in (xs, ys)),
    }
    return transpose(x.dot_general(y, **axes), [first.index(a) for a in out])


def _squeezed(x: Value, xs: Labels, other: Labels, sizes: dict[Any, int]) -> tuple[Value, Labels]:
    """Drops axes of length 1 that the other operand has at full length."""
    kept = [i for i, a in enumerate(xs) if not (x.shape[i] == 1 and sizes[a] != 1 and a in other)]
    if len(kept) == len(xs):
        return x, xs
    return reshape(x, tuple(x.shape[i] for i in kept)), tuple(xs[i] for i in kept)


def _summed(x: Value, xs: Labels, needed: set[Any]) -> tuple[Value, Labels]:
    """Sums over the labels that nothing else needs."""
    axes = tuple(i for i, a in enumerate(xs) if a not in needed)
    if not axes:
        return x, xs
    return x.reduce_sum(axes=axes), tuple(a for a in xs if a in needed)


def _spread(x: Value, xs: Labels, out: Labels, sizes: dict[Any, int]) -> Value:
    """`x` repeated to the labels `out`."""
    order = sorted(range(len(xs)), key=lambda i: out.index(xs[i]))
    turned = transpose(x, order)
    dims = tuple(out.index(xs[i]) for i in order)
    if len(dims) == len(out):
        return turned
    return turned.broadcast(shape=tuple(sizes[a] for a in out), dims=dims)


# matmul and the other generalised ufuncs


def _typed(ufunc: np.ufunc, x: Any, y: Any, dtype: Any) -> tuple[Value, Value]:
    """Both operands in the dtype of the ufunc's loop."""
    first, second = operand(x), operand(y)
    dtypes = loop_dtypes(ufunc, (first, second), dtype)
    return materialise(first, dtypes[0]), materialise(second, dtypes[1])


def batched(x: Value, y: Value, core_x: str, core_y: str, core_out: str, name: str) -> Value:
    """A product over the last axes, labelled by letters; the axes before them broadcast."""
    for v, core, side in ((x, core_x, "first"), (y, core_y, "second")):
        if v.ndim < len(core):
            raise ShapeError(
                f"{name}: the {side} operand has shape {v.shape} but needs at least {len(core)} "
                "dimension(s)"
            )
    lead_x, lead_y = (v.ndim - len(core) for v, core in ((x, core_x), (y, core_y)))
    lead = max(lead_x, lead_y)
    broadcast_shapes(x.shape[:lead_x], y.shape[:lead_y], what=f"the leading axes of {name}")
    sizes = dict(zip(core_x, x.shape[lead_x:], strict=True))
    for letter, n in zip(core_y, y.shape[lead_y:], strict=True):
        if sizes.setdefault(letter, n) != n:
            raise ShapeError(
                f"{name}: shapes {x.shape} and {y.shape} do not fit, as {sizes[letter]} "
                f"(in the first operand) differs from {n} (in the second)"
            )
    xs = (*range(lead - lead_x, lead), *core_x)
    ys = (*range(lead - lead_y, lead), *core_y)
    return pairwise(x, xs, y, ys, (*range(lead), *core_out))


def matrix_product(x: Any, y: Any, dtype: Any = None) -> Value:
    """x @ y for every combination of dimensions."""
    a, b = _typed(np.matmul, x, y, dtype)
    for v, place in ((a, 0), (b, 1)):
        if v.ndim == 0:
            raise ShapeError(
                f"matmul: operand {place} is a scalar, but at least one dimension is needed; "
                "use * to multiply by a scalar"
            )
    core_x = "k" if a.ndim == 1 else "nk"
    core_y = "k" if b.ndim == 1 else "km"
    core_out = ("n" if a.ndim > 1 else "") + ("m" if b.ndim > 1 else "")
    return batched(a, b, core_x, core_y, core_out, "matmul")


CORES = {
    "vecdot": (np.vecdot, "n", "n", ""),
    "matvec": (np.matvec, "mn", "n", "m"),
    "vecmat": (np.vecmat, "n", "nm", "m"),
}


def generalised(name: str, x: Any, y: Any, **kwargs: Any) -> Value:
    """A gufunc, with its axes= and axis= arguments."""
    dtype = kwargs.pop("dtype", None)
    axis, axes = kwargs.pop("axis", None), kwargs.pop("axes", None)
    keepdims = kwargs.pop("keepdims", False)
    if kwargs or keepdims:
        raise InputTypeError(f"np.{name} on traced values does not take {[*kwargs, 'keepdims']}")
    if axes is None:
        axes = None if axis is None else [axis, axis]
    if axes is not None:
        x, y = _cores_last(x, axes[0]), _cores_last(y, axes[1])
    if name == "matmul":
        result = matrix_product(x, y, dtype)
    else:
        ufunc, core_x, core_y, core_out = CORES[name]
        first, second = _typed(ufunc, x, y, dtype)
        if name != "matvec" and first.type.is_complex:  # the vector comes first
            first = first.conj()
        result = batched(first, second, core_x, core_y, core_out, name)
    return result if axes is None or len(axes) < 3 else _cores_from_last(result, axes[2])


def _cores_last(x: Any, axes: Any) -> Value:
    value = materialise(x)
    listed = axes if isinstance(axes, tuple | list) else (axes,)
    core = [normal_axis(a, value.ndim) for a in listed]
    return transpose(value, [d for d in range(value.ndim) if d not in core] + core)


def _cores_from_last(value: Value, axes: Any) -> Value:
    listed = axes if isinstance(axes, tuple | list) else (axes,)
    core = [normal_axis(a, value.ndim) for a in listed]
    order = [d for d in range(value.ndim) if d not in core] + core
    return transpose(value, [order.index(d) for d in range(value.ndim)])


def _gufunc(name: str) -> Any:
    return lambda x, y, **kwargs: wrapped(generalised(name, x, y, **kwargs))


for _name in ("matmul", *CORES):
    UFUNCS[_name] = _gufunc(_name)


@function(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    """x1 @ x2"""
    return wrapped(matrix_product(x1, x2))


@function(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The dot product along an axis."""
    return wrapped(generalised("vecdot", x1, x2, axis=axis))


# functions


@function(np.dot)
@method("dot")
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The last axis of `a` against the last but one of `b`; others side by side."""
    refuse("dot", out=out)
    x, y = values(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return wrapped(call(np.multiply, x, y))
    return wrapped(contracted_axes(x, y, (x.ndim - 1,), (max(y.ndim - 2, 0),), "dot"))


def contracted_axes(
    x: Value, y: Value, axes_x: Sequence[int], axes_y: Sequence[int], name: str
) -> Value:
    """The sum of products over paired axes; the others of x, then those of y."""
    for i, j in zip(axes_x, axes_y, strict=True):
        if x.shape[i] != y.shape[j]:
            raise ShapeError(
                f"{name}: shapes {x.shape} and {y.shape} do not fit: axis {i} of the first has "
                f"length {x.shape[i]}, axis {j} of the second {y.shape[j]}"
            )
    xs = [("x", d) for d in range(x.ndim)]
    ys = [("y", d) for d in range(y.ndim)]
    out = [a for d, a in enumerate(xs) if d not in axes_x]
    out += [a for d, a in enumerate(ys) if d not in axes_y]
    for i, j in zip(axes_x, axes_y, strict=True):
        ys[j] = xs[i]
    return pairwise(x, tuple(xs), y, tuple(ys), tuple(out))


@function(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes."""
    x, y = values(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return wrapped(call(np.multiply, x, y))
    return wrapped(contracted_axes(x, y, (x.ndim - 1,), (y.ndim - 1,), "inner"))


@function(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The dot product of all elements, those of the first being conjugated."""
    x, y = values(a, b)
    x = x.conj() if x.type.is_complex else x
    if x.shape == y.shape:
        every = tuple(range(x.ndim))
        return wrapped(contracted_axes(x, y, every, every, "vdot"))
    x, y = (reshape(v, (size_of(v.shape),)) for v in (x, y))
    return wrapped(contracted_axes(x, y, (0,), (0,), "vdot"))


@function(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """The products of all pairs of elements."""
    refuse("outer", out=out)
    x, y = operand(a), operand(b)
    left = reshape(materialise(x), (size_of(x.shape), 1))
    right = reshape(materialise(y), (size_of(y.shape),))
    return wrapped(call(np.multiply, left, right))


@function(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """The outer product of two vectors."""
    if operand(x1).ndim != 1 or operand(x2).ndim != 1:
        raise ShapeError("Input arrays must be one-dimensional")
    return outer(x1, x2)


@function(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over the given axes of each."""
    x, y = values(a, b)
    if isinstance(axes, int | np.integer):
        count = int(axes)
        if count > min(x.ndim, y.ndim) or count < 0:
            raise AxisRangeError(
                f"tensordot: cannot sum over {count} axes of shapes {x.shape} and {y.shape}"
            )
        pairs = (range(x.ndim - count, x.ndim), range(count))
    else:
        pairs = tuple(p if isinstance(p, list | tuple) else np.ravel(p).tolist() for p in axes)
        if len(pairs) != 2 or len(pairs[0]) != len(pairs[1]):
            raise ShapeError("shape-mismatch for sum: axes must pair axes of both operands")
    left = tuple(normal_axis(i, x.ndim) for i in pairs[0])
    right = tuple(normal_axis(j, y.ndim) for j in pairs[1])
    return wrapped(contracted_axes(x, y, left, right, "tensordot"))


@function(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over the given axes of each."""
    return tensordot(x1, x2, axes)


@function(np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product."""
    x, y = operand(a), operand(b)
    ndim = max(x.ndim, y.ndim)
    shapes = [(1,) * (ndim - o.ndim) + o.shape for o in (x, y)]
    left = reshape(materialise(x), tuple(k for n in shapes[0] for k in (n, 1)))
    right = reshape(materialise(y), tuple(k for n in shapes[1] for k in (1, n)))
    target = tuple(n * m for n, m in zip(*shapes, strict=True))
    return wrapped(reshape(call(np.multiply, left, right), target))


@function(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """The cross product of 3-vectors (2-vectors: the third component)."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = operand(a), operand(b)
    parts: list[list[Value]] = []
    for v, at in ((x, axisa), (y, axisb)):
        last = _cores_last(v, at)
        if last.shape[-1] not in (2, 3):
            raise ShapeError(
                f"cross needs vectors of 2 or 3 elements, got {last.shape[-1]} along axis {at}"
            )
        parts.append([_component(last, i) for i in range(last.shape[-1])])
    p, q = parts

    def minor(i: int, j: int) -> Value:
        terms = [
            call(np.multiply, p[m], q[n]) if m < len(p) and n < len(q) else None
            for m, n in ((i, j), (j, i))
        ]
        if terms[0] is None:
            return call(np.negative, terms[1])
        return terms[0] if terms[1] is None else call(np.subtract, terms[0], terms[1])

    if len(p) == 2 and len(q) == 2:
        return wrapped(minor(0, 1))
    rows = [minor(1, 2), minor(2, 0), minor(0, 1)]
    position = normal_axis(axisc, rows[0].ndim + 1)
    stacked = [expand(r, position) for r in rows]
    return wrapped(stacked[0].concat(*stacked[1:], axis=position))


def _component(value: Value, i: int) -> Value:
    lead = value.shape[:-1]
    start, stop = (*(0,) * len(lead), i), (*lead, i + 1)
    return reshape(value.slice(start=start, stop=stop, step=(1,) * value.ndim), lead)


@function(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of 3-vectors."""
    if operand(x1).shape[axis] != 3 or operand(x2).shape[axis] != 3:
        raise ShapeError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return cross(x1, x2, axis=axis)


@function(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """A square matrix multiplied by itself, by repeated squaring."""
    value = materialise(a)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ShapeError(f"matrix_power needs square matrices, got shape {value.shape}")
    power = integer(n, "n")
    if power < 0:
        value, power = inverse(value), -power
    if power == 0:
        identity = np.broadcast_to(np.eye(value.shape[-1], dtype=value.dtype), value.shape)
        return wrapped(materialise(identity))
    square, result = value, None
    while power:
        if power & 1:
            result = square if result is None else matrix_product(result, square)
        power >>= 1
        square = matrix_product(square, square) if power else square
    return wrapped(result)


@function(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """A chain of matrix products in the cheapest order; the ends may be vectors."""
    refuse("multi_dot", out=out)
    items = values(*arrays)
    if len(items) < 2:
        raise ArgumentError("Expecting at least two arrays.")
    if any(v.ndim != 2 for v in items[1:-1]) or any(v.ndim not in (1, 2) for v in items):
        raise ShapeError(f"multi_dot takes matrices, got shapes {[v.shape for v in items]}")
    sizes = [
        _rows(items[0]),
        *(v.shape[-1] if i < len(items) - 1 else _columns(v) for i, v in enumerate(items)),
    ]
    order = cheapest_splits(sizes)

    def product(i: int, j: int) -> Value:
        if i == j:
            return items[i]
        k = order[i, j]
        return matrix_product(product(i, k), product(k + 1, j))

    return wrapped(product(0, len(items) - 1))


def _rows(v: Value) -> int:
    return v.shape[0] if v.ndim == 2 else 1


def _columns(v: Value) -> int:
    return v.shape[1] if v.ndim == 2 else 1


def cheapest_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i..j, by dynamic programming over chains."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(options)
    return split
