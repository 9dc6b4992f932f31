"""ufunc.at: accumulation at positions that may be repeated.

NumPy casts each sum back to the dtype of the array without a word: 1.5 added to an int is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, MutationError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.types import DType
from wengert.tracer.array import Tracer
from wengert.tracer.functions.assignment import (
    basic_view,
    fitted,
    overwrite,
    spots_of,
    stored,
    target,
)
from wengert.tracer.functions.elementwise import LOWERINGS
from wengert.tracer.functions.entries import Fancy, mask_entry, parse
from wengert.tracer.functions.masks import trailing
from wengert.tracer.functions.operands import (
    Operand,
    materialise,
    operand,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.loops import for_loop
from wengert.tracer.tables import ufunc_method

BY_LOOP = ("multiply", "divide", "maximum", "minimum", "fmax", "fmin", "power",
           "logical_or", "logical_and", "bitwise_or", "bitwise_and", "bitwise_xor")  # fmt: skip


@ufunc_method("at")
def at(ufunc: np.ufunc, x: Any, indices: Any, *operands: Any) -> None:
    """x[indices] = ufunc(x[indices], v), element after element, repeated indices too."""
    name = ufunc.__name__
    x = target(x, f"np.{name}.at")
    if len(operands) != ufunc.nin - 1:
        raise ArgumentError(f"np.{name}.at takes {ufunc.nin - 1} operands beside the array")
    if name not in ("add", "subtract", *BY_LOOP):
        _at_by_call(ufunc, x, indices, operands)
        return
    (other,) = operands
    other = np.asarray(other) if type(other) is int else other  # NumPy's dtype, and so it may wrap
    dtypes = _loop_dtypes(ufunc, x.dtype, other)
    if dtypes is not None:
        other = wrapped(materialise(other, dtypes[1]))
    casting = "same_kind" if dtypes is None else "unsafe"
    mask = mask_entry(indices)
    if mask is not None:  # meets no position twice
        if np.ndim(other) > x.ndim - mask.ndim:
            raise MutationError(
                f"np.{name}.at with a traced mask takes one value for all elements; use "
                "np.where(mask, ...)"
            )
        where = wrapped(trailing(mask, x.ndim))
        overwrite(x, ufunc(x, other), casting, where)
        return
    items = parse(indices, x.type.shape)
    part = basic_view(x, items)
    given = stored(other, x.dtype, casting)
    dtype = x.dtype if dtypes is None else dtypes[1]
    if not any(isinstance(i, Fancy) and i.kind != "int" for i in items):
        overwrite(part, ufunc(part, wrapped(fitted(given, part.type.shape, dtype))), casting)
        return
    spots = spots_of(part, items)
    updates = transpose(fitted(given, spots.shape, dtype), spots.update_order)
    if dtypes is None and name in ("add", "subtract") and x.dtype.kind != "b":
        signed = updates if name == "add" else updates.full_like(0).sub(updates)
        spots.update(part, lambda front, index: front.scatter_add(signed, *index))
        return
    wide = x.dtype if dtypes is None else dtypes[0]
    spots.update(part, lambda front, index: folded(name, front, updates, index, wide))


def _at_by_call(ufunc: np.ufunc, x: Tracer, indices: Any, operands: Sequence[Any]) -> None:
    """By the ufunc's own rules for dtypes, in a loop over the positions."""
    others = [operand(np.asarray(o) if isinstance(o, int | float) else o) for o in operands]
    mask = mask_entry(indices)
    if mask is not None:
        if any(o.ndim > x.ndim - mask.ndim for o in others):
            raise MutationError(
                f"np.{ufunc.__name__}.at with a traced mask takes one value for all elements; use "
                "np.where(mask, ...)"
            )
        where = wrapped(trailing(mask, x.ndim))
        overwrite(x, ufunc(x, *map(_as_array, others)), "unsafe", where)
        return
    items = parse(indices, x.type.shape)
    part = basic_view(x, items)
    if not any(isinstance(i, Fancy) and i.kind != "int" for i in items):
        fitting = [wrapped(fitted(o, part.type.shape, o.dtype)) for o in others]
        overwrite(part, ufunc(part, *fitting), "unsafe")
        return
    spots = spots_of(part, items)
    updates = [transpose(fitted(o, spots.shape, o.dtype), spots.update_order) for o in others]

    def combine(old: Value, *rows: Value) -> Value:
        return call(ufunc, old, *rows)

    spots.update(part, lambda front, index: turned(combine, front, updates, index))


def _as_array(o: Operand) -> Any:
    return wrapped(materialise(o))


def _loop_dtypes(ufunc: np.ufunc, own: DType, other: Any) -> tuple[DType, DType] | None:
    """The dtypes of the operands, where NumPy computes in others than that of the array.

    None where these are the array's, or of its kind: then the operand is cast to it.
    """
    given = np.asarray(other).dtype if isinstance(other, int | float) else operand(other).dtype
    if own.kind not in "biu" or given.kind not in "biuf":
        return None
    left, right, out = ufunc.resolve_dtypes((own, given, None))
    same = promotion.can_cast(given, own, "same_kind") and promotion.can_cast(out, own, "same_kind")
    return None if same else (left, right)


def folded(name: str, x: Value, updates: Value, index: Sequence[Value], wide: DType) -> Value:
    """x after one update after the other has been combined with what stands at its index.

    What stands there is cast to `wide` before, and the result back.
    """
    return turned(lambda old, row: LOWERINGS[name](old.to(wide), row), x, [updates], index)


def turned(
    combine: Callable[..., Value], x: Value, updates: Sequence[Value], index: Sequence[Value]
) -> Value:
    """x after what stands at each index has been combined with updates, one after the other."""
    k, count = index[0].ndim, size_of(index[0].shape)
    rest = x.shape[len(index) :]
    rows = [reshape(u, (count, *u.shape[k:])) for u in updates]
    places = [reshape(i, (count,)) for i in index]
    if not count:
        return x
    sizes = (1,) * len(index) + rest
    ones = (1,) * len(sizes)

    def turn(i: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        zero = i.builder.literal(0, i.dtype)
        starts = [
            c.window(i, sizes=(1,), steps=(1,)).reshape(shape=()) for c in consts[len(rows) :]
        ]
        starts += [zero for _ in rest]
        old = carry[0].window(*starts, sizes=sizes, steps=ones)
        given = [
            r.window(i, *(zero for _ in rest), sizes=(1, *rest), steps=(1,) * (1 + len(rest)))
            for r in consts[: len(rows)]
        ]
        new = combine(old, *(reshape(r, sizes) for r in given)).to(old.dtype)
        return [carry[0].window_set(new, *starts, steps=ones)]

    return for_loop(0, count, [*rows, *places], [x], turn)[0]
