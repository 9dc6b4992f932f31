"""x[index] = v for every index that NumPy takes, and x op= v."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import (
    DTypeError,
    MutationError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeError,
)
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.types import INT64, DType, Shape
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.entries import (
    Fancy,
    UnknownLengthError,
    is_known,
    mask_entry,
    parse,
)
from wengert.tracer.functions.indexing import (
    advanced_axes,
    as_known,
    beside_mask,
    framed,
    kept_axes,
    parts,
    positions_of,
)
from wengert.tracer.functions.masks import Selection, as_mask, check_mask, same_mask, trailing
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    holds_tracers,
    materialise,
    operand,
    reshape,
    size_of,
    transpose,
    wrapped,
)
from wengert.tracer.functions.stretches import (
    Stretch,
    assign_stretch,
    scatter,
    stretch_of,
    whole_of,
)
from wengert.tracer.mutation import known, root, set_known, write
from wengert.tracer.stack import current
from wengert.tracer.tables import method
from wengert.tracer.views import Window, unread, windowed

# any container, for code that has been rewritten


def setitem(container: Any, index: Any, value: Any) -> None:
    """container[index] = value, for arrays traced or not, lists, dicts and everything else."""
    enter(refuse_constant, container, "x[i] = v")
    container[index] = value


def refuse_constant(array: Any, what: str) -> None:
    """Raises MutationError for a NumPy array while a function is traced: it is a constant there."""
    if isinstance(array, np.ndarray) and current() is not None:
        raise MutationError(
            f"{what} would change a NumPy array of shape {array.shape} that the traced function "
            "did not get as an argument (a global, an attribute, a variable of an enclosing "
            "function): such arrays are constants of the compiled program. Pass the array as an "
            "argument, or change a copy of it: x = np.array(x)"
        )


# changing arrays


def target(x: Any, what: str) -> Tracer:
    """`x`, if it is an array that may be changed in place."""
    if isinstance(x, Tracer):
        if isinstance(x.locked, str):
            raise MutationError(f"{what}: {x.locked}")
        if x.locked:
            raise ReadOnlyError(
                f"{what}: the array is a read-only view (as np.diagonal and np.broadcast_to give); "
                "change a copy of it: x = x.copy()"
            )
        if x.mutable:
            return x
        raise MutationError(
            f"{what}: {x.type} is a scalar, the result of an operation or an element of an array, "
            "and scalars cannot be changed in place; assign the variable, or the array's element"
        )
    refuse_constant(x, what)
    raise MutationError(f"{what} needs an array, and got {type(x).__name__}")


def stored(value: Any, dtype: DType, casting: Any = "unsafe") -> Operand:
    """`value` as it is stored in an array of `dtype`."""
    x = operand(value)
    allowed = promotion.can_cast(x.dtype, dtype, casting)
    if not allowed and not (x.weak and x.known):
        raise DTypeError(
            f"Cannot cast array data from {x.dtype!r} to {dtype!r} according to the rule "
            f"'{casting}'"
        )
    if x.weak and x.known and casting != "unsafe" and not allowed:
        raise DTypeError(f"cannot store a Python {type(x.value).__name__} in {dtype}")
    if x.known and x.shape == () and type(x.value) is int and dtype.kind in "iu":
        dtype.type(x.value)  # raises OverflowError with NumPy's words
    return x


def fitted(x: Operand, shape: Shape, dtype: DType) -> Value:
    """A value cast and repeated to the shape of what it is assigned to."""
    value = materialise(x, dtype)
    given = value.shape
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = reshape(value, value.shape[1:])
    try:
        fits = broadcast_shapes(value.shape, shape) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"could not broadcast input array from shape {given} into shape {shape}")
    return broadcast(value, shape)


def overwrite(x: Tracer, value: Any, casting: Any = "unsafe", where: Any = None) -> None:
    """x[...] = value, where a mask holds if one is given."""
    given = stored(value, x.dtype, casting)
    mask = None if where is None else operand(where)
    own = _known_for_write(x)
    if own is not None and given.known and (mask is None or mask.known):
        np.copyto(own, given.value, casting="unsafe", where=True if mask is None else mask.value)
        set_known(x)
        return
    whole = fitted(given, x.type.shape, x.dtype)
    if mask is not None:
        condition = broadcast(materialise(mask, np.bool_), x.type.shape)
        whole = condition.select(whole, materialise(x))
    write(x, whole)


def _known_for_write(x: Tracer) -> Any:
    """The record of a known array's elements, to be changed; None if it must be traced."""
    whole = root(x)
    if whole.elements is None or whole.owner is not current():
        return None
    return known(x, note=False)


@method("__setitem__")
def assign(x: Tracer, index: Any, value: Any) -> None:
    """x[index] = value"""
    x = target(x, "x[i] = v")
    index = as_mask(index, x.type.shape)
    if isinstance(index, Selection):
        index.refuse_as_places()
    mask = mask_entry(index)
    if mask is not None:
        _assign_masked(x, mask, value)
        return
    beside = beside_mask(x, index)
    if beside is not None and (beside[2] == 0 or np.ndim(value) == 0):
        _assign_masked(beside[0], beside[1], value)
        return
    if isinstance(value, Selection):
        value = operand(np.asarray(value))  # raises
    if isinstance(index, Stretch):
        scatter(x, index, value)
        return
    if _assign_known(x, index, value):
        return
    try:
        items = parse(index, x.type.shape)
    except UnknownLengthError as error:
        assign_stretch(stretch_of(x, index, error), value)
        return
    arrays = [i for i in items if isinstance(i, Fancy) and i.kind != "int"]
    if not arrays and isinstance(value, Stretch):
        base, part = framed(x, parts(items))
        assign_stretch(whole_of(windowed(x, base, part)), value)
        return
    if not arrays:
        _assign_basic(x, items, value)
        return
    _assign_advanced(x, items, value)


def _assign_known(x: Tracer, index: Any, value: Any) -> bool:
    """Does it while tracing, if array, index and value are known."""
    own = _known_for_write(x)
    if own is None or not is_known(index):
        return False
    given = known_operand(value)
    if given is None:
        return False
    with np.errstate(all="ignore"):
        try:
            own[as_known(index)] = given
        except IndexError as error:
            raise OutOfBoundsError(str(error)) from None
        except ValueError as error:
            raise ShapeError(str(error)) from None
    set_known(x)
    return True


def known_operand(value: Any) -> Any:
    """The elements of a value that is known while tracing, else None."""
    if isinstance(value, Tracer):
        return known(value)
    if holds_tracers(value) or isinstance(value, Value | Selection | Stretch):
        return None
    return stored(value, np.dtype(np.float64)).value


def _assign_basic(x: Tracer, items: list[Any], value: Any) -> None:
    base, part = framed(x, parts(items))
    if any(n == 0 for n in part.sizes):
        fitted(stored(value, x.dtype), part.shape, x.dtype)
        return
    if isinstance(value, Tracer) and value.base is base and value.lens == part:
        return  # x[a:b] += y has written through the view already
    given = stored(value, x.dtype)
    write(unread(base, part, part.shape), fitted(given, part.shape, x.dtype))


# index arrays and masks


def _assign_advanced(x: Tracer, items: list[Any], value: Any) -> None:
    """Scatters into the basic part, whose axes with index arrays come first."""
    part = basic_view(x, items)
    spots = spots_of(part, items)
    updates = fitted(stored(value, x.dtype), spots.shape, x.dtype)
    moved = transpose(updates, spots.update_order)
    spots.update(part, lambda front, index: front.scatter_set(moved, *index))


def basic_view(x: Tracer, items: list[Any]) -> Tracer:
    """The view of `x` by the slices, integers and new axes of an index."""
    base, part = framed(x, parts(items))
    for place, item in enumerate(kept_axes(items)):  # 0-d masks are new axes of length 1
        if isinstance(item, Fancy) and item.kind == "mask":
            axes = list(part.axes)
            axes.insert(place, -1)
            part = Window(part.starts, part.steps, part.sizes, tuple(axes))
    return windowed(x, base, part)


@dataclass(frozen=True, slots=True)
class Spots:
    """Where an advanced index points to in an array.

    `order` brings the array's indexed axes to the front; `index` are the positions there; `shape`
    is what NumPy broadcasts the value to, and `update_order` brings that to the scatter's order.
    """

    order: list[int]
    index: list[Value]
    shape: Shape
    update_order: list[int]

    def update(self, part: Tracer, op: Callable[[Value, list[Value]], Value]) -> None:
        """Replaces the array, of which `op` gets the indexed axes in front, and the positions."""
        front = transpose(materialise(part), self.order)
        back = [self.order.index(d) for d in range(len(self.order))]
        write(part, transpose(op(front, self.index), back))


def spots_of(part: Tracer, items: list[Any]) -> Spots:
    """Where the advanced part of an index points to in the view by its basic part."""
    axes, fancy, place = advanced_axes(items)
    shapes = [i.positions.shape for i in fancy]
    common = broadcast_shapes(*shapes, what="the index arrays", kind=OutOfBoundsError)
    rest = [d for d in range(part.ndim) if d not in axes]
    if size_of(common) and any(part.type.shape[a] == 0 for a in axes):
        raise OutOfBoundsError(f"an index into an axis of length 0 (shape {part.type.shape})")
    index = [
        broadcast(positions_of(item, part.type.shape[a]), common)
        for a, item in zip(axes, fancy, strict=True)
    ]
    lengths = [part.type.shape[d] for d in rest]
    shape = (*lengths[:place], *common, *lengths[place:])
    k = len(common)
    turned = [*range(place, place + k), *range(place), *range(place + k, len(shape))]
    return Spots([*axes, *rest], index, shape, turned)


def _assign_masked(x: Tracer, mask: Tracer, value: Any) -> None:
    """x[mask] = v with a traced mask of the leading axes."""
    check_mask(x.type.shape, mask.type.shape)
    where = wrapped(trailing(mask, x.ndim))
    rest = x.type.shape[mask.ndim :]
    if isinstance(value, Selection):
        if not same_mask(value.mask, mask):
            value.refuse_other_mask()
        overwrite(x, value.whole, where=where)
        return
    given = stored(value, x.dtype)
    if given.ndim > len(rest) and given.shape[0] != 1:
        overwrite(x, wrapped(_spread(x, mask, given)), where=where)
        return
    if given.ndim > len(rest):
        given = operand(reshape(materialise(given), given.shape[1:]))
    fitted(given, rest, x.dtype)
    overwrite(x, given, where=where)


def _spread(x: Tracer, mask: Tracer, given: Operand) -> Value:
    """One value per True of the mask, in row-major order, brought to its place in x's shape."""
    rest = x.type.shape[mask.ndim :]
    count = given.shape[0]
    values = fitted(given, (count, *rest), x.dtype)
    flat = reshape(materialise(mask), (mask.type.size,)).to(INT64)
    # both differences between the number of values and of places must be 0
    surplus = flat.reduce_sum(axes=(0,)).sub(count)
    checks = [d.max(0).check_index(size=1, axis=0) for d in (surplus, surplus.neg())]
    places = flat.cumsum(axis=0, reverse=False).sub(1).max(0).min(max(count - 1, 0))
    places = places.add(checks[0].add(checks[1]).broadcast(shape=places.shape, dims=()))
    return reshape(values.gather(places), x.type.shape)


# x op= y


def update(symbol: str, x: Tracer, result: Any) -> Tracer:
    """Stores the result of an operation on x in x itself, as `x op= y` does."""
    shape = result.type.shape if isinstance(result, Tracer) else np.shape(result)
    if shape != x.type.shape:
        raise ShapeError(
            f"x {symbol}= y cannot change the shape of x: it is {x.type.shape}, and the result "
            f"{shape}"
        )
    if not promotion.can_cast(result.dtype, x.dtype, "same_kind"):
        raise DTypeError(
            f"x {symbol}= y cannot store {result.dtype} in an array of {x.dtype}; "
            f"write x = x {symbol} y, which makes a new array"
        )
    overwrite(target(x, f"x {symbol}= y"), result)
    return x
